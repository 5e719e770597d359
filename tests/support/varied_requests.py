"""Varied requests: for each type of text, requests as different callers would make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.support.operations import CAMPAIGN, CHARACTER, ITEM, LOCATION, NPC, STORY

MATTERS = (
    "slay the dragon", "a king's deathbed", "revenge", "political intrigue", "a drowned crown",
    "rescue the miller's daughter", "a haunted coast", "steal the Duke's seal", "undead uprising",
    "escort the envoy over the pass", "a war between two guilds", "the fall of Eldoria",
    "a wedding that must not happen", "goblins on the toll road", "a plague nobody admits to",
    None, None, None,
)  # fmt: skip
SETTINGS = (
    "Waterford", "the harbour of Saltmere", "a mountain monastery", "Blackmarsh", "the Sunken City",
    "a border keep", "desert", None, None,
)  # fmt: skip
TONES = (
    "dark", "humorous", "heroic", "mysterious", "horror", "epic", "tragic", "adventurous",
    "whimsical", "light-hearted", "grim", None, None,
)  # fmt: skip
GENRES = ("gothic", "high fantasy", "noir", "swashbuckling", None, None, None)
VILLAINS = ("the Raven King", "Mother Gristle", "Lord Hask", "the wolves of the fell", None, None)
PLACES = ("town", "dungeon", "wilderness", "landmark", "building", "shop", "tavern")
STORIES = ("plot", "quest", "scene", "dialogue", "description", "event")
TALES = ("plot", "location", "quest", "dialogue", "event")
CHARACTERS = ("backstory", "personality", "combat", "equipment")
CLASSES = (
    "barbarian", "bard", "cleric", "druid", "fighter", "monk", "paladin", "ranger", "rogue",
    "sorcerer", "warlock", "wizard", None,
)  # fmt: skip
RACES = (
    "human", "elf", "half-elf", "dwarf", "halfling", "half-orc", "gnome", "tiefling", "dragonborn",
    None,
)  # fmt: skip
ALIGNMENTS = (
    "lawful good", "neutral good", "chaotic good", "lawful neutral", "true neutral",
    "chaotic neutral", "lawful evil", "neutral evil", "chaotic evil", None,
)  # fmt: skip
BACKGROUNDS = (
    "acolyte", "charlatan", "criminal", "entertainer", "folk hero", "hermit", "noble", "outlander",
    "sage", "sailor", "soldier", "urchin", None,
)  # fmt: skip
ROLES = ("ally", "antagonist", "merchant", "quest_giver", "lore_keeper", "mentor", "neutral")
KINDS = ("weapon", "armor", "potion", "ring", "rod", "scroll", "staff", "wand", "wondrous")
RARITIES = ("common", "uncommon", "rare", "very_rare", "legendary", "artifact", None)


@dataclass(frozen=True, slots=True)
class Varied:
    """A type of text, and requests for it."""

    name: str
    operation: Any
    request: Callable[[Random], dict[str, Any]]


def given(pairs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in pairs.items() if value is not None}


def frame(rng: Random) -> dict[str, Any]:
    """What campaign it is for."""
    return given(
        {
            "campaign_theme": rng.choice(MATTERS),
            "party_level": rng.choice((1, 2, 4, 5, 8, 11, 14, 18, None)),
            "party_size": rng.choice((1, 3, 4, 5, 6, None)),
            "setting": rng.choice(SETTINGS),
            "villain": rng.choice(VILLAINS),
        }
    )


def feel(rng: Random) -> dict[str, Any]:
    theme = given({"tone": rng.choice(TONES), "genre": rng.choice(GENRES)})
    return {"theme": theme, "model": {"seed": rng.randrange(2**31)}}


def _story(element: str) -> Callable[[Random], dict[str, Any]]:
    return lambda rng: {"element_type": element, "context": frame(rng)} | feel(rng)


def _campaign(kind: str) -> Callable[[Random], dict[str, Any]]:
    return lambda rng: {"type": kind, "campaign_context": frame(rng)} | feel(rng)


def _location(kind: str) -> Callable[[Random], dict[str, Any]]:
    return lambda rng: (
        {
            "location_type": kind,
            "context": frame(rng),
            "size": rng.choice(("small", "vast", "three rooms and a yard", "")),
            "purpose": rng.choice(("smuggling", "to guard the pass", "a market for relics", "")),
        }
        | feel(rng)
    )


def _character(kind: str) -> Callable[[Random], dict[str, Any]]:
    def made(rng: Random) -> dict[str, Any]:
        context = {
            "character_class": rng.choice(CLASSES),
            "character_race": rng.choice(RACES),
            "character_level": rng.choice((*range(1, 21), None)),
            "alignment": rng.choice(ALIGNMENTS),
            "background": rng.choice(BACKGROUNDS),
        }
        return {"type": kind, "character_context": given(context)} | feel(rng)

    return made


def _npc(rng: Random) -> dict[str, Any]:
    return {"role": rng.choice(ROLES), "context": frame(rng)} | feel(rng)


def _item(rng: Random) -> dict[str, Any]:
    asked = {"kind": rng.choice(KINDS), "rarity": rng.choice(RARITIES), "context": frame(rng)}
    return given(asked) | feel(rng)


# A new type of text belongs in this list; the measure, its test and the printed pieces read it.
VARIED: list[Varied] = [
    *(Varied(f"story {each}", STORY, _story(each)) for each in STORIES),
    *(Varied(f"campaign {each}", CAMPAIGN, _campaign(each)) for each in TALES),
    *(Varied(f"location {each}", LOCATION, _location(each)) for each in PLACES),
    *(Varied(f"character {each}", CHARACTER, _character(each)) for each in CHARACTERS),
    Varied("npc", NPC, _npc),
    Varied("item", ITEM, _item),
]
