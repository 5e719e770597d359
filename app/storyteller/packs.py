"""Packs: the grammar files, read once, and the choice among them for a request's words."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import Any

from app.storyteller.grammar import Options, names, read, scope
from app.storyteller.wordings import Wordings
from app.storyteller.wordlists import WordLists, theme_texts

NAME = re.compile(r"\{(name|they|they_cap)\}|\{(s|es|ies|has|is|was)\}")
THIRD_PERSON = {"s": "s", "es": "es", "ies": "ies", "has": "has", "is": "is", "was": "was"}
CASES, AFFAIRS, PLACES = (Path(__file__).parent / n for n in ("cases", "conflicts", "places"))
MAX_SEARCHED = 400  # characters of a caller's value that are searched for known words


@cache
def grammar(name: str) -> Mapping[str, Any]:
    """One grammar file, not to be changed. Reading one takes up to 10 ms, once."""
    return agreeing(read(name))  # type: ignore[no-any-return]  # what TOML holds


@cache
def one_of(folder: Path, name: str) -> Mapping[str, Any]:
    """A file of a folder, not to be changed. Reading one takes up to 20 ms, once."""
    text = (folder / f"{name}.toml").read_text(encoding="utf-8")
    return agreeing(tomllib.loads(text))  # type: ignore[no-any-return]  # what TOML holds


class Packs:
    """All grammar files, each under its name, and read when it is first asked for.

    A gateway whose models answer needs none of them: all together take 0.7 s and 11 MB.
    """

    @cached_property
    def titles(self) -> frozenset[str]:
        return frozenset(self.common["titles"])

    @cached_property
    def lists(self) -> WordLists:
        return WordLists(self.themes)

    @cached_property
    def same(self) -> Wordings:
        return Wordings(self.wordings["same"])

    @staticmethod
    def cases(kind: str) -> list[Mapping[str, Any]]:
        """What stories of a kind may be built on."""
        found: list[Mapping[str, Any]] = one_of(CASES, kind)["case"]
        return found

    @staticmethod
    def affair(name: str) -> Mapping[str, Any]:
        """What a campaign may be built on: for each step its wordings."""
        return one_of(AFFAIRS, name)

    @staticmethod
    def place(kind: str) -> Mapping[str, Any]:
        """What is told of a town, a tavern and so on."""
        return one_of(PLACES, kind)

    def __getattr__(self, name: str) -> Any:
        """The grammar file of this name, such as that of an operation."""
        if name not in names():
            raise AttributeError(f"there is no grammar {name}.toml")
        return grammar(name)

    def mood(self, theme: Any, *more: object) -> str:
        """The category whose words the theme uses most, `fantasy` when it uses none."""
        wanted = self.lists.wanted([*theme_texts(theme), *(str(m) for m in more if m)])
        return max(wanted, key=lambda c: wanted[c]) if any(wanted.values()) else "fantasy"

    def mood_scope(self, mood: str) -> Options:
        return scope("mood", self.moods[mood])


def known(value: object, names: Mapping[str, Any]) -> str | None:
    """The longest known name that stands in a caller's value as whole words, if any."""
    text = " ".join(re.findall(r"[a-z]+", str(value or "")[:MAX_SEARCHED].lower()))
    found = [n for n in names if f" {n.replace('_', ' ')} " in f" {text} "]
    return max(found, key=len, default=None)


def tier(level: int) -> int:
    """The game's four tiers of play: levels 1-4, 5-10, 11-16, 17-20."""
    return 1 + (level > 4) + (level > 10) + (level > 16)


def seeded(*parts: object) -> Random:
    """A random generator that is the same for the same parts, in every process."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str)
    return Random(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big"))


def agreeing(table: Any) -> Any:
    """The sentences with verbs that agree: after a name the third person, after `{they}` a slot."""
    if isinstance(table, dict):
        return {key: agreeing(value) for key, value in table.items()}
    if isinstance(table, list):
        return [agreeing(value) for value in table]
    return _agreeing(table) if isinstance(table, str) else table


def _agreeing(sentence: str) -> str:
    subject = "they"

    def settle(match: re.Match[str]) -> str:
        nonlocal subject
        if match[1]:
            subject = match[1]
        elif subject == "name":
            return THIRD_PERSON[match[2]]
        return match[0]

    return NAME.sub(settle, sentence)
