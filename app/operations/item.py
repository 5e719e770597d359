"""Magic items, whose powers are held against what the fifth edition gives their rarity."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field
from typing_extensions import Doc

from app.operations.descriptions import Described, Example, Mutation, graphql
from app.operations.dice import SIDES, dice_in, without_dice
from app.operations.fields import (
    Answer,
    CampaignContext,
    ContentType,
    Line,
    ModelField,
    Named,
    NotBoolean,
    ParentContent,
    Passage,
    Request,
    ThemeField,
    Written,
    at_least_one,
)
from app.operations.operation import DraftRejected, Operation

MAX_CHARGES = 50  # a staff of the magi has so many, and nothing has more


class ItemKind(Described):
    """What kind of thing it is."""

    WEAPON = "weapon", "To fight with, ammunition as well."
    ARMOR = "armor", "To be protected by, shields as well."
    POTION = "potion", "To drink, once."
    RING = "ring", "To wear on a finger."
    ROD = "rod", "A short sceptre."
    SCROLL = "scroll", "A spell to read, once."
    STAFF = "staff", "A long stick of some power."
    WAND = "wand", "A short stick with spells in it."
    WONDROUS = "wondrous", "Anything else."


class ItemRarity(Described):
    """How rare it is, and so how strong it may be."""

    COMMON = "common", "A trifle."
    UNCOMMON = "uncommon", "For levels 1 to 4."
    RARE = "rare", "For levels 5 to 10."
    VERY_RARE = "very_rare", "For levels 11 to 16."
    LEGENDARY = "legendary", "For levels 17 to 20."
    ARTIFACT = "artifact", "There is only one, and it has a will or a price."

    @property
    def words(self) -> str:
        return self.value.replace("_", " ")


CONSUMED = (ItemKind.POTION, ItemKind.SCROLL)  # one use, and it is gone


@dataclass(frozen=True, slots=True)
class Power:
    """The most that a rarity allows; what the SRD's own items reach, with little to spare.

    dice: the average of one expression of damage or healing. attack: a spell's, where the item
    brings its own. spell: the level of a scroll's.
    """

    bonus: int
    dice: int
    save_dc: int
    attack: int
    spell: int


POWERS = {
    ItemRarity.COMMON: Power(bonus=0, dice=17, save_dc=13, attack=5, spell=1),
    ItemRarity.UNCOMMON: Power(bonus=1, dice=30, save_dc=15, attack=7, spell=3),
    ItemRarity.RARE: Power(bonus=2, dice=50, save_dc=17, attack=9, spell=5),
    ItemRarity.VERY_RARE: Power(bonus=3, dice=80, save_dc=18, attack=10, spell=8),
    ItemRarity.LEGENDARY: Power(bonus=3, dice=150, save_dc=20, attack=11, spell=9),
    ItemRarity.ARTIFACT: Power(bonus=3, dice=250, save_dc=22, attack=12, spell=9),
}
# From which party level on a rarity is usual; below the first, and without a level, uncommon.
USUAL = ((17, ItemRarity.LEGENDARY), (11, ItemRarity.VERY_RARE), (5, ItemRarity.RARE))


class ItemRequest(Request):
    kind: Annotated[ItemKind, Doc("What kind of thing it is.")]
    rarity: Annotated[
        ItemRarity | None, Doc("How rare it is; by default what the party's level usually finds.")
    ] = None
    context: Annotated[CampaignContext, Doc("Where the item belongs.")]
    theme: ThemeField
    model: ModelField
    parent_content_id: ParentContent = None


Charges = Annotated[int, Field(ge=1, le=MAX_CHARGES), NotBoolean]


class WrittenProperty(Written):
    name: Named
    effect: Passage
    charges: Charges | None
    recharge: Line | None


class ItemDraft(Written):
    name: Named
    attunement: Line | None
    description: Passage
    properties: Annotated[list[WrittenProperty], at_least_one(5)]
    history: Passage
    drawback: Line | None
    found: Line


@graphql(doc="One thing that an item does.")
class ItemProperty(BaseModel):
    """One thing that an item does. `recharge` says how spent charges come back."""

    name: Annotated[str, Doc("What it is called.")]
    effect: Annotated[str, Doc("What it does, in the rules' own words.")]
    charges: Annotated[int | None, Doc("How many it has; null where it needs none.")]
    recharge: Annotated[str | None, Doc("How spent charges come back, if they do.")]


@graphql(doc="A magic item.")
class ItemAnswer(Answer):
    name: Annotated[str, Doc("What the item is called.")]
    kind: Annotated[ItemKind, Doc("What kind of thing it is.")]
    rarity: Annotated[ItemRarity, Doc("How rare it is.")]
    attunement: str | None = Field(description="Who may attune; null when nobody has to.")
    description: Annotated[str, Doc("What is seen, heard and felt of it.")]
    properties: Annotated[list[ItemProperty], Doc("What it does, by its rarity's measure.")]
    history: Annotated[str, Doc("Who made it, and through whose hands it went.")]
    drawback: Annotated[str | None, Doc("Its price or its curse, if it has one.")]
    found: Annotated[str, Doc("Where the party may find it, and how.")]
    parent_content_id: Annotated[UUID | None, Doc("The content that this one continues.")]


class Item(Operation[ItemRequest, ItemDraft]):
    name = "item"
    title = "Generate a magic item"
    path = "/api/v2/campaign/item"
    permission = "campaign:generate"
    limit = "text_generation"
    content_type = ContentType.CAMPAIGN
    max_tokens = 1600
    mutation = Mutation(
        "generate_item",
        "Invent a magic item of a kind, with powers that fit its rarity.",
        argument="What item to invent.",
        input="A magic item to generate.",
        payload="A generated magic item.",
        result=("item", "The item."),
        member=("item", "A magic item."),
    )
    example = Example(
        request={
            "kind": "wand",
            "rarity": "rare",
            "context": {
                "campaign_theme": "a drowned crown",
                "party_level": 5,
                "party_size": 4,
                "setting": "the harbour of Saltmere",
            },
            "theme": {"tone": "ominous"},
            "model": {"name": "gpt-4-turbo", "max_tokens": 1600},
        },
        answer={
            "name": "Lamplighter's Reach",
            "kind": "wand",
            "rarity": "rare",
            "attunement": "a spellcaster",
            "description": "A brass wand whose tip is never cold.",
            "properties": [
                {
                    "name": "Kindle",
                    "effect": "As an action, one creature within 60 feet takes 3d6 fire damage.",
                    "charges": 7,
                    "recharge": "Regains 1d6 + 1 expended charges daily at dawn.",
                }
            ],
            "history": "Made for the lamps of Saltmere, and stolen on the night they went out.",
            "drawback": None,
            "found": "In the hand of the statue above the sluice.",
            "parent_content_id": None,
        },
    )
    request_type = ItemRequest
    draft_type = ItemDraft
    answer_type = ItemAnswer

    def task(self, request: ItemRequest) -> str:
        rarity, consumed = rarity_of(request), request.kind in CONSUMED
        most = POWERS[rarity]
        return (
            f"Invent a magic item for this campaign: kind {request.kind}, rarity {rarity.words}. "
            "`name`; `description`: what is seen, heard and felt of it; `properties`: one to five "
            "things it does, each with a `name` and an `effect` in the rules' own words (action, "
            "range, duration, saving throw and damage type where it has them); `history`: who made "
            "it and through whose hands it went; `found`: where the party may find it, and how. "
            f"{CONSUMED_WORDS if consumed else LASTING_WORDS} {_limits(most, request.kind)} "
            f"{ARTIFACT_WORDS if rarity is ItemRarity.ARTIFACT else DRAWBACK_WORDS} Answer as JSON."
        )

    def data(self, request: ItemRequest) -> dict[str, Any]:
        return super().data(request) | {"rarity": rarity_of(request).value}

    def fit(self, request: ItemRequest, draft: ItemDraft) -> ItemDraft:
        draft = _tidied(draft)
        if problems := list(_problems(request.kind, rarity_of(request), draft)):
            raise DraftRejected(problems)
        return draft

    def answer(self, request: ItemRequest, draft: ItemDraft) -> dict[str, Any]:
        parent = request.parent_content_id
        return {
            "name": draft.name,
            "kind": request.kind.value,
            "rarity": rarity_of(request).value,
            **draft.model_dump(mode="json", exclude={"name"}),
            "parent_content_id": str(parent) if parent else None,
        }


# -- what is asked of a model
CONSUMED_WORDS = "It is used up by its first use: `charges`, `recharge` and `attunement` are null."
LASTING_WORDS = (
    f"`charges`: how many where a property has some, 1 to {MAX_CHARGES}, else null; `recharge`: "
    "how spent charges come back, such as “regains 1d6 + 1 expended charges daily at dawn”, never "
    "more than there are, and null without charges; `attunement`: who may attune to it, or null."
)
ARTIFACT_WORDS = "`attunement` and `drawback`, which costs its bearer dearly, must not be null."
DRAWBACK_WORDS = "`drawback`: a price or a curse where the theme calls for one, else null."


def _limits(most: Power, kind: ItemKind) -> str:
    """What the rarity allows, as the model is told it."""
    bonus = f"no bonus above +{most.bonus}" if most.bonus else "no bonus such as +1"
    spell = f", no spell above level {most.spell}" if kind is ItemKind.SCROLL else ""
    return (
        f"Keep to its rarity: {bonus} to attacks, damage, AC or saves, no damage or healing above "
        f"{most.dice} on average, no saving throw above DC {most.save_dc}{spell}."
    )


def rarity_of(request: ItemRequest) -> ItemRarity:
    """The asked rarity, else the one that is usual for the party's level."""
    level = request.context.party_level or 1
    usual = next((rarity for least, rarity in USUAL if level >= least), ItemRarity.UNCOMMON)
    return request.rarity or usual


