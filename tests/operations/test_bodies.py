"""How many values a body may have over REST."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.errors import InvalidRequest
from app.operations import OPERATIONS
from app.operations.bodies import FEW, MAX_ITEMS, MAX_LEVELS, MAX_VALUES, check
from app.operations.fields import MAX_CONTENT, MAX_EXTRA_KEYS


def nested(levels: int) -> Any:
    found: Any = list(range(200))
    for _ in range(levels):
        found = [found]
    return found


PADDING = [list(range(190))] * (FEW // 190 + 1)


@pytest.mark.parametrize(
    "given",
    [
        {str(n): n for n in range(FEW + 2)},
        {"theme": {str(n): n for n in range(FEW + 2)}},
        {"elements": ["no"] * (FEW + 2)},
        {"x": [*PADDING, list(range(MAX_ITEMS + 1))]},
        {"x": [list(range(MAX_ITEMS))] * (MAX_VALUES // MAX_ITEMS + 1)},
        {"x": PADDING, "y": nested(MAX_LEVELS)},
    ],
)
def test_a_body_with_too_many_values_is_refused(given: Any) -> None:
    for operation in OPERATIONS.values():
        with pytest.raises(InvalidRequest, match=r"more than|deeper than"):
            operation.read(json.dumps(given).encode())


def test_what_is_heaviest_of_what_operations_take_passes() -> None:
    lists = {f"key {n}": ["word"] * 64 for n in range(MAX_EXTRA_KEYS)}
    strings = {f"key {n}": "word" for n in range(MAX_EXTRA_KEYS)}
    check(json.dumps({"context": lists, "parameters": strings, "theme": strings}).encode())


def test_commas_of_a_text_are_no_values() -> None:
    text = ", " * (MAX_CONTENT // 2)
    assert OPERATIONS["theme"].read(json.dumps({"content": text}).encode()).content == text


def test_what_is_no_json_is_left_to_who_reads_it() -> None:
    with pytest.raises(InvalidRequest, match="JSON"):
        OPERATIONS["theme"].read(b"[" + b"1," * 5_000)
