"""The storyteller's seeds: drawn where none is given, told, and enough to get the same text."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operations import (
    CAMPAIGN,
    CHARACTER,
    ITEM,
    LOCATION,
    NPC,
    STORY,
    THEME,
    VALIDATION,
)
from tests.support.service import CHARACTER as REST_CHARACTER
from tests.support.service import Service
from tests.support.storyteller_requests import written

TOLD: dict[str, tuple[Any, dict[str, Any]]] = {
    "character": (CHARACTER, {"type": "backstory", "character_context": {"name": "Ilse Vane"}}),
    "story": (STORY, {"element_type": "quest", "context": {"setting": "Waterdeep"}}),
    "campaign": (CAMPAIGN, {"type": "plot", "campaign_context": {"setting": "Waterdeep"}}),
    "npc": (NPC, {"role": "mentor", "context": {}}),
    "location": (LOCATION, {"location_type": "tavern", "context": {}, "size": "", "purpose": ""}),
    "item": (ITEM, {"kind": "ring", "context": {}}),
}
JUDGED: dict[str, tuple[Any, dict[str, Any]]] = {
    "theme": (THEME, {"content": "Something behind the door wept."}),
    "validation": (
        VALIDATION,
        {
            "content": "It wept.",
            "content_type": "story",
            "rules": [{"category": "quality", "name": "q"}],
        },
    ),
}


@pytest.mark.parametrize("name", TOLD)
async def test_without_a_seed_the_same_request_gets_another_text_each_time(name: str) -> None:
    found = [await written(*TOLD[name]) for _ in range(5)]
    assert len({done.text for done in found}) == len({done.seed for done in found}) == 5
    assert all(done.seed is not None and 0 <= done.seed < 2**31 for done in found)


@pytest.mark.parametrize("name", TOLD)
async def test_the_seed_that_was_drawn_gives_the_same_text_again(name: str) -> None:
    operation, raw = TOLD[name]
    first = await written(operation, raw)
    again = await written(operation, raw | {"model": {"seed": first.seed}})
    assert (again.text, again.seed) == (first.text, first.seed)


@pytest.mark.parametrize("name", TOLD)
async def test_a_seed_of_the_callers_decides_the_text_and_is_told(name: str) -> None:
    operation, raw = TOLD[name]
    one, two, other = [
        await written(operation, raw | {"model": {"seed": seed}}) for seed in (5, 5, -(2**53) + 1)
    ]
    assert one == two
    assert one.text != other.text
    assert (one.seed, other.seed) == (5, -(2**53) + 1)


@pytest.mark.parametrize("name", TOLD)
async def test_a_temperature_that_was_given_is_ignored_and_named(name: str) -> None:
    operation, raw = TOLD[name]
    model = {"name": "gpt-4-turbo", "seed": 5, "max_tokens": 900}
    plain = await written(operation, raw | {"model": model})
    warm = await written(operation, raw | {"model": model | {"temperature": 1.5}})
    assert plain.ignored == ()
    assert warm.ignored == ("temperature",)
    assert warm.text == plain.text


@pytest.mark.parametrize("name", JUDGED)
async def test_what_is_judged_is_the_same_each_time_and_has_no_seed(name: str) -> None:
    one, two = [await written(*JUDGED[name]) for _ in range(2)]
    assert one == two
    assert (one.seed, one.ignored) == (None, ())


async def test_who_asks_again_gets_another_text_and_with_a_seed_the_same(
    loregate: Service,
) -> None:
    async def texts(**model: Any) -> set[str]:
        body = REST_CHARACTER | {"model": model}
        answers = [await loregate.post("/api/v2/text/character", body) for _ in range(3)]
        return {answer.json()["content"] for answer in answers}

    assert len(await texts()) == 3
    assert len(await texts(seed=5)) == 1
