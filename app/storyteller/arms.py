"""Arms: what somebody carries by class, race and level: only what they are trained with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from app.storyteller import rules
from app.storyteller.packs import Packs, tier

# Rarities of the magic things that somebody may carry, at the four tiers of play, and from which
# level on there is any.
RARITIES = {1: ("uncommon",), 2: ("uncommon", "rare"), 3: ("rare", "very_rare"),
            4: ("very_rare", "legendary")}  # fmt: skip
FIRST_MAGIC = 4
SECOND_MAGIC = 9
BETTER_ARMOUR = 5
KINDS = ("wondrous", "ring")
# Things that nobody lists among his own: they are used up, cursed, or no luggage.
NOT_CARRIED = frozenset((
    "bag of devouring", "apparatus of the crab", "sphere of annihilation", "iron flask",
    "universal solvent", "sovereign glue", "well of many worlds", "deck of many things",
    "scarab of protection", "mirror of life trapping", "instant fortress", "cubic gate",
    "talisman of ultimate evil", "talisman of pure good", "talisman of the sphere",
    "folding boat", "horseshoes of speed", "horseshoes of a zephyr", "elemental gem",
    "dimensional shackles", "demon armor", "ring of three wishes",
))  # fmt: skip
PLURAL = ("boots", "bracers", "eyes", "gauntlets", "gloves", "goggles", "pipes", "slippers",
          "wings", "winged boots", "iron bands", "dust", "restorative", "marvelous")  # fmt: skip
MASS = ("leather", "studded", "padded", "scale", "chain mail", "ring mail", "splint", "hide",
        "half", "plate")  # fmt: skip
AMMUNITION = {"longbow": "twenty arrows", "shortbow": "twenty arrows", "sling": "a bag of bullets",
              "light crossbow": "twenty bolts", "heavy crossbow": "twenty bolts",
              "hand crossbow": "twenty bolts"}  # fmt: skip


def arm(packs: Packs, cls: str, race: str, level: int, given: str, rng: Random) -> dict[str, str]:
    """Words for what is carried: weapon, ranged and its ammo, melee2, armour, shield, item."""
    table = packs.arms[cls]
    return dict(_weapons(table, race, given, rng)) | dict(_worn(table, level, rng)) | dict(
        _magic(level, rng)
    )  # fmt: skip


def _weapons(
    table: Mapping[str, Any], race: str, given: str, rng: Random
) -> Iterator[tuple[str, str]]:
    melee = [w for w in table["melee"] if not (_small(race) and rules.has_property(w, "heavy"))]
    first, *second = rng.sample(melee, min(2, len(melee)))
    yield "weapon", given or first
    ranged = rng.choice([r for r in table["ranged"] if r != first])
    if ranged in AMMUNITION and not (_small(race) and rules.has_property(ranged, "heavy")):
        yield "ranged", ranged
        yield "ammo", AMMUNITION[ranged]
    elif second:
        yield "melee2", second[0]


def _small(race: str) -> bool:
    found = rules.table("people")["race"].get(race, {})
    return bool(found.get("size") == "small")


def _worn(table: Mapping[str, Any], level: int, rng: Random) -> Iterator[tuple[str, str]]:
    better = table.get("armour5", ()) if level >= BETTER_ARMOUR else ()
    if suits := [*table["armour"], *better]:
        yield "armour", rng.choice(better or suits)
    if table.get("shield") and rng.randrange(2):
        yield "shield", "shield"


def _magic(level: int, rng: Random) -> Iterator[tuple[str, str]]:
    """Magic things that somebody of a level may own; none in the first three levels."""
    if level < FIRST_MAGIC:
        return
    names = [n for rarity in RARITIES[tier(level)] for kind in KINDS
             for n in rules.items(rarity, kind) if n not in NOT_CARRIED]  # fmt: skip
    one, two = rng.sample(names, 2)
    yield "item", with_article(one)
    if level >= SECOND_MAGIC:
        yield "item2", with_article(two)


def with_article(name: str) -> str:
    """`a cloak of protection`, `boots of speed`."""
    return name if name.startswith((*PLURAL, *MASS)) else f"a {name}"
