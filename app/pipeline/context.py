"""RequestContext: who came with what request, what it costs, and how the limits stand for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.caller import Caller
from app.errors import Forbidden, RateLimited, Unauthenticated
from app.limit_standing import Standing, tightest
from app.pipeline.admission_call import AdmissionCall

EVERY_REQUEST = ("user", "global")  # the limits that each request counts for


@dataclass(slots=True)
class RequestContext:
    """One request or document of a caller, and the tightest limit that it touched so far.

    size: as how many requests a document counts by what it reads: its root fields. disconnected:
    returns when the client is gone, where the transport does not cancel its request.
    """

    caller: Caller
    request_id: str
    call: AdmissionCall
    size: int = 1
    disconnected: Callable[[], Awaitable[None]] | None = None
    standing: Standing | None = None
    charged: bool = False  # a limit was asked for it, whatever it said
    _charging: asyncio.Future[None] | None = field(default=None, init=False)

    async def charge(self, requests: int = 1) -> None:
        """Count for the user and for all; nought looks whether the token was revoked.

        Raises:
            RateLimited, Unauthenticated
        """
        self.charged = True
        decision = await self.call.spend(self.caller, EVERY_REQUEST, requests=requests)
        self.note(decision.standings)

    async def authorize(self, permission: str | None = None) -> None:
        """Charge a document for all that it reads, once, however many of its fields ask.

        Raises:
            Forbidden, RateLimited, Unauthenticated
        """
        if self._charging is None:
            self._charging = asyncio.ensure_future(self.charge(self.size))
        await asyncio.shield(self._charging)
        if permission is not None:
            self.caller.require(permission)

    async def require(self, permission: str | None) -> None:
        """Raise `Forbidden`, charged, unless the caller has the permission."""
        try:
            if permission is not None:
                self.caller.require(permission)
        except Forbidden:
            await self.charge()
            raise

    @property
    def known_standing(self) -> Standing:
        """The tightest limit, of a request that was charged."""
        if self.standing is None:
            raise RuntimeError("nothing was charged yet")
        return self.standing

    def note(self, standings: Iterable[Standing]) -> Standing:
        """Remember how limits stand; returns the tightest of these."""
        found = tightest(standings)
        self.standing = tightest([found, self.standing]) if self.standing else found
        return found

    def refuse(self, refusal: RateLimited) -> None:
        """Remember the limit that refused a part of it, which is the tightest there is."""
        self.standing = Standing(refusal.scope, refusal.limit, 0, refusal.reset_at, refusal.window)


@asynccontextmanager
async def request_context(
    call: AdmissionCall, caller: Caller, request_id: str
) -> AsyncIterator[RequestContext]:
    """One request of a caller, which counts one if nothing else of it counted.

    Raises:
        RateLimited, Unauthenticated: on leaving the block, perhaps in place of another error.
    """
    context = RequestContext(caller, request_id, call)
    try:
        yield context
    except Exception as error:
        if not context.charged and not isinstance(error, Unauthenticated | RateLimited):
            await context.charge()
        raise
    if not context.charged:
        await context.charge()
