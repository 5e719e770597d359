"""A mailbox keeps its order, and a gate holds whoever comes while it is shut."""

from __future__ import annotations

import asyncio

from app.mailbox import Gate, Mailbox


async def test_messages_come_in_their_order_also_to_one_who_waits() -> None:
    box = Mailbox()
    waiting = asyncio.create_task(box.get())
    await asyncio.sleep(0)
    for message in (1, 2, 3):
        box.put_nowait(message)
    assert [await waiting, await box.get(), await box.get()] == [1, 2, 3]
    assert box.empty()


async def test_one_who_stops_waiting_takes_no_message_along() -> None:
    box = Mailbox()
    waiting = asyncio.create_task(box.get())
    await asyncio.sleep(0)
    box.put_nowait("kept")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await box.get() == "kept"


async def test_a_shut_gate_holds_all_until_it_opens() -> None:
    gate, passed = Gate(), list[int]()

    async def pass_through(number: int) -> None:
        await gate.wait()
        passed.append(number)

    await pass_through(0)
    gate.clear()
    tasks = [asyncio.create_task(pass_through(n)) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    assert passed == [0]
    gate.set()
    gate.clear()  # before anybody had a turn
    await asyncio.sleep(0)
    assert passed == [0]
    gate.set()
    await asyncio.gather(*tasks[1:])
    assert passed == [0, 2, 3]
    assert gate.is_set()
