"""The OpenAPI 3.1 document, made from the operations' own models, and a page to read it."""

from __future__ import annotations

from importlib import resources
from typing import Any

from app.errors import (
    ContentRejected,
    DependencyUnavailable,
    Forbidden,
    GatewayError,
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

DOCS_PAGE = resources.files("app.rest").joinpath("docs.html").read_text()

COMMON: tuple[type[GatewayError], ...] = (
    Unauthenticated,
    Forbidden,
    RateLimited,
    InternalError,
    DependencyUnavailable,
)
RUNS = (
    InvalidRequest,
    ContentRejected,
    PayloadTooLarge,
    UnsupportedMediaType,
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
    paths["/api/v2/content/{content_id}"] = {"get": _content([a for _, a in refs.values()])}
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
            "schemas": {**definitions, "Error": ERROR_SCHEMA, "Health": HEALTH_SCHEMA},
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
        "requestBody": {"required": True, "content": _json(request)},
        "responses": {"200": _answered("The answer.", answer), **_errors(RUNS)},
    }


def _content(answers: list[Any]) -> dict[str, Any]:
    return {
        "operationId": "content",
        "summary": "A stored answer, as it was given",
        "description": "Needs the permission `content:read`.",
        "parameters": [
            {
                "name": "content_id",
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
            }
        ],
        "responses": {
            "200": _answered("The answer as it was given.", {"anyOf": answers}),
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


def _answered(description: str, schema: Any) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {
            name: {"description": said, "schema": {"type": "string"}}
            for name, said in LIMIT_HEADERS.items()
        },
        "content": _json(schema),
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
