"""A server that is told to stop says farewell to what is open, and only then closes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect

from app.caller import Caller
from app.errors import GatewayError
from app.leases import Leases
from app.stopping import heeded
from tests import commands
from tests.commands import Running
from tests.live import IDS, PATH, Stream
from tests.service import PROTOCOL, SECRET, Socket, token
from tests.wishes import GOOD, THEME


# -- by itself, in a process of its own: signals are a process's
async def nothing_is_revoked(_: Any) -> list[str]:
    return []


class Holder:
    """Something open, which takes a moment to close."""

    def __init__(self, leases: Leases, *, stays: bool = False) -> None:
        self.caller, self.leases, self.stays = Caller("alice"), leases, stays
        self.told = asyncio.Event()
        leases.hold(self)

    def end(self, _: GatewayError) -> None:
        self.told.set()
        if not self.stays:
            asyncio.get_running_loop().call_later(0.05, self.leases.release, self)

    def look(self, now: float) -> None: ...


async def one_signal() -> str:
    """The server hears of it when all is closed, and not before."""
    server, leases = asyncio.Event(), Leases(nothing_is_revoked)
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(server.set))
    with heeded(leases):
        holder = Holder(leases)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(holder.told.wait(), 5)
        early = server.is_set()
        await asyncio.wait_for(server.wait(), 5)
        return "ok" if not early and not leases else "early"


async def two_signals() -> str:
    """The second one is handed on at once: whoever sends it means it."""
    server, leases = asyncio.Event(), Leases(nothing_is_revoked)
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(server.set))
    with heeded(leases):
        holder = Holder(leases, stays=True)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(holder.told.wait(), 5)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(server.wait(), 1)  # the farewell may take three
        return "ok" if len(leases) == 1 else "released"


class Broken(Holder):
    def end(self, _: GatewayError) -> None:
        self.told.set()
        raise RuntimeError("a fault of ours")


async def with_a_fault() -> str:
    """Whatever goes wrong with a farewell, the server stops."""
    server, leases = asyncio.Event(), Leases(nothing_is_revoked)
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(server.set))
    with heeded(leases):
        holder = Broken(leases)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(holder.told.wait(), 5)
        await asyncio.wait_for(server.wait(), 5)
        return "ok"


async def given_back() -> str:
    """What heard the signals before hears them again afterwards."""

    def mine(*_: Any) -> None: ...

    signal.signal(signal.SIGTERM, mine)
    with heeded(Leases(nothing_is_revoked)):
        during = signal.getsignal(signal.SIGTERM)
    return "ok" if during is not mine and signal.getsignal(signal.SIGTERM) is mine else "kept"


@pytest.mark.parametrize("name", ["one_signal", "two_signals", "with_a_fault", "given_back"])
async def test_a_signal_is_handed_on_when_what_is_open_is_closed(name: str) -> None:
    program = (
        f"import asyncio; from tests import test_stopping as t; print(asyncio.run(t.{name}()))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=commands.ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert out.decode().strip() == "ok"


async def test_in_another_thread_nothing_is_heeded() -> None:
    """Only the main thread hears signals; a server that runs elsewhere starts all the same."""

    async def begin() -> bool:
        before = signal.getsignal(signal.SIGTERM)
        with heeded(Leases(nothing_is_revoked)):
            return signal.getsignal(signal.SIGTERM) is before

    assert await asyncio.to_thread(lambda: asyncio.run(begin()))


# -- the command
@asynccontextmanager
async def served(
    directory: Path, redis_url: str, *arguments: str
) -> AsyncIterator[tuple[Running, dict[str, str]]]:
    given = {
        "LOREGATE_JWT_SECRET": SECRET,
        "REDIS_URL": redis_url,
        "DATABASE_URL": f"sqlite+aiosqlite:///{directory / 'own.db'}",
    }
    assert (await commands.run(directory, "migrate", **given))[0] == 0
    async with commands.serving(directory, "serve", *arguments, **given) as found:
        yield found, given


async def test_a_terminated_server_tells_sockets_and_streams_their_places(
    tmp_path: Path, redis_url: str
) -> None:
    """And whoever comes back with them to the next server has missed nothing."""
    headers = {"Authorization": f"Bearer {token()}"}
    async with served(tmp_path, redis_url) as (running, given):
        url = running.url.replace("http", "ws", 1) + "/graphql"
        async with (
            httpx2.AsyncClient(base_url=running.url, headers=headers, timeout=20) as http,
            connect(url, subprotocols=[PROTOCOL]) as ws,
            http.stream("GET", PATH) as response,
        ):
            socket, stream = Socket(ws), Stream(response)
            payload = {"authorization": token()}
            await socket.send({"type": "connection_init", "payload": payload})
            await socket.acknowledged()
            name = await socket.subscribe(IDS)
            earlier = await joined(http, socket, stream)
            running.process.send_signal(signal.SIGTERM)
            said = await told(socket)
            *_, block = await stream.rest()
            assert (await socket.closed())[0] == 1012
        assert block.json["code"] == "SHUTTING_DOWN"
        assert await asyncio.wait_for(running.process.wait(), 20) in (0, -signal.SIGTERM)
        cursors = {block.id, said["payload"]["cursors"][name]}
    async with (
        commands.serving(tmp_path, "serve", **given) as again,
        httpx2.AsyncClient(base_url=again.url, headers=headers, timeout=20) as http,
    ):
        made = (await http.post(THEME, json=GOOD[THEME])).json()["content_id"]
        for cursor in cursors:
            async with http.stream("GET", f"{PATH}?after={cursor}") as response:
                stream = Stream(response)
                # A stopping server may publish again what it had not noted yet as published.
                while (found := (await stream.next()).json["content_id"]) in earlier:
                    pass
                assert found == made


async def told(socket: Socket) -> Any:
    """The socket's last ping; what came before it is over."""
    while "cursors" not in (message := await socket.receive()).get("payload", {}):
        pass
    return message


async def joined(http: httpx2.AsyncClient, socket: Socket, stream: Stream) -> set[str]:
    """Until both have got an event, which has them at the log's end; what was made for that."""
    made = set()
    seen = asyncio.gather(socket.receive(60), stream.next())
    while not seen.done():
        answer = await http.post(THEME, json=GOOD[THEME], headers={"Cache-Control": "no-store"})
        made.add(answer.json()["content_id"])
        await asyncio.wait({seen}, timeout=0.1)
    return made
