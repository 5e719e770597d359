"""The AsyncAPI 3.1 document: the events, and the three ways in which they are listened to.

https://www.asyncapi.com/docs/reference/specification/v3.1.0. Its operations are the gateway's: what
it sends, a listener receives.
"""

from __future__ import annotations

from typing import Any

import orjson

from app.events.event_schemas import (
    SUMMARIES,
    event_example,
    event_schemas,
    schema_name,
)
from app.events.types import EVENT_TYPES

DESCRIPTION = (
    "What happened in the gateway: text was generated or rated, a theme analysed, a text "
    "validated. An "
    "event is stored with its result in one transaction and published afterwards, at least once: "
    "dedupe by `id`. All events of a user keep their order. Each has a cursor where clients "
    "listen; whoever comes back with the last one misses nothing of the last day. Receivers pass "
    "over types and fields that they do not know."
)
CURSOR = {"type": "string", "description": "Opaque: go on right behind it."}
EXAMPLE_CURSOR = "AQEBjX6yq3sAAAGa"
OPERATION_ID = {"type": "string", "minLength": 1, "maxLength": 128}
SUBSCRIPTION = (
    "subscription ($after: String) { events(after: $after) { id type cursor contentId } }"
)
STREAM_FIELDS = {
    "type": "object",
    "description": "The fields of an entry of the stream.",
    "required": ["event", "epoch"],
    "properties": {
        "event": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "The event's JSON, as on the channel `events`.",
        },
        "epoch": {
            "type": "string",
            "description": "One life of the log; a server that lost its data begins another.",
        },
        "owner": {
            "type": "string",
            "description": "A hash of the event's `user_id`; older entries have none.",
        },
    },
}


def asyncapi_document() -> dict[str, Any]:
    """The whole document, as JSON has it."""
    return {
        "asyncapi": "3.1.0",
        "id": "urn:loregate:events",
        "info": {
            "title": "Loregate events",
            "version": "2",
            "description": DESCRIPTION,
            "license": {"name": "MIT", "url": "https://spdx.org/licenses/MIT.html"},
            "tags": [{"name": "events", "description": "What happened."}],
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {
            "events": _events(),
            "graphql": _graphql(),
            "stream": _stream(),
        },
        "operations": _operations(),
        "components": {
            "schemas": {**event_schemas(), "StreamEntry": STREAM_FIELDS},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "With the permission `events:subscribe`; everybody's events "
                    "need `events:read-all`.",
                }
            },
        },
    }


def _servers() -> dict[str, Any]:
    secured = [{"$ref": "#/components/securitySchemes/token"}]
    local = "127.0.0.1:8100"
    return {
        "http": {
            "host": local,
            "protocol": "http",
            "description": "Server-sent events, as `loregate dev` has them; https elsewhere.",
            "security": secured,
        },
        "websocket": {
            "host": local,
            "protocol": "ws",
            "description": "WebSocket, protocol `graphql-transport-ws`; wss elsewhere.",
            "security": secured,
        },
        "redis": {
            "host": "localhost:6379",
            "protocol": "redis",
            "description": "For services inside the network; the gateway's `REDIS_URL`.",
        },
    }


# -- server-sent events
def _events() -> dict[str, Any]:
    cursor = {"cursor": EXAMPLE_CURSOR}
    position = _message(
        "position",
        "Where the listener is: right after the beginning, and every 15 s while nothing comes.",
        {"type": "object", "required": ["cursor"], "properties": {"cursor": CURSOR}},
        cursor,
    )
    error = _message(
        "error",
        "Why the stream ends; `id:` is where to go on.",
        {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "object"},
            },
        },
        {
            "code": "TOKEN_EXPIRED",
            "message": "Token expired",
            "details": {"request_id": "0198c0de-7a1e-7000-8000-5a17e4e00003"},
        },
    )
    return {
        "address": "/api/v2/events",
        "title": "Server-sent events",
        "description": "`event:` is the message's name, `id:` its cursor, `data:` its payload. "
        "`Last-Event-ID` or `after` goes on behind a cursor.",
        "servers": [{"$ref": "#/servers/http"}],
        "messages": {
            **{schema_name(kind): _event(kind) for kind in EVENT_TYPES},
            "Position": position,
            "Error": error,
        },
    }


def _message(
    name: str, summary: str, payload: dict[str, Any], example: dict[str, Any]
) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "summary": summary,
        "contentType": "application/json",
        "payload": payload,
        "examples": [{"name": name.replace(".", "_"), "payload": example}],
    }


def _event(kind: str) -> dict[str, Any]:
    payload = {"$ref": f"#/components/schemas/{schema_name(kind)}"}
    return _message(kind, SUMMARIES[kind], payload, event_example(kind))


