"""Node: what a client's cache knows a thing by, and what can be fetched again by that alone.

An `id` is base64url of a kind and a key, such as `Content:<uuid>`, without padding. To clients it
is opaque; it is the same for ever, and no two things share one.
"""

from __future__ import annotations

import base64
from uuid import UUID

import strawberry

CONTENT = "Content"


@strawberry.interface(description="Something that can be fetched again by its `id` alone.")
class Node:
    id: strawberry.ID = strawberry.field(
        description="Globally unique, opaque, and the same for ever: what caches know it by."
    )


def global_id(kind: str, key: str) -> strawberry.ID:
    """The `id` of the thing of that kind with that key."""
    text = base64.urlsafe_b64encode(f"{kind}:{key}".encode()).decode()
    return strawberry.ID(text.rstrip("="))


def node_content(id: str) -> str | None:
    """The `contentId` of the content with that `id`; None for any other text."""
    try:
        _, _, key = base64.urlsafe_b64decode(f"{id}==").decode().partition(":")
        content_id = str(UUID(key))
    except ValueError:  # no base64, no UTF-8 in it, no UUID in that
        return None
    # Decoders take other spellings too; one content under two ids is two entries of a cache.
    return content_id if global_id(CONTENT, content_id) == id else None


def named_content(id: str) -> str:
    """The `contentId` that a caller means who may give either id; any other text as it is."""
    return node_content(id) or id
