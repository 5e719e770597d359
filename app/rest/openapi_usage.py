"""What the OpenAPI document says of usage."""

from __future__ import annotations

from typing import Any

from app.errors import Forbidden, InvalidRequest
from app.pipeline.usage_report import FIGURES, MAX_LINES, MAX_RANGE
from app.rest.openapi_answers import CALLER_HEADERS, REFUSED, answered, errors
from app.rest.usage import PATH

TOLD = {
    "requests": "Requests that called a model; each counts once.",
    "answers": "Answers that were given and stored.",
    "calls": "Calls, retries and repairs too.",
    "prompt_tokens": "Tokens of what models were asked.",
    "completion_tokens": "Tokens of what models wrote.",
    "total_tokens": "Both together.",
    "cached_tokens": "Prompt tokens that a provider had in its own cache.",
    "cache_write_tokens": "Prompt tokens that it keeps there from then on.",
    "reasoning_tokens": "Completion tokens that were spent on thinking.",
    "estimated_tokens": "Of all tokens, those that the gateway counted itself.",
    "cost_usd": "US dollars, with nine places; null where the price of a call is not known.",
    "known_cost_usd": "US dollars, with nine places, of the calls whose price is known.",
    "unpriced_calls": "Calls whose price is not known.",
}
KEYS = {
    "day": "The day in UTC on which the request began.",
    "model": "The model that was called.",
    "operation": "The operation, such as `story`.",
    "user": "Whose request it was; null of users who were erased.",
}
USAGE_PARAMETERS = [
    ("since", "From when on, a day or a moment. The month's first day by itself.", "2026-11-01"),
    ("until", f"Until before when, {MAX_RANGE.days} days later at most. Now by itself.", None),
    ("by", f"What each row is for, of {', '.join(KEYS)}.", "day,model"),
    ("user", "Whose; another's needs `gateway:admin`, which sees everybody's by itself.", None),
    ("after", "The `next_cursor` of the page before.", None),
    ("format", "`csv` or `json`; `Accept: text/csv` says the same.", None),
]


def _figure(name: str) -> dict[str, Any]:
    described = {"description": TOLD[name]}
    if name == "cost_usd":
        return {"type": ["string", "null"], **described}
    if name == "known_cost_usd":
        return {"type": "string", **described}
    return {"type": "integer", "minimum": 0, **described}


USAGE_SCHEMAS: dict[str, Any] = {
    "UsageFigures": {
        "type": "object",
        "description": "What calls of models came to; as a total, also those on other pages.",
        "required": list(FIGURES),
        "properties": {name: _figure(name) for name in FIGURES},
    },
    "UsageRow": {
        "type": "object",
        "description": "What one day, model, operation or user came to, as `by` asks.",
        "required": list(FIGURES),
        "properties": {
            **{n: {"type": ["string", "null"], "description": KEYS[n]} for n in KEYS},
            **{name: _figure(name) for name in FIGURES},
        },
    },
    "UsageReport": {
        "type": "object",
        "description": "What was spent on models.",
        "required": ["since", "until", "by", "rows", "total", "next_cursor"],
        "properties": {
            "since": {"type": "string", "format": "date-time"},
            "until": {"type": "string", "format": "date-time"},
            "by": {"type": "array", "items": {"type": "string", "enum": list(KEYS)}},
            "rows": {"type": "array", "items": {"$ref": "#/components/schemas/UsageRow"}},
            "total": {"$ref": "#/components/schemas/UsageFigures"},
            "next_cursor": {
                "type": ["string", "null"],
                "description": "What to go on behind; `Link` has the whole address.",
            },
        },
    },
}

FIGURES_EXAMPLE: dict[str, Any] = {
    **dict.fromkeys(FIGURES, 0),
    "requests": 2,
    "answers": 2,
    "calls": 3,
    "prompt_tokens": 824,
    "completion_tokens": 376,
    "total_tokens": 1200,
    "cost_usd": "0.019520000",
    "known_cost_usd": "0.019520000",
}
ROW_EXAMPLE = {"day": "2026-11-26", "model": "gpt-4-turbo", **FIGURES_EXAMPLE}
USAGE_EXAMPLE = {
    "since": "2026-11-01T00:00:00+00:00",
    "until": "2026-11-26T18:04:05.678901+00:00",
    "by": ["day", "model"],
    "rows": [ROW_EXAMPLE],
    "total": FIGURES_EXAMPLE,
    "next_cursor": None,
}


def usage_paths() -> dict[str, Any]:
    report = answered(
        "What was spent.",
        {"$ref": "#/components/schemas/UsageReport"},
        *CALLER_HEADERS,
        "Link",
        example=USAGE_EXAMPLE,
    )
    return {
        PATH: {
            "get": {
                "operationId": "readUsage",
                "tags": ["usage"],
                "summary": "What was spent on models",
                "description": "The caller's own, or everybody's for `gateway:admin`. It stays "
                f"when contents are deleted. One answer has at most {MAX_LINES:,} rows. With "
                "`format=csv` or `Accept: text/csv` it is CSV (RFC 4180): a header, and a line "
                "for each row.",
                "parameters": [*map(_parameter, USAGE_PARAMETERS), _first()],
                "responses": {"200": report, **errors(InvalidRequest, Forbidden, *REFUSED)},
            }
        }
    }


def _parameter(given: tuple[str, str, str | None]) -> dict[str, Any]:
    name, told, example = given
    found = {"name": name, "in": "query", "description": told, "schema": {"type": "string"}}
    return found if example is None else {**found, "example": example}


def _first() -> dict[str, Any]:
    return {
        "name": "first",
        "in": "query",
        "description": "How many rows.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LINES, "default": MAX_LINES},
    }
