"""The plan of a text: nothing is told that was not set up, and every set-up pays."""

from __future__ import annotations

import re
from random import Random

import pytest

from app.storyteller.agreement import plural
from app.storyteller.facts import Entity, Facts
from app.storyteller.grammar import Unit
from app.storyteller.lengths import Length, Step, asked, fitted
from app.storyteller.lines import line
from app.storyteller.packs import Packs
from app.storyteller.planner import Planner
from app.storyteller.prose import kept, kept_text
from app.storyteller.telling import Telling

PACKS = Packs()
SECOND = re.compile(
    r"(?:\A|[.!?] )(\{(?:enemy|obj|m)\} (?:(?!that|wh|how|if)[a-z]+ )*[a-z]+, "
    r"and (?!as\b)([a-z]+s)\b)"
)


def planned(facts: Facts, seed: int, **pools: list[str]) -> list[str]:
    read = {name: [line(text) for text in texts] for name, texts in pools.items()}
    found = Planner(facts, read.__getitem__, Random(seed)).plan(list(pools))
    return [one.text if one else "" for one in found]


def test_a_header_says_what_a_line_needs_and_what_it_pays() -> None:
    found = line("[?night !comic +letter -debt =met] {giver.habit} at {town}.")
    marks = [*found.needs, *found.bars, *found.gives, *found.opens, *found.pays]
    assert marks == ["night", "comic", "met", "letter", "debt"]
    assert found.text == "{giver.habit} at {town}."
    assert found.slots == (("giver", "habit"), ("town", ""))
    with pytest.raises(ValueError, match="no mark"):
        line("[night] It is late.")


def test_what_is_set_up_is_paid_and_nothing_is_paid_that_was_not() -> None:
    pools = {
        "one": ["[+letter] A letter came.", "Nothing came."],
        "two": ["It rained.", "It snowed."],
        "three": ["[-letter] The letter was read.", "It was late."],
    }
    for seed in range(40):
        said = planned(Facts(), seed, **pools)
        assert ("A letter came." in said) == ("The letter was read." in said), said


def test_a_set_up_that_no_later_step_can_pay_is_not_taken() -> None:
    for seed in range(20):
        assert planned(Facts(), seed, one=["[+x] A.", "B."], two=["C."]) == ["B.", "C."]


def test_no_clause_is_told_twice_and_a_line_without_words_is_not_taken() -> None:
    facts = Facts()
    facts.add("giver", Entity("Ilse Vane", "Ilse", "she", {"habit": ["hums"]}))
    said = planned(facts, 1, one=["{giver} {giver.habit}."], two=["{giver.habit}.", "{rival}."])
    assert said == ["{giver} {giver.habit}.", ""]


def test_who_comes_in_is_introduced_once() -> None:
    facts = Facts()
    facts.add("giver", Entity("the reeve Ilse Vane", "Ilse", "she"))
    telling = Telling(facts, Random(1))
    assert (
        telling.tell("{giver} waits for {giver.their} boat.")
        == "The reeve Ilse Vane waits for her boat."
    )
    assert telling.tell("so {giver} waits.") == "So Ilse waits."


