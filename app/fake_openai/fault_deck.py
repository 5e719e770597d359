"""The provider of `loregate dev --faulty`: good answers, and every fault there is, mixed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from app.fake_openai.behaviour import GOOD, Behaviour, fresh, now
from app.fake_openai.faults import FAULTS
from app.fake_openai.request_rules import Refusal, RequestRules
from app.fake_openai.server import FakeOpenAI

SEED = 20
GOOD_SHARE = 0.4
PACE = 0.02  # s between tokens, about what a large model takes
THINKING_TIME = (
    2.0  # s, of those that think aloud: longer than anybody there waits for a first token
)
MAX_ANSWER_TIME = 4.0  # s an answer may take; two models' worth of waiting stays below 10
# What only a person can mend closes a model for five minutes: they come when all others have.
LASTING = frozenset({"401", "403", "404", "429_quota", "model_retired"})
START_TIMEOUT = 5.0  # s; a start takes a few milliseconds

log = logging.getLogger(__name__)


class FaultDeck:
    """What comes next, by name. The faults come as from a shuffled pack: all before one again."""

    def __init__(self, seed: int = SEED) -> None:
        self._random = random.Random(seed)
        self._faults = {name: fresh(order) for name, order in FAULTS.items()}
        self._left: list[str] = []

    def draw(self) -> tuple[str, Behaviour]:
        if self._random.random() < GOOD_SHARE:
            return "good", _paced(GOOD)
        if not self._left:
            self._left = list(self._faults)
            self._random.shuffle(self._left)
            self._left.sort(key=LASTING.__contains__, reverse=True)  # drawn from its end
        name = self._left.pop()
        return name, _paced(now(self._faults[name]))


def _paced(behaviour: Behaviour) -> Behaviour:
    found = replace(behaviour, pace=max(PACE, behaviour.pace), lasts=MAX_ANSWER_TIME)
    if behaviour.aloud is not None:
        return replace(found, thinks=THINKING_TIME)
    return replace(found, first=THINKING_TIME) if behaviour.whole and behaviour.first else found


class FaultyOpenAI(FakeOpenAI):
    """Says in the log which fault it served, and nothing of the request."""

    def __init__(self, seed: int = SEED, rules: RequestRules | None = None) -> None:
        super().__init__(RequestRules() if rules is None else rules)
        self._deck = FaultDeck(seed)

    def on_refusal(self, asked: dict[str, Any], refusal: Refusal) -> None:
        told = {"code": refusal.code, "param": refusal.param}
        log.info("refused by the provider's rules", extra=told)

    def behaviour(self, asked: dict[str, Any], headers: dict[str, str]) -> Behaviour:
        name, found = self._deck.draw()
        log.info("served on purpose", extra={"fault": name})
        return found


@contextlib.contextmanager
def serving(seed: int = SEED, rules: RequestRules | None = None) -> Iterator[str]:
    """The provider's URL while it serves, in a thread with an event loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="faulty-provider", daemon=True)
    thread.start()
    provider = FaultyOpenAI(seed, rules)
    try:
        asyncio.run_coroutine_threadsafe(provider.start(), loop).result(START_TIMEOUT)
        yield provider.url
    finally:
        asyncio.run_coroutine_threadsafe(provider.stop(), loop).result(START_TIMEOUT)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_TIMEOUT)
        loop.close()
