"""Identity: who asks, by a token; and how often an address may ask without a good one.

Without a token, or with a bad one, nobody has limits to count for: so the address has a budget,
which is kept by the process and asked before anything is read, verified or sent to Redis. A good
token costs it nothing. One that was verified before is known, and gets in from whatever address;
one that is new to this process is verified while the address has some of its budget left. Behind it
`MAX_TRIALS` a second are verified all the same, for all such addresses together: an honest user
behind the address of a flood gets in after a few tries, and is known from then on.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from functools import partial

from app.caller import Caller
from app.errors import RateLimited, Unauthenticated
from app.policies.auth import Authenticator, bearer
from app.policies.throttle import Throttle

ANONYMOUS_LIMIT = 300  # requests of an address in a minute
WINDOW = 60.0  # s
MAX_TRIALS = 500  # verified a second; at 100 µs for RS256 a twentieth of a core
SCOPE = "address"


class Identity:
    """One for the process."""

    def __init__(
        self,
        authenticator: Authenticator,
        *,
        anonymous_limit: int = ANONYMOUS_LIMIT,
        on_refusal: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`anonymous_limit`: of each address in a minute; 0: no bound."""
        self._authenticator, self._on_refusal = authenticator, on_refusal
        most = anonymous_limit
        self._addresses = Throttle(most, WINDOW, now=now) if most else None
        self._trials = Throttle(MAX_TRIALS, 1.0, now=now)

    async def authenticate(self, authorization: str | None, address: str | None) -> Caller:
        """Whose token that is. `address` is the caller's; None where it has none.

        Raises:
            Unauthenticated, or RateLimited in its place when the address asked too often
            DependencyUnavailable: keys cannot be had.
        """
        try:
            token = bearer(authorization)
            return await self._authenticator.verify(token, trial=partial(self._try, address))
        except Unauthenticated:
            self.anonymous(address)
            raise

    def anonymous(self, address: str | None) -> None:
        """Count a request without a good token. Raises `RateLimited`."""
        if address is not None and self._addresses is not None:
            self._refuse(self._addresses.take(network(address)))

    def _try(self, address: str | None) -> None:
        """Before a token is verified that is not known. Raises `RateLimited`."""
        if address is None or self._addresses is None:
            return
        wait = self._addresses.wait(network(address))
        if wait and self._trials.take(SCOPE):
            self._refuse(wait)

    def _refuse(self, wait: float) -> None:
        if wait and self._addresses is not None:
            self._on_refusal(SCOPE)
            reset_at = time.time() + wait
            raise RateLimited(SCOPE, self._addresses.most, WINDOW, wait, reset_at=reset_at)


def network(address: str) -> str:
    """What is counted as one address: of IPv6 the /64, which one subscriber has (RFC 6177)."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    return str(found.ipv4_mapped or found.packed[:8].hex())
