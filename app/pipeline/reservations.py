"""Reservations: what requests under way hold of budgets, renewed while they live, settled once.

A reservation is made in the call that admits (`admission_call.py`) and raised before each further
call of a model. This process renews all of its own each second: those of one that died lapse within
`LEASE`. What a request really took is settled with the publishing of its answer, or when it is
over; until Redis has confirmed it, it is told again. What is in doubt for too long is left to the
ledger, by which the account is then read anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from time import monotonic
from typing import Any, Protocol, TypeVar

from app.caller import Caller
from app.errors import DependencyUnavailable
from app.llm.spending import Spending
from app.policies.budget_accounts import (
    DOUBTFUL,
    LEASE,
    RENEW_INTERVAL,
    REREAD,
    BudgetAccounts,
    Claim,
    Reply,
    doubting,
    releasing,
    renewing,
    settling,
)
from app.policies.budgets import NOTHING, Account, Balance, Budgets, Cost
from app.redis.client import Call, Redis

RENEWED_AT_ONCE = 100  # reservations of an account in one call
CALLS_AT_ONCE = 50  # in one round trip
MAX_UNCONFIRMED = 10_000  # settlements; past it the oldest are left to the ledger
MAX_DOUBTED = 10_000  # accounts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spender:
    """Who spends, and on what. began: when the request did, by which its periods are told. The rest
    is what an event tells of the request that a budget was crossed with."""

    caller: Caller
    content_id: str
    began: datetime
    content_type: str = ""
    request_id: str = ""
    model: str = ""
    prompt_version: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """What is to be reserved for one request, all of it or nothing. lease: seconds."""

    spender: Spender
    each: tuple[Claim, ...]
    lease: float

    @property
    def request(self) -> str:
        return self.spender.content_id

    @property
    def keys(self) -> list[str]:
        """For `admission_call.lua`, as `args`."""
        return [key for claim in self.each for key in claim.account.keys]

    @property
    def args(self) -> list[Any]:
        found: list[Any] = []
        for c in self.each:
            budget = c.account.budget
            found += (budget.limit, budget.threshold, c.amount, c.account.expires_at)
        return [*found, self.request, round(self.lease * 1_000_000), len(self.each)]

    @property
    def giving_back(self) -> list[Call]:
        """What frees what was reserved just now, where nothing was before."""
        return [releasing(c.account, self.request) for c in self.each if not c.had]


def by_slot(claims: Claims | None) -> tuple[Claims | None, Claims | None]:
    """The user's own accounts, and those that users share."""
    found = []
    for own in (True, False):
        each = [c for c in claims.each if (c.account.budget.per == "user") is own] if claims else []
        found.append(replace(claims, each=tuple(each)) if claims and each else None)
    return found[0], found[1]


@dataclass(eq=False)
class Reservation:
    """Of one request."""

    keeper: Reservations
    spender: Spender
    spending: Spending
    held: dict[Account, int] = field(default_factory=dict)
    _closed: bool = False
    unconfirmed: dict[Account, int] = field(default_factory=dict)  # what it took, untold as yet
    since: float = 0.0  # when it was told first

    @property
    def request(self) -> str:
        return self.spender.content_id

    def claims(self, model: str, worst: Callable[[], Cost]) -> Claims | None:
        """What one more call of the model needs; None: nothing, or it has that already."""
        spender, each = self.spender, []
        accounts = self.keeper.budgets.of_call(spender.caller, model, spender.began)
        most = worst() if accounts else NOTHING
        for account in accounts:
            needed = self._taken(account) + account.budget.amount(most)
            if needed > (had := self.held.get(account, 0)) or account not in self.held:
                each.append(Claim(account, needed, had))
        return Claims(spender, tuple(each), self.keeper.lease) if each else None

    def _taken(self, account: Account) -> int:
        tier = self.keeper.budgets.tier(self.spender.caller)
        costs = (
            account.budget.amount(Cost(spent.usage.total, spent.nano_usd))
            for model, spent in self.spending
            if account.counts(tier, model)
        )
        return sum(costs)

    def took(self, claims: Claims) -> None:
        """These are reserved now."""
        self.held |= {claim.account: claim.amount for claim in claims.each}
        self.keeper.live[self.request] = self

    def settlement(self) -> list[Call]:
        """What settles it; once. Whoever sends this tells `confirm` what came back."""
        if self._closed:
            return []
        self._closed = True
        self.keeper.live.pop(self.request, None)
        self.unconfirmed = {account: self._taken(account) for account in self.held}
        self.since = self.keeper.now()
        if self.unconfirmed:
            self.keeper.waits(self)
        return self.calls()

    def calls(self) -> list[Call]:
        return [settling(a, self.request, amount) for a, amount in self.unconfirmed.items()]

    def confirm(self, replies: Sequence[Any]) -> None:
        """These are the replies to `calls`."""
        accounts = list(self.unconfirmed)
        found = [Reply.of(a, r) for a, r in zip(accounts, replies, strict=True)]
        self.keeper.confirmed(self)
        self.keeper.heard(found, self.spender)


class BudgetMetrics(Protocol):
    """Who counts for metrics."""

    def budget_used(self, name: str, ratio: float) -> None: ...

    def budget_refused(self, name: str) -> None: ...


