"""The fake OpenAI server, under orders: it does what a test says, and notes what it was asked."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from app.embedded.answers import MARKS, PROSE, STRUCTURED, USAGE, words, written
from app.embedded.bodies import answer
from app.embedded.faults import (
    FAULTS,
    GOOD,
    NO_SCHEMAS,
    Behaviour,
    Flapping,
    Order,
    fresh,
    now,
    refusal,
)
from app.embedded.provider import Provider

__all__ = [
    "FAULTS",
    "GOOD",
    "MARKS",
    "NO_SCHEMAS",
    "PROSE",
    "STRUCTURED",
    "USAGE",
    "Behaviour",
    "Flapping",
    "Order",
    "Upstream",
    "answer",
    "fresh",
    "now",
    "prose",
    "refusal",
    "running",
    "words",
    "written",
]


class Orders:
    """What comes next, and what comes when nothing was ordered."""

    def __init__(self, always: Order | None = None) -> None:
        self.always = always
        self._next: deque[Order] = deque()

    @property
    def always(self) -> Order | None:
        return self._always

    @always.setter
    def always(self, order: Order | None) -> None:
        self._always = None if order is None else fresh(order)

    def then(self, *orders: Order) -> None:
        """The next answers, one each."""
        self._next.extend(map(fresh, orders))

    def take(self) -> Behaviour | None:
        order = self._next.popleft() if self._next else self._always
        return None if order is None else now(order)


@dataclass(frozen=True)
class Abandoned:
    """An answer whose client went away; `at` is `time.monotonic()`'s."""

    model: str
    at: float


class Upstream(Provider, Orders):
    """The server. A model's own orders, by `on(model)`, come before everybody's."""

    def __init__(self) -> None:
        Provider.__init__(self)
        Orders.__init__(self)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.calls: Counter[str] = Counter()  # by model
        self.aborted: list[Abandoned] = []
        self.takes_schemas = True  # older models refuse a `response_format` of type json_schema
        self._models: dict[str, Orders] = {}

    def on(self, model: str) -> Orders:
        """What this model does: `on("gpt-4-turbo").then(…)`, `on(…).always = …`."""
        return self._models.setdefault(model, Orders())

    def behaviour(self, asked: dict[str, Any], headers: dict[str, str]) -> Behaviour:
        model = asked.get("model", "")
        self.requests.append(asked)
        self.headers.append(headers)
        self.calls[model] += 1
        wanted = asked.get("response_format") or {}
        if not self.takes_schemas and wanted.get("type") == "json_schema":
            return NO_SCHEMAS
        return self.on(model).take() or self.take() or GOOD

    def abandoned(self, asked: dict[str, Any]) -> None:
        self.aborted.append(Abandoned(asked.get("model", ""), time.monotonic()))


def prose(tokens: int) -> str:
    """A text that streams in exactly so many content chunks."""
    return " ".join(f"word{n}" for n in range(tokens))


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Upstream]:
    server = Upstream()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
