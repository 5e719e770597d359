"""Context: what a document's resolvers share. One for each operation, on every transport."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import strawberry
from strawberry.types import Info as StrawberryInfo

from app.errors import Unauthenticated
from app.gateway import Admission, Gateway, Visit
from resolvers.loaders import ChildrenLoader, ContentLoader


@dataclass
class Context:
    """`visit` is None for a document without a token, which may select public fields only."""

    gateway: Gateway
    request_id: str
    visit: Visit | None
    requests: int = 1  # root fields, which is what the document counts
    resumed: bool = False  # a subscription that goes on where it left off counts nothing
    charge: asyncio.Future[None] | None = None  # the one decision on all of them
    admissions: dict[str | int, Admission] = field(default_factory=dict)

    @property
    def caller_visit(self) -> Visit:
        """The visit. Raises `Unauthenticated` when there was no token."""
        if self.visit is None:
            raise Unauthenticated("missing")
        return self.visit

    @cached_property
    def contents(self) -> ContentLoader:
        return ContentLoader(self.gateway, self.caller_visit.caller)

    @cached_property
    def children(self) -> ChildrenLoader:
        return ChildrenLoader(self.gateway, self.caller_visit.caller)


Info: TypeAlias = StrawberryInfo[Context, None]
ID: TypeAlias = strawberry.ID
