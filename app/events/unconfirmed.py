"""Unconfirmed: what was published lately and is to be looked for once more.

A master acknowledges before its replica has the entry. A replica that takes over in between
lacks it, and nobody would notice: the epoch is the same, and the outbox has the event as published.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from time import monotonic
from typing import Any, NamedTuple

from app.events.cursor import EntryId
from app.events.types import Event

CONFIRM_DELAY = 2.0  # s; a replica is behind by some milliseconds, and a busy one is still no more
MAX_UNCONFIRMED = 2_000  # events of a partition; past it the oldest are taken as kept
PAGE_SIZE = 500  # looked for at once, each second; one process makes fewer


class Published(NamedTuple):
    """An event, where it stood and when that was heard."""

    event: Event
    epoch: bytes
    entry_id: bytes
    at: float

    def missing(self, epoch: bytes | None, trimmed: bytes, found: int) -> bool:
        """Whether it went unseen: a new epoch is told to readers, and retention is promised."""
        if found or epoch != self.epoch:
            return False
        return EntryId.parse(self.entry_id) > EntryId.parse(trimmed)


class Unconfirmed:
    """Bounded, for each partition in the order of publishing."""

    def __init__(self) -> None:
        self._held: dict[int, deque[Published]] = {}

    def note(self, partition: int, events: Sequence[Event], reply: Sequence[Any]) -> None:
        """These were published; `reply` is the epoch and their ids, empty of what was left out."""
        held = self._held.setdefault(partition, deque(maxlen=MAX_UNCONFIRMED))
        epoch, *entry_ids = reply
        now = monotonic()
        pairs = zip(events, entry_ids, strict=True)
        held.extend(Published(event, epoch, at, now) for event, at in pairs if at)

    def due(self) -> dict[int, list[Published]]:
        """The oldest of each partition that are old enough to be looked for."""
        before = monotonic() - CONFIRM_DELAY
        pages = {p: list(islice(held, PAGE_SIZE)) for p, held in self._held.items()}
        found = {p: [one for one in page if one.at <= before] for p, page in pages.items()}
        return {p: some for p, some in found.items() if some}

    def forget(self, partition: int, some: Sequence[Published]) -> None:
        """These were looked for; some may have been pushed out meanwhile."""
        held, seen = self._held[partition], set(map(id, some))
        while held and id(held[0]) in seen:
            held.popleft()
