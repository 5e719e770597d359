"""Traffic: the request rate, error rate and latency of the last minute, in constant memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

WINDOW = 60  # s
STEP = 1.15  # one latency class is 15 % wide, so p95 is right to about 7 %
CLASSES = 100  # 1 ms · 1.15^99 is 17 minutes


@dataclass(slots=True)
class _Second:
    at: int = -1
    requests: int = 0
    errors: int = 0
    classes: dict[int, int] = field(default_factory=dict)


class Traffic:
    """`record()` each answered request; `metrics()` is the contract's object in /health."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._started = now()
        self._seconds = [_Second() for _ in range(WINDOW)]

    def record(self, seconds: float, *, failed: bool) -> None:
        """`failed` means that we failed; a refusal is no error of ours."""
        at = int(self._now())
        slot = self._seconds[at % WINDOW]
        if slot.at != at:
            slot.at, slot.requests, slot.errors, slot.classes = at, 0, 0, {}
        slot.requests += 1
        slot.errors += failed
        ms = max(1.0, seconds * 1000)
        index = min(CLASSES - 1, math.ceil(math.log(ms, STEP)))
        slot.classes[index] = slot.classes.get(index, 0) + 1

    def metrics(self) -> dict[str, float]:
        now = self._now()
        recent = [s for s in self._seconds if s.at > now - WINDOW]
        requests = sum(s.requests for s in recent)
        errors = sum(s.errors for s in recent)
        elapsed = min(float(WINDOW), max(1.0, now - self._started))
        return {
            "request_rate": round(requests / elapsed, 2),
            "error_rate": round(errors / requests, 4) if requests else 0.0,
            "p95_latency": self._percentile(recent, 0.95 * requests),
        }

    @staticmethod
    def _percentile(recent: list[_Second], rank: float) -> float:
        total: dict[int, int] = {}
        for second in recent:
            for index, count in second.classes.items():
                total[index] = total.get(index, 0) + count
        seen = 0
        for index in sorted(total):
            seen += total[index]
            if seen >= rank:
                return round(STEP**index, 1)
        return 0.0
