"""What one process knows of a model's calls, beside what all gateways know."""

from __future__ import annotations

from collections import deque

SLOTS = 10  # parts of the window, in which outcomes are counted

SyncMark = tuple[int, int, str]  # what was known when a word was sent; see `UnsentReport`


class FailureWindow:
    """This process's own outcomes of the last 30 s, for when Redis is away."""

    def __init__(self, window: float, least: int) -> None:
        """`window`: seconds; `least`: outcomes from which their share says something."""
        self._slot, self._least = window / SLOTS, least
        self._slots: deque[list[int]] = deque(maxlen=SLOTS)  # (which, successes, failures)

    def count(self, now: float, *, failed: bool) -> None:
        slot = int(now / self._slot)
        if not self._slots or self._slots[-1][0] != slot:
            self._slots.append([slot, 0, 0])
        self._slots[-1][2 if failed else 1] += 1

    def failing(self, now: float) -> bool:
        oldest = int(now / self._slot) - SLOTS
        ok = sum(s[1] for s in self._slots if s[0] > oldest)
        failed = sum(s[2] for s in self._slots if s[0] > oldest)
        return ok + failed >= self._least and failed >= ok

    def clear(self) -> None:
        self._slots.clear()


class UnsentReport:
    """What the others have not heard yet, and which of the replies are news."""

    def __init__(self) -> None:
        self.successes, self.succeeded_at = 0, 0.0
        self.returned = ""  # the probe whose place is free again
        self.unsent = False  # the view was made without Redis
        self._changes = self._heard = self._stamp = 0

    @property
    def pending(self) -> bool:
        return bool(self.successes or self.returned or self.unsent)

    def succeeded(self, now: float) -> None:
        self.successes, self.succeeded_at = self.successes + 1, now

    def changed(self) -> None:
        self.unsent = True
        self._changes += 1

    def sent(self) -> SyncMark:
        # Successes that are lost with their word are not sent again: they may have been counted.
        self.successes = 0
        return self._heard, self._changes, self.returned

    def news(self, mark: SyncMark, stamp: int) -> bool:
        """Whether a reply holds: nothing was decided here since, and none overtook it.

        One that was asked for after the last had come is newer even if the server's clock, which
        orders the others, was set back.
        """
        heard, changes, returned = mark
        if returned == self.returned:
            self.returned = ""
        if changes != self._changes or (heard != self._heard and stamp < self._stamp):
            return False
        self.unsent = False
        self._stamp, self._heard = stamp, self._heard + 1
        return True
