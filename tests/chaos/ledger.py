"""Ledger: what clients asked for and were told, to be held against what is there at the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from app.events.cursor import Position


@dataclass
class Wanted:
    """One text that a user wants: the same path, body and key in each try."""

    user: str
    kind: str
    path: str
    body: dict[str, Any]
    key: str
    answers: list[str] = field(default_factory=list)  # content ids, one of each acknowledgement
    dark: bool = False  # it was given up, or told of while Redis was away


@dataclass
class Told:
    """A generation as one reader heard it."""

    user: str
    id: str
    began: float  # `time.time()`'s
    ended: float = 0.0
    ends: list[str] = field(default_factory=list)  # types of its last events
    unknown: bool = False  # nobody knew it any more


@dataclass(frozen=True)
class Heard:
    """An event as a subscriber heard it."""

    id: str
    content_id: str
    position: Position


@dataclass(frozen=True)
class Admitted:
    """An answer that was no refusal. Times are `time.time()`'s; `limit` is as its header said."""

    asked: float
    answered: float
    limit: int


@dataclass
class Ledger:
    """Everything together; `counts` is for the table."""

    wanted: list[Wanted] = field(default_factory=list)
    generations: list[Told] = field(default_factory=list)
    admitted: list[Admitted] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)  # answers that nothing explains
    outages: list[tuple[float, float]] = field(default_factory=list)  # of Redis, as ordered
    deaths: list[tuple[float, str]] = field(default_factory=list)  # of gateways, in order
    taken: set[str] = field(default_factory=set)  # events that the consumer group has processed
    closed: bool = False  # writers are to come to their end

    @property
    def acknowledged(self) -> list[Wanted]:
        return [wanted for wanted in self.wanted if wanted.answers]

    def away(self, since: float, until: float) -> bool:
        """Whether Redis was away at some time in between, as far as it was ordered."""
        return any(begin <= until and since <= end for begin, end in self.outages)
