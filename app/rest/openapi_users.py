"""What the OpenAPI document says of users' data."""

from __future__ import annotations

from typing import Any

from app.errors import DependencyUnavailable, Forbidden, InvalidRequest
from app.pipeline.user_data import MAX_NAME_LENGTH
from app.rest.openapi_answers import CALLER_HEADERS, REFUSED, answered, errors

COUNTS = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
SCHEMAS: dict[str, Any] = {
    "Erasure": {
        "type": "object",
        "description": "What was removed: nought of everything where nothing was kept.",
        "required": ["erased_at", "erased"],
        "properties": {
            "erased_at": {"type": "string", "format": "date-time"},
            "erased": {
                "type": "object",
                "description": "How many of what, by store.",
                "required": ["redis", "database"],
                "properties": {"redis": COUNTS, "database": COUNTS},
            },
        },
    },
}
USER: dict[str, Any] = {
    "name": "sub",
    "in": "path",
    "required": True,
    "description": "The user's id as tokens have it in `sub`, percent-encoded.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH},
    "example": "mira",
}
EXPORT_EXAMPLE = (
    '{"kind":"user","user_id":"mira","exported_at":"2026-11-02T18:04:05+00:00",'
    '"kept":{"contents":1,"bytes":812}}\n'
    '{"kind":"idempotency_key","key":"order-7","content_id":"019d3a3e-7f2c-7cc3-98c4-dc0c0c07398f",'
    '"created_at":"2026-11-02T18:04:04+00:00"}\n'
    '{"kind":"end","counts":{"content":0,"event":0,"idempotency_key":1,"rating":0,"usage":0}}\n'
)
ERASED_EXAMPLE = {
    "erased_at": "2026-11-02T18:04:05+00:00",
    "erased": {
        "redis": {"generations_cancelled": 1, "keys": 14, "events": 3},
        "database": {
            "contents": 3,
            "ratings": 1,
            "events": 3,
            "idempotency_keys": 2,
            "usage_without_name": 5,
        },
    },
}


def user_paths() -> dict[str, Any]:
    return {
        "/api/v2/users/{sub}": {"parameters": [USER], "delete": _erase()},
        "/api/v2/users/{sub}/export": {"parameters": [USER], "get": _export()},
    }


def _erase() -> dict[str, Any]:
    return {
        "operationId": "eraseUser",
        "tags": ["users"],
        "summary": "Erase everything that is kept of a user",
        "description": "Needs the permission `gateway:admin`. It may be asked for again at any "
        "time, and is to be where it says 503: `left` are the stores that could not be reached. "
        "What was spent stays without the user's name.",
        "responses": {
            "200": answered(
                "Nothing is kept of the user any more.",
                {"$ref": "#/components/schemas/Erasure"},
                *CALLER_HEADERS,
                example=ERASED_EXAMPLE,
            ),
            **errors(InvalidRequest, Forbidden, DependencyUnavailable, *REFUSED),
        },
    }


def _export() -> dict[str, Any]:
    return {
        "operationId": "exportUser",
        "tags": ["users"],
        "summary": "Everything that is kept of a user",
        "description": "Needs the permission `gateway:admin`, or `content:read` for the caller's "
        "own. A JSON object a line, each with its `kind`: `user`, `content`, `event`, "
        "`idempotency_key`, `rating`, `usage`, and as the last one `end`, which counts the others: "
        "an export without it was cut off.",
        "responses": {
            "200": answered(
                "All of it.",
                None,
                *CALLER_HEADERS,
                example=EXPORT_EXAMPLE,
                kind="application/x-ndjson",
            ),
            **errors(InvalidRequest, Forbidden, DependencyUnavailable, *REFUSED),
        },
    }
