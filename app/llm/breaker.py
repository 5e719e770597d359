"""Circuit breaker: a model that fails is left alone until a probe finds it well, by all gateways.

It opens after three failures in a row, or when half of at least twenty outcomes in the last 30 s
failed; at once, and for five minutes, when the provider says what only a person can mend. While it
is open nobody is let in. The first probe comes within 5 s, the next ones each within 8 s, none
sooner than the provider asked: a request of the gateway's own, never a caller's (see `probes`),
by one process of all. One that succeeds closes the breaker. Half open is one whose probe is due or
under way.

A breaker belongs to what fails together, such as an upstream model: several models may share one.

Redis holds what all gateways know. A failure is told at once, successes by a task that also hears
the others, so a healthy model costs no round trip in a request's way. Times go to and fro as
durations, and the script reads the server's clock: gateways whose clocks differ still agree.
Without Redis each process goes by the same rules on what it saw itself; when Redis is back, an
open breaker is everybody's until a probe succeeds. A server that lost its data is taken for
closed, except by a process whose own breaker is open: that one tells the others. Why it is our own
stands in docs/decisions/0010-own-breaker.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any

from app.errors import DependencyUnavailable
from app.llm.breaker_sync import SLOTS, FailureWindow, SyncMark, UnsentReport
from app.llm.failure import AttemptFailed
from app.operations.metadata import AttemptOutcome
from app.redis.client import Redis, Script

SYNC_INTERVAL = 0.2  # s between two words with Redis while there is something to tell or to hear
IDLE_SYNC_INTERVAL = 1.0  # s; how late a gateway that calls nothing hears of another's failures
MAX_PROBE_WAIT = 5.0  # s; the longest that somebody is told to wait for a probe that is under way
MIN_RETRY_AFTER = 1.0  # s; waiting for less is not worth telling

BREAKER = Script(resources.files("app.llm").joinpath("breaker.lua").read_text())

Clock = Callable[[], float]
# Its own: hypothesis takes the module's one for the test's.
_random = random.Random()
log = logging.getLogger(__name__)


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Times in seconds. `lease` is longer than any probe: a prober that died is followed after it.

    `first` and `next` are the waits for a probe, and `jitter` the share by which each may be
    shorter. `asked` is the longest wait that a provider's answer may ask for, `lasting` the wait
    where a person must mend something.
    """

    failures: int = 3
    window: float = 30.0
    outcomes: int = 20
    first: float = 5.0
    next: float = 8.0
    jitter: float = 0.2
    asked: float = 60.0
    lasting: float = 300.0
    lease: float = 20.0

    def waits(self) -> tuple[float, float]:
        """For the first probe and for the next, drawn anew each time."""
        share = 1 - self.jitter * _random.random()
        return self.first * share, self.next * share

    def as_args(self) -> tuple[int, ...]:
        times = (*self.waits(), self.lease)
        return (self.failures, _ms(self.window / SLOTS), self.outcomes, *map(_ms, times))


DEFAULT_POLICY = BreakerPolicy()


class Ticket:
    """A call or probe that was let in. One of the three is told of it, once, and nothing after.

    None of them raises (but for the caller's cancellation), or waits longer than for Redis.
    """

    __slots__ = ("_breaker", "_told", "probe", "round")

    def __init__(self, breaker: Breaker, round: int, probe: str = "") -> None:
        self._breaker, self._told = breaker, False
        self.round, self.probe = round, probe

    async def succeeded(self) -> None:
        if self._first():
            await self._breaker.settle(self, failed=False)

    async def failed(self, retry_after: float | None = None, *, lasting: bool = False) -> bool:
        """Whether the breaker has opened, and this is the first of the process to say so.

        `retry_after`: seconds for which the provider asked to be left alone. `lasting`: no waiting
        helps, a person must mend it.
        """
        if not self._first():
            return False
        return await self._breaker.settle(
            self, failed=True, retry_after=retry_after, lasting=lasting
        )

    async def released(self) -> None:
        """The call says nothing about the model; never waits, so a cancelled task may tell it."""
        if self._first():
            self._breaker.give_back(self)

    def _first(self) -> bool:
        first, self._told = not self._told, True
        return first