# -- what a model wrote
NOTHING = frozenset({"", "none", "no", "null", "n/a", "not required", "no attunement"})
SPOKEN_OF = re.compile(r"\bdamage\b|\bhit points?\b", re.I)
BONUS = re.compile(r"\+\s?(\d+)(?P<tail>[^.;]{0,60})")
SPELL_ATTACK = re.compile(r"spell attack[^.;+]{0,20}\Z", re.I)
COMBAT = re.compile(r"attack|damage|\bAC\b|armou?r class|\bsav(?:e|es|ing)\b", re.I)
OTHERWISE = re.compile(r"feet|foot|\bft\b|check|initiative|passive", re.I)
SAVE_DC = re.compile(r"\bDC (\d+)(?= (?:\w+ )?sav)|\bsav[^.;]{0,30}?\bDC (\d+)", re.I)
SPELL_LEVEL = re.compile(
    r"\b(?:(\d+)(?:st|nd|rd|th)[- ]level|level[- ](\d+))\b(?=[^.;]{0,30}\bspell)", re.I
)


def _tidied(draft: ItemDraft) -> ItemDraft:
    """The draft without space around its texts, and with null where it says that there is none."""
    texts = {n: getattr(draft, n).strip() for n in ("name", "description", "history", "found")}
    told = {n: _or_null(getattr(draft, n)) for n in ("attunement", "drawback")}
    properties = [
        p.model_copy(
            update={
                "name": p.name.strip(),
                "effect": p.effect.strip(),
                "recharge": _or_null(p.recharge),
            }
        )
        for p in draft.properties
    ]
    return draft.model_copy(update={**texts, **told, "properties": properties})


