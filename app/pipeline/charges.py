"""Charges: what each kind of request counts for the user's limit and for everybody's.

The edges tell what kind a request is, `RequestContext` charges what stands here. What an operation
counts besides, for its own limit and for a model's, is its admission's (`admission.py`). Who comes
without a token, or with a bad one, has no limits to count for but an address (`identity.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from app.caller import Caller
from app.policies.throttle import Throttle


class Kind(Enum):
    """What a request is."""

    OPERATION = "an operation, also as a field of a mutation or an item of a batch"
    FIELD = "a root field of a query"
    READ = "reading, deleting or cancelling what is there"
    STREAM = "a stream of events that begins"
    RESUMED = "a stream that goes on behind a cursor"
    EXPIRED = "a stream whose cursor has expired, so that it gives nothing"
    SOCKET = "a WebSocket that is opened; what is asked on it counts by itself"
    BATCH = "what is around the items of a batch"
    HEAD = "HEAD, also of a stream, of which it reads nothing"
    REFUSED = "what came to nothing: 400, 403, 404, 405, 406, 413, 415, 422, one stream too many"
    LOOK = "finding out whether the token was revoked"
    PAGE = "health, metrics, pages, documents and their files, whoever asks"


CHARGES: Mapping[Kind, int] = {
    Kind.OPERATION: 1,
    Kind.FIELD: 1,
    Kind.READ: 1,
    Kind.STREAM: 1,
    Kind.RESUMED: 0,
    Kind.EXPIRED: 1,
    Kind.SOCKET: 0,
    Kind.BATCH: 0,
    Kind.HEAD: 1,
    Kind.REFUSED: 1,
    Kind.LOOK: 0,
    Kind.PAGE: 0,
}
BY_METHOD = {"HEAD": Kind.HEAD}
# What counts nothing counts one when it comes more often than this. As many as a user may have
# streams: each may come back once a minute, as all do when a process is replaced.
FREE_A_MINUTE = 1_000
BOUNDED = (Kind.RESUMED, Kind.SOCKET)
# Documents that this process has not read before, of a user whose limit is full: a minute of them
# takes at most a second to parse. Behind it they are refused unread.
PARSED_A_MINUTE = 30


def kind_of(method: str) -> Kind:
    """What an HTTP request is before anything of it was read."""
    return BY_METHOD.get(method, Kind.REFUSED)


class Charges:
    """The table, and how often each user came for nothing. One for the process."""

    def __init__(self, free: int = FREE_A_MINUTE) -> None:
        """`free`: resumed streams, and sockets, of a user in a minute that count nothing."""
        self._free = {kind: Throttle(free) for kind in BOUNDED}
        self._parsed = Throttle(PARSED_A_MINUTE)

    def of(self, kind: Kind, caller: Caller) -> int:
        """As how many requests it counts; to be asked once for each."""
        free = self._free.get(kind)
        if free is not None and free.take(caller.id):
            return CHARGES[Kind.REFUSED]
        return CHARGES[kind]

    def may_be_parsed(self, caller: Caller) -> bool:
        """Whether one more document may be, of a caller who is surely refused but for its sake."""
        return not self._parsed.take(caller.id)
