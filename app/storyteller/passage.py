"""Passage: a text as its judges see it, taken apart once."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cached_property

from app.storyteller import concepts
from app.storyteller.concepts import Findings, Place

WORD = re.compile(r"\w+(?:['’-]\w+)*")
LEVEL = re.compile(r"\b(?:level[ -](\d{1,4})|(\d{1,4})(?:st|nd|rd|th)?[ -]level)\b(?![ -]spell)")
SENTENCE = re.compile(r"[^.!?\n]+[.!?]*[”\"’)]*")
CLAUSE = re.compile(r"[.,;:!?—()\"“”\n]")
LETTER = re.compile(r"[^\W_]")
SPEECH = re.compile(r"“[^“”]{0,2000}”|\"[^\"\n]{0,2000}\"")
MAX_QUOTE = 80  # characters of a text that are quoted to show a place
MARKS = str.maketrans(dict.fromkeys('.,;:!?…()[]“”"—*', " ") | {"’": "'"})
MAX_TOLD = 400  # sentences in which person and tense are looked for; they show early or not at all
PARTS = 12  # stretches of a text that are compared with one another
MAX_SENTENCE = 2000  # characters of one sentence that are looked at


class Passage:
    """A text with its words and sentences; every part is made when first asked for."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lower(self) -> str:
        return self.text.lower()

    @cached_property
    def words(self) -> list[str]:
        return WORD.findall(self.lower)

    @cached_property
    def sentences(self) -> list[str]:
        return _sentences(self.text)

    @cached_property
    def narrated(self) -> list[str]:
        """The sentences of the text without what its persons say."""
        return _sentences(SPEECH.sub(" ", self.text))

    @cached_property
    def told(self) -> list[tuple[str, frozenset[str]]]:
        """The narrated sentences with their words; splitting is faster than an expression."""
        return [(s, _words(s)) for s in self.narrated[:MAX_TOLD]]

    @cached_property
    def counted(self) -> Counter[str]:
        return Counter(self.words)

    @cached_property
    def found(self) -> Findings:
        """The concepts and elements that it speaks of."""
        return concepts.lexicon().read(self.text)

    @cached_property
    def levels(self) -> list[re.Match[str]]:
        """Each place that speaks of a level which is no spell's."""
        return list(LEVEL.finditer(self.lower)) if "level" in self.lower else []

    @cached_property
    def parts(self) -> list[tuple[int, int]]:
        """Up to `PARTS` stretches of the text, each by its first and last character."""
        places = [m.span() for m in SENTENCE.finditer(self.text) if m[0].strip()]
        step = max(1, math.ceil(len(places) / PARTS))
        groups = (places[at : at + step] for at in range(0, len(places), step))
        return [(g[0][0], g[-1][1]) for g in groups] or [(0, len(self.text))]

    def words_at(self, place: Place) -> str:
        """The text's own words at a place that was found in it."""
        return self._shown[place[0] : place[1]]

    def clause(self, place: Place, about: int) -> str:
        """A word with up to `about` words before and behind it, within its clause."""
        text = self._shown
        before = CLAUSE.split(text[max(0, place[0] - MAX_QUOTE) : place[0]])[-1]
        behind = CLAUSE.split(text[place[1] : place[1] + MAX_QUOTE])[0]
        first = [len(before) - m.start() for m in WORD.finditer(before)][-about:]
        last = [m.end() for m in WORD.finditer(behind)][:about]
        return text[place[0] - max(first, default=0) : place[1] + max(last, default=0)]

    @cached_property
    def _shown(self) -> str:
        """The text, but in small letters where these are not as many (`İ` has two)."""
        return self.text if len(self.lower) == len(self.text) else self.lower

    def first(self, term: str) -> re.Match[str] | None:
        """The first place at which a word or phrase of small letters stands as a whole."""
        if term not in self.lower:  # a tenth of the time of the expression, which is rarely needed
            return None
        return self.whole(re.escape(term))

    def whole(self, pattern: str) -> re.Match[str] | None:
        """The first place where a pattern of small letters stands that touches no other word.

        A pattern that begins with its letters is found five times as fast as one that begins
        with a boundary, so what stands before it is looked at afterwards.
        """
        for place in re.finditer(rf"{pattern}(?!\w)", self.lower):
            before = self.lower[place.start() - 1 : place.start()]
            if not (before.isalnum() or before == "_"):
                return place
        return None

    def around(self, start: int, end: int) -> str:
        """The words about a place, as they stand in the text."""
        spare = max(0, MAX_QUOTE - (end - start)) // 2
        return quoted(self.text[max(0, start - spare) : min(end, start + MAX_QUOTE) + spare])


def _words(sentence: str) -> frozenset[str]:
    return frozenset(sentence.lower().translate(MARKS).split())


def _sentences(text: str) -> list[str]:
    found = (match.strip() for match in SENTENCE.findall(text))
    return [s for s in found if LETTER.search(s, 0, MAX_SENTENCE)]


def quoted(text: str) -> str:
    """A text cut to a quotation that can be searched for: one line, whole words."""
    text = text.strip()
    line = text.split("\n", 1)[0]
    if len(line) <= MAX_QUOTE:
        return line
    return line[:MAX_QUOTE].rsplit(" ", 1)[0]