# -- WebSocket
def _graphql() -> dict[str, Any]:
    return {
        "address": "/graphql",
        "title": "GraphQL subscriptions",
        "description": "The protocol `graphql-transport-ws`, as npm's graphql-ws speaks it. First "
        "`connection_init` with the token, then any number of `subscribe`. Closed with 4403 at "
        "the token's end and with 1012 before a restart, a ping with the cursors before either.",
        "servers": [{"$ref": "#/servers/websocket"}],
        "messages": {
            "ConnectionInit": _frame("connection_init", payload={"authorization": "<token>"}),
            "ConnectionAck": _frame("connection_ack"),
            "Subscribe": _frame("subscribe", id="1", payload={"query": SUBSCRIPTION}),
            "Next": _frame("next", id="1", payload=_result()),
            "OperationError": _frame("error", id="1", payload=[{"message": "Token expired"}]),
            "Complete": _frame("complete", id="1"),
            "Ping": _frame("ping", payload={"cursors": {"1": EXAMPLE_CURSOR}}),
            "Pong": _frame("pong"),
        },
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {
                    "type": "object",
                    "properties": {
                        "Sec-WebSocket-Protocol": {
                            "type": "string",
                            "const": "graphql-transport-ws",
                        }
                    },
                },
            }
        },
    }


FRAMES = {
    "connection_init": "The first message: the token, unless the handshake had it.",
    "connection_ack": "The token was taken.",
    "subscribe": "Run this document under an id of the client's.",
    "next": "One result. Of a subscription `extensions.cursor` is the place behind it.",
    "error": "Why the operation does not run.",
    "complete": "No more results; from the client: no more are wanted.",
    "ping": "Each subscription's place: once it has joined, and every 12 s while nothing comes.",
    "pong": "The answer to a ping, on either side.",
}


def _result() -> dict[str, Any]:
    found = event_example("content.generated")
    told = {"id": found["id"], "type": "CONTENT_GENERATED", "cursor": EXAMPLE_CURSOR}
    event = {**told, "contentId": found["content_id"]}
    return {"data": {"events": event}, "extensions": {"cursor": EXAMPLE_CURSOR}}


def _frame(kind: str, **example: Any) -> dict[str, Any]:
    """A message of the protocol; what its example has besides the type, every one has."""
    properties: dict[str, Any] = {"type": {"type": "string", "const": kind}}
    if "id" in example:
        properties["id"] = OPERATION_ID
    if "payload" in example:
        listed = isinstance(example["payload"], list)
        properties["payload"] = {"type": "array" if listed else "object"}
    required = [name for name in properties if name != "payload" or kind in ("next", "subscribe")]
    payload = {"type": "object", "required": required, "properties": properties}
    return _message(kind, FRAMES[kind], payload, {"type": kind, **example})


# -- the stream in Redis
def _stream() -> dict[str, Any]:
    entry = {
        "event": event_example("story.generated"),
        "epoch": "2816573218",
        "owner": "9f3b1c0a7d2e4f58",
    }
    return {
        "address": "loregate:events:{partition}",
        "title": "The stream in Redis",
        "description": "A Redis stream for each partition, for consumer groups (XREADGROUP). All "
        "events of a user stand in one partition.",
        "servers": [{"$ref": "#/servers/redis"}],
        "parameters": {
            "partition": {
                "description": "Its number from 0, in braces that stand in the key: they are a "
                "cluster's hash tag. There is one unless LOREGATE_EVENT_PARTITIONS says so.",
                "default": "{0}",
                "examples": ["{0}", "{1}"],
            }
        },
        "messages": {
            "Entry": _message(
                "entry",
                "One entry; its field `event` holds any of the events as JSON.",
                {"$ref": "#/components/schemas/StreamEntry"},
                {**entry, "event": _json(entry["event"])},
            )
        },
    }


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


# -- what the gateway does
RECEIVED = ("ConnectionInit", "Subscribe", "Complete", "Ping", "Pong")
SENT = ("ConnectionAck", "Next", "OperationError", "Complete", "Ping", "Pong")


QUERY = {
    "type": "object",
    "properties": {
        "types": {"type": "string", "description": "Only these, separated by commas."},
        "after": CURSOR,
        "all": {"type": "string", "enum": ["true", "false"], "description": "Everybody's."},
    },
}


def _operations() -> dict[str, Any]:
    told = (*(schema_name(kind) for kind in EVENT_TYPES), "Position", "Error")
    events = _operation("send", "events", "Send the caller's events.", told)
    asked = {"method": "GET", "query": QUERY, "bindingVersion": "0.3.0"}
    return {
        "sendEvents": {**events, "bindings": {"http": asked}},
        "receiveFrames": _operation(
            "receive", "graphql", "Take what a client of the socket sends.", RECEIVED
        ),
        "sendFrames": _operation(
            "send", "graphql", "Send results, and the places of subscriptions.", SENT
        ),
        "appendEvents": _operation(
            "send", "stream", "Append events for services of the network.", ("Entry",)
        ),
    }


def _operation(
    action: str, channel: str, summary: str, messages: tuple[str, ...]
) -> dict[str, Any]:
    where = f"#/channels/{channel}"
    return {
        "action": action,
        "channel": {"$ref": where},
        "title": summary.removesuffix("."),
        "summary": summary,
        "description": summary,
        "messages": [{"$ref": f"{where}/messages/{name}"} for name in messages],
        "tags": [{"name": "events"}],
    }
