"""The storyteller: readable, varied text for every operation, repeatable with its seed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from app.llm.completion import Completion, CompletionRequest
from app.llm.failure import AttemptFailed
from app.storyteller.english import tokens
from app.storyteller.storyteller import Storyteller
from tests.support.careful_reader import faults, sentences
from tests.support.operations import CHARACTER, STORY, THEME
from tests.support.storyteller_requests import (
    HOSTILE,
    MATTERS,
    NAMES,
    RACES,
    SETTINGS,
    STORYTELLER,
    TONES,
    checked_draft,
)

CLASSES = (
    "barbarian", "bard", "cleric", "druid", "fighter", "monk", "paladin", "ranger", "rogue",
    "sorcerer", "warlock", "wizard", "artificer",
)  # fmt: skip
CHARACTERS = ("backstory", "personality", "combat", "equipment")
STORIES = ("plot", "quest", "scene", "dialogue", "description", "event")
ODD_CLASSES = ("Blood Hunter", "hexblade warlock", "8-bit engineer", "Fighter 3/Wizard 2", "the")
BACKGROUNDS = ("Noble", "urchin", "Inn-keeper", "Grew up alone. Then the war came.", "heir", None)


def _given(pairs: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in pairs.items() if v is not None}


def character_request(rng: Random, **fixed: Any) -> dict[str, Any]:
    context = {
        "character_class": rng.choice((*CLASSES, *ODD_CLASSES, None)),
        "character_race": rng.choice(RACES),
        "character_level": rng.choice((1, 5, 8, 11, 18, 20, None)),
        "alignment": rng.choice(("Lawful Good", "chaotic evil", "true neutral", "odd", None)),
        "background": rng.choice(BACKGROUNDS),
        "name": rng.choice(NAMES),
        "home": rng.choice((*SETTINGS, None)),
        "eye_colour": rng.choice(("amber", None)),
        "goal": rng.choice(("avenge an old master", None)),
        "weapon": rng.choice(("an obsidian axe", None)),
        "pronouns": rng.choice(("she/her", "he/him", "they/them", None)),
    }
    return {
        "type": rng.choice(CHARACTERS),
        "character_context": _given(context | fixed),
        "theme": _given({"tone": rng.choice(TONES)}),
        "model": {"seed": rng.randrange(10**9)},
    }


def story_request(rng: Random) -> dict[str, Any]:
    context = {
        "campaign_theme": rng.choice(MATTERS),
        "party_level": rng.choice((1, 8, 11, 18, None)),
        "party_size": rng.choice((1, 4, 11, 60, None)),
        "campaign_type": rng.choice(("sandbox", "one-shot", None)),
        "setting": rng.choice(SETTINGS),
        "length": rng.choice(("short", "3 sessions", "long", None)),
    }
    parameters = {
        "villain": rng.choice(("the Raven King", "strahd", None)),
        "item": rng.choice(("an amulet", None)),
        "weather": rng.choice(("heavy rain", None)),
        "conflict": rng.choice(("two heirs and one crown", None)),
    }
    return {
        "element_type": rng.choice(STORIES),
        "context": _given(context),
        "parameters": _given(parameters),
        "theme": _given({"tone": rng.choice(TONES), "genre": rng.choice(("gothic", None))}),
        "model": {"seed": rng.randrange(10**9)},
    }


@pytest.mark.parametrize("number", [100, pytest.param(400, marks=pytest.mark.long)])
async def test_random_requests_give_faultless_prose(number: int) -> None:
    rng = Random(20)
    for _ in range(number):
        raw = character_request(rng)
        text = (await checked_draft(CHARACTER, raw)).text
        assert not list(faults(text)), f"{list(faults(text))}\n{raw}\n{text}"
    for _ in range(number):
        raw = story_request(rng)
        draft = await checked_draft(STORY, raw)
        for text in (draft.content, draft.summary):
            assert not list(faults(text)), f"{list(faults(text))}\n{raw}\n{text}"


def test_the_careful_reader_finds_each_fault() -> None:
    assert list(faults("Well. a {slot} is the the an goat. Well. a"))
    for bad in (
        "An goat ran.",
        "A elf ran.",
        "It ran ran.",
        "it ran.",
        "It ran",
        "It “ran.",
        "It  is.",
    ):
        assert list(faults(bad)), bad
    assert not list(faults("An elf, an 8th-level one, ran.\n- A half-orc followed."))


async def test_each_class_has_a_tale_of_its_own() -> None:
    """The same race, background and seed: what differs is the class alone."""
    spoken: dict[str, set[str]] = {}
    for name in CLASSES:
        context = {"character_class": name, "character_race": "human", "background": "soldier"}
        for type_, seed in product(CHARACTERS, range(3)):
            raw = {"type": type_, "character_context": context, "model": {"seed": seed}}
            spoken.setdefault(name, set()).update(
                sentences((await checked_draft(CHARACTER, raw)).text)
            )
    for one, other in product(CLASSES, CLASSES):
        if one < other:
            shared = spoken[one] & spoken[other]
            assert len(shared) < 0.08 * min(len(spoken[one]), len(spoken[other])), (one, other)


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("warlock", "pact|favour|patron"),
        ("paladin", "oath|swor|order"),
        ("wizard", "book|librar|tower|theorem|academy|pages"),
    ],
)
async def test_a_class_brings_its_own_matter(name: str, sign: str) -> None:
    for seed in range(8):
        raw = {"type": "backstory", "character_context": {"character_class": name}}
        text = (await checked_draft(CHARACTER, raw | {"model": {"seed": seed}})).text.lower()
        assert re.search(sign, text), text


async def test_the_callers_words_stand_in_the_text() -> None:
    context = {
        "character_class": "Blood Hunter", "character_race": "Owlin", "character_level": 8,
        "name": "gorm", "home": "Waterdeep", "deity": "selune", "goal": "find a cure",
    }  # fmt: skip
    text = (
        await checked_draft(CHARACTER, {"type": "backstory", "character_context": context})
    ).text
    for word in ("Gorm", "blood hunter", "owlin", "Waterdeep", "Selune", "find a cure"):
        assert word in text, text
    raw = {
        "element_type": "quest",
        "context": {"setting": "Waterdeep", "party_size": 3, "party_level": 7,
                    "campaign_theme": "revenge", "campaign_type": "sandbox", "length": "2 nights"},
        "parameters": {"villain": "Strahd", "weather": "fog"},
        "theme": {"tone": "grim", "genre": "gothic"},
    }  # fmt: skip
    draft = await checked_draft(STORY, raw)
    for seed in range(10):
        draft = await checked_draft(STORY, raw | {"model": {"seed": seed}})
        for word in ("Waterdeep", "revenge", "Strahd", "weather, fog", "sandbox", "2 nights"):
            assert word in draft.content, draft.content
    for word in ("grim", "gothic", "revenge", "three adventurers of 7th level"):
        assert word in draft.summary, draft.summary


async def test_the_tone_chooses_the_words() -> None:
    lists = STORYTELLER.packs.lists
    for tone, opposite in (("horror", "comedy"), ("comedy", "horror"), ("heroic", "horror")):
        weights = {tone: 0.0, opposite: 0.0}
        for seed, element in product(range(6), ("scene", "event")):
            raw = {"element_type": element, "context": {}, "theme": {"tone": tone}}
            draft = await checked_draft(STORY, raw | {"model": {"seed": seed}})
            request = THEME.read({"content": draft.content})
            analysed = await checked_draft(THEME, {"content": request.content})
            weights[tone] += analysed.primary_category == tone
            weights[opposite] += analysed.primary_category == opposite
        assert weights[tone] > weights[opposite], (tone, weights)
    assert lists.wanted(["light-hearted romp"])["comedy"] > 0


async def test_seeds_vary_the_text() -> None:
    context = {"character_class": "rogue", "character_race": "elf"}
    texts = [
        (await checked_draft(CHARACTER, {"type": "backstory", "character_context": context,
                                "model": {"seed": seed}})).text
        for seed in range(20)
    ]  # fmt: skip
    assert len(set(texts)) == 20


async def test_with_one_seed_the_four_texts_of_one_character_name_one_person() -> None:
    context = {"character_class": "ranger", "character_race": "dwarf"}
    dwarves = STORYTELLER.packs.people["race"]["dwarf"]
    for seed in range(5):
        names = set()
        for type_ in CHARACTERS:
            raw = {"type": type_, "character_context": context, "model": {"seed": seed}}
            text = (await checked_draft(CHARACTER, raw)).text
            names.add(next(n for n in (*dwarves["she"], *dwarves["he"]) if n in text))
        assert len(names) == 1


ASK = """
import asyncio
from app.llm.completion import CompletionRequest
from app.storyteller.storyteller import Storyteller
from tests.support.operations import CHARACTER, STORY
async def main():
    for operation, raw in (
        (CHARACTER, {"type": "backstory", "character_context": {"character_class": "bard"}}),
        (STORY, {"element_type": "plot", "context": {"setting": "Waterdeep"}}),
    ):
        request = operation.read(raw | {"model": {"seed": 5}})
        asked = CompletionRequest(operation, request, operation.prompt(request))
        print((await Storyteller().write(asked)).text)
