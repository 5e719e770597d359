"""The README's snippets work as they are pasted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx2

from app.open_streams import TokenExpired
from tests.support import cli_process
from tests.support.cli_process import ROOT
from tests.support.event_streams import named_event
from tests.support.npm_clients import NpmClients
from tests.support.service import CHARACTER, Service, token
from tests.support.sockets import until_subscribed

SOON = 30.0  # s in which what must happen happens
EMBEDDED = "127.0.0.1:8100"  # where `make dev` listens unless told otherwise


def snippet(language: str, sign: str) -> str:
    """The README's only block of that language which has `sign` in it."""
    blocks = re.findall(
        rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S
    )
    [found] = [block for block in blocks if sign in block]
    return str(found)


class Pasted:
    """A snippet that runs, and what it said so far."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.out = self.err = ""
        self._heard = asyncio.Condition()
        reading = (self._read(process.stdout, "out"), self._read(process.stderr, "err"))
        self._reading = asyncio.gather(*reading)

    async def _read(self, stream: asyncio.StreamReader | None, name: str) -> None:
        assert stream is not None
        while line := await stream.readline():
            setattr(self, name, getattr(self, name) + line.decode())
            async with self._heard:
                self._heard.notify_all()

    async def until(self, pattern: str, *, stream: str = "out") -> None:
        """Until that was printed; the test fails with all that was said."""
        try:
            async with asyncio.timeout(SOON), self._heard:
                await self._heard.wait_for(lambda: re.search(pattern, getattr(self, stream)))
        except TimeoutError:
            raise AssertionError(f"no {pattern!r} in {self.out!r} {self.err!r}") from None

    async def ended(self) -> int:
        async with asyncio.timeout(SOON):
            await self._reading
            return await self.process.wait()


@contextlib.asynccontextmanager
async def pasted(
    command: Sequence[str], source: str, folder: Path, **variables: str
) -> AsyncIterator[Pasted]:
    """The snippet as a file in the folder, run in an environment with no others of ours."""
    script = folder / ("snippet.mjs" if command[0] == "node" else "snippet.py")
    script.write_text(source)
    environment = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **variables}
    process = await asyncio.create_subprocess_exec(
        *command, script.name, cwd=folder, env=environment, stdout=PIPE, stderr=PIPE
    )
    running = Pasted(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.ended()


# -- graphql-ws
@contextlib.asynccontextmanager
async def watching(
    found: Service, npm_clients: NpmClients, **variables: str
) -> AsyncIterator[Pasted]:
    source = snippet("js", "createClient")
    assert source.count(EMBEDDED) == 1
    source = source.replace(EMBEDDED, found.url.removeprefix("http://"))
    async with pasted(["node"], source, npm_clients.folder, **variables) as page:
        yield page


async def publish(found: Service, *names: str) -> None:
    await found.parts.event_log.publish([named_event(name) for name in names])


async def test_the_graphql_ws_snippet_shows_events_and_goes_on_after_4403_and_1012(
    loregate: Service,
    npm_clients: NpmClients,
) -> None:
    open_streams = loregate.gateway.open_streams
    async with watching(loregate, npm_clients, TOKEN=token()) as page:
        await until_subscribed(loregate)
        await publish(loregate, "first", "second")
        await page.until("'second'")
        for holder in list(open_streams):
            holder.end(TokenExpired())
        await page.until("interrupted.*4403", stream="err")
        await publish(loregate, "while it was away")
        await page.until("'while it was away'")
        open_streams.end_all()
        open_streams.stopping = False  # as if it had been restarted
        await page.until("interrupted.*1012", stream="err")
        await publish(loregate, "after a restart")
        await page.until("'after a restart'")
        names = re.findall(r"id: '(.+?)'", page.out)
        assert names == ["first", "second", "while it was away", "after a restart"]


async def test_the_graphql_ws_snippet_says_that_a_token_is_wrong_and_ends(
    loregate: Service,
    npm_clients: NpmClients,
) -> None:
    for variables in ({"TOKEN": "no.token.at-all"}, {}):
        async with watching(loregate, npm_clients, **variables) as page:
            assert await page.ended() == 1
            assert re.fullmatch(r"ended: 4403 \S.*\n", page.err), page.err


async def test_the_graphql_ws_snippet_says_what_the_gateway_refuses_and_ends(
    loregate: Service,
    npm_clients: NpmClients,
) -> None:
    async with watching(loregate, npm_clients, TOKEN=token(permissions=["theme:analyze"])) as page:
        assert await page.ended() == 1
        assert "FORBIDDEN" in page.err


async def test_the_graphql_ws_snippet_says_that_nobody_listens(
    loregate: Service,
    npm_clients: NpmClients,
) -> None:
    source = snippet("js", "createClient").replace(EMBEDDED, "127.0.0.1:1")
    async with pasted(["node"], source, npm_clients.folder, TOKEN=token()) as page:
        await page.until("connecting again: .*ECONNREFUSED", stream="err")


# -- the event stream
async def test_the_redis_snippet_reads_the_stream_of_a_development_server(tmp_path: Path) -> None:
    source = snippet("python", "xreadgroup")
    async with cli_process.serving(tmp_path, "dev") as running:
        [url] = re.findall(r"^export REDIS_URL=(\S+)$", running.said, re.M)
        headers = {"Authorization": f"Bearer {running.token}"}
        async with httpx2.AsyncClient(base_url=running.url, headers=headers, timeout=20) as http:
            first = await http.post("/api/v2/text/character", json=CHARACTER)
            async with pasted([sys.executable], source, tmp_path, REDIS_URL=url) as service:
                await service.until(f"content.generated {first.json()['content_id']}")
                second = await http.post("/api/v2/text/character", json=CHARACTER)
                await service.until(f"content.generated {second.json()['content_id']}")
                assert service.err == ""


async def test_a_redis_of_somebody_elses_is_not_printed(tmp_path: Path, redis_url: str) -> None:
    async with cli_process.serving(tmp_path, "dev", REDIS_URL=redis_url) as running:
        assert "REDIS_URL" not in running.said
        assert redis_url not in running.said
