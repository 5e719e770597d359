"""A careful reader: what it would mark in the margin of a text that is to be read aloud."""

from __future__ import annotations

import re
from collections.abc import Iterator

SENTENCE = re.compile(r"(?<=[.!?…])[”]?\s+(?=[A-Z“\d-])")
DOUBLED = re.compile(r"\b([a-z]+) \1\b")
ENDS = re.compile(r"[.!?:…]”?$")
A_AN = re.compile(r"\b([Aa]n?) [“]?(\w[\w'’-]*)")
# An oracle of its own, smaller than the program's rule: the words of these tests and grammars.
SPOKEN = {"hour": "an", "heir": "an", "honest": "an", "one": "a", "unicorn": "a", "use": "a"}


def sentences(text: str) -> list[str]:
    lines = (line.removeprefix("- ") for line in text.split("\n") if line)
    return [s.strip() for line in lines for s in SENTENCE.split(line) if s.strip()]


def faults(text: str) -> Iterator[str]:
    """What a careful reader would mark in the margin."""
    if found := re.search(r"[{}_<>|]|  |\bNone\b(?! of\b)", text):
        yield f"leftover {found[0]!r}"
    if found := DOUBLED.search(text):
        yield f"doubled word {found[0]!r}"
    for line in text.split("\n"):
        bare = line.removeprefix("- ")
        if bare and not ENDS.search(bare):
            yield f"unfinished line {bare[-40:]!r}"
        if bare.count("“") != bare.count("”"):
            yield f"open quotation in {bare!r}"
    said = sentences(text)
    if twice := {s for s in said if said.count(s) > 1}:
        yield f"said twice {twice}"
    yield from (f"small start {s!r}" for s in said if re.match(r"[“(]?[a-z]", s))
    yield from _wrong_articles(text)


def _wrong_articles(text: str) -> Iterator[str]:
    for said, word in A_AN.findall(text):
        start = next((v for k, v in SPOKEN.items() if word.lower().startswith(k)), None)
        wanted = start or ("an" if re.match(r"[aeiou]|8|11|18", word.lower()) else "a")
        if said.lower() != wanted:
            yield f"{said} {word}"
