"""Portrait: a text about a person or a thing, whose facts were drawn elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from app.storyteller.asked import Asked
from app.storyteller.facts import Facts
from app.storyteller.packs import Packs
from app.storyteller.prose import Prose
from app.storyteller.tale import Tale


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
        self.packs, self.asked, self.facts, self.rng = packs, asked, facts, rng
        facts.words |= {"given": "", "what": ""}  # put in afterwards, into lines about them
        canon = {name: said for name, said in packs.canon["line"].items() if "given" in said[0]}
        self.prose = Prose(facts, [*tables, canon], rng)
        self.unused: tuple[str, ...] = ()
        self.cut = False

    def canon_beside(self, text: str) -> str:
        """Sentences for what the caller gave and a text does not have; notes what is lost."""
        said = " ".join(unit.text for unit in self.canon(text))
        self.unused = self.lost(f"{text}\n{said}")
        return said
