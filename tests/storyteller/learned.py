"""Learns to which categories plain words lean: `python -m tests.storyteller.learned FOLDER`.

FOLDER has the books of books.toml as Project Gutenberg's plain texts, each `<number>.txt`. What
counts is how much oftener the books of a category have a word than all books do, each book for
itself, so that one author's pet word is one voice of many. The same books give the same file.
"""

from __future__ import annotations

import math
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.storyteller.concepts import LEXICON
from app.storyteller.vocabulary import CATEGORIES, SCALE

WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
FRAME = re.compile(
    r"\*\*\* ?START OF.*?\*\*\*|\*\*\* ?END OF|End of (?:the )?Project Gutenberg", re.S
)
DOUBT = 20_000  # words at the rate of all books that are added to each book
LEAST_BOOKS, LEAST_TIMES, MOST_WORDS = 8, 40, 9000  # a word is kept from, and words that are kept
SMALL = 0.6  # share of small first letters below which a word is a name
MOST, FAINT = 20, 2  # tenths: a word says no more, and a word that says less is left out


@dataclass(frozen=True, slots=True)
class Book:
    category: str
    times: Counter[str]
    names: Counter[str]  # words with a capital
    total: int


def book(category: str, text: str) -> Book:
    words = WORD.findall(_body(text).replace("’", "'").replace("_", ""))
    names = Counter(w.lower() for w in words if w[0].isupper())
    return Book(category, Counter(w.lower() for w in words), names, len(words))


def _body(text: str) -> str:
    """A book without what stands before and behind it in its file."""
    parts = FRAME.split(text)
    return max(parts, key=len)


def leanings(books: Sequence[Book]) -> dict[str, list[int]]:
    rates = _rates(books)
    found = {word: _row(word, rate, books) for word, rate in rates.items()}
    return {word: row for word, row in sorted(found.items()) if max(map(abs, row)) >= FAINT}


def _rates(books: Sequence[Book]) -> dict[str, float]:
    """The mean share of each word that is common enough, the most frequent ones first."""
    times: Counter[str] = Counter()
    names: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for one in books:
        times.update(one.times)
        names.update(one.names)
        within.update(one.times.keys())
    kept = [
        word
        for word, n in times.most_common()
        if n >= LEAST_TIMES and within[word] >= LEAST_BOOKS and names[word] <= (1 - SMALL) * n
    ]
    return {w: sum(b.times[w] / b.total for b in books) / len(books) for w in kept[:MOST_WORDS]}


def _row(word: str, rate: float, books: Sequence[Book]) -> list[int]:
    means = [_mean(word, rate, [b for b in books if b.category == c]) for c in CATEGORIES]
    middle = sum(means) / len(means)
    return [max(-MOST, min(MOST, round(SCALE * (mean - middle)))) for mean in means]


def _mean(word: str, rate: float, books: Sequence[Book]) -> float:
    logs = [math.log((b.times[word] + DOUBT * rate) / ((b.total + DOUBT) * rate)) for b in books]
    return sum(logs) / len(logs)


def listed() -> Mapping[str, list[int]]:
    """The numbers of the books by category."""
    text = Path(__file__).with_name("books.toml").read_text(encoding="utf-8")
    found: Mapping[str, list[int]] = tomllib.loads(text)
    return found


def main(folder: Path) -> None:
    books = [
        book(category, (folder / f"{number}.txt").read_text(encoding="utf-8"))
        for category, numbers in listed().items()
        for number in numbers
    ]
    rows = leanings(books)
    head = f"# {' '.join(CATEGORIES)}: tests/storyteller/learned.py from {len(books)} books\n"
    lines = "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in rows.items())
    (LEXICON / "words.txt").write_text(head + lines, encoding="utf-8")
    sys.stdout.write(f"{len(rows)} words of {len(books)} books\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