@pytest.mark.parametrize(
    ("pronoun", "template", "wanted"),
    [
        ("they", "{x.they} never wants it, and count{x.s} it.",
         "They never want it, and count it."),
        ("they", "{x} wants it.", "Gorm wants it."),
        ("many", "{x} watches the road.", "Gorm watch the road."),
        ("many", "a gift to {x} is lost.", "A gift to Gorm is lost."),
        ("she", "{x.they} has gone.", "She has gone."),
        ("many", "{x} knows too, and offers more.", "Gorm know too, and offer more."),
        ("many", "{x} unties it, folds it, and then goes.", "Gorm untie it, fold it, and then go."),
        ("she", "{x} unties it, folds it, and then goes.",
         "Gorm unties it, folds it, and then goes."),
        ("they", "{x.they} came home and wants it back.", "They came home and want it back."),
        ("they", "{x} came home, and wants it back.", "Gorm came home, and wants it back."),
        ("many", "It is {x}, who sells fish, and nobody asks.",
         "It is Gorm, who sell fish, and nobody asks."),
        ("many", "rain falls, and {x} is out in it.", "Rain falls, and Gorm are out in it."),
        ("many", "nobody asks what {x} wants, and so does {x}.",
         "Nobody asks what Gorm want, and so do Gorm."),
        ("many", "{x} has a dog, and the boy feeds it and weeps.",
         "Gorm have a dog, and the boy feeds it and weeps."),
        ("many", "if {x} knows what is in it, {x} pays, and smiles.",
         "If Gorm know what is in it, Gorm pay, and smile."),
        ("many", "the way to {x} is long, and leads past {x}.",
         "The way to Gorm is long, and leads past Gorm."),
        ("many", "{x} stays out (Stealth, DC 12), and watches the gates.",
         "Gorm stay out (Stealth, DC 12), and watch the gates."),
        ("many", "{x}'s clerk lies, and keeps the books.",
         "Gorm's clerk lies, and keeps the books."),
        ("many", "{x} has bread and names of all, and names three.",
         "Gorm have bread and names of all, and name three."),
    ],
)  # fmt: skip
def test_verbs_agree_with_the_subject(pronoun: str, template: str, wanted: str) -> None:
    facts = Facts()
    facts.add("x", Entity("Gorm", "Gorm", pronoun))
    assert Telling(facts, Random(1)).tell(template) == wanted


def test_in_every_case_a_second_verb_agrees_with_its_subject() -> None:
    """A plain sentence of each affair, `{enemy} pays, and sits down`, whose subject is several."""
    found = [
        (said, verb)
        for kind in PACKS.kinds["kind"]
        for case in PACKS.cases(kind)
        for texts in case.values()
        if isinstance(texts, list)
        for text in texts
        for said, verb in SECOND.findall(text)
    ]
    assert len(found) > 20
    for said, verb in found:
        facts = Facts()
        for name in ("enemy", "obj", "m"):
            facts.add(name, Entity("the hounds", "the hounds", "many"))
        told = Telling(facts, Random(1)).tell(said)
        assert told.endswith(f"and {plural(verb)}"), (said, told)


@pytest.mark.parametrize(
    ("verb", "wanted"),
    [("carries", "carry"), ("watches", "watch"), ("goes", "go"), ("is", "are"), ("by", "by"),
     ("lives", "live"), ("was", "were"), ("took", "took"), ("passes", "pass"),
     ("unties", "untie"), ("doesn't", "don't")],
)  # fmt: skip
def test_the_plural_of_a_verb(verb: str, wanted: str) -> None:
    assert plural(verb) == wanted


def test_a_text_is_cut_at_a_sentence_where_one_fits_and_else_at_a_word() -> None:
    units = [Unit("", "It rains. He waits."), Unit(" ", "It stops at last.")]
    assert kept(units, 100) == ("It rains. He waits. It stops at last.", False)
    assert kept(units, 8) == ("It rains. He waits.", True)
    assert kept(units, 4) == ("It rains.", True)
    assert kept_text("Rain stands in the street.", 1) == ("Rain", True)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [("length", "in 100 words", 100), ("style", "about 1,200 words", 1200),
     ("length", "short", 100), ("duration", "six sessions", 200), ("max_words", 80, 80),
     ("notes", "at most 60-70 words", 70),
     ("length", "9000 words", 1500), ("length", "long", 440), ("name", "Two Words", 200)],
)  # fmt: skip
def test_the_asked_length_is_read_from_what_the_caller_said(
    key: str, value: str | int, words: int
) -> None:
    assert asked([(key, value)], 200).words == words


def test_as_many_steps_are_told_as_the_length_holds() -> None:
    class Text:
        def __init__(self, steps: list[Step]) -> None:
            self.words = 10 * len(steps)

    plan = [Step(str(n), n % 3, "", 0) for n in range(30)]
    for wanted in (100, 155, 290):
        told = fitted(plan, Length(wanted, exact=True), lambda steps: Text(list(steps)))
        assert wanted - 10 < told.words <= wanted
