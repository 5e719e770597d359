"""The rules as data: facts of the SRD that anybody can look up, and what must hold of them all."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from app.operations.item import ItemKind, ItemRarity
from app.storyteller import rules
from app.storyteller.grammar import read
from app.storyteller.rules import LEVELS

FEATURES = {
    "barbarian": {"rage": 1, "reckless attack": 2, "brutal critical": 9, "primal champion": 20},
    "bard": {"bardic inspiration": 1, "song of rest": 2, "countercharm": 6, "magical secrets": 10},
    "cleric": {"channel divinity": 2, "destroy undead": 5, "divine intervention": 10},
    "druid": {"wild shape": 2, "beast spells": 18, "archdruid": 20},
    "fighter": {"second wind": 1, "action surge": 2, "extra attack": 5, "indomitable": 9},
    "monk": {"flurry of blows": 2, "slow fall": 4, "stunning strike": 5, "quivering palm": 17},
    "paladin": {"lay on hands": 1, "divine smite": 2, "aura of protection": 6},
    "ranger": {"favored enemy": 1, "primeval awareness": 3, "vanish": 14, "foe slayer": 20},
    "rogue": {"sneak attack": 1, "cunning action": 2, "uncanny dodge": 5, "reliable talent": 11},
    "sorcerer": {"font of magic": 2, "metamagic": 3, "dragon wings": 14},
    "warlock": {"pact magic": 1, "eldritch invocations": 2, "mystic arcanum": 11},
    "wizard": {"arcane recovery": 1, "sculpt spells": 2, "spell mastery": 18},
}
FIRST_CAST = {
    ("wizard", "magic missile"): 1,
    ("wizard", "fireball"): 5,
    ("wizard", "dimension door"): 7,
    ("wizard", "wish"): 17,
    ("wizard", "cure wounds"): None,
    ("sorcerer", "counterspell"): 5,
    ("warlock", "eldritch blast"): 1,
    ("warlock", "circle of death"): 11,
    ("warlock", "finger of death"): 13,
    ("bard", "vicious mockery"): 1,
    ("bard", "faerie fire"): 1,
    ("cleric", "spirit guardians"): 5,
    ("cleric", "divination"): 7,
    ("druid", "meld into stone"): 5,
    ("druid", "divination"): None,
    ("paladin", "bless"): 2,
    ("paladin", "find steed"): 5,
    ("ranger", "hunter's mark"): 2,
    ("ranger", "conjure animals"): 9,
    ("fighter", "shield"): None,
    ("wizard", "no such spell"): None,
}


@pytest.mark.parametrize("cls", FEATURES)
def test_features_come_at_the_levels_of_the_document(cls: str) -> None:
    for name, level in FEATURES[cls].items():
        assert rules.feature_levels(name)[cls] == level
        assert name not in rules.features(cls, level - 1, path=True)


def test_every_class_has_something_at_first_level_and_keeps_what_it_has() -> None:
    assert set(rules.classes()) == set(FEATURES)
    for cls in rules.classes():
        assert rules.features(cls, 1)
        for low, high in pairwise(LEVELS):
            assert set(rules.features(cls, low, path=True)) <= set(
                rules.features(cls, high, path=True)
            )


@pytest.mark.parametrize(("cls", "name"), FIRST_CAST)
def test_a_spell_is_cast_from_the_level_of_the_document_on(cls: str, name: str) -> None:
    level = FIRST_CAST[cls, name]
    assert rules.spell_level_at(cls, name) == level
    for at in LEVELS:
        known = {spell for names in rules.spells(cls, at).values() for spell in names}
        assert (name in known) == (level is not None and at >= level)


def test_all_319_spells_have_a_school_and_a_class_and_a_level() -> None:
    assert len(rules.spell_names()) == 319
    schools = {"abjuration", "conjuration", "divination", "enchantment", "evocation", "illusion"}
    for name in rules.spell_names():
        found = rules.spell(name)
        assert found
        assert found.school in schools | {"necromancy", "transmutation"}
        assert found.classes
        assert set(found.classes) <= set(rules.classes())
        assert 0 <= found.level <= 9
    held = rules.spell("Bless")
    assert held
    assert held.concentration


def test_the_highest_spell_grows_by_the_kind_of_caster() -> None:
    def at(cls: str, *levels: int) -> list[int | None]:
        return [rules.highest_spell(cls, level) for level in levels]

    assert at("wizard", 1, 2, 3, 5, 17, 20) == [1, 1, 2, 3, 9, 9]
    assert at("paladin", 1, 2, 4, 5, 17, 20) == [None, 1, 1, 2, 5, 5]
    assert at("warlock", 1, 3, 9, 11, 13, 17, 20) == [1, 2, 5, 6, 7, 9, 9]
    assert at("fighter", 1, 20) == [None, None]
    assert rules.slots("wizard", 5) == (4, 3, 2, 0, 0, 0, 0, 0, 0)
    assert rules.slots("warlock", 5) == (0, 0, 2, 0, 0, 0, 0, 0, 0)
    for cls in rules.classes():
        reached = [highest or 0 for highest in at(cls, *LEVELS)]
        assert reached == sorted(reached)


@pytest.mark.parametrize(
    ("cls", "race", "thing", "wanted"),
    [
        ("wizard", None, "a quarterstaff of ash", True),
        ("wizard", None, "greatsword", False),
        ("wizard", "elf", "longsword", True),
        ("wizard", "dwarf", "an old battleaxe", True),
        ("rogue", None, "rapier", True),
        ("rogue", None, "longbow", False),
        ("monk", None, "shortsword", True),
        ("monk", None, "leather armour", False),
        ("druid", None, "chain shirt", False),
        ("druid", None, "hide armour", True),
        ("bard", None, "studded leather", True),
        ("cleric", None, "chain mail", False),
        ("fighter", None, "half-plate", True),
        ("paladin", None, "plate", True),
        ("sorcerer", None, "a shield", False),
        ("fighter", None, "umbrella", None),
        ("artificer", None, "dagger", None),
    ],
)
def test_training_is_that_of_class_and_race(
    cls: str, race: str | None, thing: str, wanted: bool | None
) -> None:
    assert rules.trained(cls, race, thing) is wanted


def test_every_class_is_trained_with_a_dagger_and_with_the_weapons_it_lists() -> None:
    for cls in rules.classes():
        for weapon in rules.weapons(cls):
            assert rules.trained(cls, None, weapon)
        assert "dagger" in rules.weapons(cls)
    assert rules.has_property("greatsword", "two_handed")
    assert not rules.has_property("rapier", "heavy")


def test_races_have_ages_and_traits() -> None:
    assert rules.ages("elf") == (100, 750)
    assert rules.ages("half_orc") == (14, 75)
    assert "lucky" in rules.traits("halfling")
    assert "infernal legacy" in rules.traits("tiefling")
    for race in rules.races():
        adult, oldest = rules.ages(race) or (0, 0)
        assert 0 < adult < oldest
    assert rules.race_of("a Half-Elf") == "half_elf"
    assert rules.class_of("Wizard (evoker)") == "wizard"
    assert rules.class_of("artificer") is None


def test_hit_dice_and_proficiency_are_those_of_the_document() -> None:
    assert [rules.hit_die(cls) for cls in ("barbarian", "fighter", "rogue", "wizard")] == [
        12, 10, 8, 6,
    ]  # fmt: skip
    assert [rules.proficiency_bonus(level) for level in (1, 4, 5, 9, 13, 17, 20)] == [
        2, 2, 3, 4, 5, 6, 6,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "challenge"),
    [("goblin", "1/4"), ("ogre", "2"), ("owlbear", "3"), ("troll", "5"), ("lich", "21")],
)
def test_monsters_have_the_challenge_of_the_document(name: str, challenge: str) -> None:
    found = rules.monster(name)
    assert found
    assert found.challenge == Fraction(challenge)
    assert found in rules.monsters(0, 30)
    assert found not in rules.monsters(0, float(found.challenge) - 0.01)


@pytest.mark.parametrize("name", ["beholder", "mind flayer", "displacer beast", "yuan-ti"])
def test_what_is_not_the_documents_is_not_there(name: str) -> None:
    assert rules.monster(name) is None


def test_an_encounter_that_suits_a_party_keeps_its_budget_and_its_level() -> None:
    assert rules.experience("1/4") == 50
    assert rules.budget(1, 4, "high") == 400
    for level in LEVELS:
        for size in (1, 4, 6):
            for count in (1, 2, 4, 8):
                found = rules.suited(level, size, count)
                assert found
                for monster in found:
                    assert monster.challenge <= level
                    total = rules.experience(monster.challenge) * count
                    assert total <= rules.budget(level, size) or monster.challenge == 0
    assert rules.difficulty(100, 1, 4) == "low"
    assert rules.difficulty(10_000, 1, 4) is None


def test_magic_items_stand_under_their_rarity() -> None:
    assert "bag of holding" in rules.items("uncommon", "wondrous")
    assert "+1 weapon" in rules.items("uncommon", "weapon")
    assert "holy avenger" in rules.items("legendary")
    assert "flame tongue" in rules.items("rare")
    kinds = {kind.value for kind in ItemKind}
    for rarity in ItemRarity:
        assert rules.items(rarity.value)
        assert set(rules.table("items")[rarity.value]) <= kinds


def test_the_spells_of_made_up_items_are_the_documents_own() -> None:
    grammar = read("aspects")
    for pack in (grammar["any"], *grammar["aspect"].values()):
        for said in pack["spells"]:
            level, name = said.split(" ", 1)
            found = rules.spell(name)
            assert found, name
            assert found.level == int(level), name


def test_every_table_names_its_source_and_licence() -> None:
    for path in sorted(rules.TABLES.iterdir()):
        head = path.read_text(encoding="utf-8")[:700].replace("\n# ", " ")
        assert "System Reference Document" in head
        assert "Creative Commons Attribution 4.0" in head
