"""Media types: which kind of answer a client prefers, by its `Accept`.

The release of GraphQL over HTTP of September 2026 has statuses of its own for its media type. Who
does not name that type gets `application/json`, and the statuses that it always had; who names
server-sent events first gets every operation as such.
"""

from __future__ import annotations

from app.accept import Accept
from app.errors import GatewayError

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
EVENT_STREAM = "text/event-stream"


class NotAcceptable(GatewayError):
    """The client takes no kind of answer that is given here."""

    status, code = 406, "NOT_ACCEPTABLE"


def preferred(accept: Accept) -> str:
    """The type to answer with: that of the highest quality, of equal ones the first.

    Raises:
        NotAcceptable
    """
    # A wildcard stands for JSON alone: the others ask for more than a client may know of.
    named = [kind for kind in (GRAPHQL_RESPONSE, EVENT_STREAM) if accept.names(kind)]
    taken = [*named, JSON] if accept.quality(JSON) else named
    if not taken:
        said = f"Accept {GRAPHQL_RESPONSE}, {JSON}, or for a stream {EVENT_STREAM}"
        raise NotAcceptable(said)

    def rank(kind: str) -> tuple[float, int]:
        return accept.quality(kind), -accept.place(accept.range(kind) or kind)

    return max(taken, key=rank)
