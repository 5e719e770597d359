"""Lines: sentences of a grammar, with what each needs, sets up and pays off.

A line is a string, with a header in square brackets where it has conditions:

    "{giver} burns the letter unread."
    "[?letter -letter !comic] {giver} reads the letter aloud at last."

    ?x  needs x: a tag of the piece (its spine, mood, kind of enemy) or what an earlier line gave
    !x  is barred by x
    =x  gives x to the lines after it
    +x  sets x up: some later line must pay it
    -x  pays x, and needs it set up

Slots are told by `telling`: `{town}` is a word, `{giver}` somebody or something of the cast by
name, `{giver.they}` the pronoun, and `{giver.habit}` a clause of that one's record, in which
`{self}` is the one it is about. A slot that the piece has no words for bars the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

HEADER = re.compile(r"\A\[([^\]]*)\]\s*")
SLOT = re.compile(r"\{([a-z_0-9]+)(?:\.([a-z_0-9]+))?\}")
CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
MARKS = "?!=+-"
PARSED = 4096  # lines that are kept taken apart: all of two or three grammars


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence or two that stand or fall together. slots: (name, field or ``) in their order;
    sure: who is named, whichever of its alternatives is told.
    """

    text: str
    needs: frozenset[str]
    bars: frozenset[str]
    gives: frozenset[str]
    opens: frozenset[str]
    pays: frozenset[str]
    slots: tuple[tuple[str, str], ...]
    sure: frozenset[str]

    def fits(self, known: set[str], pending: set[str]) -> bool:
        """Whether it may stand where `known` is true and `pending` waits to be paid."""
        return (
            self.needs <= known
            and not self.bars & known
            and self.pays <= pending
            and not self.opens & (known | pending)
        )


@lru_cache(PARSED)
def line(text: str) -> Line:
    """A line taken apart; raises `ValueError` for a word in its header without a mark."""
    header = HEADER.match(text)
    marked: dict[str, list[str]] = {mark: [] for mark in MARKS}
    for word in header[1].split() if header else ():
        if word[0] not in marked:
            raise ValueError(f"no mark before {word!r} in {text!r}")
        marked[word[0]].append(word[1:])
    bare = text[header.end() :] if header else text
    needs, bars, gives, opens, pays = (frozenset(marked[mark]) for mark in MARKS)
    slots = tuple((m[1], m[2] or "") for m in SLOT.finditer(bare))
    told = SLOT.finditer(CHOICE.sub("", bare))
    sure = frozenset(m[1] for m in told if m[2] in (None, "the"))
    return Line(bare, needs, bars, gives, opens, pays, slots, sure)


def lines(texts: Iterable[str]) -> Sequence[Line]:
    return [line(text) for text in texts]
