"""Wording: profanity, and what fits no tale of swords and spells."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any

from app.storyteller.concepts import LEXICON
from app.storyteller.issues import Findings, error, warning
from app.storyteller.passage import Passage
from app.storyteller.wordlists import theme_texts, theme_words

MAX_NAMED = 3  # of one kind; more would not be read


@cache
def _listed(name: str) -> tuple[str, ...]:
    """The words of a list, in small letters; a phrase has its spaces."""
    return tuple(word.replace("_", " ") for word in _table()[name].split())


@cache
def _table() -> Mapping[str, str]:
    return tomllib.loads((LEXICON / "wording.toml").read_text(encoding="utf-8"))


def profane(passage: Passage) -> Findings:
    for place in _first(passage, "profanity"):
        yield error(
            f"“{place[0]}” is profane.", passage.around(*place.span()), "Find a milder oath."
        )


def out_of_time(passage: Passage, *, strict: bool) -> Findings:
    """Things of another age are faults; ways of talking are so where a rule asks (`strict`)."""
    for place in _first(passage, "things"):
        yield error(
            f"“{place[0]}” is of another age than the tale.", passage.around(*place.span()),
            "Use what this world has instead.",
        )  # fmt: skip
    for place in _first(passage, "phrases"):
        write = error if strict else warning
        yield write(
            f"“{place[0]}” is a way of talking of another age.", passage.around(*place.span()),
            "Let the speaker say it as this world would.",
        )  # fmt: skip


def modern(theme: Any, context: Mapping[str, Any]) -> bool:
    """Whether theme or context set the tale in a world that has telephones."""
    said = [*theme_texts(theme), *(str(v)[:200] for v in context.values())]
    known = set(_table()["modern"].split())
    return any(word in known for text in said for word in theme_words(text))


def _first(passage: Passage, name: str) -> Iterator[re.Match[str]]:
    """The first places of different words of a list: `okay` and not `tokay`, `car`, not `care`."""
    here = (w for w in _listed(name) if " " in w or w in passage.counted)
    places = (place for word in here if (place := passage.first(word)))
    yield from islice(places, MAX_NAMED)
