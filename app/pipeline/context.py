"""RequestContext: who came with what request, what it costs, and how the limits stand for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.caller import Caller
from app.errors import Forbidden, GatewayError, RateLimited, Unauthenticated
from app.limit_standing import Standing, tightest
from app.pipeline.admission_call import AdmissionCall
from app.pipeline.charges import CHARGES, Kind
from app.policies.budgets import Account, Balance
from app.stages import CURRENT

ROUND_TRIP = 0.05  # s, for which Redis is waited for: a refusal may tell a wait by so much too long
EVERY_REQUEST = ("user", "global")  # the limits that each request counts for


@dataclass(slots=True)
class RequestContext:
    """One request or document of a caller, and the tightest limit that it touched so far.

    kind: what it counts as when nothing else of it counted. edge: where it came, for metrics.
    size: how many root fields a document reads, each of which counts. disconnected: returns when
    the client is gone, where the transport does not cancel its request.
    """

    caller: Caller
    request_id: str
    call: AdmissionCall
    kind: Kind = Kind.REFUSED
    edge: str = "rest"
    size: int = 1
    disconnected: Callable[[], Awaitable[None]] | None = None
    standing: Standing | None = None
    balances: dict[Account, Balance] = field(default_factory=dict)  # of budgets, as last found
    charged: bool = False  # a limit was asked for it, whatever it said
    _charging: asyncio.Future[None] | None = field(default=None, init=False)
    _began: float = field(default_factory=time.monotonic, init=False)

    async def charge(self, kind: Kind, times: int = 1) -> None:
        """Count for the user and for all; what counts nothing looks whether the token was revoked.

        Raises:
            RateLimited, Unauthenticated
        """
        self.charged = True
        requests = times * self.call.charges.of(kind, self.caller)
        decision = await self.call.spend(self.caller, EVERY_REQUEST, requests=requests)
        self.note(decision.standings)

    def stream(self, after: str | None) -> Kind:
        """What a stream is that may go on behind a cursor; HEAD reads none."""
        return Kind.STREAM if after is None or self.kind is Kind.HEAD else Kind.RESUMED

    async def authorize(self, permission: str | None = None) -> None:
        """Charge a document for all that it reads, once, however many of its fields ask.

        Raises:
            Forbidden, RateLimited, Unauthenticated
        """
        if self._charging is None:
            self._charging = asyncio.ensure_future(self.charge(Kind.FIELD, self.size))
        await asyncio.shield(self._charging)
        if permission is not None:
            self.caller.require(permission)

    async def require(self, permission: str | None) -> None:
        """Raise `Forbidden`, charged, unless the caller has the permission."""
        try:
            if permission is not None:
                self.caller.require(permission)
        except Forbidden:
            await self.charge(Kind.REFUSED)
            raise

    @property
    def known_standing(self) -> Standing:
        """The tightest limit, of a request that was charged."""
        if self.standing is None:
            raise RuntimeError("nothing was charged yet")
        return self.standing

    def heard(self, balances: Iterable[Balance]) -> None:
        """So budgets stood that something of the request was reserved of."""
        self.balances |= {balance.account: balance for balance in balances}

    @property
    def warning(self) -> tuple[str, float, str] | None:
        """The budget of those that is spent most, where it warns: its name, its share that is
        spent, and when it renews."""
        warns = [balance for balance in self.balances.values() if balance.warns]
        if not warns:
            return None
        found = max(warns, key=lambda balance: balance.share)
        return found.account.budget.name, found.share, found.account.renews_at

    def note(self, standings: Iterable[Standing]) -> Standing:
        """Remember how limits stand; returns the tightest of these."""
        found = tightest(standings)
        self.standing = tightest([found, self.standing]) if self.standing else found
        return found

    # -- what limits refused before
    @property
    def refused_of_late(self) -> bool:
        """Whether a limit refused something of this caller's a moment ago."""
        return self.call.refusals.knows(self.caller.id)

    def foresee(self, name: Hashable, *, parsed: bool) -> None:
        """Before anything of a document is read. One that must be `parsed` first may turn out to
        count nothing, or to be told a longer wait: so some are, however full a limit is.

        Raises:
            RateLimited, Unauthenticated
        """
        refusals, caller = self.call.refusals, self.caller
        refusal = refusals.of(caller.id, name)
        if refusal is None and not parsed:
            full = self.call.foreseen(caller, EVERY_REQUEST, requests=CHARGES[Kind.FIELD])
            refusal = full if full and not self.call.charges.may_be_parsed(caller) else None
        if refusal is not None:
            raise self.call.from_memory(caller, refusal)

    def remember(self, name: Hashable, refusals: Sequence[RateLimited]) -> None:
        """Limits refused all of what has this name."""
        self.call.refusals.remember(self.caller.id, name, refusals, self._began - ROUND_TRIP)

    def refuse(self, refusal: RateLimited) -> None:
        """Remember the limit that refused a part of it, which is the tightest there is."""
        self.standing = Standing(refusal.scope, refusal.limit, 0, refusal.reset_at, refusal.window)


@asynccontextmanager
async def request_context(
    call: AdmissionCall, caller: Caller, request_id: str, kind: Kind, edge: str = "rest"
) -> AsyncIterator[RequestContext]:
    """One request of a caller, which counts as its kind does if nothing else of it counted.

    Raises:
        RateLimited, Unauthenticated: on leaving the block, perhaps in place of another error.
    """
    context = RequestContext(caller, request_id, call, kind, edge)
    if (timing := CURRENT.get()) is not None:
        timing.authenticated = True
    try:
        yield context
    except asyncio.CancelledError:
        if not context.charged:  # whoever leaves has asked all the same
            with contextlib.suppress(GatewayError):
                await context.charge(kind)
        raise
    except Exception as error:
        if not context.charged and not isinstance(error, Unauthenticated | RateLimited):
            await context.charge(kind)
        raise
    if not context.charged:
        await context.charge(kind)
