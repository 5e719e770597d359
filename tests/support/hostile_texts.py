"""Texts on which a careless expression would backtrack; `python -m` it to have all judged."""

from __future__ import annotations

import asyncio

from tests.support.operations import THEME, VALIDATION
from tests.support.storyteller_requests import (
    RULE_CATEGORIES,
    checked_draft,
)

CONTEXT = {"character_class": "wizard", "character_race": "elf", "name": "Sir A. B. “C” D'E-F",
           "age": 19, "hair": "red", "hometown": "Saltmere", "mother": "died"}  # fmt: skip


def hostile_texts() -> list[str]:
    return [
        "a" * 50_000, "aaaa ... " * 5_500, "A" * 50_000, "[" * 50_000, "“" * 50_000,
        "\n" * 49_999 + "x", "no " * 16_000, "1d" * 25_000, "level " * 8_000, "rage cast " * 5_000,
        "A B " * 12_000,
        "{" * 25_000 + "}" * 25_000, ". " * 25_000, "'-" * 25_000, "Aaaa" * 12_500, "9" * 50_000,
        '"' * 50_000, "," * 50_000, "not " * 12_500, "." * 50_000, "'A " * 16_000,
        "wields a b " * 4_500, "my black hair " * 3_500, "I am " * 10_000, "born in " * 6_000,
        "a(" * 25_000, "a.a" * 16_000,
        "LOUD " * 10_000, "\x00" * 50_000, "he was. I am. " * 3_000, "é" * 50_000, "a-" * 25_000,
    ]  # fmt: skip


async def judge_hostile_texts() -> None:
    rules = [{"category": c, "name": c} for c in RULE_CATEGORIES]
    for text in hostile_texts():
        await checked_draft(THEME, {"content": text, "target_theme": {"tone": "dark"}})
        raw = {"content": text, "content_type": "story", "rules": rules, "theme": {"tone": "dark"},
               "context": CONTEXT}  # fmt: skip
        await checked_draft(VALIDATION, raw)


if __name__ == "__main__":
    asyncio.run(judge_hostile_texts())
