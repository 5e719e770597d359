"""Rules: what the fifth edition lets whom do at which level, as the tables in srd/ have it.

Names are the document's own, in small letters: `sneak attack`, `half_elf`, `1/4`. What the tables
do not have, such as an artificer, has no features, no spells and no training here: ask `classes`
or `class_of` first. Each table is read when it is first asked, some 4 ms for the largest.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from app.storyteller.packs import known

TABLES = Path(__file__).parent / "srd"
LEVELS = range(1, 21)
DIFFICULTIES = ("low", "moderate", "high")
# Of what a party may meet at a difficulty, the least part that is still worth the meeting.
LEAST_OF_BUDGET = 0.4


@dataclass(frozen=True, slots=True)
class Spell:
    """A spell, with level 0 for a cantrip, and the classes whose lists it is on."""

    name: str
    level: int
    school: str
    classes: tuple[str, ...]
    concentration: bool
    ritual: bool


@dataclass(frozen=True, slots=True)
class Monster:
    """A monster; its challenge rating is a fraction below one and a whole number above."""

    name: str
    challenge: Fraction
    kind: str


@cache
def table(name: str) -> dict[str, Any]:
    """One table as it stands, which is not to be changed.

    Raises:
        OSError, tomllib.TOMLDecodeError: when the file is missing or broken.
    """
    return tomllib.loads((TABLES / f"{name}.toml").read_text(encoding="utf-8"))


# -- classes
def classes() -> tuple[str, ...]:
    return tuple(table("classes")["class"])


def class_of(value: object) -> str | None:
    """The class that a caller's words name, such as `rogue` for “a Rogue (thief)”."""
    return known(value, table("classes")["class"])


def features(cls: str, level: int, *, path: bool = False) -> tuple[str, ...]:
    """What a class can do at a level, the earliest first; with those of its path, if asked."""
    found = _class(cls)
    steps = [found.get("features", {})] + ([found.get("path", {})] if path else [])
    return tuple(
        name for at in range(1, level + 1) for step in steps for name in step.get(str(at), ())
    )


@cache
def feature_levels(name: str) -> Mapping[str, int]:
    """The classes that come to have a feature, of their path or not, and the level of each."""
    return {
        cls: next(at for at in LEVELS if name in features(cls, at, path=True))
        for cls in classes()
        if name in features(cls, LEVELS[-1], path=True)
    }


@cache
def feature_names() -> frozenset[str]:
    return frozenset(n for cls in classes() for n in features(cls, LEVELS[-1], path=True))


def hit_die(cls: str) -> int | None:
    found: int | None = _class(cls).get("hit_die")
    return found


def proficiency_bonus(level: int) -> int:
    return 2 + (level - 1) // 4


