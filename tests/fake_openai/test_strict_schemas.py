"""Strict schemas: which of them the fake provider takes, as OpenAI does."""

from __future__ import annotations

from typing import Any

import pytest

from app.fake_openai.strict_schemas import objection


def closed(**properties: Any) -> dict[str, Any]:
    """An object with just these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def nested(levels: int) -> dict[str, Any]:
    """Objects and lists in one another, so many of them, around a string."""
    found: dict[str, Any] = {"type": "string"}
    for level in range(levels - 1):
        found = {"type": "array", "items": found} if level % 2 else closed(inner=found)
    return closed(outermost=found)


def wide(count: int) -> dict[str, Any]:
    half = closed(**{f"p{n}": {"type": "string"} for n in range(count // 2)})
    rest = {f"q{n}": {"type": "string"} for n in range(count - count // 2 - 1)}
    return closed(half=half, **rest)


TEXT = {"type": "string"}
TAKEN: dict[str, Any] = {
    "nothing": closed(),
    "texts and numbers": closed(
        name={"type": "string", "description": "Who.", "title": "Name", "pattern": "^[A-Z]"},
        day={"type": "string", "format": "date"},
        score={"type": "number", "minimum": 0, "maximum": 1},
        count={"type": "integer", "exclusiveMinimum": 0, "multipleOf": 2},
        well={"type": "boolean"},
        kind={"type": "string", "enum": ["a", "b"]},
        version={"type": "integer", "const": 1},
    ),
    "lists within bounds": closed(
        tags={"type": "array", "items": TEXT, "minItems": 1, "maxItems": 5}
    ),
    "what may be null": closed(
        a={"type": ["string", "null"]}, b={"anyOf": [closed(c=TEXT), {"type": "null"}]}
    ),
    "references": {
        **closed(first={"$ref": "#/$defs/Point"}, next={"$ref": "#"}),
        "$defs": {"Point": closed(x={"type": "number"})},
    },
    "ten levels": nested(10),
    "5,000 properties": wide(5_000),
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_strict_schema_is_taken(name: str) -> None:
    assert objection(TAKEN[name]) is None


def within(part: Any) -> dict[str, Any]:
    return closed(part=part)


def forbidden(keyword: str) -> str:
    return f"In context=('properties', 'part'), '{keyword}' is not permitted."


LOOSE: dict[str, tuple[Any, str]] = {
    "no schema": (None, """schema must be a JSON Schema of 'type: "object"', got"""),
    "a list at the root": (
        {"type": "array", "items": TEXT},
        """schema must be a JSON Schema of 'type: "object"', got 'type: "array"'.""",
    ),
    "anyOf at the root": (
        {**closed(), "anyOf": [closed()]},
        "In context=(), 'anyOf' is not permitted",
    ),
    "a key that is not required": (
        {**closed(a=TEXT, b=TEXT), "required": ["a"]},
        "In context=(), 'required' is required to be supplied and to be an array including every "
        "key in properties. Missing 'b'.",
    ),
    "nothing required": (
        {"type": "object", "properties": {}, "additionalProperties": False},
        "In context=(), 'required' is required to be supplied",
    ),
    "a key that is required and not there": (
        {**closed(a=TEXT), "required": ["a", "b"]},
        "In context=(), 'required' has 'b', which is not in properties.",
    ),
    "open to more": (
        {"type": "object", "properties": {}, "required": []},
        "In context=(), 'additionalProperties' is required to be supplied and to be false.",
    ),
    "open within": (
        within({**closed(), "additionalProperties": True}),
        "In context=('properties', 'part'), 'additionalProperties' is required",
    ),
    "open in a list": (
        within({"type": "array", "items": {"type": "object"}}),
        "In context=('properties', 'part', 'items'), 'additionalProperties' is required",
    ),
    "open in a union": (
        within({"anyOf": [{"type": "null"}, {"type": "object"}]}),
        "In context=('properties', 'part', 'anyOf', '1'), 'additionalProperties' is required",
    ),
    "open in a definition": (
        {**closed(), "$defs": {"Point": {"type": "object"}}},
        "In context=('$defs', 'Point'), 'additionalProperties' is required",
    ),
    **{
        keyword: (within({**TEXT, keyword: value}), forbidden(keyword))
        for keyword, value in {
            "minLength": 1,
            "maxLength": 9,
            "default": "a",
            "allOf": [TEXT],
            "oneOf": [TEXT],
            "not": TEXT,
            "if": TEXT,
            "examples": ["a"],
        }.items()
    },
    "uniqueItems": (
        within({"type": "array", "items": TEXT, "uniqueItems": True}),
        forbidden("uniqueItems"),
    ),
    "a list of anything": (
        within({"type": "array"}),
        "In context=('properties', 'part'), array schema missing items.",
    ),
    "anything": (within({}), "In context=('properties', 'part'), schema must have a 'type' key."),
    "an unknown type": (within({"type": "lamp"}), "In context=('properties', 'part'), 'lamp' is"),
    "no schema within": (within(True), "In context=('properties', 'part'), schema must be an"),
    "a reference with words beside it": (
        {**within({"$ref": "#/$defs/P", "description": "Who."}), "$defs": {"P": TEXT}},
        "In context=('properties', 'part'), $ref cannot have keywords {'description'}.",
    ),
    "a reference to nothing": (
        within({"$ref": "#/$defs/P"}),
        "In context=('properties', 'part'), reference '#/$defs/P' cannot be resolved.",
    ),
    "eleven levels": (nested(11), "In context=("),
    "a thousand levels": (nested(1_000), "In context=("),
    "5,001 properties": (
        wide(5_001),
        "Expected at most 5000 object properties total",
    ),
}


@pytest.mark.parametrize("name", LOOSE)
def test_any_other_schema_is_refused_and_where_it_is_wrong_is_said(name: str) -> None:
    schema, said = LOOSE[name]
    assert (objection(schema) or "").startswith(said)
