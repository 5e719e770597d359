"""Circuit breaker: a model that fails is left alone for a while, by all gateways together.

It opens after three failures in a row, or when half of at least twenty outcomes in the last 30 s
failed. It stays open for 15 s, or for as long as the provider asked; then one call over all
gateways is the probe. Its success closes the breaker, its failure opens it for twice as long.

Redis holds what all gateways know. A failure is told at once, successes by a task that also hears
the others, so a healthy model costs no round trip in a request's way. Times go to and fro as
durations, and the script reads the server's clock: gateways whose clocks differ still agree.
Without Redis each process goes by the same rules on what it saw itself; when Redis is back, an
open breaker is everybody's until a probe succeeds. A server that lost its data is taken for
closed, except by a process whose own breaker is open: that one tells the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any

from app.errors import DependencyUnavailable
from app.llm.base import Failed, Outcome
from app.llm.outcomes import SLOTS, Mark, Post, Window
from app.redis import Redis, Script

SOON = 0.2  # s between two words with Redis while there is something to tell or to hear
CALM = 1.0  # s; how late a gateway that calls nothing hears of another's failures
PROBING = 5.0  # s; the longest that somebody is told to wait for a probe that is under way
MOMENT = 1.0  # s; waiting for less is not worth telling

BREAKER = Script(resources.files("app.llm").joinpath("breaker.lua").read_text())

Clock = Callable[[], float]
log = logging.getLogger(__name__)


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Rules:
    """Times in seconds. `lease` is longer than any call: a prober that died is followed after it.

    `asked` is the longest wait that a provider's answer may ask for.
    """

    failures: int = 3
    window: float = 30.0
    outcomes: int = 20
    opening: float = 15.0
    longest: float = 30.0
    asked: float = 60.0
    lease: float = 75.0

    def as_args(self) -> tuple[int, ...]:
        times = (self.opening, self.longest, self.asked, self.lease)
        return (self.failures, _ms(self.window / SLOTS), self.outcomes, *map(_ms, times))


RULES = Rules()


class Ticket:
    """A call that was let in. One of the three is told of it, once; what comes after is ignored.

    None of them raises (but for the caller's cancellation), or waits longer than for Redis.
    """

    __slots__ = ("_breaker", "_told", "probe", "round")

    def __init__(self, breaker: Breaker, round: int, probe: str = "") -> None:
        self._breaker, self._told = breaker, False
        self.round, self.probe = round, probe

    async def succeeded(self) -> None:
        if self._first():
            await self._breaker.settle(self, failed=False)

    async def failed(self, retry_after: float | None = None) -> None:
        """`retry_after`: seconds for which the provider asked to be left alone."""
        if self._first():
            await self._breaker.settle(self, failed=True, retry_after=retry_after)

    async def released(self) -> None:
        """The call says nothing about the model; never waits, so a cancelled task may tell it."""
        if self._first():
            self._breaker.give_back(self)

    def _first(self) -> bool:
        first, self._told = not self._told, True
        return first


class Breaker:
    """One model's, as this process knows it."""

    def __init__(self, name: str, rules: Rules, now: Clock, breakers: Breakers) -> None:
        self.name = name
        self._rules, self._now, self._breakers = rules, now, breakers
        self._failures = 0  # in a row
        self._ends: float | None = None  # of the opening; a probe may follow. None: closed
        self._length = rules.opening
        self._probe: Ticket | None = None
        self._mine = self._theirs = 0.0  # when the lease of the own, of another's probe ends
        self._round = 0  # how often it opened and closed: a call of an earlier round has no say
        self._window = Window(rules.window, rules.outcomes)
        self._post = Post()

    @property
    def state(self) -> BreakerState:
        if self._ends is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._now() < self._ends else BreakerState.HALF_OPEN

    @property
    def retry_after(self) -> float:
        """Seconds until a call may be let in, as far as is known; 0 when one may now."""
        if self._ends is None:
            return 0.0
        now = self._now()
        if now < self._ends:
            return self._ends - now
        return min(PROBING, max(0.0, self._mine - now, self._theirs - now))

    async def admit(self) -> Ticket:
        """Let one call in.

        Raises:
            Failed: OPEN; nothing may be called before `retry_after`.
        """
        if self._ends is not None and self.retry_after <= 0:
            probing = await self._probing()
            if probing is not None:
                return probing
        if self._ends is None:  # perhaps since another's probe was heard of just now
            return Ticket(self, self._round)
        raise self.refusal()

    def refusal(self) -> Failed:
        said = "has failed too often and is left alone for a while"
        return Failed(Outcome.OPEN, said, retry_after=max(MOMENT, self.retry_after))

    async def _probing(self) -> Ticket | None:
        # The place is taken here before Redis is asked, so that no other call of ours asks too.
        ticket = self._probe = Ticket(self, self._round, secrets.token_hex(8))
        self._mine = self._now() + self._rules.lease
        try:
            granted = await self._breakers.tell([self], "probe")
        except BaseException:  # cancelled; Redis may have granted it already
            self.give_back(ticket)
            raise
        if granted is False:
            self._settled(ticket)
            return None
        return ticket

    # -- what became of a call
    def give_back(self, ticket: Ticket) -> None:
        """The place of a probe that told nothing. Redis hears of it with the next word to it."""
        if ticket is self._probe:
            self._settled(ticket)
            self._post.returned = ticket.probe
            self._breakers.hurry()

    async def settle(self, ticket: Ticket, failed: bool, retry_after: float | None = None) -> None:
        """Count what became of a call, unless the breaker has opened or closed since it began."""
        if ticket is not self._probe and (self._ends is not None or ticket.round != self._round):
            return
        self._window.count(self._now(), failed=failed)
        if not failed and self._failures == 0 and self._ends is None:
            self._post.succeeded(self._now())
        else:
            # `retry_after` is another's word: what is no number from 0 to the longest is not taken.
            asked = min(self._rules.asked, max(0.0, retry_after or 0.0))
            await self._tell(ticket, failed, asked)
        self._breakers.hurry()

    async def _tell(self, ticket: Ticket, failed: bool, asked: float) -> None:
        heard = None
        try:
            heard = await self._breakers.tell([self], "failed" if failed else "ok", asked)
        finally:
            if heard is None:  # Redis is away, or the caller was cancelled while it waited
                self._decide(ticket, failed, asked)
            self._settled(ticket)

    def _settled(self, ticket: Ticket) -> None:
        if ticket is self._probe:
            self._probe, self._mine = None, 0.0

    # -- the rules, as breaker.lua has them, on what this process saw
    def _decide(self, ticket: Ticket, failed: bool, asked: float) -> None:
        self._post.changed()
        rules = self._rules
        if ticket is self._probe and not failed:
            self._close()
        elif ticket is self._probe:
            length = min(2 * self._length, rules.longest)
            self._open(length, max(length, asked))
        elif self._ends is None:
            self._failures = self._failures + 1 if failed else 0
            bad = failed and self._window.bad(self._now())
            if bad or self._failures >= rules.failures:
                self._open(rules.opening, max(rules.opening, asked))

    def _open(self, length: float, left: float) -> None:
        """For `left` seconds from now; the next opening is twice as long as `length`."""
        changed = self._ends is None
        self._length, self._ends = length, self._now() + left
        if changed:
            self._turn(logging.WARNING, BreakerState.OPEN)

    def _close(self) -> None:
        changed, self._ends = self._ends is not None, None
        if changed:
            self._probe, self._mine, self._theirs = None, 0.0, 0.0
            self._turn(logging.INFO, BreakerState.CLOSED)

    def _turn(self, level: int, state: BreakerState) -> None:
        self._round, self._failures = self._round + 1, 0
        self._window.clear()
        told = {"model": self.name, "state": state.value}
        log.log(level, "the circuit breaker of a model has changed", extra=told)

    # -- the words with Redis
    @property
    def restless(self) -> bool:
        """Whether there is something to tell, or worth hearing soon."""
        return bool(self._failures or self._ends is not None or self._post.full)

    def say(self, event: str, asked: float) -> tuple[Mark, list[Any]]:
        """One model's part of breaker.lua's arguments, and what tells whether its reply is news."""
        now, post = self._now(), self._post
        left = -1 if self._ends is None else _ms(max(0.0, self._ends - now))
        row = [
            *(event, self._probe.probe if self._probe else "", post.returned),
            *(post.successes, _ms(now - post.succeeded_at), _ms(asked)),
            *(left, _ms(self._length), self._failures, int(post.unsaid)),
        ]
        return post.sent(), row

    def hear(self, mark: Mark, stamp: int, reply: Sequence[int]) -> None:
        """Take over what all know, unless something newer is known here."""
        if not self._post.news(mark, stamp):
            return
        failures, left, length, lease, _ = reply
        if left < 0:
            self._close()
            self._failures = failures
        else:
            self._theirs = self._now() + lease / 1000
            self._open(length / 1000, left / 1000)


class Breakers:
    """All models' breakers; from `start()` to `stop()` they hear what other gateways saw."""

    def __init__(
        self,
        redis: Redis | None,
        names: Sequence[str],
        *,
        now: Clock | None = None,
        rules: Rules = RULES,
    ) -> None:
        """`now` sets the time, here and in Redis; without it each side has a clock of its own."""
        self._redis, self._now = redis, now
        self._args = rules.as_args()
        self._breakers = {n: Breaker(n, rules, now or time.monotonic, self) for n in names}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __getitem__(self, name: str) -> Breaker:
        return self._breakers[name]

    def start(self) -> None:
        if self._redis is not None and self._breakers:
            self._task = asyncio.create_task(self._run(), name="breakers")

    async def stop(self) -> None:
        """Says a last word: what was counted, and the places of probes that were given back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self.sync()

    async def _run(self) -> None:
        while True:
            self._news.clear()
            await self.sync()
            await asyncio.sleep(SOON)
            if not any(b.restless for b in self._breakers.values()):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CALM - SOON):
                        await self._news.wait()

    def hurry(self) -> None:
        """There is something to tell."""
        self._news.set()

    async def sync(self) -> None:
        """Tell and hear about all models, in one round trip. Redis away: nothing happens."""
        await self.tell(list(self._breakers.values()))

    async def tell(
        self, breakers: Sequence[Breaker], event: str = "", asked: float = 0.0
    ) -> bool | None:
        """Whether the first one was granted the probe; None while Redis is away."""
        if self._redis is None or not self._redis.up or not breakers:
            return None
        said = [b.say(event, asked) for b in breakers]
        # One slot for all, so that one script serves them in a cluster too.
        keys = [f"loregate:{{breaker}}:{b.name}" for b in breakers]
        at = "" if self._now is None else _ms(self._now())
        args = [at, *self._args, *(x for _, row in said for x in row)]
        try:
            stamp, *replies = await self._redis.run(BREAKER, keys, args)
        except DependencyUnavailable:
            return None
        for breaker, (mark, _), reply in zip(breakers, said, replies, strict=True):
            breaker.hear(mark, stamp, reply)
        return bool(replies[0][-1])


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
