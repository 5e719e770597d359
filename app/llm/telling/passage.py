"""Passage: a text as its judges see it, taken apart once."""

from __future__ import annotations

import math
import re
from functools import cached_property

from app.llm.telling.wordlists import WordCount

WORD = re.compile(r"\w+(?:['’-]\w+)*")
SENTENCE = re.compile(r"[^.!?\n]+[.!?]*[”\"’)]*")
LETTER = re.compile(r"[^\W_]")
SPEECH = re.compile(r"“[^“”]{0,2000}”|\"[^\"\n]{0,2000}\"")
MAX_QUOTE = 80  # characters of a text that are quoted to show a place
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
    def count(self) -> WordCount:
        return WordCount(self.text)

    @cached_property
    def parts(self) -> list[tuple[str, WordCount]]:
        """Up to `PARTS` stretches of the text: how each begins, and what is in it."""
        sentences = self.sentences or [self.text]
        step = math.ceil(len(sentences) / PARTS)
        found = (sentences[at : at + step] for at in range(0, len(sentences), step))
        return [(part[0], WordCount(" ".join(part))) for part in found]

    def first(self, term: str) -> re.Match[str] | None:
        """The first place at which a word or phrase of small letters stands as a whole."""
        if term not in self.lower:  # a tenth of the time of the expression, which is rarely needed
            return None
        return re.search(rf"(?<!\w){re.escape(term)}(?!\w)", self.lower)

    def around(self, start: int, end: int) -> str:
        """The words about a place, as they stand in the text."""
        spare = max(0, MAX_QUOTE - (end - start)) // 2
        return quoted(self.text[max(0, start - spare) : min(end, start + MAX_QUOTE) + spare])


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
