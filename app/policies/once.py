"""Once: equal requests make one answer, and a repeated one gets the answer of the first.

Requests that may share an answer (cacheable ones) form a flight: one makes it, the others wait,
in one process on its task and across processes on its lease in Redis, which the maker renews.
When a maker dies its lease lapses and one of those who wait takes over. An idempotency key works
the same way, and remembers for a day which result it got; the database remembers too, and its
unique key decides where Redis was away. A maker whose own caller leaves goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any, Protocol

from app.errors import DependencyUnavailable, IdempotencyConflict
from app.policies.cache import (
    CacheStatus,
    CacheUse,
    Wish,
    cache_key,
    lifetime,
    pack,
    unpack,
)
from app.policies.limits import LEASE, Ask, Mode, Spent
from app.redis import Call, Redis, Script, user_slot

POLL = 0.05  # s between looks at what another process is making
PATIENCE = 180.0  # s; a maker that renews its lease for longer than that is not waited for
KEY_LIFE = 86_400  # s for which an idempotency key is remembered

FINISH = Script(resources.files("app.policies").joinpath("finish.lua").read_text())

log = logging.getLogger(__name__)

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """An answer, and how it came. `age` is in seconds."""

    body: Body
    status: CacheStatus
    age: float = 0.0


class Maker(Protocol):
    """What `Once` needs of whoever can make the answer."""

    async def make(self) -> Body:
        """A new answer, stored and published."""

    async def load(self, content_id: str) -> Body | None:
        """A stored answer of the caller's."""

    async def first_answer(self) -> tuple[str, Body] | None:
        """The fingerprint and answer that the database has for the idempotency key."""

    async def take_model(self) -> None:
        """Spend the model's limit, for a request that only now turns out to need it."""


