"""Variables: how many values a request may bring, counted before any of them is looked at.

A value takes 2 to 6 µs to be coerced to its type, and about as long again to become an input; it is
counted in a tenth of a microsecond. An input with everything in it has 1,000 values, a batch of
twenty usual ones about as many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resolvers.complexity import TooComplex
from resolvers.errors import InvalidDocument

MAX_VALUES = 2_000  # of all variables together, at every depth
MAX_ITEMS = 200  # of one list; `ids` takes 100, and says so itself when it gets more
MAX_LEVELS = 12  # a batch's deepest value stands on the eighth
MAX_ERRORS = 10  # told of values that do not fit their types


def check(variables: Mapping[str, Any]) -> None:
    """Raises `InvalidDocument` when there are too many values, or too deep."""
    level: list[Any] = [variables]
    counted = 0
    for _ in range(MAX_LEVELS):
        below: list[Any] = []
        for value in level:
            if isinstance(value, list | dict):
                if isinstance(value, list) and len(value) > MAX_ITEMS:
                    raise _too_many(f"a list of more than {MAX_ITEMS} items")
                counted += len(value)
                if counted > MAX_VALUES:
                    raise _too_many(f"more than {MAX_VALUES} values")
                below += value if isinstance(value, list) else value.values()
        if not below:
            return
        level = below
    raise _too_many(f"values deeper than {MAX_LEVELS} levels")


def _too_many(said: str) -> InvalidDocument:
    return InvalidDocument([TooComplex(f"The variables have {said}")], "QUERY_TOO_COMPLEX")
