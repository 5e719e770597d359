"""GraphQL over server-sent events, in distinct connections: each operation is a response.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md has the messages: `next` with a
result, and `complete`. What we add is ids: a result's cursor is its id, and a position without a
result is an id alone, since clients of the protocol throw on an event that they do not know.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Self

import orjson

from app.errors import GatewayError
from app.open_streams import OpenStreams
from app.sse import EventStream, Frame, HeldStream
from resolvers.context import Context
from resolvers.execution import refusal
from resolvers.response_streams import ResponseStream

COMPLETE = Frame(b"", "complete")


def one_result(body: bytes, status: int, headers: Mapping[str, str]) -> EventStream:
    """A query's or a mutation's result, or why there is none."""
    stream = EventStream(_one(body), headers=headers)
    stream.status_code = status
    return stream


async def _one(body: bytes) -> AsyncGenerator[Frame, None]:
    yield Frame(body, "next")
    yield COMPLETE


def results(live: ResponseStream, context: Context, open_streams: OpenStreams) -> HeldStream:
    """A subscription's results, until it ends, or its token or the process does."""
    request_id = context.request_id
    return HeldStream(
        _Frames(live, request_id),
        context.authenticated.caller,
        open_streams,
        lambda reason: Frame(_error(reason, request_id), "next", live.cursor),
        position=lambda: _position(live.cursor),
    )


def _position(cursor: str | None) -> Frame | None:
    return Frame(id=cursor) if cursor is not None else None


def _error(error: GatewayError, request_id: str) -> bytes:
    return orjson.dumps(refusal(error, request_id).body)


class _Frames:
    """A subscription's position and then its results, as frames.

    To be closed, also before the first one.
    """

    def __init__(self, live: ResponseStream, request_id: str) -> None:
        self._live, self._request_id = live, request_id
        self._joined = False
        self._ending: list[Frame] | None = None  # what is still to be sent behind the last result

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        if self._ending is None:
            try:
                return await self._next()
            except StopAsyncIteration:
                self._ending = [COMPLETE]
            except GatewayError as error:
                place = error.details.get("cursor")
                said = Frame(_error(error, self._request_id), "next", place)
                self._ending = [said, COMPLETE]
        if not self._ending:
            raise StopAsyncIteration
        return self._ending.pop(0)

    async def _next(self) -> Frame:
        if not self._joined:
            await self._live.join()
            self._joined = True
            if position := _position(self._live.cursor):
                return position
        cursor, body = await anext(self._live)
        return Frame(body, "next", cursor)

    async def aclose(self) -> None:
        await self._live.aclose()