class Once:
    """One for the process; holds its flights."""

    def __init__(
        self,
        redis: Redis,
        *,
        patience: float = PATIENCE,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._redis, self._patience, self._now = redis, patience, now
        self._flights: dict[str, tuple[str, asyncio.Task[Made]]] = {}

    def ask(self, user_id: str, fingerprint: str, wish: Wish, use: CacheUse, ttl: float) -> Ask:
        """What to look for, and where to put the answer; `ttl` is how many seconds it is kept."""
        slot, key = user_slot(user_id), wish.idempotency_key
        hashed = hashlib.blake2b(key.encode(), digest_size=16).hexdigest() if key else None
        cached = cache_key(user_id, fingerprint)
        reads = use is CacheUse.USE
        return Ask(
            fingerprint,
            slot,
            who=secrets.token_hex(8),
            cached=cached if reads else None,
            lease=f"{slot}:lease:{fingerprint}" if reads else None,
            keep=cached if use is not CacheUse.BYPASS else None,
            once=f"{slot}:once:{hashed}" if hashed else None,
            max_age=ttl if wish.max_age is None else min(ttl, wish.max_age),
            ttl=ttl,
        )

    async def answer(self, ask: Ask, spent: Spent, maker: Maker) -> Made:
        """The answer to an admitted request.

        Raises:
            IdempotencyConflict: the key was used for another request.
            GatewayError: whatever making the answer raised, for all who waited for it.
        """
        if spent.mode is Mode.CONFLICT:
            raise IdempotencyConflict
        if spent.mode is Mode.HIT and (found := unpack(spent.payload)) is not None:
            body, at = found
            await self._remember(ask, body)
            body["metadata"]["cached"] = True
            return Made(body, CacheStatus.HIT, age=max(0.0, self._now() - at))
        if spent.mode is Mode.REPLAY and (first := await maker.load(spent.payload.decode())):
            return Made(first, CacheStatus.HIT)
        name = ask.lease or ask.once
        if name is None:
            status = CacheStatus.MISS if ask.keep else CacheStatus.BYPASS
            return Made(await maker.make(), status)
        return await self._join(name, ask, spent, maker)

    async def _join(self, name: str, ask: Ask, spent: Spent, maker: Maker) -> Made:
        """Fly with those of this process that make the same answer, or set off."""
        flight = self._flights.get(name)
        if flight is not None:
            fingerprint, task = flight
            if fingerprint != ask.fingerprint:
                raise IdempotencyConflict
            made = await asyncio.shield(task)
            await self._remember(ask, made.body)
            return Made(made.body, CacheStatus.COALESCED)
        task = asyncio.create_task(self._fly(ask, spent, maker), name="answer")
        self._flights[name] = ask.fingerprint, task
        task.add_done_callback(lambda done: self._landed(name, done))
        return await asyncio.shield(task)

    def _landed(self, name: str, task: asyncio.Task[Made]) -> None:
        self._flights.pop(name, None)
        if not task.cancelled():
            task.exception()  # whoever waited has it; if all have left, nobody needs it

    async def _fly(self, ask: Ask, spent: Spent, maker: Maker) -> Made:
        if spent.mode in (Mode.FOLLOW, Mode.RUNNING):
            with contextlib.suppress(DependencyUnavailable):  # without Redis each makes its own
                made = await self._follow(ask, spent.mode, maker)
                if made is not None:
                    return made
        return await self._lead(ask, maker, admitted=spent.mode is Mode.LEAD)

    async def _lead(self, ask: Ask, maker: Maker, *, admitted: bool) -> Made:
        renewing = asyncio.create_task(self._renew(ask), name="lease")
        try:
            if ask.once is not None and (first := await maker.first_answer()) is not None:
                return await self._again(ask, *first)
            if not admitted:
                await maker.take_model()
            body = await maker.make()
        except BaseException:
            await self._tell(self._giving_up(ask))
            raise
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        return Made(body, CacheStatus.MISS if ask.keep else CacheStatus.BYPASS)

    async def _again(self, ask: Ask, fingerprint: str, body: Body) -> Made:
        """The first answer to the key, which the database knows and Redis had lost."""
        if fingerprint != ask.fingerprint:
            raise IdempotencyConflict
        await self._tell(self.finish(ask, body, worth_keeping=False))
        return Made(body, CacheStatus.HIT)

    async def _renew(self, ask: Ask) -> None:
        keys = [k for k in (ask.lease, ask.once) if k is not None]
        while True:
            await asyncio.sleep(LEASE / 3)
            for key in keys:
                with contextlib.suppress(DependencyUnavailable):  # the next round does it
                    await self._redis.call("PEXPIRE", key, round(LEASE * 1000))

    async def _follow(self, ask: Ask, mode: Mode, maker: Maker) -> Made | None:
        """What another process makes; None when it gave up or died, and this one is to lead.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        end = asyncio.get_running_loop().time() + self._patience
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(POLL)
            if mode is Mode.RUNNING:
                found = await self._redis.call("GET", ask.once)
                if found is not None and found[:1] == b"d":
                    body = await maker.load(found[33:].decode())
                    return Made(body, CacheStatus.HIT) if body else None
                held = found is not None
            else:
                value, held = await self._redis.call("MGET", ask.cached, ask.lease)
                if value is not None and (kept := unpack(value)) is not None:
                    await self._remember(ask, kept[0])
                    return Made(kept[0], CacheStatus.COALESCED)
            if not held and await self._take_over(ask, mode):
                return None
        return None

    async def _take_over(self, ask: Ask, mode: Mode) -> bool:
        """Whether this request is the one that makes it now."""
        running = mode is Mode.RUNNING
        name = ask.once if running else ask.lease
        value = f"r{ask.fingerprint}{ask.who}" if running else ask.who
        taken = await self._redis.call("SET", name, value, "NX", "PX", round(LEASE * 1000))
        return bool(taken)

    def finish(self, ask: Ask, body: Body, *, worth_keeping: bool) -> list[Call]:
        """What tells the others that the answer is there; goes with the publishing."""
        value = pack(body, self._now()) if ask.keep is not None and worth_keeping else None
        keys: list[str] = []
        args: list[Any] = []
        life = lifetime(ask.ttl)
        where = made_key(ask.slot, body["content_id"]) if value is not None else None
        for name, what, put, for_ms in (
            (ask.keep, "keep", value, life),
            (where, "keep", (ask.keep or "").encode(), life),
            (ask.lease, "free", b"", 0),
            (ask.once, "keep", _done(ask, body), KEY_LIFE * 1000),
        ):
            if name is not None and put is not None:
                keys.append(name)
                args += [what, put, for_ms]
        return [Call(FINISH, keys, args)] if keys else []

    def _giving_up(self, ask: Ask) -> list[Call]:
        keys = [k for k in (ask.lease, ask.once) if k is not None]
        return [Call(FINISH, keys, ["free", b"", 0] * len(keys))] if keys else []

    async def _tell(self, calls: list[Call]) -> None:
        if calls:
            with contextlib.suppress(DependencyUnavailable):  # leases lapse by themselves
                await self._redis.run_all(calls)

    async def _remember(self, ask: Ask, body: Body) -> None:
        """An answer that was not made for this key is its first answer all the same."""
        if ask.once is not None:
            call = Call(FINISH, [ask.once], ["keep", _done(ask, body), KEY_LIFE * 1000])
            await self._tell([call])

    async def forget(self, user_id: str, content_id: str) -> None:
        """Take an answer out of the cache. Raises `DependencyUnavailable`."""
        where = made_key(user_slot(user_id), content_id)
        cached = await self._redis.call("GET", where)
        if cached is not None:
            await self._redis.call("DEL", cached, where)

    async def close(self) -> None:
        """End what is still being made; nobody waits for it any more."""
        tasks = [task for _, task in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def made_key(slot: str, content_id: str) -> str:
    """Where it stands under which key an answer is cached, for when it is deleted."""
    return f"{slot}:made:{content_id}"


def _done(ask: Ask, body: Body) -> bytes:
    return b"d" + ask.fingerprint.encode() + str(body["content_id"]).encode()
