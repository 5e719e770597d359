"""Erasure: what a user did before being erased, told by the ids of what was done.

Contents, generations and events have ids that begin with the time at which they were begun (uuid7,
RFC 9562). An erasure leaves a mark, `before`: the beginning of the last id that is from before it.
Whoever writes something down compares: what is from before is not written any more, and a user who
comes back is new. Ids are compared as texts, so that Python, Lua and SQL do it alike.
"""

from __future__ import annotations

import hashlib

MARK_TTL = 86_400.0  # s for which a mark stands: nothing that was under way then still is
# s by which the clocks of two gateways may differ: for so long behind an erasure what its user
# begins is refused, for it may be from before.
CLOCK_MARGIN = 5.0
LENGTH = 13  # characters of an id that tell its time: 48 bits of milliseconds and a hyphen


def before(at: float) -> str:
    """The mark of an erasure at `at`, in Unix seconds."""
    ms = f"{round(at * 1000):012x}"
    return f"{ms[:8]}-{ms[8:]}"


def covers(mark: str | None, name: str) -> bool:
    """Whether what has this id was begun before the erasure; without a mark nothing was."""
    return mark is not None and name[:LENGTH] <= mark


def owner(user_id: str) -> str:
    """How a mark names its user: a hash, which lapses with it."""
    return hashlib.blake2b(user_id.encode(), digest_size=16).hexdigest()
