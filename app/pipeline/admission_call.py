"""What is asked of Redis before anything is done, in one call of one script.

Whether the token was revoked, whether every limit has room, whether the idempotency key or the
cache has the answer, and who is making it: decided together, in Redis's time, and what is taken is
taken all or not at all. What the user got lately is read along, for who leads. A cluster holds the
limits that all users share elsewhere, and is asked twice. While Redis is away each process decides
alone, by its share of the limits.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from app.caller import Caller
from app.errors import BudgetExceeded, DependencyUnavailable, RateLimited
from app.limit_standing import Standing
from app.pipeline.charges import CHARGES, Charges, Kind
from app.pipeline.lookup import Disposition, Lookup, Question
from app.pipeline.reservations import Claims, Reservations, by_slot
from app.policies.budget_accounts import LIBRARY, REREAD_REFUSING, Reply
from app.policies.budgets import Account
from app.policies.limiter import Counts, RateLimiter, refund
from app.policies.limits import Charge, Limit
from app.policies.refusals import Refusals
from app.policies.revocation import Revocations, revocation_key
from app.redis import steps
from app.redis.client import Call, Redis, Script
from app.redis.steps import Step

MAX_READINGS = 3  # of accounts of budgets that must be read first, in one call

_source = resources.files("app.pipeline").joinpath("admission_call.lua").read_text()
SCRIPT = Script("local budgets\n" + _source)
WITH_BUDGETS = Script(LIBRARY + _source)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a request took, and what Redis has of its answer.

    at: Redis's time, under which it was taken; None: this process took it of its own share.
    shared_at: in a cluster, the time of the server that has the limits which all users share.
    payload: the cached value, what the idempotency key holds, or for who leads what the ring holds.
    accounts: how the budgets were found that it has something reserved of.
    """

    charge: Charge
    standings: tuple[Standing, ...]
    at: str | None = None
    shared_at: str | None = None
    disposition: Disposition = Disposition.LEAD
    payload: bytes = b""
    accounts: tuple[Reply, ...] = ()

    @property
    def taken(self) -> list[tuple[Limit, int]]:
        """What of the charge was really taken: a model's part only where it is to be called."""
        led = self.disposition is Disposition.LEAD
        return [(x, cost) for x, cost in self.charge.priced if led or not x.of_model]

    @property
    def lately(self) -> bytes:
        """What the ring holds of what the user got lately (see `app/pipeline/lately.py`)."""
        return self.payload if self.disposition is Disposition.LEAD else b""

    def refunds(self, amounts: Iterable[tuple[Limit, int]]) -> list[Call]:
        """What gives back so much of what was taken."""
        return refund(self.charge.user_id, amounts, self.at, self.shared_at)


class Unread(Exception):
    """The ledger must be read for these accounts. `refusal`: what it comes to where it cannot be,
    for accounts that it was read for before."""

    def __init__(self, accounts: list[Account], refusal: BudgetExceeded | None = None) -> None:
        super().__init__("an account must be read first")
        self.accounts, self.refusal = accounts, refusal


