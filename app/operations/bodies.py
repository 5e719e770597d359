"""Bodies: how many values a request may bring over REST, counted before pydantic looks at them.

A wrong or a further key takes 4 µs to be checked, with the loop held meanwhile: 9,000 of them,
which a body has room for, took 40 ms. The bounds are above all that any operation takes: an object
has at most 64 keys beside its own, a list 64 items.
"""

from __future__ import annotations

from typing import Any

import orjson

from app.errors import InvalidRequest

FEW = 1_000  # commas; a body with no more of them is not looked at
MAX_VALUES = 5_000  # of a body, at every depth
MAX_ITEMS = 200  # of one list, or keys of one object
MAX_LEVELS = 16


def check(raw: bytes) -> None:
    """Raises `InvalidRequest` for JSON with too many values; what is no JSON passes."""
    if raw.count(b",") > FEW:
        try:
            given = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return  # who reads it says what is wrong with it
        check_values(given)


def check_values(given: Any) -> None:
    """As `check`, of what was read."""
    level, counted = [given], 0
    for _ in range(MAX_LEVELS):
        below: list[Any] = []
        for value in level:
            if isinstance(value, list | dict):
                if len(value) > MAX_ITEMS:
                    raise InvalidRequest.at((), f"more than {MAX_ITEMS} keys or items in one place")
                counted += len(value)
                below += value.values() if isinstance(value, dict) else value
        if counted > MAX_VALUES:
            raise InvalidRequest.at((), f"more than {MAX_VALUES} values")
        if not below:
            return
        level = below
    raise InvalidRequest.at((), f"values deeper than {MAX_LEVELS} levels")