class Breaker:
    """One of them, as this process knows it."""

    def __init__(self, name: str, policy: BreakerPolicy, now: Clock, breakers: Breakers) -> None:
        self.name = name
        self._policy, self._now, self._breakers = policy, now, breakers
        self._failures = 0  # in a row
        self._ends: float | None = None  # when a probe may follow. None: closed
        self._length = policy.first  # of the whole wait for it
        self._probe: Ticket | None = None
        self._own_lease_end = self._other_lease_end = (
            0.0  # when the lease of the own, of another's probe ends
        )
        self._round = 0  # how often it opened and closed: a call of an earlier round has no say
        self._announced = 0  # the last round whose opening a ticket was told of
        self._opening: asyncio.Future[None] | None = None
        self._window = FailureWindow(policy.window, policy.outcomes)
        self._report = UnsentReport()

    @property
    def state(self) -> BreakerState:
        if self._ends is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._now() < self._ends else BreakerState.HALF_OPEN

    @property
    def opening(self) -> asyncio.Future[None]:
        """The next opening; done while the breaker is open or half open. Not to be cancelled."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_future()
            if self._ends is not None:
                self._opening.set_result(None)
        return self._opening

    @property
    def retry_after(self) -> float:
        """Seconds until it is probed, or a probe under way has ended; 0 when one is due."""
        if self._ends is None:
            return 0.0
        now = self._now()
        if now < self._ends:
            return self._ends - now
        return min(MAX_PROBE_WAIT, max(0.0, self._own_lease_end - now, self._other_lease_end - now))

    def admit(self) -> Ticket:
        """Let one call in.

        Raises:
            AttemptFailed: OPEN; nothing may be called before `retry_after`.
        """
        if self._ends is not None:
            raise self.refusal()
        return Ticket(self, self._round)

    def refusal(self) -> AttemptFailed:
        said = "has failed too often and is left alone for a while"
        return AttemptFailed(
            AttemptOutcome.OPEN, said, retry_after=max(MIN_RETRY_AFTER, self.retry_after)
        )

    async def probe(self) -> Ticket | None:
        """Let the one probe in; None when it is not time, or another gateway has it."""
        if self._ends is None or self.retry_after > 0:
            return None
        # The place is taken here before Redis is asked, so that nobody else of ours asks too.
        ticket = self._probe = Ticket(self, self._round, secrets.token_hex(8))
        self._own_lease_end = self._now() + self._policy.lease
        try:
            granted = await self._breakers.exchange([self], "probe")
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
            self._report.returned = ticket.probe
            self._breakers.sync_soon()

    async def settle(
        self,
        ticket: Ticket,
        failed: bool,
        retry_after: float | None = None,
        lasting: bool = False,
    ) -> bool:
        """Count what became of a call, unless the breaker has opened or closed since it began."""
        if ticket is not self._probe and (self._ends is not None or ticket.round != self._round):
            return False
        self._window.count(self._now(), failed=failed)
        if not failed and self._failures == 0 and self._ends is None:
            self._report.succeeded(self._now())
        else:
            event = ("lasting" if lasting else "failed") if failed else "ok"
            await self._share(ticket, event, self._asked(retry_after, lasting))
        self._breakers.sync_soon()
        news, self._announced = self._announced != self._round, self._round
        return news and self._ends is not None

    def _asked(self, retry_after: float | None, lasting: bool) -> float:
        if lasting:
            return self._policy.lasting
        # It is another's word: what is no number from 0 to the longest is not taken.
        return min(self._policy.asked, max(0.0, retry_after or 0.0))

    async def _share(self, ticket: Ticket, event: str, asked: float) -> None:
        heard = None
        try:
            heard = await self._breakers.exchange([self], event, asked)
        finally:
            if heard is None:  # Redis is away, or the caller was cancelled while it waited
                self._decide(ticket, event, asked)
            self._settled(ticket)

    def _settled(self, ticket: Ticket) -> None:
        if ticket is self._probe:
            self._probe, self._own_lease_end = None, 0.0

    # -- the rules, as breaker.lua has them, on what this process saw
    def _decide(self, ticket: Ticket, event: str, asked: float) -> None:
        self._report.changed()
        first, following = self._policy.waits()
        if ticket is self._probe and event == "ok":
            self._close()
        elif ticket is self._probe:
            self._open(max(following, asked))
        elif self._ends is None:
            self._failures = 0 if event == "ok" else self._failures + 1
            if event == "lasting" or (event == "failed" and self._should_open()):
                self._open(max(first, asked))

    def _should_open(self) -> bool:
        return self._failures >= self._policy.failures or self._window.failing(self._now())

    def _open(self, length: float, left: float | None = None) -> None:
        """The next probe comes in `length` seconds; `left` of them are left, or all."""
        changed = self._ends is None
        self._length, self._ends = length, self._now() + (length if left is None else left)
        if changed:
            if self._opening is not None:
                self._opening.set_result(None)
            self._changed(logging.WARNING, BreakerState.OPEN)

    def _close(self) -> None:
        changed, self._ends = self._ends is not None, None
        if changed:
            self._probe, self._own_lease_end, self._other_lease_end = None, 0.0, 0.0
            self._opening = None
            self._changed(logging.INFO, BreakerState.CLOSED)

    def _changed(self, level: int, state: BreakerState) -> None:
        self._round, self._failures = self._round + 1, 0
        self._window.clear()
        told = {"breaker": self.name, "state": state.value}
        log.log(level, "a circuit breaker has changed", extra=told)

    # -- the words with Redis
    @property
    def needs_sync(self) -> bool:
        """Whether there is something to tell, or worth hearing soon."""
        return bool(self._failures or self._ends is not None or self._report.pending)

    def outgoing(self, event: str, asked: float) -> tuple[SyncMark, list[Any]]:
        """Its part of breaker.lua's arguments, and what tells whether its reply is news."""
        now, report = self._now(), self._report
        left = -1 if self._ends is None else _ms(max(0.0, self._ends - now))
        row = [
            *(event, self._probe.probe if self._probe else "", report.returned),
            *(report.successes, _ms(now - report.succeeded_at), _ms(asked)),
            *(left, _ms(self._length), self._failures, int(report.unsent)),
        ]
        return report.sent(), row

    def receive(self, mark: SyncMark, stamp: int, reply: Sequence[int]) -> None:
        """Take over what all know, unless something newer is known here."""
        if not self._report.news(mark, stamp):
            return
        failures, left, length, lease, _ = reply
        if left < 0:
            self._close()
            self._failures = failures
        else:
            self._other_lease_end = self._now() + lease / 1000
            self._open(length / 1000, left / 1000)


