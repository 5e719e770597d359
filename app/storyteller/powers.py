"""Powers: what of a class's features and spells a text tells, by level, and the level's numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from app.storyteller import rules
from app.storyteller.english import counted

ROLES = ("harm", "hold", "ward", "leave", "help")
NEWEST, FURTHER = 3, 3  # features that are told of: the latest, and some of the rest
PER_ROLE = 3  # spells for each use
RAGES = ((20, 0), (17, 6), (12, 5), (6, 4), (3, 3), (1, 2))  # from a level on, so many a day
DICE = ((15, 12), (10, 10), (5, 8), (1, 6))  # of inspiration
TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times", 6: "six times"}


def can(
    fights: Mapping[str, Any], cls: str, level: int, nature: str, path: bool, rng: Random
) -> dict[str, Sequence[str]]:
    """Predicates for a record: `means` for features, and one list for each use of a spell.

    `path`: whether the features of the document's one path are the character's own. Only what
    rules.py grants the class at the level is ever in it.
    """
    found: dict[str, Sequence[str]] = {"means": _means(fights["feature"], cls, level, path, rng)}
    spells = [s for s in _known(fights, cls, level) if s not in fights["shunned"].get(nature, ())]
    by_role = {role: [s for s in spells if _role(fights, s) == role] for role in ROLES}
    for role, names in by_role.items():
        if chosen := _spread(names, rng):
            found[role] = [_use(fights, name, rng) for name in chosen]
    best = max((_level(name) for name in spells), default=0)
    if best:
        top = [name for name in spells if _level(name) == best]
        found["best"] = [_use(fights, name, rng) for name in rng.sample(top, min(2, len(top)))]
    return found


def _means(said: Mapping[str, Any], cls: str, level: int, path: bool, rng: Random) -> Sequence[str]:
    names = [n for n in rules.features(cls, level, path=path) if n in said]
    newest, rest = names[-NEWEST:], names[:-NEWEST]
    chosen = [*newest, *rng.sample(rest, min(FURTHER, len(rest)))]
    return [rng.choice(said[name]) for name in chosen]


def _known(fights: Mapping[str, Any], cls: str, level: int) -> list[str]:
    names = (n for of_level in rules.spells(cls, level).values() for n in of_level)
    return [name for name in names if name in fights["spell"]]


def _spread(names: Sequence[str], rng: Random) -> list[str]:
    """Some of the spells: one at least of the highest level there is for their use."""
    if not names:
        return []
    most = max(map(_level, names))
    first = rng.choice([name for name in names if _level(name) == most])
    rest = [name for name in names if name != first]
    return [first, *rng.sample(rest, min(PER_ROLE - 1, len(rest)))]


def _level(name: str) -> int:
    found = rules.spell(name)
    return found.level if found else 0


def _role(fights: Mapping[str, Any], name: str) -> str:
    role: str = fights["spell"][name][0].partition(" ")[0]
    return role


def _use(fights: Mapping[str, Any], name: str, rng: Random) -> str:
    said: str = rng.choice(fights["spell"][name])
    return said.partition(" ")[2]


def numbers(cls: str, level: int) -> dict[str, str]:
    """The numbers of a level, in words where prose has words for them."""
    return dict(_numbers(cls, level))


def _numbers(cls: str, level: int) -> Iterator[tuple[str, str]]:
    blows = 1 + _attacks(cls, level)
    yield "times", TIMES.get(blows, "once")
    yield "blows", f"{counted(blows)} blow{'s' if blows > 1 else ''}"
    rages = next(many for at, many in RAGES if level >= at)
    yield "rages", TIMES[rages] if rages else "as often as it takes,"
    yield "bardic", f"d{next(sides for at, sides in DICE if level >= at)}"
    yield "dice", f"{(level + 1) // 2}d6"
    yield "ki", f"{counted(level)} points of ki"
    yield "points", f"{counted(level)} points"
    yield "lay", counted(5 * level)


def _attacks(cls: str, level: int) -> int:
    """Attacks beyond the first."""
    if cls == "fighter":
        return sum(level >= at for at in (5, 11, 20))
    return int("extra attack" in rules.features(cls, level))
