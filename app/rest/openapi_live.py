"""What the OpenAPI document says of generations, events and metrics."""

from __future__ import annotations

from typing import Any

JSON = "application/json"
STREAM = "text/event-stream"
ERROR = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}

GENERATION_ID = {
    "name": "generation_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
}
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "A cursor, the `id` of an event: what stands behind it comes first, then live.",
    "schema": {"type": "string"},
}
GENERATION = {
    "type": "object",
    "required": ["generation_id", "operation", "state", "cursor"],
    "properties": {
        "generation_id": {"type": "string"},
        "operation": {"type": "string"},
        "state": {"type": "string", "enum": ["running", "completed", "failed", "cancelled"]},
        "cursor": {"type": "string"},
        "text": {"type": ["string", "null"], "description": "The text so far."},
        "content_id": {"type": ["string", "null"]},
        "failure": {"type": ["object", "null"]},
    },
}


def live_paths() -> dict[str, Any]:
    """The paths by name."""
    return {
        "/api/v2/generations/{generation_id}": {
            "parameters": [GENERATION_ID],
            "get": _generation(),
            "delete": _cancel(),
        },
        "/api/v2/events": {"get": _events()},
        "/metrics": {"get": _metrics()},
    }


def _generation() -> dict[str, Any]:
    return {
        "operationId": "generation",
        "summary": "A generation as it is now, or its events as they come",
        "description": "A request for an operation with `Accept: text/event-stream` starts one and "
        "tells its id in `X-Generation-ID`. With the same `Accept` this goes on reading it.",
        "parameters": [LAST_EVENT_ID, {**LAST_EVENT_ID, "name": "after", "in": "query"}],
        "responses": {
            "200": {
                "description": "How far it is.",
                "content": {
                    JSON: {"schema": GENERATION},
                    STREAM: {"schema": {"type": "string"}},
                },
            },
            **_errors("400", "401", "404", "429", "500", "503"),
        },
    }


def _cancel() -> dict[str, Any]:
    return {
        "operationId": "cancel",
        "summary": "Cancel a generation",
        "description": "The model is told to stop within a second; what was written to its end "
        "by then is kept.",
        "responses": {
            "200": {"description": "How it ended.", "content": {JSON: {"schema": GENERATION}}},
            **_errors("401", "404", "429", "500", "503"),
        },
    }


def _events() -> dict[str, Any]:
    return {
        "operationId": "events",
        "summary": "The caller's events, as server-sent events",
        "description": "Needs the permission `events:subscribe`. `event:` is the type, `id:` the "
        "cursor, `data:` the event's JSON; every 15 s a heartbeat carries the place.",
        "parameters": [
            LAST_EVENT_ID,
            {**LAST_EVENT_ID, "name": "after", "in": "query"},
            {
                "name": "types",
                "in": "query",
                "description": "Only these, separated by commas.",
                "schema": {"type": "string"},
            },
            {
                "name": "all",
                "in": "query",
                "description": "Everybody's; needs the permission `events:read-all`.",
                "schema": {"type": "string", "enum": ["true", "false"]},
            },
        ],
        "responses": {
            "200": {
                "description": "It goes on.",
                "content": {STREAM: {"schema": {"type": "string"}}},
            },
            **_errors("400", "401", "403", "429", "500", "503"),
        },
    }


def _metrics() -> dict[str, Any]:
    return {
        "operationId": "metrics",
        "summary": "What Prometheus reads",
        "security": [],
        "responses": {
            "200": {
                "description": "The metrics of all workers.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
        },
    }


def _errors(*statuses: str) -> dict[str, Any]:
    return {
        status: {"description": "See the error's code.", "content": ERROR} for status in statuses
    }
