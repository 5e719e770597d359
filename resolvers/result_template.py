"""ResultTemplate: the result of a plain event, executed once and then filled in.

Of a type whose fields are all plain attributes, two events' results differ in the values alone: a
subscription that told of fifty deltas by executing its document fifty times took a quarter of the
process's time for it. So the document is executed for an event with marks in place of its values,
and each event's own values are put where the marks came out.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from graphql import ExecutionResult

# No alias can contain it, and no id of ours does.
PLACEHOLDER = "\ue000{}\ue000"
NUMBER_PLACEHOLDER = 2**31 - 1  # an Int's mark, the largest; the next field's is one less
PLACEHOLDERS = re.compile('"\ue000([a-z_]+)\ue000"')


class ResultTemplate:
    """A result's text around its values, and which value stands between two pieces."""

    __slots__ = ("_names", "_pieces")

    def __init__(self, marked: str) -> None:
        parts = PLACEHOLDERS.split(marked)
        self._pieces, self._names = [piece.encode() for piece in parts[0::2]], parts[1::2]

    def fill(self, event: Any) -> bytes:
        """The event's result as JSON."""
        found = [self._pieces[0]]
        for name, piece in zip(self._names, self._pieces[1:], strict=True):
            found.append(orjson.dumps(getattr(event, name)))
            found.append(piece)
        return b"".join(found)


def template_of(
    event: Any, varying: Sequence[str], execute: Callable[[Any], ExecutionResult]
) -> ResultTemplate | None:
    """A template for events such as this one; None where its execution has errors.

    `varying` are the fields, strings or numbers, that are another's in each event.
    """
    marked, numbers = copy.copy(event), {}
    for at, name in enumerate(varying):
        if isinstance(getattr(event, name), int):
            numbers[NUMBER_PLACEHOLDER - at] = PLACEHOLDER.format(name)
            setattr(marked, name, NUMBER_PLACEHOLDER - at)
        else:
            setattr(marked, name, PLACEHOLDER.format(name))
    result = execute(marked)
    if result.errors:
        return None
    return ResultTemplate(orjson.dumps({"data": _texts(result.data, numbers)}).decode())


def _texts(value: Any, numbers: dict[int, str]) -> Any:
    """The data with numbers' marks as texts, which can be told from an alias's digits."""
    if isinstance(value, dict):
        return {name: _texts(child, numbers) for name, child in value.items()}
    return numbers.get(value, value) if type(value) is int else value
