"""Tail: the newest entries of one partition, kept for the readers that are near its end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from app.events.cursor import EntryId, Position
from app.events.log import Entry

RING_SIZE = (
    2_048  # entries; at 100 events a second a reader may be 20 s behind and cost Redis nothing
)


class Tail:
    """A ring of the last entries. `covers` says whether a reader can be served from it."""

    def __init__(self, position: Position) -> None:
        self.epoch = position.epoch
        self.floor = position.entry_id  # everything behind this position is in the ring
        self.head = position.entry_id
        self._entry_ids: list[EntryId] = []
        self._entries: list[Entry] = []

    def append(self, entries: Sequence[Entry]) -> None:
        self._entry_ids += [e.position.entry_id for e in entries]
        self._entries += entries
        self.head = self._entry_ids[-1]
        # Cut by halves: a list gives up its front in one move of what stays.
        if (extra := len(self._entry_ids) - RING_SIZE) > RING_SIZE // 2:
            self.floor = self._entry_ids[extra - 1]
            del self._entry_ids[:extra], self._entries[:extra]

    def clear(self) -> None:
        """Keep nothing of what came so far."""
        self.floor = self.head
        self._entry_ids.clear()
        self._entries.clear()

    def covers(self, position: Position) -> bool:
        return position.epoch == self.epoch and position.entry_id >= self.floor

    def behind(self, entry_id: EntryId, count: int) -> list[Entry]:
        """Up to `count` entries behind a position that the ring covers."""
        at = bisect_right(self._entry_ids, entry_id)
        return self._entries[at : at + count]
