"""Magic items: which rarity is meant, what a model is told of it, and what it is held against."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from app.operations import DraftRejected
from app.operations.dice import Dice, dice_in
from app.operations.item import ItemKind, ItemRarity, rarity_of
from tests.support.operations import ITEM
from tests.support.rest_bodies import GOOD
from tests.support.rest_bodies import ITEM as PATH
from tests.support.service import Service
from tests.support.upstream import Behaviour, Upstream

RECHARGE = "Regains 1d6 + 1 expended charges daily at dawn."
POWER = {
    "name": "Fireball",
    "effect": "Expend 1 charge: DC 15 Dexterity saving throw, 8d6 fire damage, half on a success.",
    "charges": 7,
    "recharge": RECHARGE,
}
DRAFT: dict[str, Any] = {
    "name": "The Lamplighter",
    "attunement": "a spellcaster",
    "description": "Warm to the touch.",
    "properties": [POWER],
    "history": "Odile Vell made it.",
    "drawback": None,
    "found": "Under the oil.",
}


def request(kind: str = "wand", rarity: str | None = "rare", level: Any = None) -> Any:
    context = {} if level is None else {"party_level": level}
    return ITEM.read({"kind": kind, "rarity": rarity, "context": context})


def draft(**fields: Any) -> str:
    """A good draft with fields changed; those of its one property by their own names."""
    own = {**POWER, **{k: v for k, v in fields.items() if k in ("effect", "charges", "recharge")}}
    if "power" in fields:
        own["name"] = fields["power"]
    rest = {k: v for k, v in fields.items() if k in DRAFT}
    return json.dumps({**DRAFT, "properties": [own], **rest})


def problems(text: str, **asked: Any) -> str:
    with pytest.raises(DraftRejected) as rejected:
        ITEM.check(request(**asked), text)
    return "\n".join(rejected.value.problems)


# -- dice
@pytest.mark.parametrize(
    ("text", "dice", "average", "most"),
    [
        ("regain 2d4+2 points", Dice(2, 4, 2), 7, 10),
        ("10d4 + 20", Dice(10, 4, 20), 45, 60),
        ("a d6", Dice(1, 6), 3.5, 6),
        ("1d6 - 1", Dice(1, 6, -1), 2.5, 5),
        ("1d8 − 2", Dice(1, 8, -2), 2.5, 6),  # the minus sign of typesetting
    ],
)
def test_dice_are_read_as_they_are_written(
    text: str, dice: Dice, average: float, most: int
) -> None:
    [found] = dice_in(text)
    assert (found, found.average, found.most) == (dice, average, most)


def test_words_with_a_d_in_them_are_no_dice() -> None:
    assert not list(dice_in("odd2 x2d4 and2 v1.2d6 d 20 2d"))


# -- which rarity
@pytest.mark.parametrize(
    ("level", "rarity"),
    [
        *[(None, "uncommon"), (1, "uncommon"), (4, "uncommon"), (5, "rare"), (10, "rare")],
        *[(11, "very_rare"), (16, "very_rare"), (17, "legendary"), (20, "legendary")],
    ],
)
def test_without_a_rarity_it_is_the_usual_one_of_the_partys_level(level: Any, rarity: str) -> None:
    assert rarity_of(request(rarity=None, level=level)) == rarity


def test_the_asked_rarity_counts_whatever_the_level() -> None:
    for rarity in ItemRarity:
        assert rarity_of(request(rarity=rarity.value, level=1)) is rarity


@pytest.mark.parametrize("kind", ItemKind)
@pytest.mark.parametrize("rarity", ItemRarity)
def test_the_task_names_kind_rarity_and_its_limits(kind: ItemKind, rarity: ItemRarity) -> None:
    asked = request(kind=kind.value, rarity=rarity.value)
    task = ITEM.task(asked)
    for said in (f"kind {kind},", f"rarity {rarity.words}.", "above DC ", "on average"):
        assert said in task
    assert ("used up" in task) == (kind in ("potion", "scroll"))
    assert ("must not be null" in task) == (rarity is ItemRarity.ARTIFACT)
    assert ITEM.data(asked)["rarity"] == rarity.value


# -- what is taken
def test_a_fitting_draft_becomes_the_answer() -> None:
    asked = request()
    answer = ITEM.answer(asked, ITEM.check(asked, draft()))
    assert answer == {**DRAFT, "kind": "wand", "rarity": "rare", "parent_content_id": None}


@pytest.mark.parametrize("nothing", ["none", " None. ", "", "n/a", "Not required"])
def test_a_word_for_nothing_is_null(nothing: str) -> None:
    text = draft(attunement=nothing, drawback=nothing, recharge=nothing)
    found = ITEM.check(request(), text)
    assert (found.attunement, found.drawback, found.properties[0].recharge) == (None, None, None)


@pytest.mark.parametrize(
    ("rarity", "effect"),
    [
        ("common", "You regain 2d4 + 2 hit points."),
        ("uncommon", "You regain 4d4 + 4 hit points."),
        ("rare", "You regain 8d4 + 8 hit points."),
        ("very_rare", "You regain 10d4 + 20 hit points."),
        ("uncommon", "+1 bonus to attack and damage rolls."),
        ("rare", "A +2 bonus to spell attack rolls."),
        ("legendary", "You gain a +3 bonus to AC."),
        ("common", "You gain a +5 bonus to Perception checks, and your speed grows by +10 feet."),
        ("common", "It stays lit for 10d100 days."),
        ("uncommon", "A spell is cast (+7 to hit)."),
        ("common", "It takes a DC 30 Strength check to move it."),
    ],
)
def test_what_the_rules_give_a_rarity_is_taken(rarity: str, effect: str) -> None:
    ITEM.check(request(rarity=rarity), draft(effect=effect, charges=None, recharge=None))


# -- what is refused, in words that a model can act on
@pytest.mark.parametrize(
    ("asked", "fields", "said"),
    [
        ({}, {"name": " "}, "name: must not be empty"),
        ({}, {"history": ""}, "history: must not be empty"),
        ({}, {"properties": []}, "properties: at least one is wanted"),
        ({}, {"properties": [POWER, {**POWER, "name": "FIREBALL"}]}, "a name of its own"),
        ({}, {"effect": " "}, "properties.0.effect: must not be empty"),
        ({}, {"power": ""}, "properties.0.name: must not be empty"),
        ({}, {"charges": 0}, "properties.0.charges: Input should be greater than or equal to 1"),
        ({}, {"charges": 51}, "properties.0.charges: Input should be less than or equal to 50"),
        ({}, {"charges": True}, "properties.0.charges: a number is wanted, not a boolean"),
        ({}, {"charges": None}, "properties.0.recharge: only charges come back"),
        ({}, {"charges": 3}, "1d6 + 1 may give back 7 charges, more than the 3 it has"),
        ({}, {"effect": "Roll a d7."}, "properties.0.effect: there is no d7"),
        ({}, {"effect": "12d8 fire damage."}, "12d8 (54 on average) is above 50"),
        ({}, {"effect": "Damage: 10d10 (fire)."}, "10d10 (55 on average) is above 50"),
        ({"rarity": "common"}, {"effect": "Regain 4d8 hit points."}, "4d8 (18 on average)"),
        ({}, {"effect": "A +3 bonus to attack rolls."}, "+3 is above +2, the most for rarity rare"),
        ({"rarity": "common"}, {"effect": "You gain +1 to AC."}, "+1 is above +0"),
        ({"rarity": "artifact"}, {"effect": "+4 to damage rolls."}, "+4 is above +3"),
        ({}, {"name": "Wand of War, +3"}, "name: +3 is above +2"),
        ({}, {"power": "+3 Focus"}, "properties.0.name: +3 is above +2"),
        ({}, {"effect": "A spell attack (+10 to hit)."}, "+10 is above +9"),
        ({}, {"effect": "A spell attack bonus of +10."}, "+10 is above +9"),
        ({}, {"effect": "A DC 18 Wisdom save."}, "DC 18 is above DC 17"),
        ({}, {"effect": "A saving throw against DC 18."}, "DC 18 is above DC 17"),
        ({"kind": "scroll"}, {"effect": "A 6th-level spell."}, "spell level 6 is above 5"),
        ({"kind": "scroll"}, {"effect": "Fly, a level 7 spell."}, "spell level 7 is above 5"),
        ({"kind": "scroll"}, {}, "properties.0.charges: a scroll is used up by its use"),
        ({"kind": "potion"}, {}, "properties.0.recharge: a potion is used up by its use"),
        ({"kind": "potion"}, {}, "attunement: a potion is used up at once"),
        ({"rarity": "artifact"}, {}, "drawback: an artifact has one"),
        ({"rarity": "artifact"}, {"attunement": None}, "attunement: an artifact needs it"),
        ({}, {"found": None}, "found: Input should be a valid string"),
    ],
)
def test_a_draft_that_does_not_fit_is_refused(
    asked: dict[str, Any], fields: dict[str, Any], said: str
) -> None:
    assert said in problems(draft(**fields), **asked)


async def test_a_too_strong_item_is_asked_for_again_with_its_problem(
    with_models: Service, provider: Upstream
) -> None:
    provider.then(Behaviour(text=draft(effect="20d6 fire damage.")))
    body = (await with_models.post(PATH, GOOD[PATH])).json()
    assert [a["outcome"] for a in body["metadata"]["attempts"]] == ["invalid", "ok"]
    again = provider.requests[-1]["messages"][-1]["content"]
    assert (
        "properties.0.effect: 20d6 (70 on average) is above 50, the most for rarity rare" in again
    )


def test_a_models_schema_bounds_charges_and_properties() -> None:
    schema: Any = ITEM.schema(request())
    charges = schema["$defs"]["WrittenProperty"]["properties"]["charges"]["anyOf"]
    assert {"type": "integer", "minimum": 1, "maximum": 50} in charges
    assert schema["properties"]["properties"]["maxItems"] == 5
    assert orjson.dumps(schema) == orjson.dumps(ITEM.schema(request(kind="potion")))
