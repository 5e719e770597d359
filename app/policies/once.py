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
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Protocol

from app.errors import DependencyUnavailable, GatewayError, IdempotencyConflict
from app.policies.cache import (
    CacheStatus,
    CacheUse,
    Wish,
    age,
    cache_key,
    lifetime,
    pack,
    unpack,
)
from app.policies.drafts import Drafts
from app.policies.limits import LEASE, Ask, Mode, Spent
from app.policies.similar import index_key
from app.redis import Call, Redis, Script, user_slot

POLL = 0.05  # s between looks at what another process is making
PATIENCE = 180.0  # s; a maker that renews its lease for longer than that is not waited for
KEY_LIFE = 86_400  # s for which an idempotency key is remembered
KEYED = (Mode.RUNNING, Mode.REPLAY)  # who is to get what its key got
DONE, CACHED = "d", "c"  # how a remembered answer came: it was made, or it was cached

FINISH = Script(resources.files("app.policies").joinpath("finish.lua").read_text())
FORGET = Script(resources.files("app.policies").joinpath("forget.lua").read_text())

Body = dict[str, Any]
Calls = list[Call]
Step = tuple[str, str, Any, int]  # a key, what is done, a value, a life in ms: see finish.lua


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
        """The mark and the answer that the database has for the idempotency key."""

    async def remember(self, mark: str, content_id: str) -> None:
        """Have the database know which answer the idempotency key got."""

    async def take_model(self) -> None:
        """Spend the model's limit, for a request that only now turns out to need it."""


