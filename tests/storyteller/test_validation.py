"""The rules of validation: they look at the text, quote it, and say what they cannot judge."""

from __future__ import annotations

from typing import Any

import pytest

from app.llm.completion import CompletionRequest
from app.operations.validation import Severity, ValidationDraft, WrittenResult
from app.storyteller.storyteller import Storyteller
from tests.storyteller import labelled
from tests.storyteller.measured import misjudged, verdict
from tests.support.operations import VALIDATION

STORYTELLER = Storyteller()

GOOD = (
    "Maren crossed the square before the bells had finished. Snow lay along the gutters, and a "
    "boy sold chestnuts from a bucket. She bought two, kept one for the ferryman, and asked him "
    "where the smith had gone. He pointed with his chin at the river. Nothing else was said, but "
    "her hand went to the knife, and the boy moved his bucket out of the way."
)
HORROR = "The ghoul dragged its corpse from the grave; blood and rotting flesh filled the crypt."
COMEDY = "Everyone laughed as the goose stole the trousers, a ridiculous joke with pie and cheese."


async def judged(content: str, *rules: dict[str, Any], **more: Any) -> ValidationDraft:
    raw = {"content": content, "content_type": "story", "rules": list(rules), **more}
    request = VALIDATION.read(raw)
    done = await STORYTELLER.write(
        CompletionRequest(VALIDATION, request, VALIDATION.prompt(request))
    )
    return VALIDATION.check(request, done.text)


async def one(content: str, category: str, *, context: Any = None, theme: Any = None,
              **parameters: Any) -> WrittenResult:  # fmt: skip
    rule = {"category": category, "name": "the rule", "parameters": parameters}
    return (await judged(content, rule, context=context, theme=theme)).results[0]


def said(result: WrittenResult) -> str:
    return " ".join(issue.message for issue in result.issues)


@pytest.mark.parametrize("category", ["quality", "consistency"])
async def test_a_sound_text_passes(category: str) -> None:
    result = await one(GOOD, category)
    assert result.judged
    assert result.passed
    assert result.score == 1
    assert all(issue.severity is Severity.INFO for issue in result.issues)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"min_words": 500}, "fewer than the 500"),
        ({"max_words": "10"}, "more than the 10"),
        ({"min_length": 5000}, "characters"),
        ({"max_length": 20}, "characters"),
        ({"required": ["dragon"]}, "“dragon” is required"),
        ({"must_include": "knife, dragon"}, "“dragon” is required"),
        ({"forbidden": ["knife"]}, "“knife” is forbidden"),
        ({"must_not_include": "smith"}, "“smith” is forbidden"),
    ],
)
@pytest.mark.parametrize("category", ["custom", "quality"])
async def test_measurable_parameters_are_measured(
    category: str, parameters: dict[str, Any], told: str
) -> None:
    result = await one(GOOD, category, **parameters)
    assert not result.passed
    assert told in said(result)
    assert result.score <= 0.5
    assert all(issue.suggestions for issue in result.issues)


async def test_kept_parameters_pass() -> None:
    result = await one(GOOD, "quality", min_words=20, max_words=200, required=["knife"],
                       forbidden=["dragon", "kni"])  # fmt: skip
    assert result.passed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Maren left. " + GOOD + " " + GOOD, "A sentence stands 2 times"),
        (GOOD + " Lorem ipsum dolor.", "Unfinished text"),
        (GOOD + " She met [insert name here] too.", "unfilled slot"),
        (GOOD.replace("the square", "the the square"), "twice running"),
        (GOOD + " RUN AWAY FROM HERE NOW, she cried.", "capitals"),
        (GOOD + " And then", "does not end"),
        ("He ran.", "only 2 words"),
        ("It was " + "a long and winding road and " * 12 + "it ended.", "A sentence has"),
        (
            "She sat. She ate. She slept. She woke. The end of that day was not yet in sight.",
            "begin",
        ),
        ("the grey dog saw the grey dog and the other " * 12 + ".", "of the words differ"),
    ],
)
async def test_quality_sees(text: str, told: str) -> None:
    result = await one(text, "quality")
    assert told in said(result)
    assert result.score < 1


async def test_issues_quote_the_text_and_help() -> None:
    text = GOOD + " She met {villain} there. She rolled a d7, being 25th level."
    for category in ("quality", "rules"):
        for issue in (await one(text, category)).issues:
            assert issue.location
            assert issue.location in text
            assert issue.suggestions


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A level 25 wizard came.", "no level 25"),
        ("She is a 21st-level monk.", "no level 21"),
        ("He cast a 10th-level spell.", "no spells of level 10"),
        ("Roll a d7 for damage.", "no d7"),
        ("It deals 3d13 damage.", "no d13"),
        ("The barbarian, raging, casts fireball.", "cannot cast"),
        ("The wizard used sneak attack.", "feature of the rogue"),
        ("The rogue used divine smite at once.", "feature of the paladin"),
        ("Her strength of 45 broke it.", "above 30"),
        ("A 3rd-level wizard threw a fireball.", "comes at level 5"),
    ],
)
async def test_rules_sees(text: str, told: str) -> None:
    result = await one(text, "rules")
    assert told in said(result), said(result)


@pytest.mark.parametrize(
    "text",
    [
        "The rogue, a 5th-level one, used sneak attack for 3d6 and rolled a d20.",
        "The wizard cast a 9th-level spell.",
        "The barbarian, raging, cannot cast spells.",
        "A paladin's divine smite and a druid's wild shape at 20th level.",
    ],
)
async def test_rules_leaves_sound_mechanics_alone(text: str) -> None:
    result = await one(text, "rules")
    assert result.passed
    assert not result.issues


