"""Answer: what a request gets, and how it came."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.limit_standing import Standing
from app.operations import Operation

Body = dict[str, Any]


class CacheStatus(StrEnum):
    """What the cache did for a request."""

    HIT = "hit"
    MISS = "miss"
    COALESCED = "coalesced"
    BYPASS = "bypass"


@dataclass(frozen=True, slots=True)
class Result:
    """A body, and how it came.

    age: seconds, of one from the cache. similarity: how alike the request was that it was made
    for, 0 to 1, where it was made for another.
    """

    body: Body
    status: CacheStatus
    age: float = 0.0
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An operation's answer: `body` is the REST answer; `standing` the tightest limit it took."""

    operation: Operation[Any, Any]
    result: Result
    standing: Standing
    request_id: str

    @property
    def body(self) -> Body:
        return self.result.body

    @property
    def cache_status(self) -> CacheStatus:
        return self.result.status
