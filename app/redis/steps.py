"""Steps: small changes of keys of one slot, made together by one script.

`keep` a value, `note` a value in a set, `free` a key that still holds a value: what lapsed may be
somebody else's by now. Times to live are in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from app.redis.client import Call, Script

STEPS = Script(resources.files("app.redis").joinpath("steps.lua").read_text())

Step = tuple[str, str, Any, int]  # a key, what is done, a value, a time to live in ms


def keep(key: str, value: Any, ttl: float) -> Step:
    return key, "keep", value, max(1, round(ttl * 1000))


def note(key: str, value: Any, ttl: float) -> Step:
    """The set lives on for `ttl` at the least."""
    return key, "note", value, max(1, round(ttl * 1000))


def free(key: str, value: Any) -> Step:
    return key, "free", value, 0


def calls(steps: Sequence[Step]) -> list[Call]:
    """The steps as one call; none for no steps."""
    args = [x for _, what, value, life in steps for x in (what, value, life)]
    return [Call(STEPS, [key for key, *_ in steps], args)] if steps else []
