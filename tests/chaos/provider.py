"""A fake provider that writes at a model's pace, well."""

from __future__ import annotations

import random
from typing import Any

from app.fake_openai.answers import PROSE
from app.fake_openai.behaviour import Behaviour
from app.fake_openai.server import FakeOpenAI

FIRST = (0.02, 0.3)  # s to the first token
PACE = 0.02  # s between two; the 15 tokens of a short answer take 0.3
LONG = " ".join([PROSE] * 6)  # 1.8 s, so that processes die in the midst of it
LONG_SHARE = 0.3


class Steady(FakeOpenAI):
    """Keeps nothing of what it is asked."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._random = rng
        self.calls = 0

    def behaviour(self, asked: dict[str, Any], headers: dict[str, str]) -> Behaviour:
        self.calls += 1
        prose = "response_format" not in asked
        long = prose and self._random.random() < LONG_SHARE
        text = LONG if long else None
        return Behaviour(first=self._random.uniform(*FIRST), pace=PACE, text=text)
