"""The theme analysis: texts come out as what they are, and say by which words."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jsonschema_rs
import pytest

from app.llm.completion import CompletionRequest
from app.operations.theme import ThemeDraft, ThemeElement
from app.storyteller import classifier, concepts
from app.storyteller.inflection import bases
from app.storyteller.storyteller import Storyteller
from tests.storyteller import labelled
from tests.storyteller.measured import BUCKETS, blurbs_right, figures
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
    return bool(words) and all(word in text for word in words)


async def test_an_unknown_target_is_said_to_be_unknown_and_gets_no_score() -> None:
    draft = await analysed(SAMPLES["horror"], target_theme={"tone": "qwertyish"})
    assert draft.compatibility
    assert draft.compatibility.score is None
    assert "“qwertyish” is not known" in draft.compatibility.conflicts[0]


async def test_an_unknown_word_beside_a_known_one_is_left_out_and_named() -> None:
    target = {"tone": "qwertyish", "genre": "horror"}
    found = (await analysed(SAMPLES["horror"], target_theme=target)).compatibility
    assert found
    assert found.score
    assert found.score > 0.7
    assert "“qwertyish” is not known" in found.enhancements[0]


@pytest.mark.parametrize(
    ("tone", "category"),
    [("spine-chilling", "horror"), ("tongue-in-cheek", "comedy"), ("swashbuckling", "adventure"),
     ("elegiac", "drama"), ("whodunit", "mystery"), ("grimly", "dark"), ("stirring", "heroic"),
     ("larger-than-life", "epic"), ("whimsical", "fantasy")],
)  # fmt: skip
async def test_a_tone_is_known_by_its_synonyms(tone: str, category: str) -> None:
    wanted = STORYTELLER.packs.lists.wanted([tone])
    assert max(wanted, key=lambda c: wanted[c]) == category


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


async def test_an_element_quotes_the_clause_in_which_its_word_stands() -> None:
    text = "It was late, and she came to the old mill at dusk, alone, and knocked on nothing."
    (setting,) = (await analysed(text, elements=["setting"])).elements
    assert "“the old mill at dusk”" in setting.description


async def test_without_evidence_nothing_is_claimed() -> None:
    rich, plain = await analysed(SAMPLES["horror"]), await analysed(PLAIN)
    assert plain.primary_category == "undecided"
    assert not plain.secondary_categories
    assert plain.category_confidence <= 0.1 < rich.category_confidence
    assert plain.overall_score < rich.overall_score
    empty = await analysed("1234 5678", elements=["symbolism"], target_theme={"tone": "dark"})
    assert empty.primary_category == "undecided"
    assert "No word" in empty.elements[0].description
    assert "too short" in empty.summary
    assert empty.compatibility
    assert empty.compatibility.score is None


TRAPS = labelled.traps()


@pytest.mark.parametrize("trap", TRAPS, ids=[f"{t['what']} {n}" for n, t in enumerate(TRAPS)])
async def test_a_trap_is_not_stepped_into(trap: dict[str, Any]) -> None:
    found = (await analysed(trap["text"])).primary_category
    assert found not in trap.get("never", ())
    if trap.get("undecided"):
        assert found == "undecided"


def test_the_kept_aside_half_comes_out_right() -> None:
    found = figures(labelled.kept_aside())
    assert found.passages >= 75
    assert found.first >= 0.60
    assert found.first_two >= 0.80
    assert found.ordered >= 0.85
    assert found.undecided <= 0.15


def test_passages_that_nothing_was_tuned_on_come_out_too() -> None:
    found = figures(labelled.fresh())
    assert found.passages >= 40
    assert found.first >= 0.70
    assert found.first_two >= 0.80
    assert found.ordered >= 0.80
    assert found.undecided <= 0.15


def test_confidence_tells_right_answers_from_wrong_ones() -> None:
    right, wrong = figures(labelled.kept_aside()).sure
    assert right > wrong + 0.15


def test_confidence_is_no_more_than_is_right() -> None:
    """In each bucket the share that is right is at most a seventh below what was told."""
    claims = figures([*labelled.kept_aside(), *labelled.fresh()]).claims
    for low, high in pairwise(BUCKETS):
        here = [claim for claim in claims if low <= claim[0] < high]
        told, right = (sum(values) / len(here) for values in zip(*here, strict=True))
        assert right > told - 0.15


def test_ordinary_blurbs_come_out_as_a_careful_reader_would_have_them() -> None:
    right, undecided = blurbs_right()
    assert right >= 0.70
    assert undecided <= 0.15


async def test_every_answer_keeps_the_bounds_that_clients_are_told() -> None:
    bounds = jsonschema_rs.validator_for(ThemeDraft.model_json_schema())
    targets = [
        {"tone": "heroic comedy", "genre": "gothic", "additional": "of xyzzy"},
        {"tone": "dark"},
    ]
    for n, passage in enumerate(labelled.passages()):
        found = await analysed(passage.text, target_theme=targets[n % 2])
        bounds.validate(found.model_dump(mode="json"))


def test_every_concept_has_its_trained_weights() -> None:
    assert set(concepts.table()) <= set(classifier.trained())


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
    [("screams screamed screaming scream", "scream"), ("cried cries crying", "cry"),
     ("tripped trips tripping", "trip"), ("hoped hoping", "hope"), ("knives", "knife"),
     ("ghoul's ghouls", "ghoul"), ("wolves", "wolf"), ("wandered", "wander"), ("fled", "flee"),
     ("witches", "witch"), ("dies dying", "die"), ("swore sworn", "swear")],
)  # fmt: skip
def test_inflections_are_known_as_their_word(forms: str, one: str) -> None:
    assert all(one in bases(form) for form in forms.split())


@pytest.mark.parametrize(
    ("word", "other"),
    [("rune", "run"), ("army", "arm"), ("fairy", "fair"), ("party", "part"), ("caring", "car"),
     ("hoping", "hop"), ("king", "k"), ("string", "str"), ("needed", "ne"), ("princess", "princes"),
     ("staring", "star"), ("planes", "plan"), ("armies", "arm"), ("fairies", "fair")],
)  # fmt: skip
def test_look_alikes_are_no_inflections(word: str, other: str) -> None:
    assert other not in bases(word)


@pytest.mark.parametrize(
    "text",
    ["There was no corpse.", "Without a corpse", "It wasn't a corpse", "never a ghoul or corpse"],
)
def test_what_is_denied_is_not_found(text: str) -> None:
    assert not concepts.lexicon().read(text).seen.get("corpse")


@pytest.mark.parametrize(
    "text", ["Nothing but a corpse", "No, a corpse", "not only a corpse", "He ran. A corpse"]
)
def test_what_only_looks_denied_is_found(text: str) -> None:
    assert concepts.lexicon().read(text).seen["corpse"]
