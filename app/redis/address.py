"""Address: what a Redis URL may be, and the client that it leads to."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import Redis as Client
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from app.errors import SettingsError
from app.redis.cluster import Cluster

SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "redis+sentinel")


def connect(url: str, *, max_connections: int, socket_timeout: float | None) -> Client | Cluster:
    """A client for any of the URL schemes; redis-py's own retries are off.

    A retried EVALSHA would spend twice: with the defaults one slow call ran eleven times.
    Raises `SettingsError`, which shows nothing of the URL but its scheme.
    """
    options: dict[str, Any] = {
        "max_connections": max_connections,
        "socket_timeout": socket_timeout,
        "socket_connect_timeout": 2.0,
        "retry": Retry(NoBackoff(), 0),
        "client_name": "loregate",
        # Each new connection would read redis-py's version from its files, on the event loop.
        "driver_info": None,
        # One command fewer for each new connection; only one vendor's service answers it.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    scheme, found, _ = url.partition("://")
    if not found or scheme not in SCHEMES:
        known = ", ".join(f"{s}://" for s in SCHEMES)
        shown = f"the scheme {scheme!r}" if found else "no scheme"
        raise SettingsError(f"REDIS_URL has {shown}; it may be one of {known}")
    try:
        if scheme == "redis+cluster":
            return _cluster(url, options)
        if scheme == "redis+sentinel":
            return _sentinel(url, options)
        return Client.from_url(url, **options)
    except ValueError:  # its message may quote a part of the URL
        raise SettingsError(f"REDIS_URL, of the scheme {scheme!r}, is not a valid URL") from None


def _cluster(url: str, options: dict[str, Any]) -> Cluster:
    """`redis+cluster://user:password@host:6379,host:6379/`: any of the nodes, to ask for the rest.

    With more than one a gateway finds the cluster also while the first is away.
    """
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    first, *others = hosts.split(",")
    one = parts._replace(scheme="redis", netloc=f"{login}{at}{first}").geturl()
    nodes = [ClusterNode(str(h.hostname), h.port or 6379) for h in _hosts(others)]
    return Cluster(startup_nodes=nodes, **{"host": "localhost"} | parse_url(one), **options)


def _hosts(given: list[str]) -> list[SplitResult]:
    return [urlsplit(f"//{host}") for host in given]


def _sentinel(url: str, options: dict[str, Any]) -> Client:
    """`redis+sentinel://user:password@host:26379,host:26379/service/0`"""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    service, _, db = parts.path.strip("/").partition("/")
    if not service:
        raise SettingsError("REDIS_URL names no service; redis+sentinel://host:26379/SERVICE/0")
    user, _, password = login.partition(":")
    nodes = [(at.hostname, at.port or 26379) for at in _hosts(hosts.split(","))]
    # One that is down is passed over at once: the next is to be asked within the same budget.
    asking = {"socket_timeout": 1.0, "retry": Retry(NoBackoff(), 0)}
    sentinel: Any = Sentinel(nodes, sentinel_kwargs=asking, **options)  # type: ignore[no-untyped-call]  # upstream
    master: Client = sentinel.master_for(
        service,
        db=int(db or 0),
        username=unquote(user) or None,
        password=unquote(password) or None,
    )
    return master


def address(url: str) -> str:
    """The URL without its login, for people to read."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