def _class(cls: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = table("classes")["class"].get(cls, {})
    return found


# -- spells
@cache
def _spells() -> Mapping[str, Spell]:
    return {
        name: _spell(name, int(level), line)
        for level, names in table("spells").items()
        for name, line in names.items()
    }


def _spell(name: str, level: int, line: str) -> Spell:
    what, _, lists = line.partition(": ")
    school, *marks = what.split(", ")
    held, ritual = "concentration" in marks, "ritual" in marks
    return Spell(name, level, school, tuple(lists.split()), held, ritual)


def spell(name: str) -> Spell | None:
    return _spells().get(name.lower())


def spell_names() -> Collection[str]:
    return _spells().keys()


def slots(cls: str, level: int) -> tuple[int, ...]:
    """How many slots of spell level 1, 2 … 9 a class has; () when it casts nothing yet."""
    caster = _class(cls).get("caster")
    if caster is None:
        return ()
    row = table("classes")["slots"][caster][level - 1]
    return tuple(map(int, row.ljust(9, "0"))) if row else ()


def highest_spell(cls: str, level: int) -> int | None:
    """The highest spell level that a class casts at a level; None when it casts no spells yet."""
    having = [n for n, count in enumerate(slots(cls, level), 1) if count]
    if not having:
        return None
    arcanum = cls == "warlock" and level >= feature_levels("mystic arcanum")["warlock"]
    # The arcana of the sixth to ninth level come at 11, 13, 15 and 17.
    return min(9, 6 + (level - 11) // 2) if arcanum else having[-1]


@cache
def spells(cls: str, level: int) -> Mapping[int, tuple[str, ...]]:
    """The spells of a class's list that it can cast at a level, by spell level, 0 for cantrips."""
    highest = highest_spell(cls, level)
    if highest is None:
        return {}
    found = [s for s in _spells().values() if cls in s.classes and s.level <= highest]
    return {
        n: names
        for n in range(highest + 1)
        if (names := tuple(s.name for s in found if s.level == n))
    }


def spell_level_at(cls: str, name: str) -> int | None:
    """The class level from which a spell can be cast by a class; None when it never can."""
    found = spell(name)
    if found is None or cls not in found.classes:
        return None
    return next(
        (at for at in LEVELS if (most := highest_spell(cls, at)) is not None
         and found.level <= most), None,
    )  # fmt: skip


# -- races, backgrounds, training
def races() -> tuple[str, ...]:
    return tuple(table("people")["race"])


def race_of(value: object) -> str | None:
    """The race that a caller's words name, such as `half_elf` for “Half-Elf”."""
    return known(value, table("people")["race"])


def traits(race: str) -> tuple[str, ...]:
    """What a race is born with, its lineage's further traits last."""
    found = table("people")["race"].get(race, {})
    return (*found.get("traits", ()), *found.get("lineage_traits", ()))


def ages(race: str) -> tuple[int, int] | None:
    """The age at which a race is taken for grown, and its great age."""
    found = table("people")["race"].get(race)
    return (found["adult"], found["oldest"]) if found else None


def weapon_of(value: object) -> str | None:
    """The weapon that a caller's words name, such as `greataxe` for “an obsidian greataxe”."""
    return known(value, {w.replace(" ", "_"): w for w in _weapons()})


def armour_of(value: object) -> str | None:
    return known(value, _armours())


@cache
def _weapons() -> Mapping[str, str]:
    groups = table("gear")["weapon"]
    return {w: g for g, reach in groups.items() for names in reach.values() for w in names}


@cache
def _armours() -> Mapping[str, str]:
    return {name.replace(" ", "_"): g for g, ns in table("gear")["armour"].items() for name in ns}


def trained(cls: str, race: str | None, thing: str) -> bool | None:
    """Whether a class, or somebody's race, is trained with a weapon or in an armour.

    None when the class or the thing is not in the tables.
    """
    if not (training := _class(cls)):
        return None
    if weapon := weapon_of(thing):
        return _trained_with(training, race, weapon.replace("_", " "))
    if armour := armour_of(thing):
        worn = armour.replace("_", " ")
        shunned = training.get("shuns") == "metal" and worn in table("gear")["metal"]["armour"]
        return _armours()[armour] in training["armour"] and not shunned
    return None


def _trained_with(training: Mapping[str, Any], race: str | None, weapon: str) -> bool:
    born = table("people")["race"].get(race or "", {})
    by_birth = (*born.get("weapons", ()), *born.get("lineage_weapons", ()))
    return bool({weapon, _weapons()[weapon]} & {*training["weapons"], *by_birth})


def weapons(cls: str, race: str | None = None) -> tuple[str, ...]:
    """All weapons that a class, or somebody's race, is trained with."""
    training = _class(cls)
    return tuple(w for w in _weapons() if training and _trained_with(training, race, w))


def has_property(weapon: str, name: str) -> bool:
    """Whether a weapon is `finesse`, `heavy`, `light`, `reach`, `thrown` or `two_handed`."""
    return weapon in table("gear")["property"][name]


# -- monsters and encounters
@cache
def _monsters() -> tuple[Monster, ...]:
    return tuple(
        Monster(name, Fraction(challenge), kind)
        for challenge, kinds in table("monsters").items()
        for kind, names in kinds.items()
        for name in names
    )


def monster(name: str) -> Monster | None:
    return next((m for m in _monsters() if m.name == name.lower()), None)


@cache
def monsters(least: float, most: float, kind: str | None = None) -> tuple[Monster, ...]:
    """The monsters from one challenge rating to another, both included, the weakest first."""
    return tuple(m for m in _monsters() if least <= m.challenge <= most and kind in (None, m.kind))


def experience(challenge: Fraction | int | str) -> int:
    found: int = table("encounters")["experience"][str(Fraction(challenge))]
    return found


def budget(level: int, size: int, difficulty: str = "moderate") -> int:
    """The experience that a party of `size` may be asked to meet at once, at a difficulty."""
    each: int = table("encounters")["budget"][difficulty][level - 1]
    return each * size


def difficulty(total: int, level: int, size: int) -> str | None:
    """How hard an encounter of so much experience is; None when it is above `high`."""
    return next((d for d in DIFFICULTIES if total <= budget(level, size, d)), None)


@cache
def suited(
    level: int, size: int, count: int = 1, difficulty: str = "moderate", kind: str | None = None
) -> tuple[Monster, ...]:
    """Monsters of which `count` at once make an encounter of a difficulty for a party.

    Their challenge rating is never above the party's level, so that none of them fells a member
    with one blow. Where nothing is weak enough the weakest are answered, where nothing is strong
    enough the strongest that the level allows.
    """
    most = budget(level, size, difficulty)
    found = [m for m in monsters(0, level, kind) if experience(m.challenge) * count <= most]
    worth = [m for m in found if experience(m.challenge) * count >= LEAST_OF_BUDGET * most]
    if worth or not found:
        return tuple(worth or monsters(0, level, kind)[:1])
    strongest = max(m.challenge for m in found)
    return tuple(m for m in found if m.challenge == strongest)


# -- magic items
def items(rarity: str, kind: str | None = None) -> tuple[str, ...]:
    """The document's own magic items of a rarity such as `very_rare`, of one kind or of all."""
    kinds = table("items").get(rarity, {})
    return tuple(name for k, names in kinds.items() if kind in (None, k) for name in names)
