"""The JSON schemas of all operations' requests and answers, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import models_json_schema

from app.operations.base import Operation

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
