"""Magic: the powers that a magic item of a kind and rarity may have, its charges and spells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from app.operations.item import CONSUMED, ItemKind, ItemRarity
from app.storyteller.english import listed, ordinal
from app.storyteller.packs import Packs

Table = Mapping[str, Any]

RARITIES = tuple(ItemRarity)
# Of a spell on a scroll, by its level; its attack is the same less 8.
SAVE_DCS = (13, 13, 13, 15, 15, 17, 17, 18, 18, 19)
SMALL = ("of", "the", "and", "from", "without")


def powers(
    grammar: Table, label: str, kind: ItemKind, rarity: ItemRarity, rng: Random
) -> Iterator[Table]:
    """The leading power, and as many more as the rarity has; one at most has charges or a rest."""
    place = RARITIES.index(rarity)
    fit = [p for p in grammar["power"] if {kind.value, label} & {*p["of"]} and _within(p, place)]
    leads = [p for p in fit if p.get("lead")]
    lead = rng.choices(leads, [p.get("often", 1) for p in leads])[0]
    yield lead
    limited = lead.get("limited", False)
    more = rng.choice(grammar["rarity"][rarity]["more"])
    if kind in CONSUMED:
        fit, more = [p for p in fit if not p.get("lead")], min(more, 1)
    for power in rng.sample(fit, len(fit)):
        if more == 0:
            return
        if power is lead or (limited and power.get("limited")):
            continue
        limited, more = limited or power.get("limited", False), more - 1
        yield power


def _within(power: Table, place: int) -> bool:
    least, most = (RARITIES.index(ItemRarity(rarity)) for rarity in power["rarity"])
    return least <= place <= most


def charges(table: Table, kind: ItemKind, rarity: ItemRarity, rng: Random) -> tuple[int, str]:
    """How many charges the kind has at its rarity, and the dice that give them back."""
    count, dice = rng.choice(table.get(f"{kind}_{rarity}") or table.get(kind) or [["1", "1"]])
    return int(count), dice


def spells(
    packs: Packs, aspect: Table, strength: Table, powers: Sequence[Table], rng: Random
) -> dict[str, str]:
    """The slots of what the item casts, or of what is written on a scroll."""
    power = next((p for p in powers if p.get("spells") or p.get("written")), None)
    if power is None:
        return {}
    least, most = strength["scroll" if power.get("written") else "spells"]
    count = power.get("spells", 1)
    own = _known(aspect["spells"], least, most)
    known = own if len(own) >= count else own | _known(packs.aspects["any"]["spells"], least, most)
    chosen = sorted(rng.sample(sorted(known), min(count, len(known))))
    level, spell = chosen[0]
    return {
        "menu": listed([f"{s} ({n} charge{'s' if n > 1 else ''})" for n, s in chosen], "or"),
        "spell": spell,
        "spell_title": titled(spell),
        "spell_level": f"{ordinal(level)}-level spell" if level else "cantrip",
        "spell_dc": str(SAVE_DCS[level]),
        "spell_attack": f"+{SAVE_DCS[level] - 8}",
    }


def _known(spells: Sequence[str], least: int, most: int) -> set[tuple[int, str]]:
    found = ((int(level), name) for level, name in (s.split(" ", 1) for s in spells))
    return {(level, name) for level, name in found if least <= level <= most}


def titled(text: str) -> str:
    return " ".join(w if w in SMALL else capital(w) for w in text.split())


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
