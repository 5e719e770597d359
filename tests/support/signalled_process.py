"""A process that is sent signals while streams are open; `python -m` it with a case's name."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from app.caller import Caller
from app.errors import GatewayError
from app.open_streams import OpenStreams
from app.shutdown import graceful_shutdown


async def nothing_is_revoked(_: Any) -> list[str]:
    return []


class OpenStream:
    """Something open, which takes a moment to close."""

    def __init__(self, open_streams: OpenStreams, *, stays: bool = False) -> None:
        self.caller, self.open_streams, self.stays = Caller("alice"), open_streams, stays
        self.told = asyncio.Event()
        open_streams.hold(self)

    def end(self, _: GatewayError) -> None:
        self.told.set()
        if not self.stays:
            asyncio.get_running_loop().call_later(0.05, self.open_streams.release, self)

    def look(self, now: float) -> None: ...


async def one_signal() -> str:
    """The server hears of it when all is closed, and not before."""
    server, open_streams = asyncio.Event(), OpenStreams(nothing_is_revoked)
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(server.set))
    with graceful_shutdown(open_streams):
        stream = OpenStream(open_streams)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stream.told.wait(), 5)
        early = server.is_set()
        await asyncio.wait_for(server.wait(), 5)
        return "ok" if not early and not open_streams else "early"


async def two_signals() -> str:
    """The second one is handed on at once: whoever sends it means it."""
    server, open_streams = asyncio.Event(), OpenStreams(nothing_is_revoked)
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(server.set))
    with graceful_shutdown(open_streams):
        stream = OpenStream(open_streams, stays=True)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(stream.told.wait(), 5)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(server.wait(), 1)  # the farewell may take three
        return "ok" if len(open_streams) == 1 else "released"


class Broken(OpenStream):
    def end(self, _: GatewayError) -> None:
        self.told.set()
        raise RuntimeError("a fault of ours")


async def with_a_fault() -> str:
    """Whatever goes wrong with a farewell, the server stops."""
    server, open_streams = asyncio.Event(), OpenStreams(nothing_is_revoked)
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(server.set))
    with graceful_shutdown(open_streams):
        stream = Broken(open_streams)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stream.told.wait(), 5)
        await asyncio.wait_for(server.wait(), 5)
        return "ok"


async def given_back() -> str:
    """What heard the signals before hears them again afterwards."""

    def mine(*_: Any) -> None: ...

    signal.signal(signal.SIGTERM, mine)
    with graceful_shutdown(OpenStreams(nothing_is_revoked)):
        during = signal.getsignal(signal.SIGTERM)
    return "ok" if during is not mine and signal.getsignal(signal.SIGTERM) is mine else "kept"


CASES = {case.__name__: case for case in (one_signal, two_signals, with_a_fault, given_back)}

if __name__ == "__main__":
    print(asyncio.run(CASES[sys.argv[1]]()))
