"""Premise: what a caller's few words ask to happen, to whom, and where.

`slay the dragon of Cold Ferry` is a spine (slay) and an enemy; `a king's deathbed` is a person and
a matter; `a drowned crown` is a thing. Words that name none of these stay a matter, which the text
speaks of as the caller put it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from app.storyteller import supplied

ENDS = frozenset((
    "from", "in", "at", "to", "before", "after", "under", "and", "who", "that", "which",
    "while", "with", "by", "into", "out", "for", "against", "on", "onto", "until", "because",
    "so", "but", "when", "where", "near", "inside", "beyond", "across", "through", "than", "is",
    "are", "was", "were", "has", "have", "had", "or", "without", "unless", "if", "as", "over",
    "off", "back",
))  # fmt: skip
PLACES = frozenset(["from", "in", "at", "under", "inside", "beyond", "near", "into", "to", "of"])
MAX_NAMED = 6  # words of what an action is done to
WORD = re.compile(r"[^\W_]+(?:[’'-][^\W_]+)*|[,.;:!?]")
POSSESSIVE = re.compile(r"['’]s?\Z")

WITHIN = frozenset(("between", "among"))  # a war between two guilds is fought against neither


@dataclass(frozen=True, slots=True)
class Premise:
    """spine: the kind of action, `` when none is named. whom: its object as the caller has it, of
    the sort creature, person, thing or place. where: a place that was named. matter: the whole;
    action: whether it begins with the verb, so that it stands behind `to`.
    """

    spine: str = ""
    whom: str = ""
    sort: str = ""
    kind: str = ""
    where: str = ""
    matter: str = ""
    action: bool = False


def premise(value: Any, spines: Mapping[str, Any], nouns: Mapping[str, Any]) -> Premise:
    """What a value asks for. It is read whole, and only words are taken from it."""
    if not isinstance(value, str) or not value.strip():
        return Premise()
    words = WORD.findall(supplied.plain(value))
    spine, at = _action(words, _verbs(tuple((n, *t["verbs"]) for n, t in spines.items())))
    named, rest = noun_phrase(words, at if spine else 0, nouns)
    sort, kind = sort_of(named, nouns)
    if (not sort and not spine) or (named and named[0].lower() in WITHIN):
        named = []
    return Premise(
        spine,
        _phrase(named),
        sort,
        kind,
        _where(words, rest, nouns),
        supplied.subject(value),
        at == 1 and bool(named) and not words[0].lower().endswith("ing"),
    )


@lru_cache(4)
def _verbs(tables: tuple[tuple[str, ...], ...]) -> Mapping[str, str]:
    return {verb: name for name, *verbs in tables for verb in verbs}


def _action(words: list[str], verbs: Mapping[str, str]) -> tuple[str, int]:
    """The spine of the first verb, and where its object begins."""
    for at, word in enumerate(words):
        if spine := verbs.get(word.lower()):
            return spine, at + 1
    return "", 0


def noun_phrase(words: list[str], at: int, nouns: Mapping[str, Any]) -> tuple[list[str], int]:
    """The words of a noun phrase from `at` on, without its article, and where it ends.

    A possessor stands for what is no thing: of `a king's deathbed` it is the king, of `a king's
    crown` the crown.
    """
    end = at
    while end < len(words) and words[end].lower() not in ENDS and words[end][0].isalnum():
        end += 1
    named = words[at:end]
    if named and named[0].lower() in {*supplied.ARTICLES, *supplied.OWNERS, "down"}:
        named = named[1:]
    for place, word in enumerate(named):
        owned = named[place + 1 :]
        if owned and POSSESSIVE.search(word) and not sort_of(owned, nouns)[0]:
            return [*named[:place], POSSESSIVE.sub("", word)], end
    return named[:MAX_NAMED], end


def sort_of(named: list[str], nouns: Mapping[str, Any]) -> tuple[str, str]:
    """The sort and kind of the head noun: the last word, or the last before `of`."""
    lower = [word.lower() for word in named]
    head = lower[: lower.index("of")] if "of" in lower[1:] else lower
    for word in reversed(head):
        for sort in ("creature", "person", "thing", "place"):
            for kind, known in nouns[sort].items():
                if word in known or word.removesuffix("s") in known:
                    return sort, kind
        break
    return "", ""


def _where(words: list[str], at: int, nouns: Mapping[str, Any]) -> str:
    for place in range(at, len(words) - 1):
        if words[place].lower() not in PLACES:
            continue
        named, _ = noun_phrase(words, place + 1, nouns)
        if named and (sort_of(named, nouns)[0] == "place" or named[0][0].isupper()):
            return _phrase(named)
    return ""


def _phrase(named: list[str]) -> str:
    return " ".join(named)
