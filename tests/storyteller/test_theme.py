"""The word-list analysis: texts come out as what they are, and say by which words."""

from __future__ import annotations

from typing import Any

import pytest

from app.llm.completion import CompletionRequest
from app.operations.theme import ThemeDraft, ThemeElement
from app.storyteller.storyteller import Storyteller
from app.storyteller.wordlists import stem
from tests.support.operations import THEME

STORYTELLER = Storyteller()

SAMPLES = {
    "horror": "The corpse on the cellar steps had no eyes. Something gnawed in the dark behind the "
    "wall, and the stench of rotting flesh rose from the open grave. She heard the ghoul scream, "
    "and in terror she felt cold claws close about her throat. Blood ran between the bones.",
    "comedy": "The goose stole the mayor's trousers, and everyone laughed. Sir Bertram slipped on "
    "a pie, giggled, and blamed the ridiculous clown. “Oops,” said the jester, with a sausage in "
    "his hat. The joke was on the cheese, and the crowd chuckled and guffawed.",
    "mystery": "The detective found a clue beneath the locked desk: a letter, half hidden, in a "
    "stranger's hand. Every suspect had an alibi. Who had the motive? She would question each "
    "witness again, until the secret of the missing key came out and the culprit was revealed.",
    "heroic": "The knight raised her banner and stood before the gate. By her oath she would "
    "defend the innocent with shield and courage. The people cheered their champion; with honor "
    "and hope the brave paladin charged, and victory was theirs.",
    "adventure": "With a torn map and a compass the explorers sailed for the uncharted island. "
    "They climbed the cliff by rope, escaped the trap in the temple ruins and leapt across the "
    "river. The expedition's treasure lay beyond the jungle, and the chase was on.",
    "epic": "The prophecy foretold the fall of the empire. Titans marched, armies without number "
    "filled the battlefield, and the gods themselves fought for the throne. It was destiny: the "
    "chosen queen would rise, and the world would end in a legendary age of thunder.",
    "drama": "Her mother wept, and could not forgive him. The betrayal had broken the family; "
    "grief and regret filled the silence. “I loved you,” her brother said in tears, ashamed of his "
    "jealous heart. The promise of the wedding was a memory, and the apology came too late.",
    "dark": "The plague had made the lords cruel. Slaves hung from the gallows in the bitter ash, "
    "and famine did the rest. There was no hope in that bleak and merciless war, only vengeance, "
    "torture and despair. The corrupt grew fat while the poor starved.",
    "fantasy": "The elven wizard spoke a spell, and the enchanted crystal glowed. A unicorn stood "
    "in the fairy grove. With his wand and a rune of arcane magic the sorcerer opened the dwarven "
    "door, and a pixie laughed at his familiar.",
}  # fmt: skip
OPPOSITES = [("horror", "light-hearted comedy"), ("comedy", "grim horror"), ("dark", "comedy")]
PLAIN = "The committee met on Tuesday and approved the minutes of the previous meeting."


async def analysed(content: str, **more: Any) -> ThemeDraft:
    request = THEME.read({"content": content, **more})
    done = await STORYTELLER.write(CompletionRequest(THEME, request, THEME.prompt(request)))
    return THEME.check(request, done.text)


@pytest.mark.parametrize("category", SAMPLES)
async def test_each_sample_comes_out_as_what_it_is(category: str) -> None:
    draft = await analysed(SAMPLES[category])
    assert draft.primary_category == category
    assert draft.category_confidence > 0.4
    assert "“" in draft.summary


@pytest.mark.parametrize("category", SAMPLES)
async def test_a_text_fits_its_own_theme(category: str) -> None:
    draft = await analysed(SAMPLES[category], target_theme={"tone": category})
    assert draft.compatibility
    assert draft.compatibility.score > 0.7
    assert not draft.compatibility.conflicts


@pytest.mark.parametrize(("category", "opposite"), OPPOSITES)
async def test_a_text_does_not_fit_the_opposite_theme(category: str, opposite: str) -> None:
    text = SAMPLES[category]
    draft = await analysed(text, target_theme={"tone": opposite}, current_theme={"tone": category})
    found = draft.compatibility
    assert found
    assert found.score < 0.35
    assert any(_quotes(text, conflict) for conflict in found.conflicts)
    assert any(_quotes(text, step) for step in found.transition_steps)
    assert len(found.enhancements) >= 2


def _quotes(text: str, said: str) -> bool:
    """Every word that stands in quotation marks is a word of the text."""
    words = [part.split("”")[0] for part in said.split("“")[1:]]
    return bool(words) and all(word in text.lower() for word in words)


async def test_an_unknown_target_gets_no_verdict() -> None:
    draft = await analysed(SAMPLES["horror"], target_theme={"tone": "qwertyish"})
    assert draft.compatibility
    assert draft.compatibility.score == 0.5
    assert not draft.compatibility.conflicts


async def test_only_the_filtered_categories_are_answered() -> None:
    draft = await analysed(SAMPLES["horror"], category_filter=["comedy", "mystery"])
    assert draft.primary_category in ("comedy", "mystery")
    assert set(draft.secondary_categories) <= {"comedy", "mystery"}


async def test_elements_come_as_asked_and_quote_words_of_the_text() -> None:
    asked = ["setting", "tone", "conflict"]
    text = SAMPLES["horror"]
    draft = await analysed(text, elements=asked)
    assert [e.element for e in draft.elements] == asked
    for element in draft.elements:
        assert _quotes(text, element.description)
        assert element.suggestions


async def test_suggestions_name_a_place_in_the_text() -> None:
    text = "The hall was cold and the door stood open. " + "Nobody spoke of it afterwards. " * 3
    draft = await analysed(text, elements=["setting"])
    quoted = draft.elements[0].suggestions[0].split("“")[1].split("”")[0]
    assert quoted == "Nobody spoke of it afterwards."


async def test_without_evidence_nothing_is_claimed() -> None:
    rich, plain = await analysed(SAMPLES["horror"]), await analysed(PLAIN)
    assert plain.category_confidence < 0.2 < rich.category_confidence
    assert plain.overall_score < rich.overall_score
    empty = await analysed("1234 5678", elements=["symbolism"], target_theme={"tone": "dark"})
    assert empty.category_confidence <= 0.05
    assert "No word" in empty.elements[0].description
    assert "guess" in empty.summary
    assert empty.compatibility
    assert empty.compatibility.score == 0.5


async def test_an_element_scores_by_what_is_there() -> None:
    bare = await analysed(PLAIN, elements=["symbolism"])
    full = await analysed(
        "The raven dropped the ring on the throne of bone.", elements=["symbolism"]
    )
    assert full.elements[0].score > bare.elements[0].score + 0.3


async def test_every_element_has_its_word_list() -> None:
    draft = await analysed(SAMPLES["drama"])
    assert [e.element for e in draft.elements] == list(ThemeElement)


@pytest.mark.parametrize(
    ("forms", "one"),
    [(("screams", "screamed", "screaming", "scream"), "scream"), (("cried", "cries", "cry"), "cry"),
     (("tripped", "trips"), "trip"), (("haunted", "haunting"), "haunt"), (("ghoul's",), "ghoul")],
)  # fmt: skip
def test_the_forms_of_a_word_share_a_stem(forms: tuple[str, ...], one: str) -> None:
    assert {stem(form) for form in forms} == {one}
