"""Conflicts: every campaign text and every place is about what the caller asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any

import pytest

from app.operations.fields import Theme
from app.storyteller.asked import Asked
from app.storyteller.conflict import Conflict, several
from app.storyteller.lines import line
from app.storyteller.location import DETAILS
from app.storyteller.matter import read
from app.storyteller.packs import AFFAIRS, Packs
from app.storyteller.rules import monsters
from tests.storyteller.variety import prose
from tests.support.careful_reader import sentences
from tests.support.operations import CAMPAIGN, LOCATION
from tests.support.storyteller_requests import written

PACKS = Packs()
TYPES = ("plot", "location", "quest", "dialogue", "event")
PLACES = ("town", "dungeon", "wilderness", "landmark", "building", "shop", "tavern")
# A brief, the words of it that the first paragraph must have, and the one that runs through it all.
BRIEFS = (
    ("slay the dragon", "dragon", "dragon"),
    ("steal the Duke's seal", "Duke's seal", "seal"),
    ("rescue the miller's daughter", "miller's daughter", "miller's daughter"),
    ("escort the envoy over the pass", "envoy", "envoy"),
    ("a war between two guilds", "war between two guilds", "war"),
    ("a drowned crown", "drowned crown", "crown"),
    ("a king's deathbed", "king's deathbed", "deathbed"),
    ("a haunted coast", "haunted coast", "coast"),
    ("undead uprising", "undead uprising", "uprising"),
    ("goblins on the toll road", "goblins on the toll road", "goblins"),
    ("a plague nobody admits to", "plague nobody admits to", "plague"),
    ("a wedding that must not happen", "wedding that must not happen", "wedding"),
    ("the fall of Eldoria", "fall of Eldoria", "fall"),
    ("political intrigue", "political intrigue", "intrigue"),
    ("revenge", "revenge", "revenge"),
    ("the price of honey", "price of honey", "price"),
)
SETTINGS = ("Waterford", "a mountain monastery", "the harbour of Saltmere", "desert")
VILLAINS = ("the Raven King", "Mother Gristle", "the wolves of the fell")
# Sentences that only repeat what was given, and those that name what no text has a use for.
AS_GIVEN = ("Also true of", "To be remembered", "In force all", "What was laid down", "As to the ")
# Capitals of the texts that begin no sentence and name nobody are not looked at here.
FAULTS = re.compile(r"[{}|\[\]]|'s's|’s’s|\b([a-z]+) \1\b|\bNone\b| ,| \.|\.\.|,,")


def requests() -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
    rng = Random(16)
    for brief, type_ in product(BRIEFS, TYPES):
        for _ in range(2):
            context = {
                "campaign_theme": brief[0],
                "setting": rng.choice(SETTINGS),
                "villain": rng.choice(VILLAINS),
                "party_level": rng.randint(1, 20),
                "party_size": rng.randint(1, 6),
            }
            theme = {"tone": rng.choice(("grim", "whimsical", "heroic", "horror"))}
            more = {"theme": theme, "model": {"seed": rng.randrange(10**6)}}
            yield brief, {"type": type_, "campaign_context": context} | more


async def test_the_brief_is_named_at_once_and_runs_through_the_whole_text() -> None:
    """160 of brief, type and seed."""
    for (brief, whole, word), raw in requests():
        done = await written(CAMPAIGN, raw)
        paragraphs = done.text.split("\n\n")
        assert whole.lower() in paragraphs[0].lower(), (brief, done.text)
        having = [p for p in paragraphs if word.lower() in p.lower()]
        assert len(having) >= len(paragraphs) / 2, (brief, done.text)


async def test_setting_and_villain_act_and_are_not_only_mentioned_as_given() -> None:
    for _, raw in requests():
        done = await written(CAMPAIGN, raw)
        told = " ".join(s for s in sentences(done.text) if not s.startswith(AS_GIVEN)).lower()
        context = raw["campaign_context"]
        for given in (context["setting"], context["villain"]):
            bare = given.lower().removeprefix("a ").removeprefix("the ")
            assert bare in told, (given, done.text)
        assert done.ignored == (), done.text


async def test_no_text_has_a_slot_a_doubled_word_or_a_sentence_twice() -> None:
    for _, raw in requests():
        text = (await written(CAMPAIGN, raw)).text
        assert not FAULTS.search(text), (FAULTS.search(text), text)
        said = sentences(text)
        assert len(said) == len({*said}), text


async def test_a_place_is_about_the_brief_and_has_all_that_a_table_needs() -> None:
    rng = Random(17)
    for (_, whole, _), place in product(BRIEFS, PLACES):
        context = {"campaign_theme": _brief(whole), "setting": rng.choice(SETTINGS)}
        raw = {"location_type": place, "context": context, "size": "small", "purpose": "trade"}
        done = await written(LOCATION, raw | {"model": {"seed": rng.randrange(10**6)}})
        draft = json.loads(done.text)
        assert whole.lower() in draft["description"].split("\n\n")[0].lower(), done.text
        assert "trade" in draft["description"]
        assert len(draft["points_of_interest"]) >= 2
        assert len(draft["occupants"]) >= 3
        assert len(draft["secrets"]) >= 2
        assert len(draft["hooks"]) == 2
        assert "difficulty" in " ".join(draft["points_of_interest"])
        assert not FAULTS.search(prose(done.text)), done.text


def _brief(whole: str) -> str:
    return next(brief for brief, each, _ in BRIEFS if each == whole)


@pytest.mark.parametrize("words", [80, 150, 400, 900, 1500])
async def test_an_asked_length_is_come_near_to_and_not_passed(words: int) -> None:
    for type_ in ("plot", "quest", "event"):
        context = {"campaign_theme": "slay the dragon", "word_count": words}
        raw = {"type": type_, "campaign_context": context, "model": {"max_tokens": 4000, "seed": 6}}
        done = await written(CAMPAIGN, raw)
        assert 0.6 * words <= len(done.text.split()) <= words, (type_, len(done.text.split()))


async def test_a_comedy_takes_another_course_than_a_horror() -> None:
    for brief, *_ in BRIEFS:
        context = {"campaign_theme": brief, "setting": "Waterford", "villain": "Mother Gristle"}
        told = []
        for tone in ("whimsical", "horror"):
            raw = {"type": "plot", "campaign_context": context, "theme": {"tone": tone}}
            text = (await written(CAMPAIGN, raw | {"model": {"seed": 4}})).text
            told.append({*sentences(text)})
        assert len(told[0] - told[1]) >= 3


async def test_a_long_brief_is_quoted_where_it_holds_together() -> None:
    brief = "The mayor sold the river to three buyers, and all of them have come to collect it."
    context = {"campaign_theme": brief, "setting": "Waterford"}
    raw = {"type": "plot", "campaign_context": context, "model": {"seed": 3}}
    done = await written(CAMPAIGN, raw)
    assert brief in done.text
    assert done.ignored == ()


def test_every_line_of_every_conflict_finds_words_for_its_slots() -> None:
    context = {"campaign_type": "sandbox", "duration": "two nights", "conflict": "two heirs",
               "item": "a lamp", "heroes": "Ulf, Ilse", "party_level": 3}  # fmt: skip
    for kind, name in affairs():
        table = PACKS.affair(name)
        conflict = Conflict(PACKS, Asked(context=context), Theme(), Random(1))
        conflict.kinds[0] = kind
        conflict.begin(0)
        conflict.facts.words |= dict.fromkeys(
            ("stat", "thread", "said", "size_kind", "features", *SIZES, *USES), "x"
        )
        conflict.facts.words["place"] = "x"
        conflict.facts.free |= PACKS.places["part"] | PACKS.place("town")["part"]
        conflict.facts.free |= {name: PACKS.places["text"][name] for name in DETAILS}
        parts = [PACKS.place(place)["part"] for place in PLACES]
        more = [PACKS.campaigns["line"], PACKS.places["text"], *map(PACKS.place, PLACES), *parts]
        for texts in (v for each in (table, *more) for k, v in each.items() if k not in NO_LINES):
            for text in texts if isinstance(texts, list) else ():
                untold = [s for s in line(text).slots if not conflict.facts.tells(*s)]
                assert not untold, (name, text)


SIZES = ("size", "size_rooms", "size_measure")
USES = ("purpose", "purpose_to", "purpose_as", "purpose_for")
NO_LINES = ("names", "grounds")


def affairs() -> list[tuple[str, str]]:
    """All of them, each behind its kind."""
    kinds = PACKS.conflicts["conflict"].items()
    return [(kind, name) for kind, table in kinds for name in table["affairs"]]


def test_each_file_is_the_affair_of_one_kind() -> None:
    names = [name for _, name in affairs()]
    assert sorted(names) == sorted(path.stem for path in AFFAIRS.glob("*.toml"))


def steps(*plans: list[list[str]]) -> set[str]:
    return {
        name
        for plan in plans
        for paragraph in plan
        for step in paragraph
        for name in step.strip("-:").partition("@")[0].split("|")
    }


def test_an_affair_has_words_for_every_step_of_the_plans() -> None:
    """What goes on beside another one has them in the plainest text."""
    beside = steps(PACKS.campaigns["threads"]["beside"])
    located = (*PACKS.places["description"], *PACKS.places["sheet"].values())
    all_steps = steps(*PACKS.campaigns["plan"].values(), *located) | beside
    places = {**PACKS.places["text"], **PACKS.place("town")}
    general = {**places, **PACKS.campaigns["line"], "stat": []}  # only a creature has numbers
    for _, name in affairs():
        table = PACKS.affair(name)
        plain = {step for step, texts in table.items() if any(map(_plain, texts))}
        assert all_steps - general.keys() <= table.keys() <= all_steps, name
        assert beside - general.keys() <= plain, (name, beside - general.keys() - plain)


def _plain(text: str) -> bool:
    return not line(text).needs and "{company}" not in text


def test_what_a_line_needs_some_line_before_it_gives() -> None:
    """A pay-off without a set-up would never be told."""
    for _, name in affairs():
        lines = [line(text) for texts in PACKS.affair(name).values() for text in texts]
        given = {tag for each in lines for tag in each.gives} | {"comic", "dark"}
        assert {tag for each in lines for tag in each.needs} <= given, name


@pytest.mark.parametrize(
    ("brief", "kind", "first", "again"),
    [
        ("slay the dragon", "slay", "the dragon", "the dragon"),
        ("steal the Duke's seal", "steal", "the Duke's seal", "the seal"),
        ("a war between two guilds", "feud", "a war between two guilds", "the war"),
        ("undead uprising", "dead", "a undead uprising", "the uprising"),
        ("goblins on the toll road", "raid", "goblins on the toll road", "the goblins"),
        ("a missing prince", "rescue", "a missing prince", "the prince"),
        ("the lost city", "trouble", "the lost city", "the city"),
        ("two heirs and one crown", "trouble", "two heirs and one crown", "the heirs"),
    ],
)
def test_a_brief_is_read_for_what_it_is_about(
    brief: str, kind: str, first: str, again: str
) -> None:
    found = read(PACKS, brief)
    assert found.entity is not None
    assert (found.kind, found.entity.first, found.entity.again) == (kind, first, again)


def test_monsters_are_counted_in_their_own_plural() -> None:
    for name, wanted in (
        ("swarm of rats", "swarms of rats"), ("dire wolf", "dire wolves"), ("mummy", "mummies"),
        ("merfolk", "merfolk"), ("vampire spawn", "vampire spawn"), ("lich", "liches"),
    ):  # fmt: skip
        assert several(name) == wanted
    assert {*PACKS.campaigns["hired"]["names"]} <= {m.name for m in monsters(0, 30)}
