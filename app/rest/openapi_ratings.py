"""What the OpenAPI document says of ratings."""

from __future__ import annotations

from typing import Any

from app.errors import Forbidden, InvalidRequest, NotFound, PayloadTooLarge, UnsupportedMediaType
from app.operations.rating import MAX_COMMENT, SCORES
from app.rest.openapi_answers import (
    CALLER_HEADERS,
    EXAMPLE_ID,
    REFUSED,
    TEXT,
    UUID,
    answered,
    errors,
    sent,
)
from app.rest.ratings import PATH, REPORT

SCORE = {"type": "integer", "minimum": SCORES[0], "maximum": SCORES[-1]}
MOMENT = {"type": "string", "format": "date-time"}
COUNT = {"type": "integer", "minimum": 0}
MAYBE = {"type": ["string", "null"]}
GROUP: dict[str, Any] = {
    "operation": TEXT,
    "model": {**TEXT, "description": "As `metadata.model_used` has it."},
    "prompt_version": TEXT,
    "variant": {**MAYBE, "description": "The canary that made it; null without one."},
    "count": {**COUNT, "description": "How many contents were rated."},
    "mean": {"type": "number", "minimum": SCORES[0], "maximum": SCORES[-1]},
    "scores": {
        "type": "array",
        "items": COUNT,
        "minItems": len(SCORES),
        "maxItems": len(SCORES),
        "description": "How many of them got 1, 2, 3, 4 and 5.",
    },
}


def _object(description: str, properties: dict[str, Any], *left_out: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "required": [name for name in properties if name not in left_out],
        "properties": properties,
    }


RATING_SCHEMAS: dict[str, Any] = {
    "RatingRequest": _object(
        "What a user says of a content; the last word counts.",
        {
            "score": {**SCORE, "description": "5 is the best."},
            "comment": {
                **MAYBE,
                "maxLength": MAX_COMMENT,
                "description": "Without one an earlier comment is gone.",
            },
        },
        "comment",
    ),
    "Rating": _object(
        "What a user says of a content of theirs.",
        {"content_id": UUID, "score": SCORE, "comment": MAYBE, "rated_at": MOMENT},
    ),
    "RatingGroup": _object("The ratings of what was made alike.", GROUP),
    "RatingReport": _object(
        "Everybody's ratings of a time, by what made the contents.",
        {
            "since": MOMENT,
            "until": MOMENT,
            "groups": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/RatingGroup"},
                "description": "The most rated first.",
            },
            "truncated": {"type": "boolean", "description": "Whether there are more groups."},
        },
    ),
}
SAID = {"score": 4, "comment": "The bell is a fine touch; too many adjectives."}
EXAMPLE = {"content_id": EXAMPLE_ID, **SAID, "rated_at": "2026-11-26T18:04:05.678+00:00"}
REPORT_EXAMPLE = {
    "since": "2026-11-01T00:00:00+00:00",
    "until": "2026-12-01T00:00:00+00:00",
    "groups": [
        {
            "operation": "character",
            "model": "gpt-4-turbo",
            "prompt_version": "2",
            "variant": "grounded",
            "count": 4,
            "mean": 4.25,
            "scores": [0, 0, 0, 3, 1],
        }
    ],
    "truncated": False,
}


def rating_paths() -> dict[str, Any]:
    """The paths by name."""
    content = [{"$ref": "#/components/parameters/ContentId"}]
    return {
        PATH: {"parameters": content, "put": _rate(), "get": _read()},
        REPORT: {"get": _report()},
    }


def _answer(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Rating"}
    return answered(description, schema, *CALLER_HEADERS, example=EXAMPLE)


def _read() -> dict[str, Any]:
    return {
        "operationId": "readRating",
        "tags": ["content"],
        "summary": "What you said of a content",
        "description": "Needs the permission `content:read`.",
        "responses": {
            "200": _answer("The rating."),
            **errors(Forbidden, NotFound, *REFUSED),
        },
    }


def _rate() -> dict[str, Any]:
    return {
        "operationId": "rateContent",
        "tags": ["content"],
        "summary": "Say how good a content is",
        "description": "Needs the permission `content:write`. The last word counts, and the same "
        "word again changes nothing; a new one is the event `content.rated`.",
        "requestBody": sent({"$ref": "#/components/schemas/RatingRequest"}, SAID),
        "responses": {
            "200": _answer("The rating, as it is kept."),
            **errors(
                InvalidRequest, Forbidden, NotFound, PayloadTooLarge, UnsupportedMediaType, *REFUSED
            ),
        },
    }


def _report() -> dict[str, Any]:
    said = {
        "since": "From when; 30 days before `until` unless given, 400 at most.",
        "until": "Up to when; now unless given. A moment without a zone is UTC's.",
    }
    return {
        "operationId": "reportRatings",
        "tags": ["operation"],
        "summary": "How good users found what was made",
        "description": "By operation, model, prompt version and canary, the last words alone. "
        "Needs the permission `gateway:admin`.",
        "parameters": [
            {"name": name, "in": "query", "description": told, "schema": MOMENT}
            for name, told in said.items()
        ],
        "responses": {
            "200": answered(
                "The report.",
                {"$ref": "#/components/schemas/RatingReport"},
                *CALLER_HEADERS,
                example=REPORT_EXAMPLE,
            ),
            **errors(InvalidRequest, Forbidden, *REFUSED),
        },
    }
