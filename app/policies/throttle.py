"""Throttle: how often somebody may do what no limit counts. In the process alone, and cheap.

It is the generic cell rate algorithm (ITU-T I.371, annex A; a leaky bucket that keeps one
number): `most` at once, and then one more each `window / most` seconds. So in no window are more
than twice as many let through. It asks nobody: where several processes serve, each keeps its own.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

REMEMBERED = 10_000  # names; one takes about 200 bytes. Whoever was quiet for longest begins anew


class Throttle:
    """One for each name, all of a size."""

    def __init__(
        self,
        most: int,
        window: float = 60.0,
        *,
        remembered: int = REMEMBERED,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`most` in `window` seconds."""
        self.most, self.window = most, window
        self._each, self._now, self._remembered = window / most, now, remembered
        self._spent: OrderedDict[str, float] = OrderedDict()  # when a name has all of it again

    def __len__(self) -> int:
        return len(self._spent)

    def wait(self, name: str) -> float:
        """Seconds until the name has room for one; 0: it has now."""
        spent = self._spent.get(name)
        if spent is None:
            return 0.0
        # Less than a nanosecond is what adding up fractions leaves.
        wait = spent - self._now() - self.window + self._each
        return wait if wait > 1e-9 else 0.0

    def take(self, name: str) -> float:
        """The same, and where it has room one of it is taken."""
        if wait := self.wait(name):
            return wait
        now = self._now()
        self._spent[name] = max(now, self._spent.get(name, now)) + self._each
        self._spent.move_to_end(name)
        if len(self._spent) > self._remembered:
            self._spent.popitem(last=False)
        return 0.0
