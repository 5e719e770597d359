"""Passage: a text as its judges see it, taken apart once."""

from __future__ import annotations

import re
from functools import cached_property

from app.llm.telling.wordlists import WordCount

WORD = re.compile(r"\w+(?:['’-]\w+)*")
SENTENCE = re.compile(r"[^.!?\n]+[.!?]*[”\"’)]*")
SPEECH = re.compile(r"“[^”]{0,2000}”|\"[^\"\n]{0,2000}\"")
MAX_QUOTE = 80  # characters of a text that are quoted to show a place
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
        found = (match.strip() for match in SENTENCE.findall(self.text))
        return [s for s in found if any(c.isalnum() for c in s[:MAX_SENTENCE])]

    @cached_property
    def narration(self) -> str:
        """The text without what its persons say."""
        return SPEECH.sub(" ", self.text)

    @cached_property
    def count(self) -> WordCount:
        return WordCount(self.text)

    def around(self, start: int, end: int) -> str:
        """The words about a place, as they stand in the text."""
        spare = max(0, MAX_QUOTE - (end - start)) // 2
        return quoted(self.text[max(0, start - spare) : min(end, start + MAX_QUOTE) + spare])


def quoted(text: str) -> str:
    """A text cut to a quotation that can be searched for: one line, whole words."""
    text = text.strip()
    line = text.split("\n", 1)[0]
    if len(line) <= MAX_QUOTE:
        return line
    return line[:MAX_QUOTE].rsplit(" ", 1)[0]
