"""What stands in an event of each type: JSON schemas (2020-12's vocabulary), and an example each.

Receivers pass over types and fields that they do not know, so `additionalProperties` is left open:
a new field breaks nobody. One that is taken away, or means something else, is a new type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.events.types import BUDGET_WARNED, COUNTED, EVENT_TYPES, SOURCE
from app.operations.descriptions import Described
from app.operations.fields import Category, ContentType
from app.operations.story import StoryElementType

UUID = {"type": "string", "format": "uuid"}
TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
AMOUNT = {"type": "number", "minimum": 0}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}

SUMMARIES = {
    "content.generated": "Text about a character, a campaign or a story was generated.",
    "story.generated": "A story element was generated; it comes right after its content.generated.",
    "theme.analyzed": "A text's theme was analysed.",
    "validation.completed": "A text was held against rules.",
    "content.rated": "A user rated a content of theirs; the last one of a content counts.",
    BUDGET_WARNED: "A budget is spent up to where it warns; once in its period. The content is the "
    "one that it was noticed with, which may not have come to be.",
}


def _said(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {**schema, "description": description}


def _one_of(kind: type[Described], description: str) -> dict[str, Any]:
    return {"type": "string", "enum": [value.value for value in kind], "description": description}


def _object(properties: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "required": list(properties),
        "properties": properties,
    }


TRACEPARENT = {
    **TEXT,
    "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
    "description": "The span that made it, by W3C trace context, where the gateway has traces on.",
}
METADATA = _object(
    {
        "model_used": _said(TEXT, "The model that wrote it, by the gateway's name for it."),
        "token_usage": _object(dict.fromkeys(COUNTED, COUNT), "The tokens that it took."),
        "prompt_version": _said(TEXT, "Which wording of the prompt was used."),
        "variant": {
            "type": ["string", "null"],
            "description": "The canary that made it; null without one.",
        },
    },
    "What made it.",
)
METADATA["properties"]["traceparent"] = TRACEPARENT  # beside those that are required
OWN: dict[str, dict[str, Any]] = {
    "content.generated": {},
    "story.generated": {
        "element_type": _one_of(StoryElementType, "What part of a story it is."),
        "summary": _said(TEXT, "The element in one or two sentences."),
    },
    "theme.analyzed": {
        "theme_category": _one_of(Category, "What kind of tale it is."),
        "confidence": _said(SHARE, "How sure that is."),
    },
    "validation.completed": {
        "passed": {"type": "boolean", "description": "Whether every judged required rule passed."},
        "overall_score": _said(SHARE, "The mean of the judged rules' scores."),
    },
    "content.rated": {
        "score": {"type": "integer", "minimum": 1, "maximum": 5, "description": "5 is the best."}
    },
    BUDGET_WARNED: {
        "budget": _said(TEXT, "The budget's name."),
        "period": {"enum": ["day", "month"], "description": "How often it renews."},
        "unit": {"enum": ["usd", "tokens"], "description": "What it counts."},
        "limit": _said(AMOUNT, "How much there is in a period."),
        "spent": _said(AMOUNT, "How much of it is spent."),
        "share": _said(AMOUNT, "The same as a share of the limit; above 1 where it was lowered."),
        "renews_at": {**TEXT, "format": "date-time", "description": "When a period begins."},
    },
}
EXAMPLES: dict[str, tuple[ContentType, dict[str, Any]]] = {
    "content.generated": (ContentType.CHARACTER, {}),
    "story.generated": (
        ContentType.STORY,
        {"element_type": "scene", "summary": "A lamp burns in the drowned lighthouse."},
    ),
    "theme.analyzed": (ContentType.THEME, {"theme_category": "horror", "confidence": 0.82}),
    "validation.completed": (ContentType.VALIDATION, {"passed": True, "overall_score": 0.91}),
    "content.rated": (ContentType.CHARACTER, {"score": 4}),
    BUDGET_WARNED: (
        ContentType.CHARACTER,
        {
            "budget": "each-user",
            "period": "month",
            "unit": "usd",
            "limit": 5.0,
            "spent": 4.02,
            "share": 0.804,
            "renews_at": "2026-12-01T00:00:00Z",
        },
    ),
}


def event_schema(kind: str) -> dict[str, Any]:
    """The schema of events of one type. Raises `KeyError` for a type that is not there."""
    common = {
        "id": _said(UUID, "The same when the event is repeated: dedupe by it."),
        "type": {"type": "string", "const": kind},
        "content_id": _said(UUID, "The content that it is about."),
        "content_type": _one_of(ContentType, "What kind of content that is."),
        "metadata": METADATA,
        "user_id": _said(TEXT, "Whose it is: the `sub` of the token."),
        "request_id": _said(TEXT, "The request that made it."),
        "source": {"type": "string", "const": SOURCE},
        "occurred_at": {**TEXT, "format": "date-time", "description": "When it happened."},
    }
    return _object({**common, **OWN[kind]}, SUMMARIES[kind])


def event_example(kind: str) -> dict[str, Any]:
    """One event of the type, whole."""
    content_type, own = EXAMPLES[kind]
    return {
        "id": "0198c0de-7a1e-7000-8000-5a17e4e00002",
        "type": kind,
        "content_id": "0198c0de-7a1e-7000-8000-5a17e4e00001",
        "content_type": content_type.value,
        "metadata": {
            "model_used": "gpt-4-turbo",
            "token_usage": dict(zip(COUNTED, (412, 180, 592), strict=True)),
            "prompt_version": "1",
            "variant": None,
        },
        "user_id": "alice",
        "request_id": "0198c0de-7a1e-7000-8000-5a17e4e00003",
        "source": SOURCE,
        "occurred_at": "2026-11-26T09:30:00.000000Z",
        **own,
    }


def schema_name(kind: str) -> str:
    """`StoryGenerated` of `story.generated`."""
    return "".join(part.capitalize() for part in kind.split("."))


def event_schemas(kinds: Iterable[str] = EVENT_TYPES) -> dict[str, dict[str, Any]]:
    """The schemas of all types by their names, as a document's components."""
    return {schema_name(kind): event_schema(kind) for kind in kinds}
