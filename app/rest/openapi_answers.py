"""What the OpenAPI document says of answers: their media types, headers and errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.errors import (
    BudgetExceeded,
    ContentRejected,
    CursorExpired,
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
from app.operations import Operation
from app.rest.error_pages import EXPLAINED, PATH
from app.rest.responses import JSON, PROBLEM, error_body, problem_body

STREAM = "text/event-stream"
UUID = {"type": "string", "format": "uuid"}
TEXT = {"type": "string"}
STREAM_EXAMPLE = (
    'event: delta\nid: a cursor\ndata: {"type": "delta", "text": "The bell of Saltmere"}\n\n'
)
EXAMPLE_ID = "0198c0de-7a1e-7000-8000-5a17e4e00042"

# One of each that a route may answer with: what its status is, and how it looks.
SAMPLES: dict[type[GatewayError], GatewayError] = {
    type(error): error
    for error in (
        InvalidRequest.at(
            ("character_context", "character_level"), "Input should be less than or equal to 20"
        ),
        ContentRejected("gpt-4-turbo", "content_filter"),
        Unauthenticated("expired"),
        BudgetExceeded(
            "each-user",
            unit="usd",
            spent=4.98,
            reserved=0.0,
            limit=5.0,
            renews_at="2026-12-01T00:00:00Z",
            retry_after=86_400.0,
        ),
        Forbidden("text:generate"),
        NotFound("No content of yours has this id"),
        IdempotencyConflict(),
        CursorExpired("the cursor to go on from"),
        PayloadTooLarge("A body may have at most 262144 bytes"),
        UnsupportedMediaType("Send JSON, with Content-Type: application/json"),
        RateLimited("operation:text_generation", 100, 60.0, 12.3, 1_800_000_000.0),
        InternalError(),
        ModelError("The model's answer was of no use", "gpt-4-turbo", 3),
        ModelUnavailable("The model cannot be reached", "gpt-4-turbo", 3, retry_after=5.0),
        ModelTimeout("The model did not answer in time", "gpt-4-turbo", 1),
        DependencyUnavailable("database"),
    )
}

REFUSED: tuple[type[GatewayError], ...] = (
    Unauthenticated,
    RateLimited,
    InternalError,
    DependencyUnavailable,
)

# -- headers
CALLER_HEADERS: dict[str, dict[str, Any]] = {
    "X-RateLimit-Limit": {
        "description": "What the tightest limit admits in its window.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "X-RateLimit-Remaining": {
        "description": "What is left of it.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "X-RateLimit-Reset": {
        "description": "The Unix second at which it has room again when it is used up, else at "
        "which its count next falls.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "X-RateLimit-Scope": {
        "description": "Which limit these are, such as `user` or `operation:text_generation`.",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "The same limit as draft-ietf-httpapi-ratelimit-headers-11 has it: its "
        "quota `q` and its window `w` in seconds.",
        "schema": {"type": "string"},
        "example": '"operation:text_generation";q=100;w=60',
    },
    "Server-Timing": {
        "description": "Milliseconds until the answer began: `total`, and of them `waiting` for a "
        "model's place, a retry or another's answer, the `model`'s, and the database's (`store`).",
        "schema": {"type": "string"},
        "example": "total;dur=1204.3, waiting;dur=0.0, model;dur=1198.2, store;dur=3.1",
    },
    "RateLimit": {
        "description": "How it stands: what remains, `r`, and the seconds `t` until there is more.",
        "schema": {"type": "string"},
        "example": '"operation:text_generation";r=99;t=60',
    },
}
CACHE_HEADERS: dict[str, dict[str, Any]] = {
    "X-Cache": {
        "description": "What the cache did.",
        "schema": {"type": "string", "enum": ["HIT", "MISS", "COALESCED", "BYPASS"]},
    },
    "Age": {
        "description": "On a HIT: for how many seconds the answer has been there.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "X-Similarity": {
        "description": "How alike the request was that it was made for, where that was another.",
        "schema": {"type": "number", "minimum": 0, "maximum": 1},
    },
}
HEADERS = {
    **CALLER_HEADERS,
    **CACHE_HEADERS,
    "X-Request-ID": {
        "description": "The request's id: the caller's `X-Request-ID` where it sent a good one.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    },
    "X-Generation-ID": {
        "description": "The generation that the stream follows; its content gets the same id.",
        "schema": UUID,
    },
    "Link": {
        "description": "The next page, where there is one (RFC 8288).",
        "schema": {"type": "string"},
    },
    "X-Budget-Warning": {
        "description": "The budget that is spent up to where it warns, its share, and when it "
        "renews.",
        "schema": {"type": "string"},
        "example": '"each-user";share=0.84;renews="2026-12-01T00:00:00Z"',
    },
    "Retry-After": {
        "description": "Seconds until another try makes sense.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "`Bearer`, and what is wrong with the token (RFC 6750).",
        "schema": {"type": "string"},
    },
}


def headers(*names: str) -> dict[str, Any]:
    """The headers of an answer; each has the request's id."""
    return {n: {"$ref": f"#/components/headers/{n}"} for n in ("X-Request-ID", *names)}


