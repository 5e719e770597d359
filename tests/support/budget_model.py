"""A budget's account by brute force: who reserved what, who took what; and a ledger beside it.

The clock is the test's, in microseconds, also Redis's. Living processes renew what they hold; what
a dead one held lapses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from app.caller import Caller
from app.errors import BudgetExceeded
from app.pipeline.admission_call import AdmissionCall
from app.pipeline.reservations import Claims, Reservations, Spender
from app.policies.budget_accounts import (
    BudgetAccounts,
    Claim,
    Reply,
    doubting,
    looking,
    renewing,
    settling,
)
from app.policies.budgets import Account, Balance, Budget, Budgets
from app.policies.limiter import RateLimiter
from app.policies.revocation import Revocations
from app.redis.client import Call
from tests.support.limit_model import ClockedRedis

ALICE = Caller("alice")
LEASE = 5.0
SECOND = 1_000_000
WRITTEN_WITHIN = 10.0  # s


class Row(NamedTuple):
    content_id: str
    made: float
    tokens: int
    nano_usd: int = 0


@dataclass
class FakeLedger:
    """Rows as the database would have them."""

    rows: list[Row] = field(default_factory=list)
    reads: int = 0

    async def read(
        self, where: Mapping[str, str], begins: datetime, ends: datetime, since: float
    ) -> tuple[Row, list[Row]]:
        self.reads += 1
        total = Row("", 0.0, sum(row.tokens for row in self.rows))
        return total, [row for row in self.rows if row.made >= since]


@dataclass
class AccountModel:
    """What must be true of one account of tokens.

    held: what living requests reserved, and dead: what lapses at a moment. taken: what was taken by
    those that are over; untold of them Redis has not heard, unwritten the ledger has no row.
    """

    redis: ClockedRedis
    limit: int
    ledger: FakeLedger = field(default_factory=FakeLedger)
    held: dict[str, int] = field(default_factory=dict)
    dead: dict[str, tuple[int, int]] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    untold: dict[str, int] = field(default_factory=dict)
    unwritten: dict[str, int] = field(default_factory=dict)
    made: int = 0

    def __post_init__(self) -> None:
        budget = Budget("tests", "all", self.limit, unit="tokens")
        budgets = Budgets([budget])
        [self.account] = budgets.of_call(ALICE, "gpt", datetime.now(UTC))
        self.accounts = BudgetAccounts(self.redis, self.ledger, heard=0.0)
        keeper = Reservations(self.redis, budgets, self.accounts, lease=LEASE)
        limiter, revocations = RateLimiter([]), Revocations(self.redis)
        self.call = AdmissionCall(self.redis, limiter, revocations, reservations=keeper)

    @property
    def seconds(self) -> float:
        return self.redis.now / SECOND

    @property
    def reserved(self) -> int:
        return sum(self.held.values()) + sum(amount for amount, _ in self.dead.values())

    @property
    def spent(self) -> int:
        return sum(self.taken.values())

    def name(self) -> str:
        self.made += 1
        return str(UUID(int=self.made))

    async def do(self, call: Call) -> Reply:
        return Reply.of(self.account, await self.redis.run(call.script, call.keys, call.args))

    async def claim(self, request: str, amount: int) -> bool:
        """Whether so much can be reserved in all for the request."""
        spender = Spender(ALICE, request, datetime.now(UTC))
        claim = Claim(self.account, amount, self.held.get(request, 0))
        try:
            await self.call.spend(ALICE, (), claims=Claims(spender, (claim,), LEASE))
        except BudgetExceeded:
            return False
        self.held[request] = amount
        return True

    async def balance(self) -> Balance:
        [found] = await self.accounts.look([self.account])
        return found

    # -- what happens to requests
    def over(self, request: str, amount: int) -> None:
        """It took so much; nobody has heard of it."""
        self.held.pop(request)
        self.taken[request] = self.untold[request] = self.unwritten[request] = amount

    async def tell(self, request: str, times: int = 1) -> None:
        for _ in range(times):
            await self.do(settling(self.account, request, self.taken[request]))
        self.untold.pop(request, None)

    def write(self, request: str) -> None:
        self.ledger.rows.append(Row(request, self.seconds, self.unwritten.pop(request)))

    async def doubt(self, request: str) -> None:
        """Nobody knows whether Redis heard of it; the ledger does."""
        if request in self.unwritten:
            self.write(request)
        await self.do(doubting(self.account, request))
        self.untold.pop(request)

    def die(self, request: str) -> None:
        """Its process was killed: what it spent nobody will ever know."""
        self.dead[request] = self.held.pop(request), self.redis.now + round(LEASE * SECOND)

    async def renew(self) -> None:
        if self.held:
            await self.do(renewing(self.account, self.held.items(), LEASE))

    async def pass_time(self, seconds: float) -> None:
        """As processes live through it: told and renewed each second, written in far less than what
        was settled is remembered."""
        for request in list(self.untold):
            await self.tell(request)
        if seconds > WRITTEN_WITHIN:
            for request in list(self.unwritten):
                self.write(request)
        end = self.redis.now + round(seconds * SECOND)
        while self.redis.now < end:
            self.redis.now = min(end, self.redis.now + (4 if self.held else 1000) * SECOND)
            await self.renew()
        self.dead = {r: (a, at) for r, (a, at) in self.dead.items() if at > self.redis.now}

    async def lose(self) -> None:
        """Redis is emptied; then living processes renew what they hold."""
        for request in list(self.unwritten):
            self.write(request)
        for request in list(self.untold):
            await self.tell(request)
        await self.redis.call("FLUSHDB", budget=5.0)
        self.dead.clear()
        await self.renew()

    async def read_again(self) -> None:
        await self.accounts.build([self.account], again=True)

    async def look(self) -> Reply:
        return await self.do(looking(self.account))

    def other(self, **changed: Any) -> Account:
        return replace(self.account, **changed)
