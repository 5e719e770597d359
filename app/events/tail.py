"""Tail: the newest entries of one partition, kept for the readers that are near its end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from app.events.cursor import Mark, Place
from app.events.log import Entry

RING = 2_048  # entries; at 100 events a second a reader may be 20 s behind and cost Redis nothing


class Tail:
    """A ring of the last entries. `covers` says whether a reader can be served from it."""

    def __init__(self, mark: Mark) -> None:
        self.epoch = mark.epoch
        self.floor = mark.place  # everything behind this place is in the ring
        self.head = mark.place
        self._places: list[Place] = []
        self._entries: list[Entry] = []

    def append(self, entries: Sequence[Entry]) -> None:
        self._places += [e.mark.place for e in entries]
        self._entries += entries
        self.head = self._places[-1]
        # Cut by halves: a list gives up its front in one move of what stays.
        if (extra := len(self._places) - RING) > RING // 2:
            self.floor = self._places[extra - 1]
            del self._places[:extra], self._entries[:extra]

    def covers(self, mark: Mark) -> bool:
        return mark.epoch == self.epoch and mark.place >= self.floor

    def behind(self, place: Place, count: int) -> list[Entry]:
        """Up to `count` entries behind a place that the ring covers."""
        at = bisect_right(self._places, place)
        return self._entries[at : at + count]
