"""BudgetAccounts: the accounts of budgets as Redis keeps them, and how they are rebuilt.

Nothing is admitted on an account that does not know what the ledger has: the first request of a
period, or after Redis lost it, reads the ledger first. While it is read others settle; so rows of
the last minutes are told apart by the id of their request, which Redis remembers for as long.
Because anything may go wrong between two stores (a server that comes back with old data, a
settlement that nobody heard), an account that is used is read anew every `REREAD` seconds, and
before it refuses anybody when it is older than `REREAD_REFUSING`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any, Protocol

from app.errors import DependencyUnavailable
from app.policies.budgets import SHARED_SLOT, Account, Balance, Budget
from app.redis.client import Call, Redis, Script

LEASE = 5.0  # s; a reservation lapses so long after the process that renews it was heard last
RENEW_INTERVAL = 1.0  # s
REMEMBERED = 60.0  # s for which a settlement is known by its id
DOUBTFUL = 30.0  # s after which one that nobody has confirmed is left to the ledger
RECENT = 150.0  # s; rows that may be remembered, with a minute for clocks that differ
REREAD = 300.0  # s
REREAD_REFUSING = 30.0  # s
READ_TIMEOUT = 10.0  # s in which an account must be there again
POLL_INTERVAL = 0.02  # s between looks at what another process reads
NOTED_AT_ONCE = 200  # rows in one call: Redis is held for 1 ms

_source = resources.files("app.policies")
LIBRARY = _source.joinpath("budgets.lua").read_text()
ACCOUNT = Script(LIBRARY + _source.joinpath("budget_account.lua").read_text())
# The mark of a server that has its data: when it was first seen. An emptied one has none.
ARRIVE = Script("""
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2])
return redis.call('SET', KEYS[1], now, 'NX')
""")


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be reserved of an account for one request; `had` of it already was."""

    account: Account
    amount: int
    had: int = 0


class SpentRow(Protocol):
    """What a request took of a model by the ledger, or a sum of such. made: Unix seconds."""

    @property
    def content_id(self) -> str: ...

    @property
    def made(self) -> float: ...

    @property
    def tokens(self) -> int: ...

    @property
    def nano_usd(self) -> int: ...


class SpentRows(Protocol):
    """Who reads the ledger: the sum of the rows that hold what `where` says of their columns, and
    in the same breath those that were made since a moment."""

    def read(
        self, where: Mapping[str, str], begins: datetime, ends: datetime, since: float
    ) -> Awaitable[tuple[SpentRow, Sequence[SpentRow]]]: ...


@dataclass(frozen=True, slots=True)
class Reply:
    """How an account was found. `age`: seconds since the ledger was read for it; None: it was not.

    crossed: whoever hears it is to tell that the budget was.
    """

    balance: Balance
    age: float | None
    crossed: bool

    @classmethod
    def of(cls, account: Account, found: Sequence[Any]) -> Reply:
        spent, held, age, crossed = map(int, found[:4])
        built = None if age < 0 else age / 1e6
        return cls(Balance(account, spent, held), built, bool(crossed))


@dataclass(frozen=True, slots=True)
class Begun:
    """What became of a step of reading the ledger: go, wait for `turn` microseconds, or built.

    at: Redis's time, in Unix seconds.
    """

    state: str
    turn: int
    at: float

    @classmethod
    def of(cls, found: Sequence[Any]) -> Begun:
        *_, state, turn, now = found
        return cls(state.decode(), int(turn), int(now) / 1e6)


# -- what is done to one account, as calls
def _call(account: Account, what: str, *args: Any, mark: str | None = None) -> Call:
    keys = [*account.keys, mark] if mark else [*account.keys]
    return Call(ACCOUNT, keys, [what, account.expires_at, *args])


def settling(account: Account, request: str, amount: int) -> Call:
    """What was reserved for the request goes, and what it took stays; once, however often."""
    threshold = account.budget.threshold
    return _call(account, "settle", threshold, _microseconds(REMEMBERED), request, amount)


def releasing(account: Account, request: str) -> Call:
    """What was reserved for the request goes; more of it may come."""
    return _call(account, "release", request)


def doubting(account: Account, request: str) -> Call:
    """What was reserved for the request goes; what it took the ledger must tell."""
    return _call(account, "doubt", request)


def renewing(account: Account, amounts: Iterable[tuple[str, int]], lease: float) -> Call:
    """These reservations live for a lease from now on; those that are gone are there again."""
    told = [part for pair in amounts for part in pair]
    return _call(account, "renew", _microseconds(lease), *told)


def telling(account: Account) -> Call:
    """It was told that the budget was crossed."""
    return _call(account, "told")


def looking(account: Account) -> Call:
    return _call(account, "look")


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


