"""Context: what a document's resolvers share. One for each operation, on every transport."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import strawberry
from strawberry.types import Info as StrawberryInfo

from app.errors import Unauthenticated
from app.pipeline.context import RequestContext
from app.pipeline.gateway import Gateway
from resolvers.loaders import ChildrenLoader, ContentLoader
from resolvers.pacing import Paused


@dataclass
class Context:
    """`request` is None for a document without a token, which may select public fields only.

    `last_event_id` is where a subscription goes on that comes back, whatever its document says.
    """

    gateway: Gateway
    request_id: str
    request: RequestContext | None
    last_event_id: str | None = None
    paused: Paused = field(default_factory=Paused)
    selections: dict[Any, bool] = field(default_factory=dict)  # what `selections` found out

    @property
    def authenticated(self) -> RequestContext:
        """The caller's request. Raises `Unauthenticated` when there was no token."""
        if self.request is None:
            raise Unauthenticated("missing")
        return self.request

    @cached_property
    def contents(self) -> ContentLoader:
        return ContentLoader(self.gateway, self.authenticated.caller, self.paused)

    @cached_property
    def children(self) -> ChildrenLoader:
        return ChildrenLoader(self.gateway, self.authenticated.caller, self.paused)


Info: TypeAlias = StrawberryInfo[Context, None]
ID: TypeAlias = strawberry.ID
