"""Places: what a caller says of one, and what is told of each kind."""

from __future__ import annotations

import json
import re
from itertools import product

import pytest

from app.operations.location import LocationType
from app.storyteller import extent, packs
from app.storyteller.packs import Packs
from tests.support.operations import LOCATION
from tests.support.storyteller_requests import written

PACKS = Packs()
PLACES = tuple(LocationType)
HOUSES = ("building", "shop", "tavern")
# What would say of a town or a moor that three rooms are the whole of it.
WHOLE = re.compile(r"(?:is all|all there is|It has|all told|no more to it than)[^.;]*three rooms")


@pytest.mark.parametrize(
    ("size", "slot", "told"),
    [
        ("three rooms and a yard", "size_rooms", "three rooms and a yard"),
        ("Two halls.", "size_rooms", "two halls"),
        ("40 by 30 feet", "size_measure", "40 by 30 feet"),
        ("half a mile across", "size_measure", "half a mile across"),
        ("about a hundred souls", "size", "about a hundred souls."),
        ("rooms", "size", "rooms."),
        ("It is low. It leaks.", "size", "“It is low. It leaks.”"),
        ("", "size", ""),
    ],
)
def test_a_size_is_what_a_place_has_or_measures_or_was_said_of_it(
    size: str, slot: str, told: str
) -> None:
    assert extent.size(size, PACKS.places["rooms"]) == (slot, told)


@pytest.mark.parametrize(
    ("purpose", "slot", "told"),
    [
        ("to guard the pass", "purpose_to", "to guard the pass"),
        ("Smuggling", "purpose_for", "smuggling"),
        ("guarding the pass", "purpose_for", "guarding the pass"),
        ("illegal trade", "purpose_for", "illegal trade"),
        ("a market for relics", "purpose_as", "a market for relics"),
        ("smuggling hub", "purpose_as", "a smuggling hub"),
        ("old armoury", "purpose_as", "an old armoury"),
        ("religious", "purpose", "religious."),
        ("guards the pass", "purpose", "guards the pass."),
        ("where pilgrims sleep", "purpose", "where pilgrims sleep."),
        ("Worship. And tax.", "purpose", "“Worship. And tax.”"),
        ("", "purpose", ""),
    ],
)
def test_a_purpose_is_told_as_what_it_is(purpose: str, slot: str, told: str) -> None:
    assert extent.use(purpose, PACKS.places["activities"]) == (slot, told)


async def test_a_town_or_a_moor_is_not_said_to_be_three_rooms() -> None:
    for place, seed in product([p for p in PLACES if p not in HOUSES], range(20)):
        raw = {"location_type": place, "context": {}, "size": "three rooms and a yard"}
        done = await written(LOCATION, raw | {"purpose": "", "model": {"seed": seed}})
        description = json.loads(done.text)["description"]
        assert "three rooms and a yard" in description
        assert not WHOLE.search(description), description


async def test_what_is_told_of_a_kind_is_read_when_a_place_of_it_is_asked_for() -> None:
    packs.one_of.cache_clear()
    raw = {"location_type": "tavern", "context": {}, "size": "", "purpose": "", "model": {}}
    await written(LOCATION, raw)
    read = packs.one_of.cache_info().currsize
    packs.one_of(packs.PLACES, "tavern")
    assert packs.one_of.cache_info().currsize == read  # it was read
    for kind in PLACES:
        packs.one_of(packs.PLACES, kind)
    assert packs.one_of.cache_info().currsize == read + len(PLACES) - 1  # and no other