class Warnings(Protocol):
    """Who tells that a budget is nearly spent."""

    def crossed(self, reply: Reply, spender: Spender) -> None:
        """It warns from now on; `spender` is with whom it was noticed."""

    async def close(self) -> None: ...


class Reservations:
    """One for the process."""

    def __init__(
        self,
        redis: Redis,
        budgets: Budgets,
        accounts: BudgetAccounts,
        *,
        metrics: BudgetMetrics | None = None,
        warnings: Warnings | None = None,
        lease: float = LEASE,
        every: float = RENEW_INTERVAL,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.budgets, self.accounts, self.lease, self.now = budgets, accounts, lease, now
        self._redis, self._metrics, self._warnings, self._every = redis, metrics, warnings, every
        self.live: dict[str, Reservation] = {}
        self._unconfirmed: dict[str, Reservation] = {}
        self._doubted: dict[Account, str] = {}
        self._task: asyncio.Task[None] | None = None

    def __bool__(self) -> bool:
        return bool(self.budgets)

    def of(self, spender: Spender, spending: Spending) -> Reservation:
        """A request's, which has nothing yet."""
        return Reservation(self, spender, spending)

    def heard(self, replies: Sequence[Reply], spender: Spender) -> None:
        """So accounts were found."""
        for reply in replies:
            account = reply.balance.account
            if self._metrics is not None:
                self._metrics.budget_used(account.budget.name, reply.balance.share)
            if reply.crossed and self._warnings is not None:
                self._warnings.crossed(reply, spender)
            if reply.age is not None and reply.age > REREAD:
                self.accounts.reread(account)

    async def balances(self, caller: Caller, models: Iterable[str]) -> list[Balance]:
        """How the budgets stand that a call of the caller's could count for.

        Raises:
            DependencyUnavailable
        """
        accounts = self.budgets.of_caller(caller, models, datetime.now(UTC))
        return await self.accounts.look(accounts)

    def refused(self, budget: str) -> None:
        if self._metrics is not None:
            self._metrics.budget_refused(budget)

    # -- what is told until it is heard
    def waits(self, reservation: Reservation) -> None:
        self._unconfirmed[reservation.request] = reservation
        if len(self._unconfirmed) > MAX_UNCONFIRMED:
            self._doubt(next(iter(self._unconfirmed.values())))

    def confirmed(self, reservation: Reservation) -> None:
        self._unconfirmed.pop(reservation.request, None)

    def _doubt(self, reservation: Reservation) -> None:
        self.confirmed(reservation)
        self._doubted |= dict.fromkeys(reservation.unconfirmed, reservation.request)
        while len(self._doubted) > MAX_DOUBTED:
            self._doubted.pop(next(iter(self._doubted)))

    @property
    def unconfirmed(self) -> int:
        """Requests whose settlement Redis has not confirmed."""
        return len(self._unconfirmed) + len(self._doubted)

    # -- what goes on beside the requests
    def start(self) -> None:
        if self.budgets:
            self._task = asyncio.create_task(self._run(), name="budgets")

    async def stop(self) -> None:
        """Ends the renewing; what is not settled yet is told once more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._settle_again(waited=0.0)
            await self.accounts.close()
        if self._warnings is not None:
            await self._warnings.close()

    async def _run(self) -> None:
        while True:
            await self.round()
            await asyncio.sleep(self._every)

    async def round(self) -> None:
        """Renew what is held, and tell again what was not heard."""
        await self.accounts.arrive()
        await self._each(list(self._renewals()))
        await self._settle_again(waited=self._every)
        if self._doubted:
            told = list(self._doubted.items())
            replies = await self._each([doubting(a, request) for a, request in told])
            for (account, _), reply in zip(told, replies, strict=True):
                if not isinstance(reply, DependencyUnavailable):
                    self._doubted.pop(account, None)

    def _renewals(self) -> Iterator[Call]:
        by_account: dict[Account, list[tuple[str, int]]] = {}
        for reservation in self.live.values():
            for account, amount in reservation.held.items():
                by_account.setdefault(account, []).append((reservation.request, amount))
        for account, amounts in by_account.items():
            for some in _some(amounts, RENEWED_AT_ONCE):
                yield renewing(account, some, self.lease)

    async def _settle_again(self, *, waited: float) -> None:
        now = self.now()
        late = [r for r in self._unconfirmed.values() if now - r.since >= waited]
        for reservation in late:
            if now - reservation.since > DOUBTFUL:
                self._doubt(reservation)
        late = [r for r in late if r.request in self._unconfirmed]
        told = [reservation.calls() for reservation in late]
        replies = iter(await self._each(list(chain.from_iterable(told))))
        for reservation, calls in zip(late, told, strict=True):
            some = [next(replies) for _ in calls]
            if not any(isinstance(reply, DependencyUnavailable) for reply in some):
                reservation.confirm(some)

    async def _each(self, calls: Sequence[Call]) -> list[Any]:
        """The replies, or an error in the place of one; after the first round trip that failed
        nothing more is tried."""
        found: list[Any] = []
        away: DependencyUnavailable | None = None
        for some in _some(calls, CALLS_AT_ONCE):
            found += [away] * len(some) if away else await self._redis.run_each(some)
            away = next((r for r in found if isinstance(r, DependencyUnavailable)), None)
        return found


def _some(all_of: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    for begin in range(0, len(all_of), most):
        yield all_of[begin : begin + most]