def _or_null(text: str | None) -> str | None:
    text = (text or "").strip()
    return None if text.strip(".").casefold() in NOTHING else text


def _problems(kind: ItemKind, rarity: ItemRarity, draft: ItemDraft) -> Iterator[str]:
    for name in ("name", "description", "history", "found"):
        if not getattr(draft, name):
            yield f"{name}: must not be empty"
    if not draft.properties:
        yield "properties: at least one is wanted"
    names = [p.name.casefold() for p in draft.properties]
    if len(set(names)) < len(names):
        yield "properties: each needs a name of its own"
    yield from _bonuses("name", draft.name, rarity)
    for number, found in enumerate(draft.properties):
        yield from _property_problems(f"properties.{number}", kind, rarity, found)
    yield from _bearer_problems(kind, rarity, draft)


def _bearer_problems(kind: ItemKind, rarity: ItemRarity, draft: ItemDraft) -> Iterator[str]:
    if draft.attunement and kind in CONSUMED:
        yield f"attunement: a {kind} is used up at once, so nobody attunes to it; must be null"
    if rarity is not ItemRarity.ARTIFACT:
        return
    if not draft.attunement and kind not in CONSUMED:
        yield "attunement: an artifact needs it; say who may attune"
    if not draft.drawback:
        yield "drawback: an artifact has one"


