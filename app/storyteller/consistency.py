"""Consistency: whether a text agrees with itself, and with what is known of its subject."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from app.storyteller import givens
from app.storyteller.issues import Findings, error, warning
from app.storyteller.lawbook import level_words
from app.storyteller.passage import Passage, quoted
from app.storyteller.subject import LEVEL_KEYS, Subject, first, said_of, subject_of

NAME = re.compile(r"\b[A-Z][a-z]{3,20}\b")
FIRST = frozenset({"i", "my", "me", "we", "our", "us"})
THIRD = frozenset({"he", "she", "they", "his", "her", "their", "him", "them"})
PAST = frozenset({"was", "were", "had", "said", "went", "came", "took", "stood", "looked", "knew"})
PRESENT = frozenset({"is", "are", "has", "says", "goes", "comes", "takes", "stands", "looks"})
MAX_NAMES = 60  # names that are compared with one another
DRIFT = 4  # sentences of the rarer kind from which it is drift rather than a slip

Told = Sequence[tuple[str, frozenset[str]]]  # sentences of the narration, and their words


def judged(passage: Passage, context: Mapping[str, Any], lawbook: Mapping[str, Any]) -> Findings:
    yield from _contradictions(passage, context, lawbook)
    yield from givens.judged(passage, context)
    yield from _names(passage)
    told = passage.told
    yield from _drift(told, FIRST, THIRD, "person", "first", "third")
    yield from _drift(told, PAST, PRESENT, "tense", "past", "present")


def _names(passage: Passage) -> Findings:
    """Names that differ by one letter, both used: one of them is a slip."""
    counted = Counter(NAME.findall(passage.text)).most_common(MAX_NAMES)
    for at, (name, times) in enumerate(counted):
        for other, fewer in counted[at + 1 :]:
            if times >= 2 and fewer < times and _one_apart(name, other):
                place = re.search(rf"\b{other}\b", passage.text)
                yield warning(
                    f"“{other}” may be a misspelling of “{name}”.",
                    passage.around(*place.span()) if place else None,
                    f"Write “{name}” throughout, or tell the two further apart.",
                )


def _one_apart(one: str, other: str) -> bool:
    """One letter more, less, changed or exchanged; a plural or a possessive is no misspelling."""
    if one[0] != other[0] and one[-1] != other[-1]:
        return False  # one slip leaves either end as it is; most pairs go no further
    if abs(len(one) - len(other)) > 1 or one + "s" == other or other + "s" == one:
        return False
    if sorted(one) == sorted(other):
        return sum(a != b for a, b in zip(one, other, strict=True)) == 2
    short, long = sorted((one, other), key=len)
    start = next((i for i, c in enumerate(short) if c != long[i]), len(short))
    if len(short) == len(long):
        return short[start + 1 :] == long[start + 1 :]
    return short[start:] == long[start + 1 :]


def _drift(
    told: Told, one: frozenset[str], two: frozenset[str], what: str, a: str, b: str
) -> Findings:
    """Both kinds used alone in several sentences of the narration."""
    only_one = [s for s, words in told if words & one and not words & two]
    only_two = [s for s, words in told if words & two and not words & one]
    rarer, name = min((only_one, a), (only_two, b), key=lambda pair: len(pair[0]))
    most = max(len(only_one), len(only_two))
    if rarer and most >= 2 and (len(rarer) >= DRIFT or most <= 4 * len(rarer)):
        yield warning(
            f"The narration drifts between the {a} and the {b} {what}.",
            quoted(rarer[0]), f"Put this into the same {what} as the rest; here it is the {name}.",
        )  # fmt: skip


def _contradictions(
    passage: Passage, context: Mapping[str, Any], lawbook: Mapping[str, Any]
) -> Findings:
    classes = lawbook["features"]
    races = {race.replace("-", "_"): race for race in lawbook["races"]}
    subject = subject_of(context, classes, races)
    yield from _other_kind(passage, subject, subject.cls, classes, "class")
    yield from _other_kind(passage, subject, subject.race, races, "race")
    yield from _other_level(passage, first(context, (*LEVEL_KEYS, "party_level")))


def _other_kind(
    passage: Passage, subject: Subject, wanted: str | None, kinds: Mapping[str, Any], what: str
) -> Findings:
    """The subject's class or race, where it is not the context's, and the context's is unnamed."""
    if wanted is None or _place(passage, wanted):
        return
    for kind in sorted(kinds, key=len, reverse=True):
        place = next(said_of(passage, subject, kind), None) if _place(passage, kind) else None
        if place is not None and kind != wanted:
            shown = wanted.replace("_", "-")
            yield error(
                f"The context's {what} is {shown}; the text speaks of {place[1]}.",
                quoted(place[0].strip()), f"Make it {shown}, or change the context.",
            )  # fmt: skip
            return


def _place(passage: Passage, kind: str) -> re.Match[str] | None:
    if kind.split("_")[0] not in passage.lower:
        return None
    return passage.whole(rf"{kind.replace('_', '[- ]')}s?")


def _other_level(passage: Passage, level: Any) -> Findings:
    if isinstance(level, bool) or not str(level).isdigit():
        return
    for said, place in level_words(passage):
        if said != int(str(level)):
            yield error(
                f"The context's level is {level}; the text says {said}.",
                passage.around(*place.span()), f"Write level {level}, or change the context.",
            )  # fmt: skip
            return
