"""Limiters on a cluster, and callers whose keys a chosen master has."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from app.caller import Caller
from app.events.log import EventLog, stream_key
from app.pipeline.admission_call import AdmissionCall
from app.policies.limiter import key
from app.policies.limits import Limit
from app.redis.client import Redis
from tests.support.admission import admission_call
from tests.support.cluster import Cluster, Node

PARTITIONS = 8


def user_on(cluster: Cluster, node: Node, log: EventLog) -> str:
    """A user whose events this master has."""
    names = (f"user{n}" for n in range(1000))
    return next(n for n in names if cluster.owner(stream_key(log.partition(n))) is node)


USER, GLOBAL = Limit("user", 12, window=60), Limit("global", 40, window=60, per="global")


@contextlib.asynccontextmanager
async def limiters_on(
    url: str, *limits: Limit, count: int = 2
) -> AsyncIterator[list[AdmissionCall]]:
    """So many gateways' limiters, as they are when their processes have just begun."""
    found = [Redis(url) for _ in range(count)]
    for redis in found:
        await redis.check()
    try:
        yield [admission_call(redis, limits=limits, processes=count, age=0.0) for redis in found]
    finally:
        for redis in found:
            await redis.close()


def caller_on(cluster: Cluster, node: Node, limit: Limit = USER, name: str = "user") -> Caller:
    """A caller whose keys this master has."""
    names = (f"{name}{n}" for n in range(1000))
    return next(Caller(n) for n in names if cluster.owner(key(limit, n)) is node)


async def remaining(limiter: AdmissionCall, user: Caller) -> dict[str, int]:
    return {s.scope: s.remaining for s in await limiter.look(user)}


def taken_down(node: Node, how: str) -> contextlib.AbstractContextManager[None]:
    return node.paused() if how == "stopped" else node.killed()
