"""Connections: how many this process holds, in all and of one address."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from app.errors import GatewayError

RETRY_AFTER = 5.0  # s
MAX_REFUSED = 256  # refused ones whose clients are given time to read why, at once
SAID_EVERY = 60.0  # s between two lines in the log about what is refused
IPV6_NETWORK = 64  # bits that one subscriber gets (RFC 6177): addresses behind them are free
MAPPED = "::ffff:"  # an IPv4 address on a socket of IPv6

log = logging.getLogger(__name__)

Client = tuple[str, int] | None


class TooManyConnections(GatewayError):
    """As many are open as may be: of this address, or in all."""

    status, code = 503, "TOO_MANY_CONNECTIONS"

    def __init__(self, whose: str, most: int) -> None:
        super().__init__(f"{whose} may have at most {most} connections", retry_after=RETRY_AFTER)


def plain(client: Client) -> Client:
    """The client's address and port; an IPv4 address as such, also on a socket of IPv6."""
    if client is None or not client[0].startswith(MAPPED) or "." not in client[0]:
        return client
    return client[0].removeprefix(MAPPED), client[1]


def network(host: str) -> str:
    """Whose address it is: itself, or the /64 that it stands in where it is of IPv6."""
    if ":" not in host:
        return host
    try:
        return str(ip_network((IPv6Address(host.partition("%")[0]), IPV6_NETWORK), strict=False))
    except ValueError:
        return host


def count_refusal(application: Mapping[str, Any], status: int | None) -> None:
    """For the application's metrics, of what never comes to it; None: it got no answer."""
    if (told := application.get("refused_below")) is not None:
        told(status)


class Connections:
    """What is open in this process; one for its HTTP and its WebSockets together."""

    def __init__(
        self,
        most: int,
        most_per_address: int,
        trusted: Iterable[str] = (),
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`trusted`: addresses and networks of proxies, which have no bound of their own."""
        self._most, self._most_per_address, self._now = most, most_per_address, now
        self._trusted = tuple(ip_network(t, strict=False) for t in trusted)
        self._open: Counter[str] = Counter()
        self._count, self.refused = 0, 0
        self._said = -SAID_EVERY

    def __len__(self) -> int:
        return self._count

    def enter(self, client: Client) -> None:
        """Count one more. Raises `TooManyConnections`, and then it is not counted."""
        whose = network(client[0]) if client else ""
        if self._count >= self._most:
            self._say("this process has its %d connections", self._most)
            raise TooManyConnections("This server", self._most)
        if whose and self._open[whose] >= self._most_per_address and not self._trusts(client):
            self._say("%s has its %d connections", whose, self._most_per_address)
            raise TooManyConnections("An address", self._most_per_address)
        self._count += 1
        self._open[whose] += 1

    def leave(self, client: Client) -> None:
        """One that had entered has ended."""
        whose = network(client[0]) if client else ""
        self._count -= 1
        self._open[whose] -= 1
        if self._open[whose] <= 0:
            del self._open[whose]

    def _trusts(self, client: Client) -> bool:
        try:
            address = ip_address(client[0]) if client else None
        except ValueError:
            return False
        return address is not None and any(address in t for t in self._trusted)

    def _say(self, what: str, *facts: object) -> None:
        """Once a minute: a flood must not become one of the log."""
        now = self._now()
        if now - self._said >= SAID_EVERY:
            self._said = now
            log.warning(f"{what}; more are refused", *facts)
