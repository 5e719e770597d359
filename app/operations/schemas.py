"""JSON schemas: those of all requests and answers, for the OpenAPI document; and a model's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.operations.descriptions import Described, parts, shown
from app.operations.operation import Operation

TEMPLATE = "#/components/schemas/{model}"
ANYTHING = {"$ref": TEMPLATE.format(model="JsonValue")}


def component_schemas(
    operations: Iterable[Operation[Any, Any]],
) -> tuple[dict[str, tuple[dict[str, Any], dict[str, Any]]], dict[str, Any]]:
    """For each operation's name its request's and its answer's schema, and what they refer to.

    In the forms that generators of clients read best: null as one of a type's names, no titles,
    every description that the types have, and no defaults. A generated client sends those along,
    or demands what has one; and `max_tokens` has another one for each operation.
    """
    operations = list(operations)
    models = [(o.request_type, "validation") for o in operations]
    models += [(o.answer_type, "serialization") for o in operations]
    schemas, definitions = models_json_schema(models, ref_template=TEMPLATE)  # type: ignore[arg-type]  # modes are literals
    refs = {
        o.name: (
            schemas[(o.request_type, "validation")],
            schemas[(o.answer_type, "serialization")],
        )
        for o in operations
    }
    found = {name: _digestible(schema) for name, schema in definitions.get("$defs", {}).items()}
    found.pop("JsonValue")  # which is anything, and is said where it stands
    for kind in {k for model, _ in models for k in _kinds(model)}:
        if kind.__name__ in found:
            _describe(found[kind.__name__], kind)
    return refs, found


def _kinds(kind: Any) -> Iterator[type]:
    """Every model and every closed set of strings that a type is made of."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
        for field in kind.model_fields.values():
            yield from _kinds(field.annotation)
    elif isinstance(kind, type) and issubclass(kind, Described):
        yield kind
    for part in get_args(kind):
        yield from _kinds(part)


def _describe(schema: dict[str, Any], kind: type) -> None:
    """What the type says of its fields or its values; a reference has its target's words."""
    if issubclass(kind, Described):
        values = "\n".join(f"- `{value}`: {value.doc}" for value in kind)
        schema["description"] = f"{schema['description']}\n\n{values}"
    elif issubclass(kind, BaseModel):
        if doc := shown(kind).doc:
            schema.setdefault("description", doc)
        for part in parts(kind):
            field = schema["properties"][part.name]
            if part.doc and "$ref" not in field:
                field.setdefault("description", part.doc)


def _digestible(schema: Any, *, named: bool = False) -> Any:
    """`named`: the node maps names to schemas, and is none itself."""
    if isinstance(schema, list):
        return [_digestible(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if named:
        return {name: _digestible(value) for name, value in schema.items()}
    found = {
        key: _digestible(value, named=key == "properties")
        for key, value in schema.items()
        if key not in ("title", "default")
    }
    return {} if found == ANYTHING else _or_null(found)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """`{anyOf: [{type: string}, {type: null}]}` as `{type: [string, null]}`, where it can be."""
    one, *others = schema.get("anyOf", [{}])
    if others != [{"type": "null"}] or not isinstance(one.get("type"), str) or "enum" in one:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**one, **rest, "type": [one["type"], "null"]}


STRING, LIST = 400, 12  # characters and items, where a draft's type does not say
STEPS = [n / 20 for n in range(21)]  # scores from 0 to 1


def bounded(schema: dict[str, Any], *, by: str, longest: int) -> dict[str, Any]:
    """A draft's schema with a bound on each string and list, so that a small model ends.

    by: `maxLength`, `pattern` for who takes no lengths in a strict schema, or `none` for who takes
    neither. longest: characters; more are no bound to some grammars.
    """
    found: dict[str, Any] = _bounded(schema, by, longest)
    return found


def _bounded(schema: Any, by: str, longest: int) -> Any:
    if isinstance(schema, list):
        return [_bounded(item, by, longest) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _bounded(value, by, longest) for key, value in schema.items()}
    kind = found.get("type")
    if kind == "array":
        found.setdefault("maxItems", LIST)
    elif kind == "string" and not found.keys() & {"enum", "const"}:
        most = min(longest, found.pop("maxLength", STRING))
        if by == "maxLength":
            found |= {"minLength": 1, "maxLength": most}
        elif by == "pattern":
            found["pattern"] = rf"^[\s\S]{{1,{most}}}$"
    elif kind == "number" and by == "maxLength" and found.get("maximum") == 1:
        # llama.cpp's grammars know no bounds of numbers: a score came as 85.
        return {"type": "number", "enum": STEPS}
    return found
