"""Portrait: a text about a person or a thing, whose facts were drawn elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from app.storyteller.asked import Asked
from app.storyteller.facts import Facts
from app.storyteller.grammar import Unit
from app.storyteller.lengths import Length
from app.storyteller.naming import named
from app.storyteller.packs import Packs
from app.storyteller.prose import Prose, Told, kept
from app.storyteller.tale import Plan, Tale

TRIES = 3  # further tellings for a number of words
PERSONS = ("mentor", "rival", "lost", "giver", "enemy", "third", "other", "ward")


class Portrait(Tale):
    """Told as a tale is, with the caller's canon and within a length, but without its casting."""

    def __init__(
        self,
        packs: Packs,
        asked: Asked,
        facts: Facts,
        tables: Sequence[Mapping[str, Any]],
        rng: Random,
    ) -> None:
        self.packs, self.asked, self.facts, self.rng, self._half = packs, asked, facts, rng, 0
        self.tables = tables
        self.prose = Prose(facts, tables, rng)
        self.unused: tuple[str, ...] = ()
        self.cut = False

    def written(self, plan: Plan, usual: int, limit: int, beside: str = "") -> str:
        """The plan as one text of at most `limit` tokens."""
        length = self.length(usual)
        told = self._fitted(plan, length)
        if self.canon(told.text, beside):
            told = self._with_canon(plan, length, told, beside)
        text, self.cut = kept(self.named(told.units), limit)
        self.unused = self.lost(text, beside)
        return text

    def _fitted(self, plan: Plan, length: Length) -> Told:
        """The plan told; where a number of words was asked for and missed, with other lines."""
        told = self.prose.fitted(plan, length)
        for _ in range(TRIES if length.exact else 0):
            if length.holds(told.words):
                break
            other = Prose(self.facts, self.tables, self.rng)
            again = other.fitted(plan, length)
            if told.words < again.words <= length.words or told.words > length.words > again.words:
                self.prose, told = other, again
        return told

    def named(self, units: Sequence[Unit]) -> list[Unit]:
        """The units with a pronoun for the one whom all of them are about."""
        others = [one for part, one in self.facts.cast.items() if part in PERSONS]
        return named(units, self.facts.cast["hero"], others)