class BudgetAccounts:
    """One for the process. `rows` reads the ledger; `heard` is within what living processes renew
    what they reserved: on a server that is younger nothing is admitted."""

    def __init__(
        self, redis: Redis, rows: SpentRows, *, heard: float = 1.5 * RENEW_INTERVAL
    ) -> None:
        self._redis, self._rows, self._heard = redis, rows, heard
        self._reading: dict[Account, asyncio.Task[None]] = {}

    async def look(self, accounts: Sequence[Account]) -> list[Balance]:
        """How they stand. Raises `DependencyUnavailable`."""
        if not accounts:
            return []
        replies = await self._redis.run_all([looking(account) for account in accounts])
        found = [Reply.of(a, r) for a, r in zip(accounts, replies, strict=True)]
        unbuilt = [r.balance.account for r in found if r.age is None]
        if not unbuilt:
            return [r.balance for r in found]
        await self.build(unbuilt)
        return await self.look(accounts)

    async def build(self, accounts: Iterable[Account], *, again: bool = False) -> None:
        """Have what the ledger says of these; `again`: also where it was read before.

        Raises:
            DependencyUnavailable: Redis or the database is away.
        """
        tasks = [self._task(account, again) for account in dict.fromkeys(accounts)]
        await asyncio.gather(*(asyncio.shield(task) for task in tasks))

    def reread(self, account: Account) -> None:
        """Have it read anew beside what goes on."""
        self._task(account, again=True)

    async def close(self) -> None:
        for task in (tasks := list(self._reading.values())):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _task(self, account: Account, again: bool) -> asyncio.Task[None]:
        """One reading of an account at a time, whoever waits for it."""
        if (task := self._reading.get(account)) is None:
            task = asyncio.create_task(self._build(account, again), name="budget")
            self._reading[account] = task
            task.add_done_callback(lambda done: self._read(account, done))
        return task

    def _read(self, account: Account, task: asyncio.Task[None]) -> None:
        del self._reading[account]
        if not task.cancelled():
            task.exception()  # whoever waited has it

    async def _build(self, account: Account, again: bool) -> None:
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                while not await self._tried(account, again):
                    continue
        except TimeoutError:
            raise DependencyUnavailable("database") from None

    async def _tried(self, account: Account, again: bool) -> bool:
        begun = await self._do(self._beginning(account, again))
        if begun.state == "built":
            return True
        if begun.state == "go" and await self._rebuilt(account, begun.turn, begun.at):
            return True
        await asyncio.sleep(begun.turn / 1e6 if begun.state == "wait" else POLL_INTERVAL)
        return False

    async def arrive(self) -> None:
        """Note when the server was first seen, should nobody have."""
        with contextlib.suppress(DependencyUnavailable):
            await self._redis.run(ARRIVE, [_mark(SHARED_SLOT)], [])

    def _beginning(self, account: Account, again: bool) -> Call:
        """In a cluster each master may lose its data alone: there each user has a mark."""
        slot = account.slot if self._redis.clustered else SHARED_SLOT
        wait = _microseconds(self._heard)
        return _call(account, "begin", int(again), wait, mark=_mark(slot))

    async def _rebuilt(self, account: Account, turn: int, now: float) -> bool:
        """Whether what was read is the account's now, and not another process's."""
        since = now - RECENT
        total, recent = await self._rows.read(account.scope, account.begins, account.ends, since)
        noted = list(_noted(account.budget, recent, now))
        for begin in range(0, len(noted), NOTED_AT_ONCE):
            some = [part for row in noted[begin : begin + NOTED_AT_ONCE] for part in row]
            await self._do(_call(account, "note", *some))
        done = await self._do(_call(account, "finish", turn, _amount(account.budget, total)))
        return done.state == "built"

    async def _do(self, call: Call) -> Begun:
        return Begun.of(await self._redis.run(call.script, call.keys, call.args))


def _mark(slot: str) -> str:
    return f"{slot}:budgets"


def _noted(budget: Budget, rows: Sequence[SpentRow], now: float) -> Iterator[tuple[str, int, int]]:
    """Each request with what it took, and for how long it is remembered (0: no longer)."""
    amounts: dict[str, int] = {}
    made: dict[str, float] = {}
    for row in rows:  # one for each model that a request called
        amounts[row.content_id] = amounts.get(row.content_id, 0) + _amount(budget, row)
        made[row.content_id] = max(made.get(row.content_id, 0.0), row.made)
    for content_id, amount in amounts.items():
        left = min(REMEMBERED, made[content_id] + REMEMBERED - now)
        yield content_id, amount, max(0, _microseconds(left))


def _amount(budget: Budget, row: SpentRow) -> int:
    return row.nano_usd if budget.unit == "usd" else row.tokens
