"""A fake OpenAI server that answers well, badly and not at all, and knows what it gave out."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import orjson

from app.fake_openai.behaviour import Behaviour, overloaded, refusal
from app.fake_openai.completion import usage
from tests.support.upstream import Upstream

SLOWLY = "slowly"  # a word of a request whose answer never ends: its client leaves
FAULTS = (
    (0.08, overloaded(retry_after="0")),
    (0.06, refusal(500, "server_error")),
    (0.05, refusal(503, "server_is_overloaded")),
    (0.04, Behaviour(cut_after=5)),
    (0.03, Behaviour(error_after=3)),
    (0.04, Behaviour(usage=None)),
    (0.03, Behaviour(reset=True)),
)


class CountingProvider(Upstream):
    """`given`: tokens that it told, by the model's name here. `names`: what gateways call it."""

    names = {"gpt-6.1-terra": ("gpt-4-turbo",), "gpt-6-luna": ("gpt-3.5-turbo",)}

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._told: dict[int, tuple[str, dict[str, Any]]] = {}

    def behaviour(self, asked: dict[str, Any], headers: dict[str, str]) -> Behaviour:
        if SLOWLY in orjson.dumps(asked["messages"]).decode():
            return Behaviour(pace=0.05, endless=True)
        draw = self._random.random()
        for share, fault in FAULTS:
            if draw < share:
                return fault
            draw -= share
        told = usage(self._random.randint(50, 900), self._random.randint(1, 400))
        if len(asked["messages"]) > 1:  # a breaker's probe is nobody's
            self._told[id(asked)] = asked["model"], told
        return replace(Behaviour(delay=self._random.uniform(0, 0.15)), usage=told)

    def on_disconnect(self, asked: dict[str, Any]) -> None:
        self._told.pop(id(asked), None)
        super().on_disconnect(asked)

    @property
    def given(self) -> Counter[str]:
        """Tokens whose number it told, of whole answers."""
        found: Counter[str] = Counter()
        for model, told in self._told.values():
            found[model] += told["prompt_tokens"] + told["completion_tokens"]
        return found
