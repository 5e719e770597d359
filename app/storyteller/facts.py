"""Facts: who and what a piece is about, drawn once before any of its sentences is chosen.

The caller's words come first, then the seed. What is drawn here is the same in every sentence of
the piece: one name, one pronoun, one town, one enemy with one want.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.storyteller.wordings import Wordings

PRONOUNS = {
    "she": ("she", "her", "her", "hers", "herself"),
    "he": ("he", "him", "his", "his", "himself"),
    "they": ("they", "them", "their", "theirs", "themself"),
    "it": ("it", "it", "its", "its", "itself"),
    "many": ("they", "them", "their", "theirs", "themselves"),
}
FIELDS = ("they", "them", "their", "theirs", "themself")
# Endings for a verb that stands away from its pronoun: `{giver.they} waits and count{giver.s}`.
ENDINGS = {"s": ("s", ""), "es": ("es", ""), "has": ("has", "have"), "is": ("is", "are"),
           "was": ("was", "were"), "ies": ("ies", "y"), "does": ("does", "do")}  # fmt: skip

Record = dict[str, Sequence[str]]  # a clause's name, and its wordings


@dataclass(frozen=True, slots=True)
class Entity:
    """Somebody or something of the cast.

    first: how it is named where it comes in, `the reeve Odile Vell`; again: after that, `Odile`.
    many: whether verbs after its name are plural; after the first mention only, for a party of
    four that is `the party` from then on, where `many_at_first`. trade: `the reeve`, by which
    somebody may be called as well.
    """

    first: str
    again: str
    pronoun: str = "it"
    record: Mapping[str, Sequence[str]] = field(default_factory=dict)
    many_at_first: bool = False
    trade: str = ""

    @property
    def many(self) -> bool:
        return self.pronoun == "many"

    @property
    def plural_pronoun(self) -> bool:
        return self.pronoun in ("many", "they")

    @property
    def is_thing(self) -> bool:
        """Whether it is a place or a thing, of which a clause may speak as `it`."""
        return "sight" in self.record or "look" in self.record

    def clause(self, name: str) -> str:
        """The wording of a clause that leans most on its neighbours: one without the name."""
        return min(self.record.get(name, ("",)), key=lambda said: "{self}" in said)

    def field(self, name: str) -> str | None:
        """A pronoun, an ending, the short name as `name` or the first one as `full`."""
        if name in FIELDS:
            return PRONOUNS[self.pronoun][FIELDS.index(name)]
        if name in ENDINGS:
            return ENDINGS[name][self.plural_pronoun]
        return {"name": self.again, "full": self.first, "the": self.trade or self.again}.get(name)


class Facts:
    """A piece's cast, words and tags, and where its other slots draw from.

    once: slots that keep what they first became; free: those that are drawn anew each time;
    definite: those of `once` that are one thing, the second time `the`;
    wordings: by which the author's sentences are reworded, where they are.
    """

    def __init__(self) -> None:
        self.cast: dict[str, Entity] = {}
        self.words: dict[str, str] = {}
        self.once: dict[str, Sequence[str]] = {}
        self.free: dict[str, Sequence[str]] = {}
        self.tags: set[str] = set()
        self.definite: set[str] = set()
        self.wordings: Wordings | None = None

    def add(self, name: str, entity: Entity, *tags: str) -> None:
        """`entity` plays the part `name`; `tags` are true of the piece from now on."""
        self.cast[name] = entity
        self.tags.update((name, *tags))

    def options(self, name: str, field_name: str) -> Sequence[str] | None:
        """The wordings of a slot; None when there are none, so that no line may use it."""
        if not field_name and name in self.words:
            return (self.words[name],)
        if entity := self.cast.get(name):
            if not field_name:
                return (entity.again,)
            said = entity.field(field_name)
            return entity.record.get(field_name) if said is None else (said,)
        if field_name:
            return None
        return self.once.get(name) or self.free.get(name)

    def tells(self, name: str, field_name: str) -> bool:
        """Whether a slot can be filled, `_cap` and `self` aside."""
        return name == "self" or bool(self.options(name, field_name))


def record(table: Mapping[str, Any]) -> Record:
    """A grammar's table as a record: its lists, and each single string as a list of one."""
    return {
        name: [said] if isinstance(said, str) else said
        for name, said in table.items()
        if isinstance(said, str | list)
    }
