"""What a well-behaved model answers: prose, or JSON for the schema that it was given."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

PROSE = "The harbour of Saltmere smelled of tar and old promises when the lamps went out."
USAGE = {"prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160}


def written(asked: dict[str, Any]) -> str:
    """The text for a request's body. Raises `ValueError` where it does not know the question."""
    schema = _schema(asked)
    if schema is None:
        return PROSE
    said = next(m["content"] for m in asked["messages"] if m["role"] == "user")
    return orjson.dumps(STRUCTURED[schema](said)).decode()


def _schema(asked: dict[str, Any]) -> str | None:
    wanted = asked.get("response_format") or {}
    if wanted.get("type") != "json_object":
        name: str | None = wanted.get("json_schema", {}).get("name")
        return name
    said = asked["messages"][-1]["content"]  # the schema in words, for models that take none
    return next((name for name, mark in MARKS.items() if mark in said), "story")


def words(text: str) -> list[str]:
    """The text in tokens: a word with the space behind it each."""
    return re.findall(r"\S+\s*|\s+", text)


def _story(_: str) -> dict[str, Any]:
    return {"content": PROSE, "summary": "The lamps go out in Saltmere."}


def _theme(prompt: str) -> dict[str, Any]:
    fit = {"score": 0.4, "conflicts": ["tone"], "enhancements": [], "transition_steps": ["one"]}
    return {
        "primary_category": _said(r"only among: ([\w, ]+)\.", prompt).split(", ")[0],
        "secondary_categories": [],
        "category_confidence": 0.8,
        "elements": [
            {"element": e, "score": 0.5, "description": "It is there.", "suggestions": []}
            for e in _said(r"in this order: ([\w, ]+);", prompt).split(", ")
        ],
        "compatibility": fit if "how well the text would fit" in prompt else None,
        "overall_score": 0.6,
        "summary": "A tale.",
    }


def _validation(prompt: str) -> dict[str, Any]:
    count = int(_said(r"each of the (\d+) rules", prompt))
    return {
        "results": [
            {"number": n, "passed": True, "score": 0.9, "issues": []} for n in range(1, count + 1)
        ],
        "summary": "All rules are kept.",
    }


def _npc(prompt: str) -> dict[str, Any]:
    asked = _request(prompt)
    return {
        "name": "Odile Vell",
        "description": PROSE,
        "personality": "Dry, and kind to dogs.",
        "motivations": ["To see the lamps lit again."],
        "secrets": ["She put them out."],
        "relationships": [
            {"to": to, "nature": nature} for to, nature in asked["relationships"].items()
        ],
    }


def _location(prompt: str) -> dict[str, Any]:
    asked = _request(prompt)
    return {
        "name": "The Blind Lamp",
        "description": PROSE,
        "points_of_interest": ["The lamp room.", *asked["features"]],
        "occupants": asked["occupants"],
        "secrets": ["The oil is seawater."],
        "hooks": ["A light is seen there.", "The keeper has not come home."],
    }


def _item(_: str) -> dict[str, Any]:
    light = {"name": "Relight", "effect": "As an action, expend 1 charge to light a lamp."}
    return {
        "name": "The Lamplighter's Wand",
        "attunement": None,
        "description": PROSE,
        "properties": [
            {**light, "charges": 7, "recharge": "Regains 1d6 + 1 expended charges daily at dawn."}
        ],
        "history": "Odile Vell carved it from the last mast of the harbour.",
        "drawback": None,
        "found": "In the lamp room, under the oil.",
    }


def _request(prompt: str) -> dict[str, Any]:
    data = prompt.partition("<request>\n")[2].partition("\n</request>")[0]
    found: dict[str, Any] = orjson.loads(data)
    return found


def _said(pattern: str, prompt: str) -> str:
    found = re.search(pattern, prompt)
    if found is None:
        raise ValueError(f"the prompt has nothing like {pattern}")  # our own words, no caller's
    return found[1]


# A word of each schema that the ones below it do not have.
MARKS = {
    "theme": "primary_category",
    "validation": "results",
    "npc": "personality",
    "location": "points_of_interest",
    "item": "attunement",
    "story": "summary",
}
STRUCTURED: dict[str, Callable[[str], dict[str, Any]]] = {
    "story": _story,
    "npc": _npc,
    "location": _location,
    "item": _item,
    "theme": _theme,
    "validation": _validation,
}
