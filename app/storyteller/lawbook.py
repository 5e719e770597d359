"""Lawbook: facts of the fifth edition's rules that a text can be seen to break."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.storyteller.issues import Findings, error, info, warning
from app.storyteller.packs import known
from app.storyteller.passage import LEVEL, MAX_SENTENCE, Passage

DIGIT = re.compile(r"\d")
SPELL_LEVEL = re.compile(
    r"\b(?:(\d{1,3})(?:st|nd|rd|th)?[ -]level[ -](?:spell|slot)"
    r"|level[ -](\d{1,3})[ -](?:spell|slot))"
)
DICE = re.compile(r"(?<![\w.])\d{0,3}d(\d{1,4})\b")
DIE = re.compile(r"d\d")
ABILITIES = ("strength", "dexterity", "constitution", "intelligence", "wisdom", "charisma")
ABILITY = re.compile(
    rf"\b({'|'.join(ABILITIES)})"
    r" (?:score )?(?:of |is )?(\d{1,3})\b"
)
CASTS = re.compile(r"\b(?:casts?|casting|spells?|concentrat\w{2,5})\b", re.I)
RAGE = re.compile(r"\b(?:rag(?:es?|ing)|in (?:a|his|her|their) rage)\b", re.I)
NEAR = 120  # characters within which a feature belongs to a class that is named
CLASS_KEYS = ("character_class", "class")


def judged(passage: Passage, context: Mapping[str, Any], lawbook: Mapping[str, Any]) -> Findings:
    found = False
    for issue in _broken(passage, context, lawbook):
        found = True
        yield issue
    if not found and not _speaks_of_rules(passage, lawbook):
        yield info(
            "The text names no level, die, spell level or class feature to hold against the rules.",
            None, "Nothing to change; a rule that wants mechanics should name them.",
        )  # fmt: skip


def _broken(passage: Passage, context: Mapping[str, Any], lawbook: Mapping[str, Any]) -> Findings:
    if DIGIT.search(passage.text):
        yield from _levels(passage, lawbook)
        yield from _dice(passage, lawbook["dice"])
        yield from _abilities(passage, lawbook["ability_maximum"])
    yield from _rage(passage)
    yield from _features(passage, context, lawbook)


def level_words(passage: Passage) -> Iterator[tuple[int, re.Match[str]]]:
    """Each level that a text speaks of, spell levels left out."""
    for place in passage.levels:
        yield int(place[1] or place[2]), place


def _levels(passage: Passage, lawbook: Mapping[str, Any]) -> Findings:
    for level, place in level_words(passage):
        if not 1 <= level <= lawbook["levels"]:
            yield error(
                f"There is no level {level}: characters have levels 1 to {lawbook['levels']}.",
                passage.around(*place.span()), "Use a level from 1 to 20.",
            )  # fmt: skip
    spells = "level" in passage.lower and ("spell" in passage.lower or "slot" in passage.lower)
    for place in SPELL_LEVEL.finditer(passage.lower) if spells else ():
        if (level := int(place[1] or place[2])) > lawbook["spell_levels"]:
            yield error(
                f"There are no spells of level {level}: the highest is 9.",
                passage.around(*place.span()), "Use a spell level from 1 to 9.",
            )  # fmt: skip


def _dice(passage: Passage, dice: Sequence[int]) -> Findings:
    # Two letters' search first: the whole expression takes 1 ms over 50,000 characters.
    for place in DICE.finditer(passage.lower) if DIE.search(passage.lower) else ():
        if int(place[1]) not in dice:
            nearest = min(dice, key=lambda d: abs(d - int(place[1])))
            yield error(
                f"There is no d{int(place[1])} among the game's dice.",
                passage.around(*place.span()), f"The nearest die is a d{nearest}.",
            )  # fmt: skip


def _abilities(passage: Passage, most: int) -> Findings:
    named = any(ability in passage.lower for ability in ABILITIES)
    for place in ABILITY.finditer(passage.lower) if named else ():
        if int(place[2]) > most:
            yield error(
                f"{place[1].capitalize()} {place[2]} is above {most}, the highest there is.",
                passage.around(*place.span()), "For a character, 20 is the usual highest score.",
            )  # fmt: skip


def _rage(passage: Passage) -> Findings:
    if "barbarian" not in passage.lower:
        return
    for sentence in passage.sentences:
        short = sentence[:MAX_SENTENCE]
        if RAGE.search(short) and (cast := CASTS.search(short)) and "cannot" not in short:
            yield error(
                "A barbarian cannot cast or concentrate on spells while raging.",
                short[max(0, cast.start() - 40) : cast.end() + 40].strip(),
                "End the rage first, or let somebody else cast.",
            )
            return


def _features(passage: Passage, context: Mapping[str, Any], lawbook: Mapping[str, Any]) -> Findings:
    """A feature in the hands of a class that does not have it, or before its level."""
    features: Mapping[str, Sequence[str]] = lawbook["features"]
    stated = known(next((context[k] for k in CLASS_KEYS if context.get(k)), None), features)
    levels = [level for level, _ in level_words(passage)]
    for owner, names in features.items():
        for name in names:
            if place := passage.first(name):
                yield from _owned(passage, place, owner, stated, features)
    for name, first in lawbook["first_level"].items():
        place = passage.first(name)
        if place and levels and max(levels) < first and first - max(levels) <= 20:
            yield warning(
                f"“{name}” comes at level {first} at the earliest; the text says {max(levels)}.",
                passage.around(*place.span()), f"Raise the level to {first}, or name another.",
            )  # fmt: skip


def _owned(
    passage: Passage,
    place: re.Match[str],
    owner: str,
    stated: str | None,
    features: Mapping[str, Sequence[str]],
) -> Findings:
    user = stated or _class_near(passage, place, features)
    if user is None or user == owner:
        return
    yield error(
        f"“{place[0]}” is a feature of the {owner}, not of the {user}.",
        passage.around(*place.span()),
        f"Use one of the {user}'s: {', '.join(features[user][:3])}.",
        f"Or say that the character has levels of {owner} as well.",
    )


def _class_near(
    passage: Passage, place: re.Match[str], features: Mapping[str, Sequence[str]]
) -> str | None:
    """The class named last before the feature, within the same few words."""
    before = passage.lower[max(0, place.start() - NEAR) : place.start()]
    named = {c: before.rfind(c) for c in features}
    best = max(named, key=lambda c: named[c])
    return best if named[best] >= 0 else None


def _speaks_of_rules(passage: Passage, lawbook: Mapping[str, Any]) -> bool:
    patterns = (LEVEL, SPELL_LEVEL, DICE, ABILITY)
    names = (name for names in lawbook["features"].values() for name in names)
    text = passage.lower
    return (
        (DIGIT.search(text) is not None and any(p.search(text) for p in patterns))
        or any(n in text for n in names)
        or RAGE.search(text) is not None
    )
