"""The storyteller on campaigns, persons and places: faultless, and true to what was given."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from random import Random
from typing import Any

import pytest

from app.operations.location import LocationDraft
from app.operations.npc import NpcDraft
from app.storyteller.english import tokens
from tests.support.careful_reader import faults, sentences
from tests.support.operations import CAMPAIGN, LOCATION, NPC, STORY
from tests.support.storyteller_requests import (
    HOSTILE,
    MATTERS,
    NAMES,
    RACES,
    SETTINGS,
    TONES,
    checked_draft,
    written,
)

TYPES = ("plot", "location", "quest", "dialogue", "event")
ROLES = ("ally", "antagonist", "merchant", "quest_giver", "lore_keeper", "mentor", "neutral")
PLACES = ("town", "dungeon", "wilderness", "landmark", "building", "shop", "tavern")


def _given(pairs: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in pairs.items() if v is not None}


def _frame(rng: Random) -> dict[str, Any]:
    return {
        "campaign_theme": rng.choice(MATTERS),
        "party_level": rng.choice((1, 8, 11, 18, None)),
        "party_size": rng.choice((1, 4, 11, 60, None)),
        "setting": rng.choice(SETTINGS),
        "villain": rng.choice(("the Raven King", "strahd", None)),
        "item": rng.choice(("an amulet", None)),
        "weather": rng.choice(("heavy rain", None)),
        "conflict": rng.choice(("two heirs and one crown", None)),
    }


def _feel(rng: Random) -> dict[str, Any]:
    theme = {"tone": rng.choice(TONES), "genre": rng.choice(("gothic", None))}
    return {"theme": _given(theme), "model": {"seed": rng.randrange(10**9)}}


def campaign_request(rng: Random) -> dict[str, Any]:
    frame = _frame(rng) | {"duration": rng.choice(("short", "six sessions", "a long year", None))}
    return {"type": rng.choice(TYPES), "campaign_context": _given(frame)} | _feel(rng)


def _context(rng: Random) -> dict[str, Any]:
    more = {
        "campaign_type": rng.choice(("sandbox", None)),
        "length": rng.choice(("3 sessions", None)),
    }
    return _given(_frame(rng) | more)


def npc_request(rng: Random) -> dict[str, Any]:
    traits = {
        "name": rng.choice(NAMES),
        "race": rng.choice(RACES),
        "gender": rng.choice(("female", "he/him", None)),
        "occupation": rng.choice(("an apothecary", "Harbour master", None)),
        "temper": rng.choice(("short", None)),
        "left_handed": rng.choice(("yes", None)),
        "habit": rng.choice(("Never sits down. Hums an old song!", None)),
        "eye colour": rng.choice(("amber", None)),
    }
    relationships = {
        "Ilse Vane": rng.choice(("a sister; estranged", None)),
        "the party": rng.choice(("owes them money", None)),
    }
    return {
        "role": rng.choice(ROLES),
        "context": _context(rng),
        "traits": _given(traits),
        "relationships": _given(relationships),
    } | _feel(rng)


def location_request(rng: Random) -> dict[str, Any]:
    who = ("an old owl", "Marta, the brewer", "six goblins", "She waits. Nobody knows for whom.")
    what = ("a hidden cellar", "stone hearth", "Bells", "The floor is wet. It has always been.")
    return {
        "location_type": rng.choice(PLACES),
        "context": _context(rng),
        "size": rng.choice(("small", "enormous", "three rooms and a yard", "40 by 30 feet", "")),
        "purpose": rng.choice(("smuggling hub", "to guard the pass", "Worship. And tax.", "")),
        "occupants": rng.sample(who, rng.randrange(5)),
        "features": rng.sample(what, rng.randrange(5)),
    } | _feel(rng)


def texts(draft: NpcDraft | LocationDraft) -> Iterator[str]:
    """Every text of a draft that stands by itself, as a sentence."""
    for name, value in draft:
        if name not in ("name", "relationships", "occupants"):
            yield from [value] if isinstance(value, str) else value
    if isinstance(draft, LocationDraft):
        yield from (o[:1].upper() + o[1:] for o in draft.occupants)
    else:
        yield from (f"{r.nature[:1].upper()}{r.nature[1:]}." for r in draft.relationships)


def hold(draft: NpcDraft | LocationDraft, raw: Any) -> None:
    whole = "\n".join(texts(draft))
    found = list(faults(whole))
    assert not found, f"{found}\n{raw}\n{whole}"
    assert not list(faults(f"{draft.name} came.".capitalize())), draft.name


@pytest.mark.parametrize("number", [60, pytest.param(400, marks=pytest.mark.long)])
async def test_random_requests_give_faultless_sheets_and_prose(number: int) -> None:
    rng = Random(7)
    for _ in range(number):
        raw = campaign_request(rng)
        text = (await checked_draft(CAMPAIGN, raw)).text
        assert not list(faults(text)), f"{list(faults(text))}\n{raw}\n{text}"
        raw = npc_request(rng)
        hold(await checked_draft(NPC, raw), raw)
        raw = location_request(rng)
        hold(await checked_draft(LOCATION, raw), raw)


async def test_a_campaign_text_is_no_story_elements() -> None:
    """The same brief and seed: the two operations share no sentence."""
    for type_, seed in product(("plot", "quest", "dialogue", "event"), range(5)):
        context = {"setting": "Waterdeep", "villain": "Strahd"}
        more = {"model": {"seed": seed}}
        one = await checked_draft(CAMPAIGN, {"type": type_, "campaign_context": context} | more)
        other = await checked_draft(STORY, {"element_type": type_, "context": context} | more)
        assert not {*sentences(one.text)} & {*sentences(other.content)}


async def test_each_role_and_each_type_is_told_in_its_own_way() -> None:
    """The same person or place but for the role or type."""
    for operation, field, values, given in (
        (NPC, "role", ROLES, {"traits": {"name": "Odile Vell"}}),
        (LOCATION, "location_type", PLACES, {"size": "small", "purpose": "trade"}),
    ):
        said: dict[str, set[str]] = {}
        for value, seed in product(values, range(4)):
            raw = {field: value, "context": {}, **given, "model": {"seed": seed}}
            found = (sentences(text) for text in texts(await checked_draft(operation, raw)))
            said.setdefault(value, set()).update(s for some in found for s in some)
        for one, other in combinations(values, 2):
            assert len(said[one] & said[other]) < 0.35 * min(len(said[one]), len(said[other]))


async def test_the_campaigns_words_stand_in_its_text() -> None:
    context = {
        "campaign_theme": "revenge", "party_level": 7, "party_size": 3, "duration": "two nights",
        "setting": "Waterdeep", "villain": "strahd", "weather": "fog",
    }  # fmt: skip
    for type_, seed in product(TYPES, range(30)):
        raw = {"type": type_, "campaign_context": context, "theme": {"tone": "grim"}}
        text = (await checked_draft(CAMPAIGN, raw | {"model": {"seed": seed}})).text
        for word in ("revenge", "two nights", "Waterdeep", "Strahd", "weather, fog"):
            assert word in text, (word, text)


async def test_a_person_keeps_traits_relationships_and_context() -> None:
    traits = {f"trait {n}": f"value {n}" for n in range(30)} | {
        "name": "gorm", "species": "Owlin", "occupation": "Rat-catcher", "brave": "yes",
        "motto": "Never twice. Never late!",
    }  # fmt: skip
    ties = {f"Person {n}": f"nature {n}; and more" for n in range(40)}
    context = {"campaign_theme": "revenge", "setting": "Waterdeep", "villain": "strahd"}
    raw = {"context": context, "traits": traits, "relationships": ties, "theme": {"tone": "grim"}}
    for role, limit in product(ROLES, (1, 1000)):
        draft = await checked_draft(NPC, raw | {"role": role, "model": {"max_tokens": limit}})
        whole = " ".join(texts(draft))
        assert draft.name == "Gorm"
        for number in range(30):
            assert f"trait {number}, value {number}" in whole
        for word in ("owlin", "rat-catcher", "brave", "Never twice. Never late!"):
            assert word in whole or limit == 1, (word, whole)
        if limit > 1:
            assert all(w in whole for w in ("revenge", "Waterdeep", "Strahd")), whole
        assert {r.to: r.nature for r in draft.relationships}.items() >= ties.items()


async def test_a_place_uses_size_purpose_occupants_and_features() -> None:
    occupants = [f"guest number {n}" for n in range(40)]
    features = [f"feature number {n}" for n in range(40)]
    for place, size in product(PLACES, ("vast", "three rooms and a yard")):
        raw = {
            "location_type": place, "size": size, "purpose": "smuggling hub",
            "context": {"setting": "Waterdeep", "campaign_theme": "revenge"},
            "occupants": occupants, "features": features, "theme": {"tone": "grim"},
        }  # fmt: skip
        draft = await checked_draft(LOCATION, raw)
        for word in (size, "smuggling hub", "Waterdeep", "revenge"):
            assert word in draft.description
        for number in range(40):
            assert any(o.startswith(f"guest number {number}") for o in draft.occupants)
            assert any(f"eature number {number}" in p for p in draft.points_of_interest)
        assert len(draft.hooks) == 2
        assert draft.secrets


async def test_the_same_request_is_answered_alike_and_seeds_vary_it() -> None:
    rng = Random(3)
    for operation, make in (
        (CAMPAIGN, campaign_request),
        (NPC, npc_request),
        (LOCATION, location_request),
    ):
        raw = make(rng)
        assert await checked_draft(operation, raw) == await checked_draft(operation, raw)
        drafts = [
            await checked_draft(operation, raw | {"model": {"seed": seed}}) for seed in range(12)
        ]
        assert len({draft.model_dump_json() for draft in drafts}) == 12


@pytest.mark.parametrize("limit", [20, 40, 60, 100, 150, 300])
async def test_a_place_keeps_to_its_allowance_and_says_that_it_was_cut(limit: int) -> None:
    for place, seed in product(PLACES, range(5)):
        raw = {"location_type": place, "context": {}, "size": "", "purpose": ""}
        done = await written(LOCATION, raw | {"model": {"seed": seed, "max_tokens": limit}})
        draft = LOCATION.check(LOCATION.read(raw), done.text)
        hold(draft, limit)
        assert sum(map(tokens, [draft.name, *texts(draft)])) <= limit
        assert done.finish == "length"


@pytest.mark.parametrize("limit", [1, 150, 300])
async def test_max_tokens_bounds_what_is_told_of_a_person_beside_the_given(limit: int) -> None:
    for role, seed in product(ROLES, range(5)):
        raw = {"role": role, "context": {}, "model": {"max_tokens": limit, "seed": seed}}
        draft = await checked_draft(NPC, raw)
        hold(draft, limit)
        if limit == 300:
            ties = [r.nature for r in draft.relationships]
            whole = [t for t in texts(draft) if t[:-1].lower() not in map(str.lower, ties)]
            assert sum(map(tokens, whole)) <= limit


@pytest.mark.parametrize("value", HOSTILE)
async def test_hostile_values_cannot_break_a_sheet(value: str) -> None:
    context = dict.fromkeys(
        ("campaign_theme", "campaign_type", "setting", "length", "villain", "npc", "goal"), value
    )
    theme = {"theme": {"tone": value, "style": value}}
    for type_ in TYPES:
        raw = {"type": type_, "campaign_context": context} | theme
        text = (await checked_draft(CAMPAIGN, raw)).text
        assert not list(faults(text)), f"{list(faults(text))}\n{text}"
        assert "system prompt" not in text
    traits = ("name", "race", "occupation", "gender", "habit", value[:100], "name")
    for role, trait in zip(ROLES, traits, strict=True):
        raw = {"role": role, "context": context, "relationships": {"Ilse": value}}
        draft = await checked_draft(NPC, raw | {"traits": {trait: value}} | theme)
        given, *drawn = draft.relationships
        bounded(draft.model_copy(update={"relationships": drawn}))
        assert given.nature.isprintable()
        assert len(given.nature) <= 210
    for place in PLACES:
        for field in ("size", "purpose", "occupants", "features"):
            raw = {"location_type": place, "context": context, "size": "", "purpose": ""} | theme
            given = value if field in ("size", "purpose") else [value, "x"]
            bounded(await checked_draft(LOCATION, raw | {field: given}))


def bounded(draft: NpcDraft | LocationDraft) -> None:
    whole = "\n".join(texts(draft))
    assert not list(faults(whole)), f"{list(faults(whole))}\n{whole}"
    assert all(c.isprintable() or c == "\n" for c in whole)
    assert len(whole) < 6000
