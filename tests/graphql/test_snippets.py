"""The README's snippets work as they are pasted."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2

from app.open_streams import TokenExpired
from tests.support import cli_process, examples
from tests.support.event_streams import named_event
from tests.support.npm_clients import NpmClients
from tests.support.service import CHARACTER, Service, token
from tests.support.snippets import Pasted, pasted, snippet
from tests.support.sockets import until_subscribed


# -- graphql-ws
@contextlib.asynccontextmanager
async def watching(
    found: Service, npm_clients: NpmClients, **variables: str
) -> AsyncIterator[Pasted]:
    given = {"LOREGATE_URL": found.url, **variables}
    source = examples.source("graphql_ws.mjs")
    async with pasted(["node"], source, npm_clients.folder, **given) as page:
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
    nobody = "http://127.0.0.1:1"
    async with examples.script("graphql_ws.mjs", npm_clients.folder, nobody, token()) as page:
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
