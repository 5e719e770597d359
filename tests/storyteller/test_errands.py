"""A story is about what was asked for: the errand, where it is, and who is against it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import product
from random import Random
from typing import Any

import pytest

from app.operations.fields import Theme
from app.storyteller.asked import Asked
from app.storyteller.errand import errand
from app.storyteller.lengths import MARKS
from app.storyteller.lines import line
from app.storyteller.packs import Packs
from app.storyteller.scenario import laid
from app.storyteller.tale import Tale
from tests.support.careful_reader import faults
from tests.support.operations import STORY
from tests.support.storyteller_requests import written

PACKS = Packs()
ELEMENTS = ("plot", "quest", "scene", "dialogue", "description", "event")
# A caller's words, with those of them that must be met again and again.
BRIEFS = {
    "escort a bishop through the marsh": ("bishop", "marsh"),
    "a king's deathbed": ("king", "deathbed"),
    "undead uprising": ("undead", "uprising"),
    "steal the Duke's seal": ("seal",),
    "a thief bargains with the abbot": ("thief", "abbot"),
    "a plague of rats": ("plague", "rats"),
    "a war between two guilds": ("war", "guilds"),
    "slay the dragon of Cold Ferry": ("dragon", "Cold Ferry"),
    "rescue the miller's daughter": ("daughter",),
    "a wedding that must not happen": ("wedding",),
    "goblins on the toll road": ("goblins", "toll road"),
    "the fall of Eldoria": ("Eldoria",),
    "a haunted coast": ("coast",),
    "a drowned crown": ("crown",),
    "revenge": ("revenge",),
    "political intrigue": ("intrigue",),
    "a plague nobody admits to": ("plague",),
    "solve the murder of the abbess": ("murder",),
}  # fmt: skip
SETTINGS = ("a border keep", "the harbour of Saltmere", "Waterford")
VILLAINS = ("the Raven King", "Mother Gristle", "the wolves of the fell")


def content(text: str) -> str:
    return str(json.loads(text)["content"])


def cases(number: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """So many briefs with a type and a seed, each pair of brief and type once before any twice."""
    pairs = list(product(BRIEFS, ELEMENTS))
    rng = Random(16)
    for seed in range(number):
        brief, element = pairs[seed % len(pairs)]
        context = {"campaign_theme": brief, "villain": rng.choice(VILLAINS)}
        context["setting"] = rng.choice(SETTINGS)
        yield brief, element, {
            "element_type": element, "context": context, "model": {"seed": seed},
        }  # fmt: skip


async def test_the_nouns_of_the_errand_stand_in_the_first_paragraph_and_in_half_of_all() -> None:
    for brief, _, raw in cases(200):
        text = content((await written(STORY, raw)).text)
        first, *_ = paragraphs = text.split("\n\n")
        for noun in BRIEFS[brief]:
            assert noun.lower() in first.lower(), (noun, raw, text)
        bodies = [any(n.lower() in p.lower() for n in BRIEFS[brief]) for p in paragraphs]
        assert sum(bodies) * 2 >= len(bodies), (raw, text)


async def test_setting_and_villain_are_in_the_action_and_nothing_is_kept_as_given() -> None:
    for _, _, raw in cases(200):
        done = await written(STORY, raw)
        text = content(done.text)
        setting = re.sub(r"^an? ", "the ", raw["context"]["setting"])
        assert setting.lower() in text.lower(), (raw, text)
        assert raw["context"]["villain"].lower() in text.lower(), (raw, text)
        assert not re.search(r"\bas given|Fixed points|Settled beforehand|Not to be", text), text
        assert done.ignored == ()


async def test_no_sentence_has_a_fault_or_stands_twice() -> None:
    for _, _, raw in cases(200):
        text = content((await written(STORY, raw)).text)
        marks = [f for f in faults(text) if not f.startswith("small start")]
        assert not marks, f"{marks}\n{raw}\n{text}"
        assert "s's" not in text, text


@pytest.mark.parametrize(
    ("said", "kind", "part", "wanted"),
    [("escort a bishop through the marsh", "escort", "goal", "escort the bishop through the marsh"),
     ("escort a bishop through the marsh", "escort", "where", "the marsh"),
     ("Rescuing the miller's daughter", "find", "goal", "rescue the miller's daughter"),
     ("a king's deathbed", "death", "whom", "the king"),
     ("a king's deathbed", "death", "short", "the king's deathbed"),
     ("a peace treaty between two villages", "bargain", "sort", ""),
     ("undead uprising", "undead", "matter", "the undead uprising"),
     ("undead uprising", "undead", "short", "the uprising"),
     ("a plague of rats", "swarm", "whom", "the rats"),
     ("a plague nobody admits to", "plague", "short", "the plague"),
     ("revenge", "revenge", "matter", "revenge"),
     ("a thief bargains with the abbot", "bargain", "who", "thief"),
     ("a thief bargains with the abbot", "bargain", "whom", "the abbot"),
     ("slay the dragon of Cold Ferry", "slay", "whom", "the dragon"),
     ("slay the dragon of Cold Ferry", "slay", "where", "Cold Ferry")],
)  # fmt: skip
def test_a_few_words_say_what_is_to_be_done_or_what_happens(
    said: str, kind: str, part: str, wanted: str
) -> None:
    found = errand("campaign_theme", said, PACKS.kinds["kind"], PACKS.nouns)
    assert (found.kind, getattr(found, part)) == (kind, wanted)


@pytest.mark.parametrize(
    ("said", "victim"),
    [("the murder of the king", "the king"),
     ("the king's murder", "the king"),
     ("solve the murder of the abbess", "the abbess"),
     ("the trial of the duke", "the archivist")],
)  # fmt: skip
def test_whoever_the_caller_says_was_murdered(said: str, victim: str) -> None:
    tale = Tale(PACKS, Asked(context={"campaign_theme": said}), Theme(), Random(1), [])
    laid(tale, PACKS, Random(1))
    assert tale.facts.cast["victim"].first == victim


def test_every_case_has_all_steps_and_words_for_its_slots() -> None:
    steps = {
        step.strip(MARKS).partition("@")[0]
        for name, plan in PACKS.stories["plan"].items()
        for paragraph in plan
        for step in paragraph
        if name != "more"
    }
    general = PACKS.stories["line"].keys() | PACKS.turns["line"].keys()
    for kind, case in [(k, case) for k in PACKS.kinds["kind"] for case in PACKS.cases(k)]:
        assert not steps - general - case.keys(), (kind, steps - general - case.keys())
        asked = Asked(context={})
        tale = Tale(PACKS, asked, Theme(), Random(1), [])
        packs = _Only(kind, case)
        laid(tale, packs, Random(1))  # type: ignore[arg-type]  # packs of one case
        untold = {
            slot
            for name, texts in case.items()
            if isinstance(texts, list) and (name in steps or name.startswith("v_"))
            for text in texts
            for slot in line(text).slots
            if not tale.facts.tells(*slot)
        }
        assert not untold, (kind, untold)


class _Only:
    """The grammars, with one case and its kind."""

    def __init__(self, kind: str, case: Mapping[str, Any]) -> None:
        self.same, self.titles, self._case = PACKS.same, PACKS.titles, case
        self.kinds = {"kind": {kind: PACKS.kinds["kind"][kind]}, "by_sort": PACKS.kinds["by_sort"]}

    def cases(self, _: str) -> list[Mapping[str, Any]]:
        return [self._case]

    def __getattr__(self, name: str) -> Any:
        return getattr(PACKS, name)
