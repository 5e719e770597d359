"""Accept: which media types a client takes, and how gladly (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_RANGES = 50  # of a header; the rest is not looked at
QUALITY = re.compile(r";\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE)
ANY_QUALITY = re.compile(r";\s*q\s*=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Accept:
    """A client's media ranges with their qualities, 0 to 1, in the given order."""

    ranges: dict[str, float]

    @classmethod
    def read(cls, header: str | None) -> Accept:
        """Without a header everything is taken."""
        found: dict[str, float] = {}
        for part in (header or "*/*").split(",", MAX_RANGES)[:MAX_RANGES]:
            found.setdefault(part.partition(";")[0].strip().lower(), _quality(part))
        return cls(found)

    def names(self, kind: str) -> bool:
        """Whether this very type is named, and taken."""
        return self.ranges.get(kind, 0.0) > 0

    def quality(self, kind: str) -> float:
        """How gladly a type is taken: by its name, else by the narrowest wildcard that has it."""
        found = self.range(kind)
        return self.ranges[found] if found is not None else 0.0

    def range(self, kind: str) -> str | None:
        """The range that decides about a type."""
        wildcards = (f"{kind.partition('/')[0]}/*", "*/*")
        return next((name for name in (kind, *wildcards) if name in self.ranges), None)

    def place(self, name: str) -> int:
        """Where a range stands; of equally good ones the first is preferred."""
        return list(self.ranges).index(name)


def _quality(part: str) -> float:
    """One that cannot be read is none."""
    if given := QUALITY.search(part):
        return float(given[1])
    return 0.0 if ANY_QUALITY.search(part) else 1.0