def _property_problems(
    place: str, kind: ItemKind, rarity: ItemRarity, found: WrittenProperty
) -> Iterator[str]:
    for name in ("name", "effect"):
        if not getattr(found, name):
            yield f"{place}.{name}: must not be empty"
    yield from _bonuses(f"{place}.name", found.name, rarity)
    yield from _charge_problems(place, kind, found)
    yield from _strength_problems(f"{place}.effect", kind, rarity, found.effect)


def _charge_problems(place: str, kind: ItemKind, found: WrittenProperty) -> Iterator[str]:
    if kind in CONSUMED:
        for name in ("charges", "recharge"):
            if getattr(found, name) is not None:
                yield f"{place}.{name}: a {kind} is used up by its use; must be null"
        return
    if found.recharge and found.charges is None:
        yield f"{place}.recharge: only charges come back; say how many it has, or null here"
    for dice in dice_in(found.recharge or ""):
        if found.charges is not None and dice.most > found.charges:
            yield (
                f"{place}.recharge: {dice} may give back {dice.most} charges, "
                f"more than the {found.charges} it has"
            )


def _strength_problems(
    place: str, kind: ItemKind, rarity: ItemRarity, effect: str
) -> Iterator[str]:
    most = POWERS[rarity]
    for dice in dice_in(effect):
        if dice.sides not in SIDES:
            yield f"{place}: there is no d{dice.sides} among the game's dice"
    for sentence in re.split(r"[.;]", effect):
        if SPOKEN_OF.search(sentence):
            for dice in dice_in(sentence):
                if dice.average > most.dice:
                    yield _above(place, f"{dice} ({dice.average:g} on average)", most.dice, rarity)
    yield from _bonuses(place, effect, rarity)
    for saving in SAVE_DC.finditer(effect):
        if (dc := int(saving[1] or saving[2])) > most.save_dc:
            yield _above(place, f"DC {dc}", f"DC {most.save_dc}", rarity)
    for spell in SPELL_LEVEL.finditer(effect) if kind is ItemKind.SCROLL else ():
        if (level := int(spell[1] or spell[2])) > most.spell:
            yield _above(place, f"spell level {level}", most.spell, rarity)


def _bonuses(place: str, text: str, rarity: ItemRarity) -> Iterator[str]:
    """Bonuses to attacks, damage, AC and saves that are too high; those to checks are free."""
    most = POWERS[rarity]
    text = without_dice(text)
    for found in BONUS.finditer(text):
        bonus, tail = int(found[1]), found["tail"]
        of_spell = SPELL_ATTACK.search(text[: found.start()]) or (
            tail.startswith(" to hit") and "spell" in text
        )
        allowed = most.attack if of_spell else most.bonus
        if bonus > allowed and (COMBAT.search(tail) or not OTHERWISE.search(tail)):
            yield _above(place, f"+{bonus}", f"+{allowed}", rarity)


def _above(place: str, found: str, most: object, rarity: ItemRarity) -> str:
    return f"{place}: {found} is above {most}, the most for rarity {rarity.words}"