class AdmissionCall:
    """One for the process. `on_refusal` hears the scope of each limit that refused,
    `on_standings` how the others stand."""

    def __init__(
        self,
        redis: Redis,
        limiter: RateLimiter,
        revocations: Revocations,
        *,
        charges: Charges | None = None,
        refusals: Refusals | None = None,
        reservations: Reservations | None = None,
        on_refusal: Callable[[str], None] = lambda _: None,
        on_standings: Callable[[Iterable[Standing]], None] = lambda _: None,
    ) -> None:
        self.charges = Charges() if charges is None else charges
        self.refusals = Refusals() if refusals is None else refusals
        self.redis, self._limiter, self.revocations = redis, limiter, revocations
        self.reservations = reservations
        self._on_refusal, self._on_standings = on_refusal, on_standings

    async def spend(
        self,
        caller: Caller,
        targets: tuple[str, ...],
        *,
        requests: int = 1,
        tokens: int = 0,
        lookup: Lookup | None = None,
        claims: Claims | None = None,
        ring: str | None = None,
    ) -> Decision:
        """Take `requests` (and `tokens`) from every limit on `targets`, or from none of them.

        With `lookup`, the same call looks for the answer; a model's limit is then left alone unless
        the model must really be called (`Disposition.LEAD`); and so are the budgets, of which
        `claims` are reserved. `ring`: the key of what is read along where it must.

        Raises:
            BudgetExceeded: a budget has no room; the one that renews last is named.
            DependencyUnavailable: budgets cannot be asked.
            RateLimited: a limit is full; the one with the longest wait is named.
            Unauthenticated: the caller's token has been revoked.
        """
        charge = self._limiter.charge(caller, targets, requests=requests, tokens=tokens)
        if self.refusals and (known := self._known(charge)) is not None:
            raise self.from_memory(caller, known)
        decide = self._decide_by_slot if self.redis.clustered else self._decide
        try:
            decision = await decide(caller, charge, Question(lookup, ring), claims)
        except RateLimited as full:
            self._on_refusal(full.scope)
            raise
        except BudgetExceeded as full:
            if self.reservations is not None:
                self.reservations.refused(full.budget)
            raise
        self._on_standings(decision.standings)
        return decision

    def foreseen(
        self, caller: Caller, targets: tuple[str, ...], *, requests: int
    ) -> RateLimited | None:
        """How `spend` would refuse so much without asking Redis, if it would."""
        return self._known(self._limiter.charge(caller, targets, requests=requests))

    def _known(self, charge: Charge) -> RateLimited | None:
        parts = _by_slot(charge) if self.redis.clustered else (charge,)
        return next(filter(None, map(self.refusals.of_charge, parts)), None)

    def from_memory(self, caller: Caller, refusal: RateLimited) -> RateLimited:
        """What to raise for it. Raises `Unauthenticated` where that was heard meanwhile."""
        self.revocations.recall(caller)
        self._on_refusal(refusal.scope)
        return refusal

    async def look(self, caller: Caller) -> tuple[Standing, ...]:
        """How every limit stands for this caller; nothing is taken."""
        return (
            await self.spend(caller, self._limiter.targets, requests=CHARGES[Kind.LOOK])
        ).standings

    async def send(self, calls: list[Call]) -> list[Any] | None:
        """Run what gives back and lets go; what Redis does not hear of lapses by itself, or is told
        again. The replies; None where something was not heard."""
        with contextlib.suppress(DependencyUnavailable):
            return await self.redis.run_all(calls) if calls else []
        return None

    async def _decide(
        self, caller: Caller, charge: Charge, question: Question, claims: Claims | None
    ) -> Decision:
        try:
            if claims is None:
                return await self._ask(caller, charge, question)
            return await self._ask_budgets(caller, charge, question, claims)
        except DependencyUnavailable:
            self.revocations.recall(caller)
            if claims is not None:
                raise
            return Decision(charge, self._limiter.spend_locally(charge))

    async def _ask_budgets(
        self, caller: Caller, charge: Charge, question: Question, claims: Claims
    ) -> Decision:
        """The same, once the accounts that it needs know what the ledger has."""
        accounts = self.reservations.accounts if self.reservations is not None else None
        for _ in range(MAX_READINGS):
            try:
                return await self._ask(caller, charge, question, claims)
            except Unread as unread:
                if accounts is None:
                    raise DependencyUnavailable("redis") from None
                try:
                    again = unread.refusal is not None
                    await accounts.build(unread.accounts, again=again)
                except DependencyUnavailable:
                    raise unread.refusal or DependencyUnavailable("database") from None
        raise DependencyUnavailable("redis")

    def _heard(self, claims: Claims, told: list[Any]) -> tuple[Reply, ...]:
        """How the budgets were found. Raises `BudgetExceeded`, `Unread`."""
        accounts = [claim.account for claim in claims.each]
        found = [Reply.of(a, t) for a, t in zip(accounts, told, strict=False)]
        if unread := [r.balance.account for r in found if r.age is None]:
            raise Unread(unread)
        if self.reservations is not None:
            self.reservations.heard(found, claims.spender)
        full = [(r, claim) for r, claim, t in zip(found, claims.each, told, strict=False) if t[-1]]
        if full:
            last, claim = max(full, key=lambda one: one[0].balance.account.ends)
            refusal = last.balance.refusal(time.time(), claim.amount)
            old = [r.balance.account for r, _ in full if (r.age or 0.0) > REREAD_REFUSING]
            raise Unread(old, refusal) if old else refusal
        return tuple(found)

    async def _ask(
        self,
        caller: Caller,
        charge: Charge,
        question: Question,
        claims: Claims | None = None,
    ) -> Decision:
        keys, priced, room = self._limiter.ask(charge)
        if caller.token_id:
            keys.append(revocation_key(caller.token_id))
        keys += question.keys
        args: list[Any] = [int(caller.token_id is not None), question.kinds, *question.args]
        args += priced
        if claims is not None:
            keys += claims.keys
            args += claims.args
        asked_at = self.refusals.now()
        script = SCRIPT if claims is None else WITH_BUDGETS
        revoked, *reply = await self.redis.run(script, keys, args)
        if revoked:
            raise self.revocations.seen(caller)
        refused, now, wait, disposition, payload, *pairs = reply
        told = [] if claims is None else pairs.pop(0)
        accounts = () if claims is None else self._heard(claims, told)
        found = Disposition(disposition.decode() or "lead")
        counts = Counts(refused, now, wait, pairs, called=found is Disposition.LEAD)
        one_slot = self.redis.clustered
        try:
            standings = self._limiter.read(charge, room, counts, one_slot=one_slot)
        except RateLimited as full:
            self.refusals.note(charge, full, asked_at)
            raise
        if self.refusals and any(charge.costs):
            self.refusals.forget(charge, standings)
        return Decision(charge, standings, str(now), str(now), found, payload, accounts)

    async def _decide_by_slot(
        self, caller: Caller, charge: Charge, question: Question, claims: Claims | None
    ) -> Decision:
        """In a cluster: the user's slot, then the shared one; a refusal gives the first back.

        Whichever of them is away is kept here, and the other one goes on.
        """
        await self.revocations.check(caller)
        bare = replace(caller, token_id=None)
        own, _ = _by_slot(charge)
        mine, everybodys = by_slot(claims)
        first = await self._decide(bare, own, question, mine)
        called = first.disposition is Disposition.LEAD
        shared = [
            (x, cost if called or not x.of_model else 0)
            for x, cost in charge.priced
            if x.per == "global"
        ]
        try:
            second = await self._decide(
                bare, charge.only(shared), Question(), everybodys if called else None
            )
        except (RateLimited, BudgetExceeded, DependencyUnavailable):
            held = question.lookup.held(first.disposition) if question.lookup else {}
            back = mine.giving_back if mine else []
            await self.send([*back, *first.refunds(first.taken), *steps.calls(letting_go(held))])
            raise
        by_scope = {s.scope: s for s in first.standings + second.standings}
        ordered = tuple(by_scope[x.scope] for x in charge.limits if x.scope in by_scope)
        found = first.accounts + second.accounts
        return replace(first, charge=charge, standings=ordered, shared_at=second.at, accounts=found)


def _by_slot(charge: Charge) -> tuple[Charge, Charge]:
    """The user's own part, and what all users share."""
    own = [(x, cost) for x, cost in charge.priced if x.per == "user"]
    return charge.only(own), charge.only([p for p in charge.priced if p not in own])


def letting_go(held: Mapping[str, str]) -> list[Step]:
    """What frees keys that still hold these values."""
    return [steps.free(key, value) for key, value in held.items()]
