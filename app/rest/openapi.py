"""The OpenAPI 3.1 document, made from the operations' own models, and a page to read it.

Why no library writes it stands in docs/decisions/0012-own-openapi.md.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from app.errors import (
    ContentRejected,
    DependencyUnavailable,
    Forbidden,
    GatewayError,
    IdempotencyConflict,
    InternalError,
    InvalidRequest,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    Unauthenticated,
    UnsupportedMediaType,
)
from app.operations import OPERATIONS, Operation
from app.operations.schemas import component_schemas
from app.pipeline.gateway import MAX_BATCH
from app.rest.batch import BATCH, MAX_ID_CHARACTERS
from app.rest.openapi_live import live_paths

DOCS_PAGE = resources.files("app.rest").joinpath("docs.html").read_text()

CONTENT_ID = {
    "name": "content_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
}

REFUSED: tuple[type[GatewayError], ...] = (
    Unauthenticated,
    RateLimited,
    InternalError,
    DependencyUnavailable,
)
COMMON: tuple[type[GatewayError], ...] = (
    Forbidden,
    *REFUSED,
)
RUNS = (
    InvalidRequest,
    ContentRejected,
    PayloadTooLarge,
    UnsupportedMediaType,
    IdempotencyConflict,
    *COMMON,
    ModelError,
    ModelUnavailable,
    ModelTimeout,
)

ERROR_SCHEMA = {
    "type": "object",
    "required": ["code", "message", "details"],
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "details": {
            "type": "object",
            "required": ["request_id"],
            "properties": {"request_id": {"type": "string"}},
        },
    },
}
COMPONENT = {"type": "string", "enum": ["healthy", "degraded", "unhealthy"]}
HEALTH_SCHEMA = {
    "type": "object",
    "required": ["status", "components", "metrics"],
    "properties": {
        "status": COMPONENT,
        "components": {
            "type": "object",
            "required": ["openai", "message_hub", "cache", "db"],
            "additionalProperties": COMPONENT,
        },
        "metrics": {
            "type": "object",
            "required": ["request_rate", "error_rate", "p95_latency"],
            "properties": {
                "request_rate": {"type": "number", "description": "Requests a second."},
                "error_rate": {"type": "number", "minimum": 0, "maximum": 1},
                "p95_latency": {"type": "number", "description": "Milliseconds."},
            },
        },
    },
}
BATCH_REQUEST = {
    "type": "object",
    "required": ["id", "path", "body"],
    "properties": {
        "id": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_ID_CHARACTERS,
            "description": "The caller's name for it, another for each request.",
        },
        "path": {
            "type": "string",
            "description": "The route of an operation, such as "
            f"`{next(iter(OPERATIONS.values())).path}`; for any other the result is a 404.",
        },
        "body": {"type": "object", "description": "What would be sent to that route."},
    },
}
BATCH_RESULT = {
    "type": "object",
    "required": ["id", "status", "body"],
    "properties": {
        "id": {"type": "string"},
        "status": {"type": "integer", "description": "As the route would have answered."},
        "body": {"type": "object", "description": "Its answer, or its error."},
    },
}
BATCH_RESULTS = {
    "type": "object",
    "required": ["results"],
    "properties": {
        "results": {"type": "array", "items": {"$ref": "#/components/schemas/BatchResult"}}
    },
}
WISHES = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "1 to 255 visible ASCII characters. The same key from the same user within "
        "24 hours gives the first answer again; with another request it is a 409.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    {
        "name": "Cache-Control",
        "in": "header",
        "description": "`max-age=N`: an answer at most N seconds old will do; `no-cache`: a new "
        "one, which is kept; `no-store`: a new one, which is not; `similar=0.85`: an earlier "
        "answer to a request that is so alike (0 to 1) will do. Analyses and validations are "
        "cached unless this says otherwise, generated text only where it asks for it.",
        "schema": {"type": "string"},
    },
    {
        "name": "X-Allow-Degraded",
        "in": "header",
        "description": "`false`: no simpler model than the one asked for will do; where it cannot "
        "answer, that is a 503 with `Retry-After`.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
    {
        "name": "X-On-Disconnect",
        "in": "header",
        "description": "`cancel`: the request is given up when its client leaves; else it is "
        "answered to its end and stored.",
        "schema": {"type": "string", "enum": ["continue", "cancel"]},
    },
]
CACHE_HEADERS = {
    "X-Cache": "What the cache did: HIT, MISS, COALESCED or BYPASS.",
    "Age": "On a HIT: for how many seconds the answer has been there.",
    "X-Similarity": "How alike the request was that it was made for, where that was another.",
}
LIMIT_HEADERS = {
    "X-RateLimit-Limit": "What the tightest limit admits in its window.",
    "X-RateLimit-Remaining": "What is left of it.",
    "X-RateLimit-Reset": "The Unix second at which it has room again.",
    "X-RateLimit-Scope": "Which limit these are.",
}


def openapi_document() -> dict[str, Any]:
    """The whole document; it names no server, so that it is right wherever it is served."""
    refs, definitions = component_schemas(OPERATIONS.values())
    paths: dict[str, Any] = {o.path: {"post": _post(o, *refs[o.name])} for o in OPERATIONS.values()}
    paths[BATCH] = {"post": _batch()}
    paths["/api/v2/content/{content_id}"] = {
        "parameters": [CONTENT_ID],
        "get": _content([a for _, a in refs.values()]),
        "delete": _delete(),
    }
    paths |= live_paths()
    paths |= _health_paths()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Loregate REST v2",
            "version": "2",
            "summary": "Dungeons & Dragons content, written with language models",
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {
                **definitions,
                "BatchRequest": BATCH_REQUEST,
                "BatchResult": BATCH_RESULT,
                "Error": ERROR_SCHEMA,
                "Health": HEALTH_SCHEMA,
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def _post(operation: Operation[Any, Any], request: Any, answer: Any) -> dict[str, Any]:
    return {
        "operationId": operation.name,
        "summary": operation.title,
        "description": f"Needs the permission `{operation.permission}`; "
        f"counts for the limit `operation:{operation.limit}`.",
        "parameters": WISHES,
        "requestBody": {"required": True, "content": _json(request)},
        "responses": {
            "200": _streamed(_answered("The answer.", answer, LIMIT_HEADERS | CACHE_HEADERS)),
            **_errors(RUNS),
        },
    }


def _streamed(answer: dict[str, Any]) -> dict[str, Any]:
    """With `Accept: text/event-stream` the same answer as it is written."""
    told = "Events `started`, `delta`, `reset`, and one of `completed`, `failed`, `cancelled`."
    stream = {"schema": {"type": "string", "description": told}}
    return {**answer, "content": {**answer["content"], "text/event-stream": stream}}


def _batch() -> dict[str, Any]:
    requests = {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_BATCH,
        "items": {"$ref": "#/components/schemas/BatchRequest"},
    }
    named = {"type": "object", "required": ["requests"], "properties": {"requests": requests}}
    return {
        "operationId": "batch",
        "summary": "Several operations in one request",
        "description": "Each is authorised and counted as if it had been sent alone, and what is "
        "wrong with one does not touch the others. An `Idempotency-Key` is one for each of them, "
        "and `Cache-Control` is meant for all.",
        "parameters": WISHES,
        "requestBody": {"required": True, "content": _json({"anyOf": [requests, named]})},
        "responses": {
            "200": _answered("The results, in the given order.", BATCH_RESULTS, LIMIT_HEADERS),
            **_errors((InvalidRequest, PayloadTooLarge, UnsupportedMediaType, *REFUSED)),
        },
    }


def _content(answers: list[Any]) -> dict[str, Any]:
    return {
        "operationId": "content",
        "summary": "A stored answer, as it was given",
        "description": "Needs the permission `content:read`.",
        "responses": {
            "200": _answered("The answer as it was given.", {"anyOf": answers}, LIMIT_HEADERS),
            **_errors((*COMMON, NotFound)),
        },
    }


def _delete() -> dict[str, Any]:
    return {
        "operationId": "delete",
        "summary": "Delete a stored answer for good",
        "description": "Needs the permission `content:write`. What continues it stays.",
        "responses": {
            "204": {"description": "It is gone.", "headers": _headers(LIMIT_HEADERS)},
            **_errors((*COMMON, NotFound)),
        },
    }


def _health_paths() -> dict[str, Any]:
    health = {"$ref": "#/components/schemas/Health"}
    text = {"text/plain": {"schema": {"type": "string"}}}
    plain = {"description": "It does.", "content": text}
    not_ready = {"description": "The database cannot be reached.", "content": text}
    return {
        "/health": {
            "get": {
                "operationId": "health",
                "summary": "How the gateway and what it depends on are",
                "security": [],
                "responses": {
                    "200": {"description": "It serves.", "content": _json(health)},
                    "503": {"description": "It does not.", "content": _json(health)},
                },
            }
        },
        "/health/live": {
            "get": {
                "operationId": "live",
                "summary": "The process answers",
                "security": [],
                "responses": {"200": plain},
            }
        },
        "/health/ready": {
            "get": {
                "operationId": "ready",
                "summary": "It may get traffic",
                "security": [],
                "responses": {"200": plain, "503": not_ready},
            }
        },
    }


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _answered(description: str, schema: Any, headers: dict[str, str]) -> dict[str, Any]:
    return {
        "description": description,
        "headers": _headers(headers),
        "content": _json(schema),
    }


def _headers(said: dict[str, str]) -> dict[str, Any]:
    return {
        name: {"description": what, "schema": {"type": "string"}} for name, what in said.items()
    }


def _errors(kinds: tuple[type[GatewayError], ...]) -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for kind in kinds:
        by_status.setdefault(str(kind.status), []).append(f"`{kind.code}`")
    return {
        status: {
            "description": " or ".join(codes),
            "content": _json({"$ref": "#/components/schemas/Error"}),
        }
        for status, codes in sorted(by_status.items())
    }
