"""Portrait: a text about a person or a thing, whose facts were drawn elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from app.storyteller.asked import Asked
from app.storyteller.facts import Facts
from app.storyteller.packs import Packs
from app.storyteller.prose import Prose, kept
from app.storyteller.tale import Plan, Tale


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
        self.prose = Prose(facts, tables, rng)
        self.unused: tuple[str, ...] = ()
        self.cut = False

    def written(self, plan: Plan, usual: int, limit: int, beside: str = "") -> str:
        """The plan as one text of at most `limit` tokens."""
        length = self.length(usual)
        told = self.prose.fitted(plan, length)
        if self.canon(told.text, beside):
            told = self._with_canon(plan, length, told, beside)
        text, self.cut = kept(told.units, limit)
        self.unused = self.lost(text, beside)
        return text

    def canon_beside(self, text: str) -> str:
        """Sentences for what the caller gave and a text does not have; notes what is lost."""
        said = " ".join(unit.text for unit in self.canon(text))
        self.unused = self.lost(f"{text}\n{said}")
        return said
