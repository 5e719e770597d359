"""Loaders: what one document asks for by id is read in one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from aiodataloader import DataLoader, Loader

from app.caller import Caller
from app.pipeline.gateway import Gateway
from resolvers.pacing import GROUP, Paused
from resolvers.results import stored_content
from resolvers.types import ChildrenOf, Content, ContentOf

K = TypeVar("K")
V = TypeVar("V")


class PatientLoader(DataLoader[K, V]):
    """Asks once for all that a document wants, also where its fields began in several rounds.

    It gathers keys and remembers nothing: a subscription's documents live for hours.
    """

    cache = False

    def __init__(self, gateway: Gateway, caller: Caller, paused: Paused) -> None:
        super().__init__()
        self._gateway, self._caller, self._paused = gateway, caller, paused

    def do_resolve_reject(self, key: K, future: asyncio.Future[V]) -> None:
        """aiodataloader's: a key more; with the first one it is seen to that they are loaded."""
        self._queue.append(Loader(key=key, future=future))
        if len(self._queue) == 1:
            self._asking = asyncio.ensure_future(self._ask())

    async def _ask(self) -> None:
        await asyncio.sleep(0)
        await self._paused.over()  # who waits for a turn may want something, too
        asked, self._queue = self._queue, []
        found: Sequence[V | Exception]
        try:
            found = await self.batch_load_fn([one.key for one in asked])
        except Exception as error:
            found = [error] * len(asked)
        await self._told(asked, found)

    async def _told(self, asked: Sequence[Loader], found: Sequence[V | Exception]) -> None:
        """Some in each round of the loop: who is told goes on in the same one."""
        for number, (one, value) in enumerate(zip(asked, found, strict=True), 1):
            if one.future.done():
                continue  # its document was given up
            if isinstance(value, Exception):
                one.future.set_exception(value)
            else:
                one.future.set_result(value)
            if number % GROUP == 0:
                await asyncio.sleep(0)


class ContentLoader(PatientLoader[ContentOf, Content | None]):
    """The caller's own content by id; None for what is not there or not theirs."""

    async def batch_load_fn(self, keys: Sequence[ContentOf]) -> list[Content | None]:
        self._caller.require("content:read")
        found: dict[ContentOf, Content] = {}
        for whole in {key.whole for key in keys}:
            ids = [key.id for key in keys if key.whole is whole]
            records = await self._gateway.contents.by_id(self._caller, ids, whole=whole)
            found |= {ContentOf(key, whole=whole): stored_content(r) for key, r in records.items()}
        return [found.get(key) for key in keys]


class ChildrenLoader(PatientLoader[ChildrenOf, list[Content]]):
    """The caller's own content that continues each of these, the oldest first.

    Without `content:read` a caller may know the ids of it, which `childElements` tells.
    """

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
