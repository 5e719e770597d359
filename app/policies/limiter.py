"""How often: limits per model, operation, user and service, decided in one Redis call.

The algorithm is the exact sliding log. A limit's log is a Redis list of the times, in Redis's own
microseconds, of everything it admitted in the last window, oldest first; a Lua script cuts off
what has left the window, compares the length with the limit, and appends, for all limits of a
request at once and for none of them when any refuses. So in no window, wherever it starts, are
more than `max` admitted (any window that ends with an admission was counted at that very
admission), and none is refused while fewer than `max` stand in the log (the log holds nothing
else). Redis runs one script at a time: it stays true for any number of processes. An admission
takes 11 bytes, and the limit bounds their number. Limits over 20,000 a window, and limits that
count tokens, are counted in tenths of the window instead: never too many, and at most a tenth of
a window late in admitting again.

While Redis is away each process keeps its own share (`local.py`), which grows from nothing in one
that never reached Redis. What it admitted then still counts for a window after Redis's return, so
that one that comes back empty grants no third limit.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from typing import Any

from app.caller import Caller
from app.errors import DependencyUnavailable, RateLimited, Unauthenticated
from app.policies.limits import (
    DEFAULT_LIMITS,
    DEFAULT_TIERS,
    LEASE,
    Ask,
    Limit,
    Mode,
    Spent,
    Standing,
)
from app.policies.local import LocalLimiter, owner_of, process_age
from app.redis import Redis, Script, user_slot

TOKENS = 500  # asked for at once; one script of that length takes 100 µs
REMEMBERED = 10_000  # revoked tokens that this process has seen, for when Redis is away

ADMIT = Script(resources.files("app.policies").joinpath("admit.lua").read_text())
GIVE_BACK = Script(resources.files("app.policies").joinpath("giveback.lua").read_text())

log = logging.getLogger(__name__)


def key(limit: Limit, user_id: str) -> str:
    """The limit's key; all keys of one user stand in one slot of a cluster."""
    kind = "steps" if limit.stepped else "log"
    owner = "loregate:{global}" if limit.per == "global" else user_slot(user_id)
    # Logs of unlike windows would cut each other short when a setting changes; hence the window.
    return f"{owner}:limit:{limit.scope}:{limit.window:g}:{kind}"


