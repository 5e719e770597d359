"""Strict schemas: which JSON schemas OpenAI takes for an answer that must obey them.

A subset of JSON Schema (developers.openai.com/api/docs/guides/structured-outputs).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MAX_PROPERTIES = 5_000  # in a whole schema
MAX_LEVELS = 10  # of objects and lists in one another
KEYWORDS = frozenset(
    [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "$ref",
        "$defs",
        "description",
        "title",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
    ]
)
TYPES = frozenset(["object", "array", "string", "number", "integer", "boolean", "null"])

Path = tuple[str, ...]


def objection(schema: Any) -> str | None:
    """What OpenAI has against the schema, in its words; None where it takes it."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        found = schema.get("type") if isinstance(schema, dict) else None
        return f"""schema must be a JSON Schema of 'type: "object"', got 'type: "{found}"'."""
    if "anyOf" in schema:
        return _said((), "'anyOf' is not permitted at the root.")
    parts = list(_parts(schema))
    for path, level, part in parts:
        if (wrong := _wrong(part, schema)) is not None:
            return _said(path, wrong)
        if level > MAX_LEVELS and not {"object", "array"}.isdisjoint(_types(part)):
            return _said(path, f"{level} levels of nesting exceeds limit of {MAX_LEVELS}.")
    count = sum(len(part.get("properties", {})) for _, _, part in parts)
    if count > MAX_PROPERTIES:
        return f"Expected at most {MAX_PROPERTIES} object properties total, but got {count}."
    return None


def _said(path: Path, wrong: str) -> str:
    return f"In context={path}, {wrong}"


def _parts(part: Any, path: Path = (), level: int = 1) -> Iterator[tuple[Path, int, Any]]:
    """The schema and every one in it, each with where it stands and how deep."""
    yield path, level, part
    if not isinstance(part, dict) or level > MAX_LEVELS:
        return
    for key, inner, deeper in _inner(part):
        yield from _parts(inner, (*path, *key), level + deeper)


def _inner(part: dict[str, Any]) -> Iterator[tuple[Path, Any, int]]:
    for keyword, deeper in (("properties", 1), ("$defs", 0)):
        if isinstance(named := part.get(keyword), dict):
            yield from (((keyword, name), inner, deeper) for name, inner in named.items())
    if "items" in part:
        yield ("items",), part["items"], 1
    if isinstance(several := part.get("anyOf"), list):
        yield from ((("anyOf", str(n)), inner, 0) for n, inner in enumerate(several))


def _wrong(part: Any, root: dict[str, Any]) -> str | None:
    """What is wrong with this part, not looking into it."""
    if not isinstance(part, dict):
        return "schema must be an object."
    for keyword in part:
        if keyword not in KEYWORDS:
            return f"'{keyword}' is not permitted."
    if "$ref" in part:
        return _wrong_reference(part, root)
    if "anyOf" not in part and "type" not in part:
        return "schema must have a 'type' key."
    if not TYPES.issuperset(_types(part)):
        return f"'{part['type']}' is not a valid type."
    if "object" in _types(part) or "properties" in part:
        return _wrong_object(part)
    if "array" in _types(part) and "items" not in part:
        return "array schema missing items."
    return None


def _types(part: dict[str, Any]) -> list[str]:
    found = part.get("type", [])
    return [found] if isinstance(found, str) else found


def _wrong_reference(part: dict[str, Any], root: dict[str, Any]) -> str | None:
    if beside := set(part) - {"$ref", "$defs"}:
        return f"$ref cannot have keywords {beside}."
    name = str(part["$ref"])
    known = {"#", *(f"#/$defs/{key}" for key in root.get("$defs", {}))}
    return None if name in known else f"reference '{name}' cannot be resolved."


def _wrong_object(part: dict[str, Any]) -> str | None:
    if part.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    required = part.get("required", [])
    missing = [key for key in part.get("properties", {}) if key not in required]
    if "required" not in part or missing:
        told = "'required' is required to be supplied and to be an array including every key"
        return f"{told} in properties. Missing {missing[0] if missing else 'all'!r}."
    if extra := [key for key in required if key not in part.get("properties", {})]:
        return f"'required' has '{extra[0]}', which is not in properties."
    return None
