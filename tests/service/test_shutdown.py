"""A server that is told to stop says farewell to what is open, and only then closes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from app.open_streams import OpenStreams
from app.shutdown import graceful_shutdown
from tests.support import cli_process
from tests.support.cli_process import CliProcess
from tests.support.event_streams import IDS, PATH, Stream
from tests.support.rest_bodies import GOOD, THEME
from tests.support.service import PROTOCOL, SECRET, Socket, token
from tests.support.signalled_process import CASES, nothing_is_revoked

# -- by itself, in a process of its own: signals are a process's


@pytest.mark.parametrize("name", CASES)
async def test_a_signal_is_handed_on_when_what_is_open_is_closed(name: str) -> None:
    command = (sys.executable, "-m", "tests.support.signalled_process", name)
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cli_process.ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert out.decode().strip() == "ok"


async def test_in_another_thread_nothing_is_heeded() -> None:
    """Only the main thread hears signals; a server that runs elsewhere starts all the same."""

    async def begin() -> bool:
        before = signal.getsignal(signal.SIGTERM)
        with graceful_shutdown(OpenStreams(nothing_is_revoked)):
            return signal.getsignal(signal.SIGTERM) is before

    assert await asyncio.to_thread(lambda: asyncio.run(begin()))


# -- the command
@asynccontextmanager
async def served(
    directory: Path, redis_url: str, *arguments: str
) -> AsyncIterator[tuple[CliProcess, dict[str, str]]]:
    given = {
        "LOREGATE_JWT_SECRET": SECRET,
        "REDIS_URL": redis_url,
        "DATABASE_URL": f"sqlite+aiosqlite:///{directory / 'own.db'}",
    }
    assert (await cli_process.run(directory, "migrate", **given))[0] == 0
    async with cli_process.serving(directory, "serve", *arguments, **given) as found:
        yield found, given


@pytest.mark.long
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
            cursors = await last_cursors(socket)
            *_, block = await stream.rest()
            assert (await socket.closed())[0] == 1012
        assert block.json["code"] == "SHUTTING_DOWN"
        assert await asyncio.wait_for(running.process.wait(), 20) in (0, -signal.SIGTERM)
        places = {block.id, cursors[name]}
    async with (
        cli_process.serving(tmp_path, "serve", **given) as again,
        httpx2.AsyncClient(base_url=again.url, headers=headers, timeout=20) as http,
    ):
        made = (await http.post(THEME, json=GOOD[THEME])).json()["content_id"]
        for cursor in places:
            async with http.stream("GET", f"{PATH}?after={cursor}") as response:
                stream = Stream(response)
                # A stopping server may publish again what it had not noted yet as published.
                while (found := (await stream.next()).json["content_id"]) in earlier:
                    pass
                assert found == made


async def last_cursors(socket: Socket) -> dict[str, str]:
    """What the last ping before the close says; what came before it is over."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket.receive()
    return socket.told[-1]


async def joined(http: httpx2.AsyncClient, socket: Socket, stream: Stream) -> set[str]:
    """Until both have got an event, which has them at the log's end; what was made for that."""
    made = set()
    seen = asyncio.gather(socket.receive(60), stream.next())
    while not seen.done():
        answer = await http.post(THEME, json=GOOD[THEME], headers={"Cache-Control": "no-store"})
        made.add(answer.json()["content_id"])
        await asyncio.wait({seen}, timeout=0.1)
    return made
