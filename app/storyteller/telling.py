"""Telling: planned lines as prose, with who was named before, verbs that agree and no loose end."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from app.storyteller.agreement import agreed, bare, marked
from app.storyteller.english import polished
from app.storyteller.facts import Entity, Facts
from app.storyteller.lines import CHOICE, SLOT, Line

MAX_DEPTH = 8  # clauses within clauses; deeper is a circle in a grammar


class Telling:
    """One piece being told. It remembers who came in, and which wordings were used."""

    def __init__(self, facts: Facts, rng: Random) -> None:
        self._facts, self._rng = facts, rng
        self._met: set[str] = set()
        self._used: set[str] = set()

    def tell(self, line: Line | str) -> str:
        """A line as finished sentences."""
        text = self._chosen(line if isinstance(line, str) else line.text)
        text = self._filled(text, "", 0)
        return polished(agreed(text))

    def _chosen(self, text: str) -> str:
        """The text with one of each `(this|that)`."""
        text = CHOICE.sub(lambda found: self._rng.choice(found[1].split("|")), text)
        same = self._facts.wordings
        return same.reworded(text, self._rng) if same else text

    def known(self, name: str) -> bool:
        """Whether somebody of the cast was named."""
        return name in self._met

    def _filled(self, text: str, about: str, depth: int) -> str:
        if depth > MAX_DEPTH:
            raise RecursionError(text)
        return SLOT.sub(lambda m: self._slot(m[1], m[2] or "", about, depth), text)

    def _slot(self, name: str, field: str, about: str, depth: int) -> str:
        name = about if name == "self" else name
        entity = self._facts.cast.get(name)
        if entity is not None and (not field or (field == "the" and name not in self._met)):
            return self._mention(name, entity)
        if entity is not None and (said := entity.field(field)) is not None:
            if field == "they":
                return marked(said, many=entity.plural_pronoun)
            return marked(said, many=entity.many) if field == "the" else said
        options = self._facts.options(name, field)
        if not options:
            raise KeyError(f"{name}.{field}" if field else name)
        fresh = [option for option in options if option not in self._used] or options
        chosen = self._rng.choice(fresh)
        self._used.add(chosen)
        if field or name not in self._facts.words:  # what a caller gave stays as it is
            chosen = self._chosen(chosen)
        told = self._filled(chosen, name if entity else about, depth + 1)
        if not field and name in self._facts.once:
            self._facts.words[name] = self._again(name, bare(told))
        return told

    def _again(self, name: str, told: str) -> str:
        """What was `a clay pipe` is `the clay pipe` from now on, where it is one thing."""
        article, _, rest = told.partition(" ")
        known = name in self._facts.definite and article in ("a", "an")
        return f"the {rest}" if known else told

    def _mention(self, name: str, entity: Entity) -> str:
        if name in self._met:
            called = (entity.again, entity.trade) if entity.trade else (entity.again,)
            return marked(self._rng.choice(called), many=entity.many)
        self._met.add(name)
        return marked(entity.first, many=entity.many or entity.many_at_first)


def opened(text: str) -> str:
    """A text with a capital at its head."""
    return text[:1].upper() + text[1:]


def joined(parts: Sequence[str]) -> str:
    return " ".join(part for part in parts if part)