async def test_a_feature_is_held_against_the_context() -> None:
    context = {"character_class": "Wizard"}
    result = await one("She used her second wind and fought on.", "rules", context=context)
    assert "feature of the fighter, not of the wizard" in said(result)


@pytest.mark.parametrize(
    ("text", "context", "told"),
    [
        ("The old rogue smiled.", {"character_class": "wizard"}, "class is wizard"),
        ("The dwarf smiled.", {"character_race": "Half-Elf"}, "race is half-elf"),
        ("A level 5 hero.", {"level": 9}, "level is 9"),
        ("Brenna ran. Then Brenna and Brena ran on.", {}, "misspelling of “Brenna”"),
        ("I was cold. I was late. My hand shook. He was there. She had gone.", {}, "person"),
        ("She was cold. He had left. She stood up. She looked. He is late. She goes.", {}, "tense"),
    ],
)
async def test_consistency_sees(text: str, context: dict[str, Any], told: str) -> None:
    result = await one(text, "consistency", context=context)
    assert told in said(result), said(result)


async def test_consistency_accepts_what_agrees() -> None:
    context = {"character_class": "Wizard", "character_race": "elf", "level": 5}
    text = "The elf wizard met a rogue and a dwarf at level 5. “I am late,” she said, and she was."
    assert not (await one(text, "consistency", context=context)).issues


async def test_a_theme_rule_holds_the_text_against_the_theme() -> None:
    assert (await one(HORROR, "theme", theme={"tone": "horror"})).passed
    wrong = await one(HORROR, "theme", theme={"tone": "light-hearted", "genre": "comedy"})
    assert not wrong.passed
    assert "horror" in said(wrong)
    assert wrong.issues[0].location
    assert (await one(COMEDY, "theme", theme={"tone": "funny"})).passed
    assert not (await one(COMEDY, "quality", tone="terrifying")).passed


def unjudged(result: WrittenResult) -> bool:
    return (result.judged, result.passed, result.score) == (False, None, None)


@pytest.mark.parametrize(
    ("text", "category"), [(HORROR, "theme"), (GOOD, "rules"), (GOOD, "custom")]
)
async def test_what_is_not_judged_has_neither_verdict_nor_score(text: str, category: str) -> None:
    result = await one(text, category)
    assert unjudged(result)
    assert {i.severity for i in result.issues} == {Severity.INFO}


async def test_a_theme_that_is_not_known_is_not_judged() -> None:
    assert unjudged(await one(HORROR, "theme", theme={"tone": "qwertyish"}))
    spanish = "Los soldados volvieron al amanecer con las manos vacías, y nadie preguntó por nada."
    assert unjudged(await one(spanish, "theme", theme={"tone": "horror"}))


async def test_a_rule_of_a_meaning_that_is_not_judged_says_so() -> None:
    rule = {
        "category": "custom",
        "name": "Kindness",
        "description": "Maren must show mercy to the smith",
        "parameters": {"weight": 3},
    }
    result = (await judged(GOOD, rule)).results[0]
    assert unjudged(result)
    assert "was not judged" in said(result)
    assert "maren" in said(result)
    assert "`weight`" in said(result)


async def test_only_judged_rules_count() -> None:
    rules = [{"category": "custom", "name": "Kindness"}, {"category": "quality", "name": "q"}]
    request = VALIDATION.read({"content": GOOD, "content_type": "story", "rules": rules})
    answer = VALIDATION.answer(request, await judged(GOOD, *rules))
    assert answer["passed"]
    assert answer["overall_score"] == 1
    assert [r["judged"] for r in answer["results"]] == [False, True]
    alone = VALIDATION.answer(
        VALIDATION.read({"content": GOOD, "content_type": "story", "rules": rules[:1]}),
        await judged(GOOD, rules[0]),
    )
    assert (alone["passed"], alone["overall_score"]) == (True, 0)


async def test_results_stand_in_the_order_of_the_rules() -> None:
    rules = [
        {"category": "rules", "name": "r"},
        {"category": "quality", "name": "q", "parameters": {"max_words": 3}},
        {"category": "rules", "name": "again"},
    ]
    draft = await judged("The wizard rolled a d7 and lost it all.", *rules)
    assert [(r.number, r.passed) for r in draft.results] == [(1, False), (2, False), (3, False)]
    assert draft.summary.startswith("The text keeps none of the rules. Foremost: There is no d7")


async def test_a_flood_of_faults_is_bounded() -> None:
    text = " ".join(f"Level {n} it was." for n in range(21, 900))
    result = await one(text, "rules")
    assert len(result.issues) <= 12


CASES = labelled.cases()


def test_the_cases_are_many_and_half_of_them_good() -> None:
    good = sum(case["passes"] for case in CASES)
    assert len(CASES) >= 60
    assert abs(2 * good - len(CASES)) <= 2


def test_verdicts_are_those_of_a_careful_reader() -> None:
    assert 1 - len(list(misjudged())) / len(CASES) >= 0.85


@pytest.mark.parametrize("case", [c for c in CASES if c["passes"]], ids=lambda c: c["what"])
def test_no_good_text_fails(case: dict[str, Any]) -> None:
    found = verdict(case)
    assert found.passed is not False, said(found)