class RateLimiter:
    """Decides, counts and tells how the limits stand; and reads revocations on the way."""

    def __init__(
        self,
        redis: Redis,
        *,
        limits: Sequence[Limit] = DEFAULT_LIMITS,
        tiers: Mapping[str, float] = DEFAULT_TIERS,
        processes: int = 1,
        now: Callable[[], float] = time.time,
        age: float | None = None,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`processes` is how many share the limits while Redis is away: replicas times workers.

        `age` is for how many seconds this process has lived; None: as the system says.
        `refused` hears the scope of each limit that refused.
        """
        self._refused = refused
        self._redis = redis
        self._tiers = dict(tiers)
        self._standard = self._tiers.get("standard", 1.0)
        self._limits = tuple(limits)
        self._now = now
        lived = process_age() if age is None else age
        self._local = LocalLimiter(processes=processes, now=now, age=lived)
        self._revoked: dict[str, float] = {}
        self._plan = lru_cache(1000)(self._planned)

    def _planned(self, tier: str, targets: tuple[str, ...]) -> tuple[Limit, ...]:
        factor = self._tiers.get(tier, self._standard)
        return tuple(
            limit.for_tier(factor)
            for target in targets
            for limit in self._limits
            if limit.target == target
        )

    def tier(self, caller: Caller) -> str:
        """The caller's tier; one that is not configured is `standard`."""
        return caller.tier if caller.tier in self._tiers else "standard"

    async def spend(
        self,
        caller: Caller,
        targets: tuple[str, ...],
        *,
        requests: int = 1,
        tokens: int = 0,
        ask: Ask | None = None,
    ) -> Spent:
        """Take `requests` (and `tokens`) from every limit on `targets`, or from none of them.

        With `ask`, the same call looks for the answer; a model's limit is then left alone unless
        the model must really be called (`Mode.LEAD`).

        Raises:
            RateLimited: a limit is full; the one with the longest wait is named.
            Unauthenticated: the caller's token has been revoked.
        """
        limits = self._plan(self.tier(caller), targets)
        costs = [tokens if limit.counts == "tokens" else requests for limit in limits]
        try:
            return await self._spend(caller, limits, costs, ask)
        except RateLimited as full:
            self._refused(full.scope)
            raise

    async def _spend(
        self, caller: Caller, limits: Sequence[Limit], costs: Sequence[int], ask: Ask | None
    ) -> Spent:
        if self._redis.clustered:
            return await self._spend_by_slot(caller, limits, costs, ask)
        return await self._spend_here_or_there(caller, limits, costs, ask)

    async def _spend_here_or_there(
        self, caller: Caller, limits: Sequence[Limit], costs: Sequence[int], ask: Ask | None
    ) -> Spent:
        try:
            return await self._spend_at_once(caller, limits, costs, ask)
        except DependencyUnavailable:
            self._refuse_revoked(caller)
            return Spent(self._local.spend(user_slot(caller.id), limits, costs))

    async def look(self, caller: Caller) -> tuple[Standing, ...]:
        """How every limit stands for this caller; nothing is taken."""
        targets = tuple(dict.fromkeys(limit.target for limit in self._limits))
        return (await self.spend(caller, targets, requests=0)).standings

    async def _spend_at_once(
        self, caller: Caller, limits: Sequence[Limit], costs: Sequence[int], ask: Ask | None
    ) -> Spent:
        keys = [key(limit, caller.id) for limit in limits]
        if caller.token_id:
            keys.append(revocation_key(caller.token_id))
        args: list[Any] = [int(caller.token_id is not None), ask.kinds if ask else 0]
        if ask is not None and ask.kinds:
            keys += ask.keys
            age = round(ask.max_age * 1000)
            args += (ask.who, round(LEASE * 1000), age, ask.fingerprint)
        room = [limit.max - self._local.held(user_slot(caller.id), limit) for limit in limits]
        for limit, most, cost in zip(limits, room, costs, strict=True):
            args += (most, _microseconds(limit), cost, int(limit.of_model))
        reply = await self._redis.run(ADMIT, keys, args)
        if reply[0]:
            self._remember(caller)
            raise Unauthenticated("revoked")
        spent = _read(reply, limits, room)
        if any(costs):  # a server that takes no writes can be looked at all the same
            one = owner_of(user_slot(caller.id), limits[0]) if self._redis.clustered else None
            self._local.reached(one)
        return spent

    async def _spend_by_slot(
        self, caller: Caller, limits: Sequence[Limit], costs: Sequence[int], ask: Ask | None
    ) -> Spent:
        """In a cluster: the user's slot, then the shared one; a refusal gives the first back.

        Whichever of them is away is kept here, and the other one goes on.
        """
        if await self.is_revoked(caller):
            raise Unauthenticated("revoked")
        bare = replace(caller, token_id=None)
        priced = list(zip(limits, costs, strict=True))
        own = [(x, c) for x, c in priced if x.per == "user"]
        first = await self._spend_here_or_there(bare, *_unzipped(own), ask)
        shared = [
            (x, 0 if x.of_model and first.mode is not Mode.LEAD else c)
            for x, c in priced
            if x.per == "global"
        ]
        try:
            second = await self._spend_here_or_there(bare, *_unzipped(shared), None)
        except RateLimited:
            for limit, cost in own:
                if first.mode is Mode.LEAD or not limit.of_model:
                    await self.give_back(caller, limit, cost, first.at)
            await self.release(ask, first)
            raise
        by_scope = {s.scope: s for s in first.standings + second.standings}
        ordered = tuple(by_scope[x.scope] for x in limits if x.scope in by_scope)
        return replace(first, standings=ordered, shared_at=second.at)

    async def release(self, ask: Ask | None, spent: Spent) -> None:
        """Let others make the answer that this request was to make. Redis away: they lapse."""
        if ask is None or spent.mode not in (Mode.LEAD, Mode.FOLLOW):
            return
        keys = [ask.once] if spent.mode is Mode.FOLLOW else [ask.lease, ask.once]
        if keys := [k for k in keys if k is not None]:
            with contextlib.suppress(DependencyUnavailable):
                await self._redis.call("DEL", *keys)

    async def spare(self, caller: Caller, target: str, spent: Spent) -> None:
        """Give back the request that was counted for a model which was not called after all."""
        for limit in self._plan(self.tier(caller), (target,)):
            if limit.counts == "requests":
                await self.give_back(caller, limit, 1, spent.when(limit))

    async def settle(
        self, caller: Caller, targets: tuple[str, ...], spent: Spent, *, unused_tokens: int
    ) -> None:
        """Give back tokens that were reserved and not used; without Redis they lapse by time."""
        if unused_tokens <= 0:
            return
        for limit in self._plan(self.tier(caller), targets):
            if limit.counts == "tokens":
                await self.give_back(caller, limit, unused_tokens, spent.when(limit))

    async def give_back(self, caller: Caller, limit: Limit, cost: int, at: str | None) -> None:
        if at is None or cost <= 0:
            return
        try:
            args = [at, _microseconds(limit), cost]
            await self._redis.run(GIVE_BACK, [key(limit, caller.id)], args)
        except DependencyUnavailable:
            log.info("could not give back to a limit; it lapses by itself")

    # -- revocation
    async def is_revoked(self, caller: Caller) -> bool:
        """Whether the token is revoked; without Redis, what was last known."""
        if caller.token_id is None:
            return False
        try:
            found = bool(await self._redis.call("EXISTS", revocation_key(caller.token_id)))
        except DependencyUnavailable:
            return caller.token_id in self._revoked
        if found:
            self._remember(caller)
        return found

    async def revoked(self, token_ids: Collection[str]) -> list[str]:
        """Which of the tokens are revoked, in one round trip for 500 of them.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        found: list[str] = []
        for some in batched(token_ids, 1 if self._redis.clustered else TOKENS):
            marks = await self._redis.call("MGET", *map(revocation_key, some))
            found += [t for t, mark in zip(some, marks, strict=True) if mark is not None]
        return found

    def _remember(self, caller: Caller) -> None:
        if len(self._revoked) >= REMEMBERED:
            now = self._now()
            self._revoked = {t: e for t, e in self._revoked.items() if e > now}
            if len(self._revoked) >= REMEMBERED:
                self._revoked.pop(next(iter(self._revoked)))
        self._revoked[caller.token_id or ""] = caller.expires_at

    def _refuse_revoked(self, caller: Caller) -> None:
        if caller.token_id in self._revoked:
            raise Unauthenticated("revoked")


def batched(found: Collection[str], most: int) -> Iterator[list[str]]:
    rest = list(found)
    for at in range(0, len(rest), most):
        yield rest[at : at + most]


def revocation_key(token_id: str) -> str:
    """Where the Auth Service marks a token as revoked."""
    return f"loregate:revoked:{token_id}"


def _microseconds(limit: Limit) -> int:
    window = round(limit.window * 1_000_000)
    return -window if limit.stepped else window


def _unzipped(
    priced: Sequence[tuple[Limit, int]],
) -> tuple[tuple[Limit, ...], tuple[int, ...]]:
    return tuple(x for x, _ in priced), tuple(c for _, c in priced)


def _read(reply: Sequence[Any], limits: Sequence[Limit], room: Sequence[int]) -> Spent:
    _, refused, now, wait, mode, payload, *rest = reply
    if refused:
        limit = limits[refused - 1]
        raise RateLimited(
            limit.scope, limit.max, limit.window, wait / 1e6, reset_at=(now + wait) / 1e6
        )
    found = Mode(mode.decode())
    standings = tuple(
        Standing(limit.scope, limit.max, max(0, most - count), reset / 1e6, limit.window)
        for limit, most, count, reset in zip(limits, room, rest[::2], rest[1::2], strict=True)
        if found is Mode.LEAD or not limit.of_model  # what was not touched is not shown
    )
    return Spent(standings, str(now), found, payload, shared_at=str(now))
