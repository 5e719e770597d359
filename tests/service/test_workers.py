"""Several workers: one that dies or hangs is replaced unnoticed, and none outlives the service."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest

from tests.chaos.fleet import CONFIG, TIER
from tests.support import cli_process
from tests.support.cli_process import CliProcess
from tests.support.service import CHARACTER, SECRET, token
from tests.support.waiting import until

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not Path(f"/proc/self/task/{os.getpid()}/children").exists(),
        reason="only Linux tells who the children are, and who holds a connection",
    ),
]
CLIENTS = 3
PACE = 0.02  # s between two requests of a client
REPLACED = 30.0  # s; a dead one takes about 3, a stopped one 5 more until it is called dead
HASTY = (
    "import app.cli as c, app.server as s; s.GRACEFUL_TIMEOUT, s.KILL_TIMEOUT = 1, 1.0; c.main()"
)


def children(pid: int) -> set[int]:
    return {int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def lives(pid: int) -> bool:
    """Whether it runs; one that has ended and was not waited for does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def holder(port: int, client: int, pids: set[int]) -> int | None:
    """Which of the processes holds the server's end of a connection."""
    ends = f"0100007F:{port:04X}", f"0100007F:{client:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    sockets = {f"socket:[{row[9]}]" for row in rows if (row[1], row[2]) == ends}
    return next((pid for pid in pids if sockets & set(files(pid))), None)


def files(pid: int) -> list[str]:
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append(str(file.readlink()))
    return found


class Load:
    """Clients that ask all along, each request on a connection of its own, and try once more."""

    def __init__(self, running: CliProcess) -> None:
        self._running, self._users = running, itertools.count()
        self.answered: Counter[int | None] = Counter()  # by the worker's pid
        self.repeated = 0

    async def ask_on(self) -> None:
        while True:
            user = f"user{next(self._users)}"
            try:
                await self._ask(user)
            except httpx2.TransportError:
                self.repeated += 1
                await self._ask(user)
            await asyncio.sleep(PACE)

    async def _ask(self, user: str) -> None:
        headers = {"Authorization": f"Bearer {token(user, tier=TIER)}", "Idempotency-Key": user}
        url = f"{self._running.url}/api/v2/text/character"
        async with httpx2.AsyncClient(timeout=20) as http:
            response = await http.post(url, json=CHARACTER, headers=headers)
            assert response.status_code == 200, response.text
            _, port = response.extensions["network_stream"].get_extra_info("client_addr")
            pids = children(self._running.process.pid)
            self.answered[holder(self._running.port, port, pids)] += 1


@contextlib.asynccontextmanager
async def asking(running: CliProcess) -> AsyncIterator[Load]:
    """Load until the block ends; whoever got no answer fails the test."""
    load = Load(running)
    clients = [asyncio.create_task(load.ask_on()) for _ in range(CLIENTS)]
    try:
        yield load
        for client in clients:
            if client.done():
                client.result()
    finally:
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


@contextlib.asynccontextmanager
async def two_workers(
    directory: Path, redis_url: str, *, command: tuple[str, ...] = cli_process.COMMAND
) -> AsyncIterator[CliProcess]:
    (directory / "config.toml").write_text(CONFIG)
    given = {
        "LOREGATE_JWT_SECRET": SECRET,
        "REDIS_URL": redis_url,
        "LOREGATE_CONFIG": "config.toml",
    }
    assert (await cli_process.run(directory, "migrate", **given))[0] == 0
    serve = ("serve", "--workers", "2")
    async with cli_process.serving(directory, *serve, command=command, **given) as running:
        yield running


async def soon(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(REPLACED):
        while not holds():
            await asyncio.sleep(0.02)


async def pair(load: Load) -> set[int]:
    """Both workers, once each has answered."""
    await soon(lambda: len(load.answered.keys() - {None}) == 2)
    return {pid for pid in load.answered if pid is not None}


async def gone(pids: set[int]) -> None:
    await until(lambda: not any(map(lives, pids)))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_worker_that_dies_or_hangs_is_replaced_and_clients_with_one_retry_do_not_notice(
    tmp_path: Path, redis_url: str, how: signal.Signals
) -> None:
    async with two_workers(tmp_path, redis_url) as running:
        supervisor = running.process.pid
        async with asking(running) as load:
            first = await pair(load)
            struck = min(first)
            os.kill(struck, how)
            await soon(lambda: bool(load.answered.keys() - first - {None}))
            # It serves by itself: what the other one would have answered, it answers too.
            [new] = load.answered.keys() - first - {None}
            before = load.answered[new]
            os.kill(max(first), signal.SIGKILL)
            await soon(lambda: load.answered[new] > before + CLIENTS)
            await soon(lambda: len(load.answered.keys() - first - {None}) == 2)
            # Each worker that was struck took no more with it than what it was answering.
            assert load.repeated <= 2 * CLIENTS
        everybody = children(supervisor)
        assert not lives(struck)
        assert new in everybody
        running.process.terminate()
        async with asyncio.timeout(20):
            assert await running.process.wait() == 0
        await gone(everybody)


async def test_a_worker_that_hangs_does_not_keep_the_service_from_ending(
    tmp_path: Path, redis_url: str
) -> None:
    hasty = (sys.executable, "-c", HASTY)
    async with two_workers(tmp_path, redis_url, command=hasty) as running:
        async with asking(running) as load:
            workers = await pair(load)
        everybody = children(running.process.pid)
        os.kill(min(workers), signal.SIGSTOP)
        running.process.terminate()
        async with asyncio.timeout(20):
            assert await running.process.wait() == 0
        await gone(everybody)


async def test_workers_end_with_a_supervisor_that_was_killed(
    tmp_path: Path, redis_url: str
) -> None:
    """Nobody could tell them to end afterwards, and they would hold the port."""
    async with two_workers(tmp_path, redis_url) as running:
        async with asking(running) as load:
            await pair(load)
        everybody = children(running.process.pid)
        await running.kill()
        await gone(everybody)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", running.port)
