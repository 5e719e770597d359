"""Sheet: what is told in fields rather than as one text, within one allowance of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.storyteller.brief import Brief
from app.storyteller.english import polished, tokens
from app.storyteller.grammar import Expander, Options, Unit, finished, introduced

Plan = Sequence[Sequence[str]]


class Sheet:
    """The fields of a plan, told in its order; the last one brings in what is still missing.

    The fields together have at most `limit` words and marks, save that each has its first
    sentence. They are read in order; a text takes at most half of what is left.
    """

    def __init__(
        self,
        brief: Brief,
        expander: Expander,
        plan: Mapping[str, Plan],
        templates: Options,
        limit: int,
    ) -> None:
        told = {field: expander.units(paragraphs) for field, paragraphs in plan.items()}
        everything = " ".join(unit.text for units in told.values() for unit in units)
        if missing := brief.missing(everything, templates):
            told["missing"] = [Unit(" ", polished(expander.expand(missing)))]
        people = brief.people(expander)
        if own := expander.called("name", brief.packs.titles):
            people.append(own)
        named = iter(introduced([unit for units in told.values() for unit in units], people))
        self._told = {field: [next(named) for _ in units] for field, units in told.items()}
        self._room = limit

    def prose(self, field: str) -> str:
        """A field that is one text."""
        text = finished(self._told[field], max(1, self._room // 2))
        self._room -= tokens(text)
        return text

    def items(self, field: str) -> list[str]:
        """A field that is a list, the first item whatever it takes."""
        kept: list[str] = []
        for text in dict.fromkeys(unit.text for unit in self._told[field]):
            if kept and tokens(text) > self._room:
                break
            self._room -= tokens(text)
            kept.append(text)
        return kept

    @property
    def missing(self) -> str:
        """Sentences for what the caller named and no field speaks of, each behind a space."""
        return "".join(f" {unit.text}" for unit in self._told.get("missing", ()))
