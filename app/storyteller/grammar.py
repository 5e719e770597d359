"""Grammar: lists of sentences with slots, and the expander that draws from them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from app.storyteller.english import polished, tokens
from app.storyteller.wordings import Wordings

GRAMMARS = Path(__file__).parent / "grammars"
SLOT = re.compile(r"\{(\w+)\}")
SENTENCE = re.compile(r"(?<=[.!?])(?=\s)|(?<=[.!?]”)(?=\s+[A-Z“])")

Options = Mapping[str, Sequence[str]]
Joiner = str  # what stands between a unit and the one before it


@cache
def read(name: str) -> dict[str, Any]:
    """One grammar file, which is not to be changed.

    Raises:
        OSError, tomllib.TOMLDecodeError: when the file is missing or broken.
    """
    return tomllib.loads((GRAMMARS / f"{name}.toml").read_text(encoding="utf-8"))


@cache
def names() -> list[str]:
    """The grammar files' names."""
    return sorted(path.stem for path in GRAMMARS.iterdir())


def scope(prefix: str, table: Mapping[str, Any]) -> dict[str, list[str]]:
    """A table's lists under prefixed names: `origin` of a class is `class_origin`."""
    return {f"{prefix}_{name}": v for name, v in table.items() if isinstance(v, list)}


@dataclass(frozen=True, slots=True)
class Unit:
    """Some sentences that are kept or dropped together, and how they join what is before them."""

    joiner: Joiner
    text: str


class Expander:
    """One text in the making.

    A slot is filled from `words` (fixed), else from the first of `scopes` that knows its name. No
    option is used twice while others are left. Names in `once` keep what they first became, so
    that a person named in one sentence is the same in the next. `wordings`: by which the author's
    sentences are reworded, where they are.
    """

    def __init__(
        self,
        rng: Random,
        words: Mapping[str, str],
        scopes: Sequence[Options],
        once: Options | None = None,
        wordings: Wordings | None = None,
    ) -> None:
        self._rng, self._wordings = rng, wordings
        self._words = dict(words)
        self._scopes = (*scopes, once or {})
        self._once = once or {}
        self._used: set[str] = set()

    def knows(self, name: str) -> bool:
        return any(name in known for known in (self._words, *self._scopes))

    def expand(self, template: str) -> str:
        if self._wordings:
            template = self._wordings.reworded(template, self._rng)
        return SLOT.sub(lambda slot: self.draw(slot[1]), template)

    def draw(self, name: str) -> str:
        """One expansion of a slot; raises `KeyError` for a name that nothing defines."""
        if name in self._words:
            return self._words[name]
        if name.endswith("_cap"):
            text = self.draw(name.removesuffix("_cap"))
            return text[:1].upper() + text[1:]
        if name.endswith("_low"):
            text = self.draw(name.removesuffix("_low"))
            return text[:1].lower() + text[1:]
        options = next((scope[name] for scope in self._scopes if name in scope), None)
        if options is None:
            raise KeyError(name)
        fresh = [option for option in options if option not in self._used] or options
        chosen = self._rng.choice(fresh)
        self._used.add(chosen)
        text = self.expand(chosen)
        if name in self._once:
            self._words[name] = text
        return text

    def units(self, plan: Sequence[Sequence[str]]) -> list[Unit]:
        """A plan's paragraphs told: `name?` if defined, `-name`, `:name` on a line of its own."""
        told: list[Unit] = []
        for paragraph in plan:
            start = "\n\n"
            for step in paragraph:
                name = step.strip("-:?")
                if step.endswith("?") and not self.knows(name):
                    continue
                own_line = step[0] in "-:"
                text = ("- " if step[0] == "-" else "") + polished(self.draw(name))
                told.append(Unit(start or ("\n" if own_line else " "), text))
                start = ""
        return told

    def called(self, name: str, titles: Collection[str]) -> tuple[str, str] | None:
        """A person's full name, and what they are called once introduced, where it differs."""
        full = self._words.get(name, "")
        first = full.split(" ", 1)[0]
        if first == full or not first[:1].isupper() or first in titles:
            return None
        return full, first


def introduced(units: Sequence[Unit], people: Sequence[tuple[str, str]]) -> list[Unit]:
    """The units with each person's full name at the first mention, the short one after."""
    met: set[str] = set()
    told = []
    for unit in units:
        text = unit.text
        for full, first in people:
            if full in text:
                head, _, tail = text.partition(full)
                text = (head + first if full in met else head + full) + tail.replace(full, first)
                met.add(full)
        told.append(Unit(unit.joiner, text))
    return told


def finished(units: Sequence[Unit], limit: int) -> str:
    """The units as one text of at most `limit` tokens, ending where a sentence ends.

    A unit that would say again what was said is left out. When not even the first sentence fits,
    it stands alone.
    """
    said: set[str] = set()
    text, room = "", limit
    for unit in units:
        sentences = {s.strip(" -\n") for s in SENTENCE.split(unit.text)}
        if said & sentences:
            continue
        room -= tokens(unit.text)
        if room < 0:
            break
        text += (unit.joiner if text else "") + unit.text
        said |= sentences
    return text or opening(units[0].text, limit)


def opening(text: str, limit: int) -> str:
    """As many whole sentences as fit, and at least one; no quotation is left open."""
    kept, whole = "", ""
    for sentence in SENTENCE.split(text):
        kept += sentence
        if whole and tokens(kept) > limit:
            break
        if kept.count("“") == kept.count("”"):
            whole = kept
    return whole or text