# -- errors
DETAILS: dict[str, Any] = {
    "request_id": {"type": "string"},
    "field": {"type": "string", "description": "INVALID_REQUEST: the first bad field, dotted."},
    "error": {"type": "string", "description": "INVALID_REQUEST: what is wrong with it."},
    "errors": {
        "type": "array",
        "items": {"$ref": "#/components/schemas/FieldError"},
        "description": "INVALID_REQUEST: every bad field.",
    },
    "reason": {"type": "string", "description": "UNAUTHENTICATED, CONTENT_REJECTED: why."},
    "required_permission": {"type": "string", "description": "FORBIDDEN."},
    "scope": {"type": "string", "description": "RATE_LIMIT_EXCEEDED: the limit that refused."},
    "limit": {
        "type": "number",
        "description": "RATE_LIMIT_EXCEEDED, QUOTA_EXCEEDED (whole), BUDGET_EXCEEDED: what it "
        "admits.",
    },
    "budget": {"type": "string", "description": "BUDGET_EXCEEDED: which one."},
    "unit": {"type": "string", "description": "BUDGET_EXCEEDED: `usd` or `tokens`."},
    "spent": {"type": "number", "description": "BUDGET_EXCEEDED: how much is spent."},
    "reserved": {
        "type": "number",
        "description": "BUDGET_EXCEEDED: how much calls that are under way may cost.",
    },
    "renews_at": {
        "type": "string",
        "format": "date-time",
        "description": "BUDGET_EXCEEDED: when the next period begins.",
    },
    "quota": {"type": "string", "description": "QUOTA_EXCEEDED: `contents` or `bytes`."},
    "used": {"type": "integer", "description": "QUOTA_EXCEEDED: how much is kept."},
    "window": {"type": "string", "description": "RATE_LIMIT_EXCEEDED: such as `60 seconds`."},
    "retry_after": {"type": "string", "description": "RATE_LIMIT_EXCEEDED: such as `13 seconds`."},
    "retry_after_ms": {"type": "integer", "description": "RATE_LIMIT_EXCEEDED: milliseconds."},
    "model": {"type": "string", "description": "MODEL_*, CONTENT_REJECTED: which one."},
    "attempts": {"type": "integer", "description": "MODEL_*: how often it was asked."},
    "dependency": {"type": "string", "description": "DEPENDENCY_UNAVAILABLE: what is away."},
    "cursor": {"type": "string", "description": "CURSOR_EXPIRED: the place to go on from."},
}
ERROR_SCHEMAS: dict[str, Any] = {
    "FieldError": {
        "type": "object",
        "description": "One bad field of a request.",
        "required": ["field", "error"],
        "properties": {
            "field": {"type": "string", "description": "Its place, dotted."},
            "error": {"type": "string"},
        },
    },
    "ErrorDetails": {
        "type": "object",
        "description": "Facts of an error; which of them are there depends on its code.",
        "required": ["request_id"],
        "properties": DETAILS,
    },
    "ErrorBody": {
        "type": "object",
        "description": "Why a request was refused or failed.",
        "required": ["code", "message", "details"],
        "properties": {
            "code": {"type": "string", "description": f"`{PATH}` lists and explains all."},
            "message": {"type": "string"},
            "details": {"$ref": "#/components/schemas/ErrorDetails"},
        },
    },
    "Problem": {
        "type": "object",
        "description": "The same facts as RFC 9457 has them, for who accepts them by that name.",
        "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
        "properties": {
            "type": {
                "type": "string",
                "format": "uri-reference",
                "description": "The page that explains the code.",
            },
            "title": {"type": "string", "description": "The same for every error of the code."},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {
                "type": "string",
                "format": "uri-reference",
                "description": "The request's id.",
            },
            "code": {"type": "string"},
            **DETAILS,
        },
    },
}


