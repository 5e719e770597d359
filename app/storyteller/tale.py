"""Tale: a text about a cast in a place, as long as was asked, with what the caller laid down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from app.storyteller import asked as said_by
from app.storyteller import lengths, supplied
from app.storyteller.asked import Asked, label
from app.storyteller.casting import Casting
from app.storyteller.continuation import Parent
from app.storyteller.english import polished, tokens
from app.storyteller.grammar import Unit
from app.storyteller.leftover import PER_LIST, STEERING, pair
from app.storyteller.lengths import Length
from app.storyteller.packs import Packs
from app.storyteller.prose import Prose, Told, kept
from app.storyteller.telling import Telling

Plan = Sequence[Sequence[str]]


class Tale:
    """One tale, cast and ready to be told by `tables` of lines."""

    def __init__(
        self,
        packs: Packs,
        asked: Asked,
        theme: Any,
        rng: Random,
        tables: Sequence[Mapping[str, Any]],
        parent: Parent | None = None,
        half: int = 0,
    ) -> None:
        self.packs, self.asked, self.rng, self._half = packs, asked, rng, half
        self.cast = Casting(packs, asked, theme, rng, parent, half)
        self.facts = self.cast.facts
        self._theme_words(theme)
        if parent and parent.thread:
            self.facts.words["thread"] = parent.thread
        self.prose = Prose(self.facts, tables, rng)
        self.unused: tuple[str, ...] = ()
        self.cut = False

    def tell_by(self, tables: Sequence[Mapping[str, Any]]) -> None:
        """Tell by the lines of these tables from now on."""
        self.prose = Prose(self.facts, tables, self.rng)

    def length(self, usual: int) -> Length:
        """How long it is to be; the caller's words for it need not be told."""
        said = [(path.partition(".")[2], value) for path, value in self.asked.values.items()]
        found = lengths.asked(said, usual)
        if found != Length(usual):
            self.asked.steer(*lengths.KEYS)
        return found

    def written(self, plan: Plan, usual: int, limit: int, beside: str = "") -> str:
        """The plan as one text of at most `limit` tokens; `beside`: what is told besides it."""
        length = self.length(usual)
        if "thread" in self.facts.words:
            plan = [["goes_on", "goes_cast"], *plan]
        told = self.prose.fitted(plan, length)
        if self.canon(told.text, beside):
            told = self._with_canon(plan, length, told, beside)
        text, self.cut = kept(told.units, limit)
        self.unused = self.lost(text, beside)
        return text

    def told(self, template: str) -> str:
        """A single line in a telling of its own, such as a summary."""
        return Telling(self.facts, self.rng).tell(template)

    # -- what the caller laid down
    def _with_canon(self, plan: Plan, length: Length, told: Told, beside: str) -> Told:
        """The telling again, shorter by the caller's own words, before its last part."""
        added = self.canon(told.text, beside)
        extra = sum(lengths.words(unit.text) for unit in added)
        room = max(lengths.LEAST, length.words - extra) if length.exact else length.words
        told = self.prose.fitted(plan, Length(room, length.exact))
        added = self.canon(told.text, beside)
        starts = [at for at, unit in enumerate(told.units) if unit.joiner == "\n\n"]
        at = starts[-1] if len(starts) > 1 else len(told.units)
        return Told([*told.units[:at], *added, *told.units[at:]])

    def canon(self, text: str, beside: str = "") -> list[Unit]:
        """Sentences for what the caller gave and `text` does not have."""
        pairs: list[str] = []
        units: list[Unit] = []
        open_values = {
            str(self.asked.values[path]): path for path in reversed(self._open(text, beside))
        }
        for path in reversed(open_values.values()):
            value = self.asked.values[path]
            if isinstance(value, str) and supplied.is_talk(value):
                said, _ = said_by.canon(value)
                if said and " ".join(said).lower() not in text.lower():
                    units.append(self._quoted(label(path), " ".join(said)))
            elif found := pair(path, value):
                pairs.append(found)
        for at in range(0, len(pairs), PER_LIST):
            some = "; ".join(pairs[at : at + PER_LIST])
            units.append(Unit(" ", self._put("canon_listed", given=some)))
        return [Unit("\n\n" if not at else " ", u.text) for at, u in enumerate(units)]

    def _quoted(self, what: str, said: str) -> Unit:
        return Unit(" ", self._put("canon_quoted", given=said, what=what or "brief"))

    def _put(self, name: str, **words: str) -> str:
        """A line about the caller's words, which are put in after it was told."""
        rng = Random(f"{name}{words}")
        text = rng.choice(self.packs.canon["line"][name][self._half :: 2])
        for word, said in words.items():
            text = text.replace(f"{{{word}}}", said)
        return polished(text)

    def _open(self, text: str, beside: str) -> list[str]:
        self.asked.steer(*STEERING)
        return self.asked.unsaid(text, beside)

    def lost(self, text: str, beside: str = "") -> tuple[str, ...]:
        """The paths of what no text could take, and of what it took only in part."""
        lost = self._open(text, beside)
        for path, value in self.asked.values.items():
            talk = isinstance(value, str) and supplied.is_talk(value)
            if talk and path not in lost and said_by.canon(value)[1]:
                lost.append(path)
        return tuple(lost)

    def _theme_words(self, theme: Any) -> None:
        """Tone, style and genre as they stand before `quest` or `scene`."""
        said = [supplied.noun(v) for v in (theme.tone, theme.style, theme.genre)]
        words = supplied.shortened(" ".join(dict.fromkeys(" ".join(said).split())))
        if words:
            self.facts.words["flavour"] = words
            self.facts.tags.add("flavour")


def room(limit: int, beside: str) -> int:
    """What is left of an allowance beside a text; at least one token."""
    return max(1, limit - tokens(beside))
