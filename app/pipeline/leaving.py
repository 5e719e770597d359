"""Leaving: a caller may go before its answer is made; whether that goes on then is its wish."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from app.errors import Left
from app.pipeline.context import RequestContext

T = TypeVar("T")


async def unless_left(task: asyncio.Task[T], context: RequestContext, *, goes_on: bool) -> T:
    """The task's result. `goes_on`: the task does when its caller leaves; else it is cancelled.

    Raises:
        Left: the caller did, where the transport tells it by `RequestContext.disconnected`.
    """
    try:
        if goes_on or context.disconnected is None:
            return await asyncio.shield(task)
        left = asyncio.ensure_future(context.disconnected())
        try:
            await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
        if not task.done():
            raise Left
        return task.result()
    except (asyncio.CancelledError, Left):
        if not goes_on:
            task.cancel()
        raise
