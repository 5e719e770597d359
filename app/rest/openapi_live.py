"""What the OpenAPI document says of generations, events, metrics and health."""

from __future__ import annotations

from typing import Any

from app.errors import (
    CursorExpired,
    Forbidden,
    InvalidRequest,
    NotFound,
)
from app.rest.openapi_answers import (
    CALLER_HEADERS,
    EXAMPLE_ID,
    REFUSED,
    STREAM,
    STREAM_EXAMPLE,
    TEXT,
    UUID,
    answered,
    errors,
)

GENERATION_ID = {"name": "generation_id", "in": "path", "required": True, "schema": UUID}
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "A cursor, the `id` of an event: what stands behind it comes first, then live.",
    "schema": {"type": "string"},
}
AFTER = {**LAST_EVENT_ID, "name": "after", "in": "query"}
RESUMED = [
    {"$ref": "#/components/parameters/LastEventId"},
    {"$ref": "#/components/parameters/After"},
]
LIVE_PARAMETERS = {"GenerationId": GENERATION_ID, "LastEventId": LAST_EVENT_ID, "After": AFTER}

STATE = {"type": "string", "enum": ["healthy", "degraded", "unhealthy"]}
LIVE_SCHEMAS: dict[str, Any] = {
    "Generation": {
        "type": "object",
        "description": "A generation as it is now.",
        "required": ["generation_id", "operation", "state", "cursor"],
        "properties": {
            "generation_id": UUID,
            "operation": {"type": "string"},
            "state": {"type": "string", "enum": ["running", "completed", "failed", "cancelled"]},
            "cursor": {"type": "string", "description": "Go on behind it to follow the rest."},
            "text": {"type": ["string", "null"], "description": "The text so far."},
            "content_id": {**UUID, "type": ["string", "null"]},
            "failure": {
                "type": ["object", "null"],
                "additionalProperties": True,
                "description": "Why it failed: the event `failed`.",
            },
        },
    },
    "ComponentState": {**STATE, "description": "How something that the gateway needs is."},
    "Health": {
        "type": "object",
        "description": "How the gateway is, and what it depends on.",
        "additionalProperties": False,
        "required": ["status", "components", "metrics"],
        "properties": {
            "status": {"$ref": "#/components/schemas/ComponentState"},
            "components": {"$ref": "#/components/schemas/HealthComponents"},
            "metrics": {"$ref": "#/components/schemas/HealthMetrics"},
        },
    },
    "HealthComponents": {
        "type": "object",
        "description": "What the gateway depends on.",
        "additionalProperties": False,
        "required": ["openai", "message_hub", "cache", "db"],
        "properties": {
            name: {"$ref": "#/components/schemas/ComponentState"}
            for name in ("openai", "message_hub", "cache", "db")
        },
    },
    "HealthMetrics": {
        "type": "object",
        "description": "The last minute.",
        "additionalProperties": False,
        "required": ["request_rate", "error_rate", "p95_latency"],
        "properties": {
            "request_rate": {"type": "number", "minimum": 0, "description": "Requests a second."},
            "error_rate": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": "The share of failures.",
            },
            "p95_latency": {"type": "number", "minimum": 0, "description": "Milliseconds."},
        },
    },
}
GENERATION_EXAMPLE = {
    "generation_id": EXAMPLE_ID,
    "operation": "character",
    "state": "running",
    "cursor": "a cursor",
    "text": "The bell of Saltmere had not rung",
    "content_id": None,
    "failure": None,
}
HEALTH_EXAMPLE = {
    "status": "healthy",
    "components": dict.fromkeys(("openai", "message_hub", "cache", "db"), "healthy"),
    "metrics": {"request_rate": 45.2, "error_rate": 0.01, "p95_latency": 250},
}
EVENT_EXAMPLE = (
    "event: content.generated\nid: a cursor\n"
    f'data: {{"type": "content.generated", "content_id": "{EXAMPLE_ID}"}}\n\n'
)


def live_paths() -> dict[str, Any]:
    """The paths by name."""
    found = [{"$ref": "#/components/parameters/GenerationId"}]
    return {
        "/api/v2/generations/{generation_id}": {
            "parameters": found,
            "get": _generation(),
            "delete": _cancel(),
        },
        "/api/v2/generations/{generation_id}/events": {"parameters": found, "get": _follow()},
        "/api/v2/events": {"get": _events()},
        "/metrics": {"get": _metrics()},
        **_health_paths(),
    }