def errors(*kinds: type[GatewayError]) -> dict[str, Any]:
    """The responses of these errors, by status."""
    by_status: dict[str, list[GatewayError]] = {}
    for kind in kinds:
        by_status.setdefault(str(kind.status), []).append(SAMPLES[kind])
    return {status: _error(samples) for status, samples in sorted(by_status.items())}


def _error(samples: Iterable[GatewayError]) -> dict[str, Any]:
    samples = list(samples)
    names: list[str] = []
    if isinstance(samples[0], Unauthenticated):
        names += ["WWW-Authenticate"]
    else:
        names += CALLER_HEADERS
    if any(e.retry_after is not None for e in samples):
        names += ["Retry-After"]
    return {
        "description": " ".join(f"`{e.code}`: {EXPLAINED[e.code].title}." for e in samples),
        "headers": headers(*names),
        "content": {
            JSON.media_type: _media("ErrorBody", {e.code: e.code for e in samples}),
            PROBLEM: _media("Problem", {e.code: f"{e.code}.problem" for e in samples}),
        },
    }


def _media(schema: str, examples: dict[str, str]) -> dict[str, Any]:
    return {
        "schema": {"$ref": f"#/components/schemas/{schema}"},
        "examples": {
            code: {"$ref": f"#/components/examples/{name}"} for code, name in examples.items()
        },
    }


ERROR_EXAMPLES = {
    **{e.code: {"value": error_body(e, EXAMPLE_ID)} for e in SAMPLES.values()},
    **{f"{e.code}.problem": {"value": problem_body(e, EXAMPLE_ID)} for e in SAMPLES.values()},
}


# -- bodies
def answered(
    description: str, schema: Any, *names: str, example: Any = None, kind: str = JSON.media_type
) -> dict[str, Any]:
    """A response with a body; `names` are its headers.

    A stream has no schema: some tools hold it against the whole text, others against each event.
    """
    said = {"schema": schema, "example": example}
    media = {name: value for name, value in said.items() if value is not None}
    return {"description": description, "headers": headers(*names), "content": {kind: media}}


def answer_example(operation: Operation[Any, Any]) -> dict[str, Any]:
    """The operation's own example, with what every answer has."""
    return {
        "content_id": EXAMPLE_ID,
        **operation.example.answer,
        "metadata": {
            "content_type": operation.content_type.value,
            "model_used": "gpt-4-turbo",
            "token_usage": {
                "prompt_tokens": 412,
                "completion_tokens": 188,
                "total_tokens": 600,
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                "reasoning_tokens": 0,
                "source": "provider",
            },
            "request_id": "trace-7",
            "created_at": "2026-11-02T18:04:05.678901+00:00",
            "cached": False,
            "degraded": False,
            "finish_reason": "stop",
            "attempts": [{"model": "gpt-4-turbo", "outcome": "ok", "ms": 2140}],
            "cost": 0.00976,
            "upstream_model": "gpt-4-turbo-2024-04-09",
            "ignored_parameters": [],
            "seed": None,
            "prompt_version": str(operation.version),
            "variant": None,
        },
    }


def sent(schema: Any, example: Any) -> dict[str, Any]:
    """A request's body, with an example that works."""
    return {
        "required": True,
        "content": {JSON.media_type: {"schema": schema, "example": example}},
    }
