"""The fake OpenAI server, under orders: it does what a test says, and notes what it was asked."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from app.fake_openai.answers import MARKS, PROSE, STRUCTURED, USAGE, words, written
from app.fake_openai.behaviour import (
    GOOD,
    Behaviour,
    Flapping,
    Order,
    dated,
    fresh,
    now,
    overloaded,
    refusal,
)
from app.fake_openai.catalogue import ANYTHING, OPENAI, Model
from app.fake_openai.completion import usage
from app.fake_openai.faults import FAULTS, NOVEMBER_2026, UNASKED, UNASKED_TEXT
from app.fake_openai.request_rules import Refusal, RequestRules
from app.fake_openai.server import FakeOpenAI

__all__ = [
    "ANYTHING",
    "FAULTS",
    "GOOD",
    "MARKS",
    "NOVEMBER_2026",
    "OPENAI",
    "PROSE",
    "STRUCTURED",
    "UNASKED",
    "UNASKED_TEXT",
    "USAGE",
    "Behaviour",
    "Flapping",
    "Model",
    "Order",
    "Refusal",
    "RequestRules",
    "Upstream",
    "dated",
    "fresh",
    "now",
    "overloaded",
    "prose",
    "refusal",
    "running",
    "usage",
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


class Upstream(FakeOpenAI, Orders):
    """The server. A model's own orders, by `on(model)`, come before everybody's."""

    def __init__(self, rules: RequestRules | None = None) -> None:
        FakeOpenAI.__init__(self, RequestRules() if rules is None else rules)
        Orders.__init__(self)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.calls: Counter[str] = Counter()  # by model
        self.refusals: list[Refusal] = []  # by the rules
        self.aborted: list[Abandoned] = []
        self.lists = Orders()  # of models
        self.listings = 0
        self._models: dict[str, Orders] = {}

    @property
    def models(self) -> dict[str, Model]:
        """What there is: `models["llama"] = ANYTHING` adds one, `del models[…]` takes one away."""
        return self.rules.models

    def on(self, model: str) -> Orders:
        """What this model does: `on("gpt-6-luna").then(…)`, `on(…).always = …`."""
        return self._models.setdefault(model, Orders())

    def on_request(self, asked: dict[str, Any], headers: dict[str, str]) -> None:
        self.requests.append(asked)
        self.headers.append(headers)
        self.calls[asked.get("model", "")] += 1

    def on_refusal(self, asked: dict[str, Any], refusal: Refusal) -> None:
        self.refusals.append(refusal)

    def behaviour(self, asked: dict[str, Any], headers: dict[str, str]) -> Behaviour:
        return self.on(asked.get("model", "")).take() or self.take() or GOOD

    def listing(self) -> Behaviour:
        self.listings += 1
        return self.lists.take() or GOOD

    def on_disconnect(self, asked: dict[str, Any]) -> None:
        self.aborted.append(Abandoned(asked.get("model", ""), time.monotonic()))


def prose(tokens: int) -> str:
    """A text that streams in exactly so many content chunks."""
    return " ".join(f"word{n}" for n in range(tokens))


@contextlib.asynccontextmanager
async def running(rules: RequestRules | None = None) -> AsyncIterator[Upstream]:
    server = Upstream(rules)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
