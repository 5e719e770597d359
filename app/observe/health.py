"""Health: what is well and what is not, looked at in the background, told at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from app.observe.traffic import Traffic

CHECK_INTERVAL = 1.0  # s between looks; /health never waits for one
CHECK_TIMEOUT = 2.0  # s for a dependency to answer a look
STATE_WORDS = {"healthy": "back", "degraded": "serving in part", "unhealthy": "away"}

log = logging.getLogger(__name__)

Look = Callable[[], Awaitable[bool | None]]


class Health:
    """Looks at the database and Redis once a second; models report by their own calls."""

    def __init__(
        self,
        *,
        database: Look,
        redis: Look,
        models: Callable[[], str],
        traffic: Traffic,
        stopping: Callable[[], bool] = lambda: False,
        interval: float = CHECK_INTERVAL,
        timeout: float = CHECK_TIMEOUT,
    ) -> None:
        """A look raises when the dependency does not serve, and returns False when it does so in
        part, as a database that takes no writes. `interval` and `timeout` in seconds.
        """
        self._checks = {"db": database, "redis": redis}
        self._models, self._traffic, self._stopping = models, traffic, stopping
        self._interval, self._timeout = interval, timeout
        self._state: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Look once, then keep looking."""
        await asyncio.gather(*(self._check(name) for name in self._checks))
        self._tasks = [
            asyncio.create_task(self._watch(name), name=f"health-{name}") for name in self._checks
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, name: str) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self._check(name)

    async def _check(self, name: str) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                whole = await self._checks[name]()
        except Exception as error:
            # Whatever it was, the dependency does not serve; the look itself must go on.
            self._set_state(name, "unhealthy", kind=type(error).__name__)
        else:
            self._set_state(name, "degraded" if whole is False else "healthy")

    def _set_state(self, name: str, state: str, *, kind: str = "") -> None:
        if self._state.get(name, "healthy") != state:
            log.warning("%s is %s", name, STATE_WORDS[state], extra={"kind": kind})
        self._state[name] = state

    @property
    def database_up(self) -> bool:
        """Whether the database served when it was looked at last."""
        return self._state.get("db", "unhealthy") != "unhealthy"

    @property
    def ready(self) -> bool:
        """Whether traffic may come: started, not about to stop, and the database reachable."""
        return self.database_up and not self._stopping()

    def report(self) -> dict[str, Any]:
        """The contract's `/health` object."""
        redis = self._state.get("redis", "unhealthy")
        database = self._state.get("db", "unhealthy")
        components = {
            "openai": self._models(),
            "message_hub": redis,
            "cache": redis,
            "db": database,
        }
        status = "healthy" if set(components.values()) == {"healthy"} else "degraded"
        if database == "unhealthy":
            status = "unhealthy"
        return {
            "status": status,
            "components": components,
            "metrics": self._traffic.metrics(),
        }
