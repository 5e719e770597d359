"""Hosts: by which names this gateway may be asked from a browser.

A page of elsewhere can have its own name lead here (DNS rebinding): to the browser it is then of
the same origin, and `Host` and `Origin` agree. Only a list of names tells it apart.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Collection

REFUSED = "This host is not served here: LOREGATE_ALLOWED_HOSTS names those that are"
OWN = ("localhost", "127.0.0.1", "[::1]")
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  # what is looked for, not listened on
MAX_LOGGED_HOST = 200  # characters

log = logging.getLogger(__name__)


class Hosts:
    """The names that were set, else those of this machine and of the address that is served.

    `*.example.com` is every name below example.com; ports don't matter. `always`: of requests
    without an `Origin`, too, which browsers leave out where a page reads what it takes for its own.
    """

    def __init__(
        self, allowed: Collection[str] = (), *, served: str = "127.0.0.1", always: bool = False
    ) -> None:
        names = [name.lower() for name in allowed] or [*OWN, _written(served)]
        self._names = {name for name in names if not name.startswith("*.")}
        self._below = tuple(name[1:] for name in names if name.startswith("*."))
        # Whoever serves every address is asked by any of them; no trick makes an address of a name.
        self._addresses = not allowed and always and served in ANY_ADDRESS
        self.always = always

    def __contains__(self, host: str) -> bool:
        """Whether a `Host` header names one of them."""
        name = _without_port(host.lower())
        if name in self._names or "*" in self._names or name.endswith(self._below):
            return True
        return self._addresses and _is_address(name)

    def refused(self, host: str) -> str:
        """Log that a request was refused; what it is told."""
        log.warning("a request to the host %r was refused", host[:MAX_LOGGED_HOST])
        return REFUSED


def _written(address: str) -> str:
    """An address as a browser writes it."""
    return f"[{address}]" if ":" in address and not address.startswith("[") else address.lower()


def _without_port(host: str) -> str:
    if host.startswith("["):
        return "".join(host.partition("]")[:2])
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