class Breakers:
    """All breakers; from `start()` to `stop()` they hear what other gateways saw."""

    def __init__(
        self,
        redis: Redis | None,
        names: Sequence[str],
        *,
        now: Clock | None = None,
        policy: BreakerPolicy = DEFAULT_POLICY,
    ) -> None:
        """`names` are what the breakers belong to: one each, however often a name is given.

        `now` sets the time, here and in Redis; without it each side has a clock of its own.
        """
        self._redis, self._now = redis, now
        self._policy = policy
        self._breakers = {n: Breaker(n, policy, now or time.monotonic, self) for n in names}
        self._wanted = asyncio.Event()
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
            self._wanted.clear()
            await self.sync()
            await asyncio.sleep(SYNC_INTERVAL)
            if not any(b.needs_sync for b in self._breakers.values()):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_SYNC_INTERVAL - SYNC_INTERVAL):
                        await self._wanted.wait()

    def sync_soon(self) -> None:
        """There is something to tell."""
        self._wanted.set()

    async def sync(self) -> None:
        """Tell and hear about all of them, in one round trip. Redis away: nothing happens."""
        await self.exchange(list(self._breakers.values()))

    async def exchange(
        self, breakers: Sequence[Breaker], event: str = "", asked: float = 0.0
    ) -> bool | None:
        """Whether the first one was granted the probe; None while Redis is away."""
        if self._redis is None or not self._redis.up or not breakers:
            return None
        said = [b.outgoing(event, asked) for b in breakers]
        # One slot for all, so that one script serves them in a cluster too.
        keys = [f"loregate:{{breaker}}:{b.name}" for b in breakers]
        at = "" if self._now is None else _ms(self._now())
        args = [at, *self._policy.as_args(), *(x for _, row in said for x in row)]
        try:
            stamp, *replies = await self._redis.run(BREAKER, keys, args)
        except DependencyUnavailable:
            return None
        for breaker, (mark, _), reply in zip(breakers, said, replies, strict=True):
            breaker.receive(mark, stamp, reply)
        return bool(replies[0][-1])


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
