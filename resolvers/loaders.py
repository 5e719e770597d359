"""Loaders: what one document asks for by id is read in one statement."""

from __future__ import annotations

from collections.abc import Sequence

from aiodataloader import DataLoader

from app.caller import Caller
from app.pipeline.gateway import Gateway
from resolvers.results import stored_content
from resolvers.types import ChildrenOf, Content, ContentOf


class ContentLoader(DataLoader[ContentOf, Content | None]):
    """The caller's own content by id; None for what is not there or not theirs.

    It gathers keys and remembers nothing: a subscription's documents live for hours.
    """

    cache = False

    def __init__(self, gateway: Gateway, caller: Caller) -> None:
        super().__init__()
        self._gateway, self._caller = gateway, caller

    async def batch_load_fn(self, keys: Sequence[ContentOf]) -> list[Content | None]:
        self._caller.require("content:read")
        found: dict[ContentOf, Content] = {}
        for whole in {key.whole for key in keys}:
            ids = [key.id for key in keys if key.whole is whole]
            records = await self._gateway.contents.by_id(self._caller, ids, whole=whole)
            found |= {ContentOf(key, whole=whole): stored_content(r) for key, r in records.items()}
        return [found.get(key) for key in keys]


class ChildrenLoader(DataLoader[ChildrenOf, list[Content]]):
    """The caller's own content that continues each of these, the oldest first.

    Without `content:read` a caller may know the ids of it, which `childElements` tells.
    """

    cache = False

    def __init__(self, gateway: Gateway, caller: Caller) -> None:
        super().__init__()
        self._gateway, self._caller = gateway, caller

    async def batch_load_fn(self, keys: Sequence[ChildrenOf]) -> list[list[Content]]:
        found: dict[tuple[str, bool], list[Content]] = {}
        for whole in {key.whole for key in keys}:
            asked = [key for key in keys if key.whole is whole]
            ids, first = list({key.id: None for key in asked}), max(key.first for key in asked)
            records = await self._gateway.contents.children(
                self._caller, ids, first=first, whole=whole
            )
            found |= {(key, whole): [stored_content(r) for r in rs] for key, rs in records.items()}
        return [found.get((key.id, key.whole), [])[: key.first] for key in keys]
