"""What the OpenAPI document says of batches."""

from __future__ import annotations

from typing import Any

from app.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from app.operations import OPERATIONS
from app.pipeline.gateway import MAX_BATCH
from app.rest.batch import BATCH, MAX_ID_CHARACTERS
from app.rest.openapi_answers import CALLER_HEADERS, REFUSED, answer_example, answered, errors, sent

SCHEMAS: dict[str, Any] = {
    "Batch": {
        "type": "object",
        "description": "What to run; the list by itself is taken as well.",
        "required": ["requests"],
        "properties": {
            "requests": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_BATCH,
                "uniqueItems": True,
                "items": {"$ref": "#/components/schemas/BatchRequest"},
                "description": "No two may have the same `id`.",
            }
        },
    },
    "BatchRequest": {
        "type": "object",
        "description": "One of a batch's requests.",
        "required": ["id", "path", "body"],
        "properties": {
            "id": {
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_ID_CHARACTERS,
                "description": "The caller's name for it, another for each request of the batch.",
            },
            "path": {
                "type": "string",
                "description": "The route of an operation; for any other the result is a 404.",
                "examples": [o.path for o in OPERATIONS.values()],
            },
            "body": {
                "type": "object",
                "additionalProperties": True,
                "description": "What would be sent to that route.",
            },
        },
    },
    "BatchResults": {
        "type": "object",
        "description": "A batch's results, in the order of its requests.",
        "required": ["results"],
        "properties": {
            "results": {"type": "array", "items": {"$ref": "#/components/schemas/BatchResult"}}
        },
    },
}


def batch_schemas(answers: list[Any]) -> dict[str, Any]:
    """The schemas by name; `answers`: those of a request that worked."""
    return {**SCHEMAS, "BatchResult": _result(answers)}


def batch_paths(wishes: list[Any]) -> dict[str, Any]:
    return {BATCH: {"post": _batch(wishes)}}


def _batch(wishes: list[Any]) -> dict[str, Any]:
    operations = list(OPERATIONS.values())[:2]
    requests = [{"id": o.name, "path": o.path, "body": o.example.request} for o in operations]
    results = [{"id": o.name, "status": 200, "body": answer_example(o)} for o in operations]
    return {
        "operationId": "runBatch",
        "tags": ["batch"],
        "summary": "Several operations in one request",
        "description": "Each is authorised and counted as if it had been sent alone, and what is "
        "wrong with one does not touch the others. An `Idempotency-Key` is one for each of them, "
        "and `Cache-Control` is meant for all.",
        "parameters": wishes,
        "requestBody": sent({"$ref": "#/components/schemas/Batch"}, {"requests": requests}),
        "responses": {
            "200": answered(
                "The results, in the given order.",
                {"$ref": "#/components/schemas/BatchResults"},
                *CALLER_HEADERS,
                example={"results": results},
            ),
            **errors(InvalidRequest, PayloadTooLarge, UnsupportedMediaType, *REFUSED),
        },
    }


def _result(answers: list[Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "What became of one request of a batch.",
        "required": ["id", "status", "body"],
        "properties": {
            "id": {"type": "string"},
            "status": {"type": "integer", "description": "As the route would have answered."},
            "body": {
                "description": "Its answer, or its error.",
                "oneOf": [*answers, {"$ref": "#/components/schemas/ErrorBody"}],
            },
        },
    }
