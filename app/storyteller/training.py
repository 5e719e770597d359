"""Training: whether the subject of a text can do what it does, by its class and its level."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from app.storyteller import rules
from app.storyteller.issues import Findings, error
from app.storyteller.passage import Passage
from app.storyteller.subject import Subject

# A spell of one plain word is meant only where it is cast: `light`, `sleep`, `fly`.
CAST = re.compile(
    r"\b(?:casts?|casting|weaves?|wove|hurls?|hurled|looses?|unleash(?:es|ed)?|throws?|threw)"
    r"(?: [\w'-]+){0,2} $|\bspell of $"
)
UNDONE = re.compile(r"\b(?:cannot|can't|could not|couldn't|never|no|not|nor)\b[^.]*$")
WORN = re.compile(
    r"\b(?:wears?|wore|wearing|dons?|donned|clad in|dressed in|armou?red in|buckles? on"
    r"|in (?:full|her|his|my|their))"
    r" ((?:[\w'-]+ ){0,3}?(?:armou?r|mail|plate|leather|shield|hide|breastplate))\b"
)
HELD = re.compile(
    r"\b(?:wields?|wielded|wielding|swings?|swung|fights? with|fought with|draws?|drew) "
    r"((?:[\w'-]+ ){0,4}[\w'-]+)"
)
# A clause whose subject is somebody with an article: not the one whom the text is about.
CLAUSE = re.compile(r"[,;:]|\n")
OTHER = re.compile(
    r"\s*(?:and |but |then |while |as |when |so )?(?:the|an?|his|her|my|their|our|one of|some)"
    r" [a-z'-]+"
)
NEAR = 100  # characters before a feat within which a class that is named does it
# A cleric's domain and a dwarf's clan may bring the training that the class lacks.
MAY_WEAR = frozenset({"cleric", "dwarf"})
SHORT_NAME = 7  # letters; a single word with no more is too common to be a spell's name alone


def judged(passage: Passage, subject: Subject) -> Findings:
    """What the subject could not do yet, or never; nothing where its class is not known."""
    cls = subject.cls or _class_told(passage)
    level = subject.level or _level_told(passage)
    if cls is None or cls not in rules.classes():
        return
    yield from _spells(passage, cls, level)
    yield from _features(passage, cls, level)
    yield from _gear(passage, cls, subject.race)


def touched(passage: Passage, subject: Subject) -> bool:
    """Whether there was anything to judge: a class that is known, and a feat, spell or armour."""
    cls = subject.cls or _class_told(passage)
    if cls is None or cls not in rules.classes():
        return False
    return any(True for _ in _things(passage))


def _things(passage: Passage) -> Iterator[str]:
    yield from (name for name, _ in _cast(passage))
    yield from (name for name, _ in _used(passage))
    yield from (m[1] for m in WORN.finditer(passage.lower) if rules.armour_of(m[1]))
    yield from (m[1] for m in HELD.finditer(passage.lower) if rules.weapon_of(m[1]))


def _class_told(passage: Passage) -> str | None:
    """The class of a text that names one and no more."""
    found = [c for c in rules.classes() if passage.first(c) or passage.first(f"{c}s")]
    return found[0] if len(found) == 1 else None


def _level_told(passage: Passage) -> int | None:
    levels = {int(m[1] or m[2]) for m in passage.levels}
    return levels.pop() if len(levels) == 1 else None


@cache
def _by_first_word(kind: str) -> tuple[tuple[str, str], ...]:
    """The names of spells or features, each with its first word, in one order everywhere."""
    names = rules.spell_names() if kind == "spell" else rules.feature_names()
    return tuple((name.split()[0], name) for name in sorted(names))


def _here(passage: Passage, kind: str) -> list[str]:
    """The names that stand in a text; most are ruled out by their first word."""
    known = passage.counted
    return [n for first, n in _by_first_word(kind) if first in known and n in passage.lower]


def _cast(passage: Passage) -> Iterator[tuple[str, re.Match[str]]]:
    text = passage.lower.replace("’", "'")
    for name in _here(passage, "spell"):
        plain = " " not in name and len(name) <= SHORT_NAME
        # A pattern that begins with its letters is found five times as fast.
        for place in re.finditer(rf"{re.escape(name)}(?![\w'-])", text):
            before = text[max(0, place.start() - 40) : place.start()]
            if before and (before[-1].isalnum() or before[-1] in "_'-"):
                continue
            cast = CAST.search(before) or text[place.end() :].startswith(" spell")
            if not UNDONE.search(before) and (cast or not plain):
                yield name, place
                break


def _spells(passage: Passage, cls: str, level: int | None) -> Findings:
    for name, place in _cast(passage):
        if _another(passage, place, cls):
            continue
        where = passage.around(*place.span())
        comes = rules.spell_level_at(cls, name)
        if comes is None:
            yield error(
                f"“{name}” is not among the spells of the {cls}.", where,
                f"Choose one of the {cls}'s, or say where it comes from.",
            )  # fmt: skip
        elif level is not None and level < comes:
            yield error(
                f"“{name}” comes at level {comes} for the {cls}; the level is {level}.", where,
                f"Raise the level to {comes}, or choose a spell of a lower one.",
            )  # fmt: skip


def _used(passage: Passage) -> Iterator[tuple[str, re.Match[str]]]:
    for name in _here(passage, "feature"):
        if " " in name and (place := passage.first(name)):
            yield name, place


def _features(passage: Passage, cls: str, level: int | None) -> Findings:
    for name, place in _used(passage):
        levels: Mapping[str, int] = rules.feature_levels(name)
        if cls not in levels or level is None or level >= levels[cls]:
            continue
        if not _another(passage, place, cls):
            yield error(
                f"“{name}” comes at level {levels[cls]} for the {cls}; the level is {level}.",
                passage.around(*place.span()),
                f"Raise the level to {levels[cls]}, or name another.",
            )  # fmt: skip


def _gear(passage: Passage, cls: str, race: str | None) -> Findings:
    for pattern, verb in ((WORN, "in"), (HELD, "with")):
        for place in pattern.finditer(passage.lower):
            if verb == "in" and (cls in MAY_WEAR or race in MAY_WEAR):
                continue
            if rules.trained(cls, race, place[1]) is False and not _another(passage, place, cls):
                thing = rules.armour_of(place[1]) or rules.weapon_of(place[1]) or place[1]
                yield error(
                    f"The {cls} is not trained {verb} {thing.replace('_', ' ')}.",
                    passage.around(*place.span()), f"Give the {cls} what it is trained {verb}.",
                )  # fmt: skip


def _another(passage: Passage, place: re.Match[str], cls: str) -> bool:
    """Whether somebody else does it: another class, named last before it, or “the captain”."""
    before = passage.lower[max(0, place.start() - NEAR) : place.start()].split(".")[-1]
    named = {c: before.rfind(c) for c in rules.classes()}
    best = max(named, key=lambda c: named[c])
    if named[best] >= 0:
        return best != cls
    return OTHER.match(CLAUSE.split(before)[-1]) is not None