@dataclass(slots=True)
class Flight:
    """An answer that is being made, and how many wait for it."""

    fingerprint: str
    task: asyncio.Task[Made]
    waiting: int = 0
    given_up: bool = False  # nobody may join any more

    async def landed(self) -> Made:
        """Its answer. Whoever leaves lets it go on, unless nobody else waits for it.

        Only those are cancelled here who wished to be: the others' work is never.
        """
        self.waiting += 1
        try:
            return await asyncio.shield(self.task)
        except asyncio.CancelledError:
            if not self.task.done():
                if self.waiting > 1:
                    raise
                self.given_up = True
                self.task.cancel()
                await asyncio.wait({self.task})
            if self.task.cancelled():
                raise
            # It is stored, or was being stored: the cancellation came too late.
            if (current := asyncio.current_task()) is not None:
                current.uncancel()
            return self.task.result()
        finally:
            self.waiting -= 1


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
        self._flights: dict[str, Flight] = {}
        self.drafts = Drafts(redis, now)

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
            body["metadata"]["cached"] = True
            await self._remember(ask, body, maker)
            return Made(body, CacheStatus.HIT, age=max(0.0, self._now() - at))
        if spent.mode is Mode.REPLAY and (first := await self._replay(spent.payload, maker)):
            return first
        # Who waits for a key flies under it: were all of them under the lease, its holder could
        # come to wait for them.
        name = ask.once if spent.mode in KEYED else ask.lease or ask.once
        if name is None:
            status = CacheStatus.MISS if ask.keep else CacheStatus.BYPASS
            return Made(await maker.make(), status)
        return await self._join(name, ask, spent, maker)

    async def _join(self, name: str, ask: Ask, spent: Spent, maker: Maker) -> Made:
        """Fly with those of this process that make the same answer, or set off."""
        flight = self._flights.get(name)
        if flight is None or flight.given_up:
            task = asyncio.create_task(self._fly(ask, spent, maker), name="answer")
            flight = self._flights[name] = Flight(ask.fingerprint, task)
            task.add_done_callback(lambda _: self._landed(name, task))
            return await flight.landed()
        if flight.fingerprint != ask.fingerprint:
            raise IdempotencyConflict
        if spent.mode is Mode.LEAD:
            # The flight may itself be waiting for what this request was just given to lead.
            await self._tell(_calls([s for s in _held(ask) if s[0] == name]))
        try:
            made = await flight.landed()
        except GatewayError:
            await self._tell(_calls(_held(ask)))  # its key may be tried again
            raise
        await self._remember(ask, made.body, maker)
        return Made(made.body, CacheStatus.COALESCED)

    def _landed(self, name: str, task: asyncio.Task[Made]) -> None:
        if (flight := self._flights.get(name)) is not None and flight.task is task:
            del self._flights[name]
        if not task.cancelled():
            task.exception()  # whoever waited has it; if all have left, nobody needs it

    async def _fly(self, ask: Ask, spent: Spent, maker: Maker) -> Made:
        if spent.mode is not Mode.LEAD:
            with contextlib.suppress(DependencyUnavailable):  # without Redis each makes its own
                made = await self._follow(ask, spent.mode, maker)
                if made is not None:
                    return made
        return await self._lead(ask, maker, admitted=spent.mode is Mode.LEAD)

    async def _lead(self, ask: Ask, maker: Maker, *, admitted: bool) -> Made:
        renewing = asyncio.create_task(self._renew(ask), name="lease")
        try:
            if ask.once is not None and (first := await maker.first_answer()) is not None:
                return self._aged(await self.again(ask, *first))
            if not admitted:
                await maker.take_model()
            body = await maker.make()
        except BaseException:
            await self._tell(_calls(_held(ask)))
            raise
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        return Made(body, CacheStatus.MISS if ask.keep else CacheStatus.BYPASS)

    async def again(self, ask: Ask, known: str, body: Body) -> Body:
        """The first answer to the key, which the database knew and Redis did not.

        Raises:
            IdempotencyConflict: it answered another request.
        """
        if known[1:] != ask.fingerprint:
            raise IdempotencyConflict
        body["metadata"]["cached"] = known[:1] == CACHED
        await self._tell(self.finish(ask, body, worth_keeping=False))
        return body

    async def _replay(self, held: bytes, maker: Maker) -> Made | None:
        """The answer that an idempotency key leads to; None when it was deleted."""
        body = await maker.load(held[33:].decode())
        if body is None:
            return None
        body["metadata"]["cached"] = held[:1] == CACHED.encode()
        return self._aged(body)

    def _aged(self, body: Body) -> Made:
        return Made(body, CacheStatus.HIT, age(body, self._now()))

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
        keyed = mode in KEYED
        oldest = self._now() - ask.max_age  # what was too old when it was asked for still is
        end = asyncio.get_running_loop().time() + self._patience
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(POLL)
            if keyed:
                held = await self._redis.call("GET", ask.once)
                if held is not None and held[:1] != b"r":
                    return await self._replay(held, maker)
            else:
                value, held = await self._redis.call("MGET", ask.cached, ask.lease)
                kept = unpack(value) if value is not None else None
                if kept is not None and kept[1] >= oldest:
                    await self._remember(ask, kept[0], maker)
                    return Made(kept[0], CacheStatus.COALESCED)
            if held is None and await self._take_over(ask, keyed=keyed):
                return None
        return None

    async def _take_over(self, ask: Ask, *, keyed: bool) -> bool:
        """Whether this request is the one that makes it now."""
        name, value = (ask.once, _running(ask)) if keyed else (ask.lease, ask.who)
        taken = await self._redis.call("SET", name, value, "NX", "PX", round(LEASE * 1000))
        return bool(taken)

    def finish(self, ask: Ask, body: Body, *, worth_keeping: bool) -> Calls:
        """What tells the others that the answer is there; goes with the publishing."""
        steps: list[Step] = []
        where = made_key(ask.slot, body["content_id"])
        if ask.keep is not None and worth_keeping:
            value = pack(body, self._now())
            if value is not None:
                life = lifetime(ask.ttl)
                steps = [(ask.keep, "keep", value, life), (where, "note", ask.keep, life)]
        if ask.lease is not None:
            steps.append((ask.lease, "free", ask.who, 0))
        return _calls([*steps, *self._done(ask, body)])

    def _done(self, ask: Ask, body: Body) -> list[Step]:
        if ask.once is None:
            return []
        where = made_key(ask.slot, body["content_id"])
        value, life = f"{mark(ask, body)}{body['content_id']}", KEY_LIFE * 1000
        return [(ask.once, "keep", value, life), (where, "note", ask.once, life)]

    async def _tell(self, calls: Calls) -> None:
        if calls:
            with contextlib.suppress(DependencyUnavailable):  # leases lapse by themselves
                await self._redis.run_all(calls)

    async def _remember(self, ask: Ask, body: Body, maker: Maker) -> None:
        """An answer that was not made for this key is its first answer all the same."""
        if ask.once is not None:
            await self._tell(_calls(self._done(ask, body)))
            with contextlib.suppress(DependencyUnavailable):  # one of the two is enough
                await maker.remember(mark(ask, body), body["content_id"])

    async def forget(self, user_id: str, operation: str, content_id: str) -> None:
        """Take an answer out of the cache, the keys and the index of similar requests, at once.

        Raises:
            DependencyUnavailable: nothing was taken out, or all of it.
        """
        keys = [made_key(user_slot(user_id), content_id), index_key(user_id, operation)]
        await self._redis.run(FORGET, keys, [content_id])

    async def close(self) -> None:
        """End what is still being made; nobody waits for it any more."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def made_key(slot: str, content_id: str) -> str:
    """The set of the keys that lead to an answer, for when it is deleted."""
    return f"{slot}:made:{content_id}"


def mark(ask: Ask, body: Body) -> str:
    """How a key's first answer is known: whether it said that it was cached, and for what."""
    return (CACHED if body["metadata"]["cached"] else DONE) + ask.fingerprint


def _held(ask: Ask) -> list[Step]:
    """What gives up the lease and the key, where they are this request's."""
    held = ((ask.lease, ask.who), (ask.once, _running(ask)))
    return [(name, "free", value, 0) for name, value in held if name is not None]


def _running(ask: Ask) -> str:
    return f"r{ask.fingerprint}{ask.who}"


def _calls(steps: Sequence[Step]) -> Calls:
    """The steps as one script's call; none for no steps."""
    args = [x for _, what, value, life in steps for x in (what, value, life)]
    return [Call(FINISH, [key for key, *_ in steps], args)] if steps else []