asyncio.run(main())
"""


def test_another_process_with_another_hash_seed_tells_the_same_for_a_seed() -> None:
    answers = {
        subprocess.run(
            [sys.executable, "-c", ASK],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "77")
    }
    assert len(answers) == 1
    assert len(answers.pop()) > 1000


@pytest.mark.parametrize("limit", [1, 30, 60, 120, 1000])
async def test_max_tokens_ends_the_text_at_a_sentence(limit: int) -> None:
    for seed, type_ in product(range(10), CHARACTERS):
        context = {"character_class": "monk", "name": "Ashiri"}
        model = {"seed": seed, "max_tokens": limit}
        raw = {"type": type_, "character_context": context, "model": model}
        text = (await checked_draft(CHARACTER, raw)).text
        assert tokens(text) <= limit
        if limit >= 60:
            assert not list(faults(text)), text
    raw = {"element_type": "plot", "context": {}, "model": {"max_tokens": 200}}
    draft = await checked_draft(STORY, raw)
    assert tokens(draft.content) + tokens(draft.summary) <= 200


async def test_usage_counts_words_and_marks() -> None:
    request = CHARACTER.read({"type": "combat", "character_context": {"character_class": "monk"}})
    prompt = CHARACTER.prompt(request)
    done: Completion = await STORYTELLER.write(CompletionRequest(CHARACTER, request, prompt))
    assert done.finish == "stop"
    assert done.usage.completion_tokens == len(re.findall(r"\w+|[^\w\s]", done.text))
    asked = "\n".join(message["content"] for message in prompt.messages)
    assert done.usage.prompt_tokens == len(re.findall(r"\w+|[^\w\s]", asked))


@pytest.mark.parametrize("value", HOSTILE)
async def test_hostile_values_cannot_break_a_sentence(value: str) -> None:
    keys = ("character_class", "character_race", "alignment", "background", "name", "home", "deity",
            "goal", "family", "enemy", "weapon", "trait", "pronouns", "hair")  # fmt: skip
    for type_ in CHARACTERS:
        raw = {"type": type_, "character_context": dict.fromkeys(keys, value)}
        text = (await checked_draft(CHARACTER, raw | {"theme": {"tone": value}})).text
        assert not list(faults(text)), f"{list(faults(text))}\n{text}"
        assert text.isprintable() or "\n" in text
        assert len(text) < 9000
    context = dict.fromkeys(("campaign_theme", "campaign_type", "setting", "length"), value)
    parameters = dict.fromkeys(
        ("villain", "npc", "item", "reward", "monster", "goal", "odd"), value
    )
    for element in STORIES:
        raw = {"element_type": element, "context": context, "parameters": parameters}
        draft = await checked_draft(STORY, raw | {"theme": {"style": value}})
        assert not list(faults(draft.content)), f"{list(faults(draft.content))}\n{draft.content}"
        assert "system prompt" not in draft.content


async def test_an_unknown_operation_is_the_writers_error() -> None:
    class Other:
        name = "prophecy"

    request = CHARACTER.read({"type": "combat", "character_context": {}})
    with pytest.raises(AttemptFailed):
        await STORYTELLER.write(CompletionRequest(Other(), request, CHARACTER.prompt(request)))  # type: ignore[arg-type]  # stands for an operation to come
    await STORYTELLER.close()


async def test_a_long_text_is_read_away_from_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bool] = []
    teller = Storyteller()
    complete = teller._complete  # private: what the thread runs

    def watched(*args: Any) -> Completion:
        seen.append(threading.current_thread() is threading.main_thread())
        return complete(*args)

    monkeypatch.setattr(teller, "_complete", watched)
    for content in ("first", "short", "word " * 500, "word " * 10_000):
        request = THEME.read({"content": content})
        await teller.write(CompletionRequest(THEME, request, THEME.prompt(request)))
    assert seen == [False, True, False, False]  # the first one reads the grammars


@pytest.mark.long
def test_hostile_texts_of_full_length_come_to_an_end() -> None:
    """In a process of its own: an expression that backtracks holds the interpreter for hours."""
    command = [sys.executable, "-m", "tests.support.hostile_texts"]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True, timeout=120)


async def test_requests_at_once_do_not_disturb_one_another() -> None:
    raws = [character_request(Random(n)) for n in range(20)]
    alone = [(await checked_draft(CHARACTER, raw)).text for raw in raws]
    together = await asyncio.gather(*(checked_draft(CHARACTER, raw) for raw in raws))
    assert [draft.text for draft in together] == alone
    assert json.dumps(alone)
