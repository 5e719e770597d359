"""Ground: the place of a text, and what a place of its kind has: where one hides, meets and falls.

A monastery has a calefactory and a goat path, a harbour has a tide stair. The sentences of a
conflict speak of “{store}” and “{hide}”, and the kind of place says what these are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from app.storyteller import landscape, supplied
from app.storyteller.asked import Asked
from app.storyteller.casting import PLACES
from app.storyteller.facts import Entity, Facts
from app.storyteller.packs import Packs

WILD = ("desert", "forest", "mountain", "marsh", "island")
# Of a wilderness or a dungeon: what it is like near a setting that is neither.
NEAR = {
    "monastery": ("mountain", "forest", "deep"),
    "keep": ("mountain", "forest", "deep"),
    "harbour": ("island", "marsh", "sunken"),
    "river": ("forest", "marsh", "sunken"),
    "sunken": ("island", "marsh", "sunken"),
    "town": ("forest", "marsh", "deep"),
    "village": ("forest", "marsh", "mountain", "deep"),
    "city": ("forest", "marsh", "deep"),
    "desert": ("desert", "deep"),
}
SPOTS = ("at", "at2", "hide", "store", "way", "edge", "lair", "folk", "work", "risk", "loss")


def named(
    packs: Packs, asked: Asked, rng: Random, before: str = "", grounds: Sequence[str] = ()
) -> tuple[Entity, str]:
    """Where it plays, as it stands after `in`, and the kind of place; drawn when not given.

    In a mere desert there is a place with a name: Three Wells in the desert.

    `before`: the place of a text that goes on; `grounds`: of which kinds one is drawn.
    """
    kinds: Mapping[str, Any] = packs.settings["kind"]
    for value in (*(asked.get(key) for key in PLACES), before):
        if found := supplied.place(value, packs.story["places"]):
            kind = kind_of(str(value), kinds, rng)
            return _known(found, kinds[kind]["names"] if kind in WILD else (), rng), kind
    able = [name for name in grounds or kinds if kinds[name]["names"]] or ["town", "village"]
    kind = rng.choice(able)
    name = rng.choice(kinds[kind]["names"])
    return Entity(name, name), kind


def _known(name: str, names: Sequence[str], rng: Random) -> Entity:
    """How a place is named, and what it is called after that."""
    if name == name.lower() and names:
        own = rng.choice(names)
        return Entity(f"{own} in {name}", own)
    head, of, rest = name.partition(" of ")
    if of and rest[:1].isupper():
        return Entity(name, rest)
    if name.startswith("the ") and head == name and name == name.lower():
        return Entity(name, f"the {name.split()[-1]}")
    return Entity(name, name)


def kind_of(value: str, kinds: Mapping[str, Any], rng: Random) -> str:
    """The kind of a place by the words of its name, else one of where most people live."""
    return landscape.kind(value, kinds) or rng.choice(("town", "city", "town", "river"))


def laid(facts: Facts, table: Mapping[str, Any], rng: Random, mark: str = "") -> None:
    """What the kind has, under its names with `mark` behind them: the same all through the text."""
    for name in SPOTS:
        options: Sequence[str] = table["at" if name == "at2" else name]
        taken = {entity.first for entity in facts.cast.values()}
        able = [o for o in options if o.partition("|")[0] not in taken] or list(options)
        said = rng.choice(able)
        if name == "risk":  # it has a difficulty in it
            facts.once[f"{name}{mark}"] = [said]
            continue
        first, _, again = said.partition("|")
        facts.cast[f"{name}{mark}"] = Entity(first, again or first)
