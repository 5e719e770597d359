"""The plain words: what they lean to, and how they are learned from books."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from app.storyteller.concepts import LEXICON
from app.storyteller.vocabulary import BIAS, CATEGORIES, LANE, MASK, WEIGHTS, leanings, learned
from tests.storyteller.learned import book
from tests.storyteller.learned import leanings as from_books


def best(counted: Mapping[str, int]) -> str:
    found = leanings(counted)
    return max(found, key=lambda c: found[c])


@pytest.mark.parametrize(
    ("words", "category"),
    [
        ("knight lance squire", "heroic"),
        ("detective inquest motive", "mystery"),
        ("reef anchor canoe", "adventure"),
        ("godmother palace giant", "fantasy"),
    ],
)
def test_words_lean_to_the_books_that_have_them(words: str, category: str) -> None:
    assert best(dict.fromkeys(words.split(), 1)) == category


def test_words_that_no_book_has_lean_to_nothing() -> None:
    assert set(leanings({"qwertyish": 5}).values()) == {0.0}


def test_the_lanes_of_all_words_at_their_heaviest_do_not_run_over() -> None:
    heaviest = sum(learned().values()) * WEIGHTS[-1]
    rows = [line.split()[1:] for line in (LEXICON / "words.txt").read_text().splitlines()[1:]]
    for at in range(len(CATEGORIES)):
        alone = sum(int(row[at]) + BIAS for row in rows) * WEIGHTS[-1]
        assert heaviest >> LANE * at & MASK == alone


def test_one_books_pet_word_weighs_less_than_a_word_of_many_books() -> None:
    """`clue` and `pet` are as frequent in the books of mysteries; `pet` is so in one alone."""

    def written(category: str, number: int) -> str:
        mystery = category == "mystery"
        clues, pets = 40 if mystery else 1, 320 if mystery and number == 0 else 1
        return "the " * 20_000 + "clue " * clues + "pet " * pets

    found = from_books([book(c, written(c, n)) for c in CATEGORIES for n in range(8)])
    mystery = CATEGORIES.index("mystery")
    assert found["clue"][mystery] > 2 * found["pet"][mystery] > 0