def _generation() -> dict[str, Any]:
    return {
        "operationId": "readGeneration",
        "tags": ["generations"],
        "summary": "A generation as it is now",
        "description": "The caller's own. With `Accept: text/event-stream` it is answered as "
        "`/api/v2/generations/{generation_id}/events` is.",
        "parameters": RESUMED,
        "responses": {
            "200": _generation_answer("How far it is."),
            **errors(InvalidRequest, NotFound, *REFUSED),
        },
    }


def _generation_answer(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Generation"}
    return answered(description, schema, *CALLER_HEADERS, example=GENERATION_EXAMPLE)


def _follow() -> dict[str, Any]:
    return {
        "operationId": "followGeneration",
        "tags": ["generations"],
        "summary": "A generation's events as they come",
        "description": "Server-sent events: `started`, `delta`, `reset`, and one of `completed`, "
        "`failed`, `cancelled` at the end. Each has its cursor as its `id`.",
        "parameters": RESUMED,
        "responses": {
            "200": answered(
                "Its events, from behind the cursor.",
                None,
                *CALLER_HEADERS,
                "X-Generation-ID",
                example=STREAM_EXAMPLE,
                kind=STREAM,
            ),
            **errors(InvalidRequest, NotFound, CursorExpired, *REFUSED),
        },
    }


def _cancel() -> dict[str, Any]:
    return {
        "operationId": "cancelGeneration",
        "tags": ["generations"],
        "summary": "Cancel a generation",
        "description": "The model is told to stop within a second; what was written to its end "
        "by then is kept.",
        "responses": {"200": _generation_answer("How it ended."), **errors(NotFound, *REFUSED)},
    }


def _events() -> dict[str, Any]:
    return {
        "operationId": "subscribeToEvents",
        "tags": ["events"],
        "summary": "The caller's events, as server-sent events",
        "description": "Needs the permission `events:subscribe`. `event:` is the type, `id:` the "
        "cursor, `data:` the event's JSON; every 15 s the place is told. It has no end.",
        "parameters": [
            *RESUMED,
            {
                "name": "types",
                "in": "query",
                "description": "Only these, separated by commas.",
                "schema": {"type": "string"},
                "example": "content.generated,theme.analyzed",
            },
            {
                "name": "all",
                "in": "query",
                "description": "Everybody's; needs the permission `events:read-all`.",
                "schema": {"type": "string", "enum": ["true", "false"]},
            },
        ],
        "responses": {
            "200": answered(
                "It goes on.", None, *CALLER_HEADERS, example=EVENT_EXAMPLE, kind=STREAM
            ),
            **errors(InvalidRequest, Forbidden, CursorExpired, *REFUSED),
        },
    }


def _metrics() -> dict[str, Any]:
    return {
        "operationId": "readMetrics",
        "tags": ["operation"],
        "summary": "What Prometheus reads",
        "description": "The metrics of all workers, in Prometheus's text format, where "
        "LOREGATE_METRICS_ADDRESS has them; in `loregate serve` it must be set.",
        "security": [],
        "responses": {"200": answered("The metrics.", TEXT, kind="text/plain")},
    }


def _health_paths() -> dict[str, Any]:
    health = {"$ref": "#/components/schemas/Health"}
    return {
        "/health": {
            "get": {
                "operationId": "readHealth",
                "tags": ["operation"],
                "summary": "How the gateway and what it depends on are",
                "description": "What real calls saw of Redis, the database and the models; it "
                "never calls one.",
                "security": [],
                "responses": {
                    "200": answered("It serves.", health, example=HEALTH_EXAMPLE),
                    "503": answered("It does not.", health),
                },
            }
        },
        "/health/live": {
            "get": {
                "operationId": "checkLive",
                "tags": ["operation"],
                "summary": "The process answers",
                "description": "For orchestrators; it depends on nothing else.",
                "security": [],
                "responses": {"200": answered("It does.", TEXT, kind="text/plain")},
            }
        },
        "/health/ready": {
            "get": {
                "operationId": "checkReady",
                "tags": ["operation"],
                "summary": "It may get traffic",
                "description": "For orchestrators: it has started, and reaches the database.",
                "security": [],
                "responses": {
                    "200": answered("It may.", TEXT, kind="text/plain"),
                    "503": answered(
                        "It stops, or the database cannot be reached.", TEXT, kind="text/plain"
                    ),
                },
            }
        },
    }
