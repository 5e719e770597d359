"""Silence, on a loop whose time passes only where the test lets it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.redis.client import BUDGET, Silence
from tests.support.skipping_loop import SkippingLoop, run_on_skipping_loop


def test_silence_ends_a_call_after_its_budget() -> None:
    async def work(loop: SkippingLoop) -> float:
        with pytest.raises(TimeoutError):
            async with Silence(BUDGET):
                await loop.create_future()
        return loop.now

    assert run_on_skipping_loop(work) == pytest.approx(BUDGET)


def test_a_reply_within_the_budget_is_heard() -> None:
    async def work(loop: SkippingLoop) -> str:
        async with Silence(BUDGET):
            return await asyncio.sleep(BUDGET * 0.94, "reply")

    assert run_on_skipping_loop(work) == "reply"


async def turns(loop: SkippingLoop, late: float, number: int | None = None) -> None:
    """Other work that takes `late` seconds of each turn of the loop."""
    while number is None or number > 0:
        loop.now += late
        number = number and number - 1
        await asyncio.sleep(0)


def test_the_loops_own_lateness_is_no_silence() -> None:
    """160 ms a turn is 64 requests of 2.5 ms; a new connection takes 16 to 23 turns."""

    async def work(loop: SkippingLoop) -> float:
        async with Silence(BUDGET):
            await turns(loop, 0.16, 23)
        return loop.now

    assert run_on_skipping_loop(work) == pytest.approx(23 * 0.16)


def test_a_busy_loop_still_ends_a_silent_call() -> None:
    async def work(loop: SkippingLoop) -> float:
        busy = asyncio.create_task(turns(loop, 0.16))
        with pytest.raises(TimeoutError):
            async with Silence(BUDGET):
                await loop.create_future()
        busy.cancel()
        return loop.now

    assert run_on_skipping_loop(work) < BUDGET + 43 * 0.16


def test_silence_leaves_a_callers_own_cancellation_alone() -> None:
    wrong: list[Any] = []

    async def work(loop: SkippingLoop) -> None:
        loop.set_exception_handler(lambda _, context: wrong.append(context))

        async def call() -> None:
            async with Silence(BUDGET):
                await loop.create_future()

        task = asyncio.create_task(call())
        await asyncio.sleep(BUDGET / 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(2 * BUDGET)  # a timer left behind would fire now

    run_on_skipping_loop(work)
    assert wrong == []
