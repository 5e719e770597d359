"""Loaders: what one document asks for by id is read in one statement."""

from __future__ import annotations

from collections.abc import Sequence

from aiodataloader import DataLoader

from app.caller import Caller
from app.pipeline.gateway import Gateway
from resolvers.results import content_of
from resolvers.types import Content


class ContentLoader(DataLoader[str, Content | None]):
    """The caller's own content by id; None for what is not there or not theirs.

    It gathers keys and remembers nothing: a subscription's documents live for hours.
    """

    cache = False

    def __init__(self, gateway: Gateway, caller: Caller) -> None:
        super().__init__()
        self._gateway, self._caller = gateway, caller

    async def batch_load_fn(self, keys: Sequence[str]) -> list[Content | None]:
        self._caller.require("content:read")
        found = await self._gateway.contents.by_id(self._caller, keys)
        return [
            content_of(found[k].operation, found[k].answer) if k in found else None for k in keys
        ]


class ChildrenLoader(DataLoader[str, list[Content]]):
    """The caller's own content that continues each of these, the oldest first.

    Without `content:read` a caller may know the ids of it, which `childElements` tells.
    """

    cache = False

    def __init__(self, gateway: Gateway, caller: Caller) -> None:
        super().__init__()
        self._gateway, self._caller = gateway, caller

    async def batch_load_fn(self, keys: Sequence[str]) -> list[list[Content]]:
        found = await self._gateway.contents.children(self._caller, list(dict.fromkeys(keys)))
        return [[content_of(r.operation, r.answer) for r in found.get(k, ())] for k in keys]
