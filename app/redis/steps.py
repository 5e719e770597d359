"""Steps: small changes of keys of one user, made together by one script.

`keep` a value, `note` a value in a set, `push` one into a ring, `free` a key that still holds a
value: what lapsed may be somebody else's by now. Times to live are in seconds. What is kept, noted
or pushed tells of something that has an id; if the user was erased since that began, nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from app.redis.client import Call, Script

STEPS = Script(resources.files("app.redis").joinpath("steps.lua").read_text())

Step = tuple[str, str, Any, int, str]  # a key, what is done, a value, a time to live in ms, an id


def keep(key: str, value: Any, ttl: float, of: str) -> Step:
    return key, "keep", value, max(1, round(ttl * 1000)), of


def note(key: str, value: Any, ttl: float, of: str) -> Step:
    """The set lives on for `ttl` at the least."""
    return key, "note", value, max(1, round(ttl * 1000)), of


def push(key: str, value: Any, ttl: float, of: str) -> Step:
    """The list has the twelve newest values, the newest first, and lives on for `ttl`."""
    return key, "push", value, max(1, round(ttl * 1000)), of


def free(key: str, value: Any) -> Step:
    return key, "free", value, 0, ""


def calls(steps: Sequence[Step]) -> list[Call]:
    """The steps as one call; none for no steps."""
    if not steps:
        return []
    keys = [key for key, *_ in steps]
    args = [x for _, *step in steps for x in step]
    return [Call(STEPS, [mark_key(keys[0]), *keys], args)]


def mark_key(key: str) -> str:
    """The mark of an erasure of the user whose key this is."""
    return f"{key.partition('}')[0]}}}:erased"
