"""The OpenAPI 3.1 document, made from the operations' own models.

Why no library writes it stands in docs/decisions/0012-own-openapi.md. Its forms are those that
generators of clients digest; tests/generators has some, and `make test-generators` runs them.
"""

from __future__ import annotations

from typing import Any

from app.errors import (
    BudgetExceeded,
    ContentRejected,
    Forbidden,
    GatewayError,
    IdempotencyConflict,
    InvalidRequest,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    NotFound,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from app.operations import OPERATIONS, Operation
from app.operations.schemas import component_schemas
from app.rest.error_pages import PATH as ERRORS
from app.rest.openapi_answers import (
    CACHE_HEADERS,
    CALLER_HEADERS,
    ERROR_EXAMPLES,
    ERROR_SCHEMAS,
    HEADERS,
    REFUSED,
    STREAM,
    STREAM_EXAMPLE,
    UUID,
    answer_example,
    answered,
    errors,
    headers,
    sent,
)
from app.rest.openapi_batch import batch_paths, batch_schemas
from app.rest.openapi_live import LIVE_PARAMETERS, LIVE_SCHEMAS, live_paths
from app.rest.openapi_ratings import RATING_SCHEMAS, rating_paths
from app.rest.openapi_usage import USAGE_SCHEMAS, usage_paths
from app.rest.openapi_users import SCHEMAS as USER_SCHEMAS
from app.rest.openapi_users import user_paths

COMMON: tuple[type[GatewayError], ...] = (Forbidden, *REFUSED)
RUNS = (
    InvalidRequest,
    ContentRejected,
    PayloadTooLarge,
    UnsupportedMediaType,
    BudgetExceeded,
    IdempotencyConflict,
    *COMMON,
    ModelError,
    ModelUnavailable,
    ModelTimeout,
)
TAGS = {
    "text": "Prose about characters and campaigns.",
    "campaign": "Parts of a campaign: story elements, persons, places and items.",
    "theme": "What kind of tale a text is.",
    "validation": "Texts held against rules.",
    "batch": "Several operations at once.",
    "content": "Stored answers.",
    "generations": "Answers while they are written.",
    "events": "What happened, as it happens.",
    "usage": "What was spent on models.",
    "users": "What is kept of a user.",
    "operation": "For who runs the gateway.",
}
DESCRIPTION = f"""\
Every route needs a bearer token unless it says otherwise. Every answer has `X-Request-ID`, and
tells how the tightest limit stands in `X-RateLimit-*`, `RateLimit` and `RateLimit-Policy`, and
where its time went in `Server-Timing`.

Errors come as `{{code, message, details}}`, and as `application/problem+json` (RFC 9457) to who
names that type in `Accept` and does not prefer `application/json`. `{ERRORS}` explains every code.

A number may be sent as a string, null stands for what is left out, and unknown fields are ignored
unless an object says that it passes them on."""

PARAMETERS: dict[str, Any] = {
    "ContentId": {"name": "content_id", "in": "path", "required": True, "schema": UUID},
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "1 to 255 visible ASCII characters. The same key from the same user within "
        "24 hours gives the first answer again; with another request it is a 409.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    "CacheControl": {
        "name": "Cache-Control",
        "in": "header",
        "description": "`max-age=N`: an answer at most N seconds old will do; `no-cache`: a new "
        "one, which is kept; `no-store`: a new one, which is not; `similar=0.85`: an earlier "
        "answer to a request that is so alike (0 to 1) will do. Analyses and validations are "
        "cached unless this says otherwise, generated text only where it asks for it.",
        "schema": {"type": "string"},
    },
    "AllowDegraded": {
        "name": "X-Allow-Degraded",
        "in": "header",
        "description": "`false`: no simpler model than the one asked for will do; where it cannot "
        "answer, that is a 503 with `Retry-After`.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
    "OnDisconnect": {
        "name": "X-On-Disconnect",
        "in": "header",
        "description": "`cancel`: the request is given up when its client leaves; else it is "
        "answered to its end and stored.",
        "schema": {"type": "string", "enum": ["continue", "cancel"]},
    },
    **LIVE_PARAMETERS,
}
WISHES = [
    {"$ref": f"#/components/parameters/{name}"}
    for name in ("IdempotencyKey", "CacheControl", "AllowDegraded", "OnDisconnect")
]


def openapi_document() -> dict[str, Any]:
    """The whole document; its server is the one that serves it, so that it is right anywhere."""
    refs, definitions = component_schemas(OPERATIONS.values())
    answers = _each_once([answer for _, answer in refs.values()])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Loregate REST v2",
            "version": "2",
            "summary": "Dungeons & Dragons content, written with language models",
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The gateway that this document comes from."}],
        "tags": [{"name": name, "description": told} for name, told in TAGS.items()],
        "security": [{"bearer": []}],
        "paths": _paths(refs),
        "components": {
            "schemas": {
                **definitions,
                "Answer": {"description": "The answer of any operation.", "oneOf": answers},
                **batch_schemas(answers),
                **RATING_SCHEMAS,
                **LIVE_SCHEMAS,
                **USAGE_SCHEMAS,
                **USER_SCHEMAS,
                **ERROR_SCHEMAS,
            },
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "examples": ERROR_EXAMPLES,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def _paths(refs: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for operation in OPERATIONS.values():
        request, answer = refs[operation.name]
        found[operation.path] = {"post": _post(operation, request, answer)}
        found[f"{operation.path}/stream"] = {"post": _stream(operation, request)}
    return {
        **found,
        **batch_paths(WISHES),
        "/api/v2/content/{content_id}": _content(),
        **rating_paths(),
        **user_paths(),
        **live_paths(),
        **usage_paths(),
    }


def _each_once(schemas: list[Any]) -> list[Any]:
    """Two operations may share their answer's type."""
    return [schema for n, schema in enumerate(schemas) if schema not in schemas[:n]]


# -- operations
def _post(operation: Operation[Any, Any], request: Any, answer: Any) -> dict[str, Any]:
    return {
        **_named(operation),
        "description": f"{_needs(operation)} With `Accept: text/event-stream` it is answered as "
        f"`{operation.path}/stream` is.",
        "parameters": WISHES,
        "requestBody": sent(request, operation.example.request),
        "responses": {
            "200": answered(
                "The answer.",
                answer,
                *CALLER_HEADERS,
                *CACHE_HEADERS,
                "X-Budget-Warning",
                example=answer_example(operation),
            ),
            **errors(*RUNS),
        },
    }


def _stream(operation: Operation[Any, Any], request: Any) -> dict[str, Any]:
    named = _named(operation)
    return {
        **named,
        "operationId": f"{named['operationId']}Stream",
        "summary": f"{operation.title}, and get it as it is written",
        "description": f"{_needs(operation)} Server-sent events: `started`, `delta`, `reset`, and "
        "one of `completed`, `failed`, `cancelled` at the end. Each has its cursor as its `id`, "
        "from which `/api/v2/generations/{generation_id}/events` goes on.",
        "parameters": WISHES,
        "requestBody": sent(request, operation.example.request),
        "responses": {
            "200": answered(
                "The answer's events.",
                None,
                *CALLER_HEADERS,
                "X-Generation-ID",
                example=STREAM_EXAMPLE,
                kind=STREAM,
            ),
            **errors(*RUNS),
        },
    }


def _named(operation: Operation[Any, Any]) -> dict[str, Any]:
    """The same name as GraphQL's, and the tag after the path: /api/v2/{tag}/…"""
    first, *others = operation.mutation.name.split("_")
    return {
        "operationId": first + "".join(word.capitalize() for word in others),
        "tags": [operation.path.split("/")[3]],
        "summary": operation.title,
    }


def _needs(operation: Operation[Any, Any]) -> str:
    return (
        f"Needs the permission `{operation.permission}`; "
        f"counts for the limit `operation:{operation.limit}`."
    )


# -- stored answers
def _content() -> dict[str, Any]:
    return {
        "parameters": [{"$ref": "#/components/parameters/ContentId"}],
        "get": _read(),
        "delete": _delete(),
    }


def _read() -> dict[str, Any]:
    return {
        "operationId": "readContent",
        "tags": ["content"],
        "summary": "A stored answer, as it was given",
        "description": "Needs the permission `content:read`.",
        "responses": {
            "200": answered(
                "The answer as it was given.",
                {"$ref": "#/components/schemas/Answer"},
                *CALLER_HEADERS,
                example=answer_example(next(iter(OPERATIONS.values()))),
            ),
            **errors(*COMMON, NotFound),
        },
    }


def _delete() -> dict[str, Any]:
    return {
        "operationId": "deleteContent",
        "tags": ["content"],
        "summary": "Delete a stored answer for good",
        "description": "Needs the permission `content:write`. What continues it stays.",
        "responses": {
            "204": {"description": "It is gone.", "headers": headers(*CALLER_HEADERS)},
            **errors(*COMMON, NotFound),
        },
    }
