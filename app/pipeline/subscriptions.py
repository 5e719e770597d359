"""Subscriptions: how many streams a user may have open at once, over all edges together."""

from __future__ import annotations

from collections import Counter
from types import TracebackType

from app.errors import GatewayError

PER_USER = 1_000  # of a user, on one process


class TooManySubscriptions(GatewayError):
    """One subscription too many of a user's on this process; the others go on."""

    status, code = 429, "TOO_MANY_OPERATIONS"

    def __init__(self, most: int) -> None:
        super().__init__(f"A user may run at most {most} subscriptions at once")


class Subscriptions:
    """Those of a process: GraphQL's over WebSocket and SSE, and REST's event streams."""

    def __init__(self, per_user: int = PER_USER) -> None:
        self.per_user = per_user
        self.users: Counter[str] = Counter()
        self.edges: Counter[str] = Counter()

    def enter(self, user_id: str, edge: str = "rest") -> Place:
        """One more of the user's, at this edge. Raises `TooManySubscriptions`."""
        if self.users[user_id] >= self.per_user:
            raise TooManySubscriptions(self.per_user)
        self.users[user_id] += 1
        self.edges[edge] += 1
        return Place(self, user_id, edge)

    def exit(self, user_id: str, edge: str) -> None:
        """One less: it ended, or did not come to be."""
        self.edges[edge] -= 1
        self.users[user_id] -= 1
        if not self.users[user_id]:
            del self.users[user_id]


class Place:
    """One subscription's. As a block: it is left when the subscription does not come to be."""

    def __init__(self, subscriptions: Subscriptions, user_id: str, edge: str) -> None:
        self._subscriptions, self._user_id, self._edge = subscriptions, user_id, edge
        self._left = False

    def leave(self) -> None:
        """The subscription has ended; once more does nothing."""
        if not self._left:
            self._left = True
            self._subscriptions.exit(self._user_id, self._edge)

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.leave()
