"""Budgets: how much money or how many tokens models may take in a day or a month.

What a budget has left is an account of its owner and period: one user's, a tier's, a model's, or
everybody's. Before a model is called, the most that the call can take is reserved of every budget
that covers it; when the request is over, what it really took is settled in its place. So spent and
reserved together never exceed the budget, whatever runs side by side. The accounts are kept in
Redis (`budget_accounts.py`); the truth that they are rebuilt from is the ledger, in the database.

Amounts are whole numbers: billionths of a US dollar, or tokens.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from app.caller import Caller
from app.errors import BudgetExceeded
from app.redis.client import user_slot

NANO = 1_000_000_000  # parts of a US dollar
STORYTELLER = "storyteller"  # takes nothing of any budget
SHARED_SLOT = "loregate:{global}"
GRACE = timedelta(hours=2)  # an account is kept behind its period, for what began in it

Per = Literal["user", "tier", "model", "all"]
Unit = Literal["usd", "tokens"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What something takes: tokens, and billionths of a US dollar."""

    tokens: int = 0
    nano_usd: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.tokens + other.tokens, self.nano_usd + other.nano_usd)


NOTHING = Cost()


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` of `unit` in each `period`, for each of what it is `per`.

    tier, model: it counts only calls of these; None: of all. warn_at: the share from which callers
    are warned.
    """

    name: str
    per: Per
    limit: int
    unit: Unit = "usd"
    period: Literal["day", "month"] = "month"
    warn_at: float = 0.8
    tier: str | None = None
    model: str | None = None

    def covers(self, tier: str, model: str) -> bool:
        """Whether such a call counts; the storyteller's never do."""
        fits = self.tier in (None, tier) and self.model in (None, model)
        return fits and model != STORYTELLER

    def amount(self, cost: Cost) -> int:
        return cost.nano_usd if self.unit == "usd" else cost.tokens

    def shown(self, amount: int) -> float | int:
        """An amount as people read it: US dollars or tokens."""
        return amount / NANO if self.unit == "usd" else amount

    @property
    def threshold(self) -> int:
        """What is spent when callers begin to be warned."""
        return math.ceil(self.limit * self.warn_at)

    def begins(self, at: datetime) -> datetime:
        """When the period of this moment began, by UTC's calendar."""
        day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return day if self.period == "day" else day.replace(day=1)

    def ends(self, at: datetime) -> datetime:
        """When the next one begins."""
        begun = self.begins(at)
        if self.period == "day":
            return begun + timedelta(days=1)
        return (begun + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Account:
    """A budget of one owner in one period. `owner` is a user, a tier, a model, or empty."""

    budget: Budget
    owner: str
    begins: datetime
    ends: datetime

    @property
    def slot(self) -> str:
        """How its keys begin: a user's stand where everything of theirs does."""
        return user_slot(self.owner) if self.budget.per == "user" else SHARED_SLOT

    @property
    def keys(self) -> tuple[str, str]:
        """Its sums, and when what is in them lapses. A budget that counts otherwise than before is
        another account; another limit is the same one."""
        b = self.budget
        said = "\0".join((b.name, b.per, b.unit, b.tier or "", b.model or "", self.owner))
        digest = hashlib.blake2b(said.encode(), digest_size=12).hexdigest()
        key = f"{self.slot}:budget:{digest}:{b.period}:{self.begins:%Y%m%d}"
        return key, f"{key}:lapses"

    @property
    def renews_at(self) -> str:
        """When the next period begins: RFC 3339."""
        return self.ends.isoformat(timespec="seconds").replace("+00:00", "Z")

    @property
    def expires_at(self) -> int:
        """When Redis may forget it: Unix milliseconds."""
        return round((self.ends + GRACE).timestamp() * 1000)

    def counts(self, tier: str, model: str) -> bool:
        """Whether what a request of its owner took of this model is the account's."""
        own = self.budget.per != "model" or self.owner == model
        return own and self.budget.covers(tier, model)

    @property
    def scope(self) -> Mapping[str, str]:
        """Whose rows of the ledger it has: the columns that must hold these."""
        b = self.budget
        wanted = {"tier": b.tier, "model": b.model}
        if b.per != "all":
            wanted[_COLUMN[b.per]] = self.owner
        return {column: value for column, value in wanted.items() if value is not None}


_COLUMN = {"user": "user_id", "tier": "tier", "model": "model"}


@dataclass(frozen=True, slots=True)
class Balance:
    """How an account stands. `spent` is settled, `reserved` is of calls that are under way."""

    account: Account
    spent: int = 0
    reserved: int = 0

    @property
    def remaining(self) -> int:
        return max(0, self.account.budget.limit - self.spent - self.reserved)

    @property
    def share(self) -> float:
        """How much of the budget is spent."""
        return self.spent / self.account.budget.limit

    @property
    def warns(self) -> bool:
        return self.spent >= self.account.budget.threshold

    def refusal(self, now: float, wanted: int) -> BudgetExceeded:
        """Why a call that may take so much cannot be made; `now` in Unix seconds.

        When only what is reserved stands in the way, another try may be let in within seconds.
        """
        budget, ends = self.account.budget, self.account.ends
        renews = max(1.0, ends.timestamp() - now)
        passing = self.spent + wanted <= budget.limit
        return BudgetExceeded(
            budget.name,
            unit=budget.unit,
            spent=budget.shown(self.spent),
            reserved=budget.shown(self.reserved),
            limit=budget.shown(budget.limit),
            renews_at=self.account.renews_at,
            retry_after=min(renews, RESERVED_RETRY_AFTER) if passing else renews,
        )


RESERVED_RETRY_AFTER = 5.0  # s; by then a dead process's reservations have lapsed


class Budgets:
    """Those that are configured. `tier_of` says by which tier a caller's limits are counted."""

    def __init__(
        self, budgets: Iterable[Budget] = (), *, tier_of: Callable[[Caller], str] | None = None
    ) -> None:
        self._budgets = tuple(budgets)
        self._tier_of = tier_of or (lambda caller: caller.tier)

    def __bool__(self) -> bool:
        return bool(self._budgets)

    def __iter__(self) -> Iterator[Budget]:
        return iter(self._budgets)

    def tier(self, caller: Caller) -> str:
        """The tier that the caller's calls count for."""
        return self._tier_of(caller)

    def of_call(self, caller: Caller, model: str, at: datetime) -> list[Account]:
        """The accounts that a call of this model counts for; `at`: when its request began."""
        tier = self.tier(caller)
        found = (b for b in self._budgets if b.covers(tier, model))
        return [_account(b, _owner(b, caller.id, tier, model), at) for b in found]

    def of_caller(self, caller: Caller, models: Iterable[str], at: datetime) -> list[Account]:
        """All accounts that some call of the caller's could count for."""
        found = (account for m in models for account in self.of_call(caller, m, at))
        return list(dict.fromkeys(found))


def _owner(budget: Budget, user_id: str, tier: str, model: str) -> str:
    return {"user": user_id, "tier": tier, "model": model, "all": ""}[budget.per]


def _account(budget: Budget, owner: str, at: datetime) -> Account:
    return Account(budget, owner, budget.begins(at), budget.ends(at))
