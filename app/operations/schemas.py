"""JSON schemas: those of all requests and answers, for the OpenAPI document; and a model's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import models_json_schema

from app.operations.operation import Operation

TEMPLATE = "#/components/schemas/{model}"


def component_schemas(
    operations: Iterable[Operation[Any, Any]],
) -> tuple[dict[str, tuple[dict[str, Any], dict[str, Any]]], dict[str, Any]]:
    """For each operation's name its request's and its answer's schema, and what they refer to."""
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
    return refs, definitions.get("$defs", {})


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
