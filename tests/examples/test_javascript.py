"""The examples in JavaScript work as they stand."""

from __future__ import annotations

import asyncio
import json
import re
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.open_streams import TokenExpired
from tests.support import browser, service
from tests.support.event_streams import publish
from tests.support.examples import EXAMPLES, script, source
from tests.support.generation_clients import LONG
from tests.support.javascript_client import CLIENT, JavaScriptClient
from tests.support.npm_clients import NpmClients
from tests.support.service import Service, token
from tests.support.snippets import EMBEDDED, pasted
from tests.support.sockets import until_subscribed
from tests.support.upstream import Behaviour, Upstream
from tests.support.wire import Wire

clients = pytest.mark.clients
SCRIPTS = sorted(p.name for p in EXAMPLES.glob("*.mjs"))
FOLLOWERS = ("fetch_event_source.mjs", "graphql_sse.mjs")
followers = pytest.mark.parametrize("name", FOLLOWERS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_begins_with_what_it_shows_and_how_it_is_run(name: str) -> None:
    head = re.match(r"(//.*\n)+", source(name))
    assert head is not None
    assert "//   npm install " in head[0]
    run = f"//   LOREGATE_URL=http://127.0.0.1:8100 TOKEN=… node {name}\n"
    assert run in head[0]


def test_every_example_stands_in_the_table() -> None:
    files = {p.name for p in EXAMPLES.iterdir() if p.is_file()} - {"README.md"}
    assert files <= set(re.findall(r"^\| \[`([\w.]+)`\]\(\1\)", source("README.md"), re.M))


@clients
async def test_apollo_reads_what_was_written_from_its_cache_by_id(
    loregate: Service, caching_clients: NpmClients
) -> None:
    async with script("apollo.mjs", caching_clients.folder, loregate.url, token()) as run:
        assert await run.ended() == 0, run.err
    [written, continued, deleted] = run.out.splitlines()
    assert re.fullmatch(r"the cache has it \(requests: 1\): .{20,}", written)
    assert continued == "the first scene is continued by (requests: 2): 1"
    assert deleted == "after it was deleted (requests: 4): null"


@clients
@followers
async def test_events_are_followed_through_cuts_and_the_ends_of_tokens(
    loregate: Service, sse_clients: NpmClients, name: str
) -> None:
    async with (
        Wire(loregate.url).laid() as wire,
        script(name, sse_clients.folder, wire.url, token()) as run,
    ):
        await until_subscribed(loregate)
        await publish(loregate, "first", content_id="1")
        await run.until(r"(?i)generated 1\n")
        async with wire.broken():
            await publish(loregate, "while it was away", content_id="2")
        await run.until(r"(?i)generated 2\n")
        for holder in list(loregate.gateway.open_streams):
            holder.end(TokenExpired())
        await publish(loregate, "after a token's end", content_id="3")
        await run.until(r"(?i)generated 3\n")
    assert re.findall(r"(\d)\n", run.out) == ["1", "2", "3"]


@clients
@followers
async def test_a_token_that_is_wrong_ends_it_with_the_reason(
    loregate: Service, sse_clients: NpmClients, name: str
) -> None:
    async with script(name, sse_clients.folder, loregate.url, "no.token.at-all") as run:
        assert await run.ended() == 1
        assert re.search(r"ended: .*(401|UNAUTHENTICATED)", run.err), run.err


@clients
async def test_graphql_ws_shows_events(loregate: Service, npm_clients: NpmClients) -> None:
    """Its cuts, kills and renewals stand in test_snippets.py and test_killed.py."""
    async with script("graphql_ws.mjs", npm_clients.folder, loregate.url, token()) as run:
        await until_subscribed(loregate)
        await publish(loregate, "one")
        await run.until("'one'")


@clients
async def test_the_clients_readme_works_as_it_stands(
    loregate: Service, javascript_client: JavaScriptClient, tmp_path: Path
) -> None:
    """Installed by npm into a folder of its own; its blocks are one script."""
    install = ["npm", "install", "--no-audit", "--no-fund", str(CLIENT)]
    done = await asyncio.create_subprocess_exec(*install, cwd=tmp_path, stdout=PIPE)
    await done.communicate()
    assert done.returncode == 0
    blocks = re.findall(r"^```js\n(.*?)^```$", (CLIENT / "README.md").read_text(), re.M | re.S)
    assert "".join(blocks).count(EMBEDDED) == 1
    made = "".join(blocks).replace(EMBEDDED, loregate.url.removeprefix("http://"))
    async with pasted(["node"], made, tmp_path, TOKEN=token()) as run:
        await until_subscribed(loregate)
        await loregate.generate()
        await run.until(r"CONTENT_GENERATED storyteller")
        assert run.err == ""
        assert len(run.out) > 200  # two stories


# -- the page
class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """What `python3 -m http.server` serves of a folder; its address."""
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = asyncio.create_task(asyncio.to_thread(server.serve_forever))
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            await serving


@pytest.mark.browser
async def test_a_page_of_another_origin_streams_a_story_through_cuts(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    story = json.dumps({"content": LONG, "summary": "Words."})
    provider.always = Behaviour(text=story, pace=0.03)
    async with served(EXAMPLES.parent) as origin:
        given = service.settings(
            tmp_path, redis_url, openai_base_url=provider.url, cors_origins=(origin,)
        )
        async with (
            service.running(given) as found,
            Wire(found.url).laid() as wire,
            browser.chromium() as chromium,
        ):
            page = await chromium.new_page()
            await page.goto(f"{origin}/examples/stream_story.html")
            await page.get_by_label("Gateway").fill(wire.url)
            await page.get_by_label("Token").fill(token())
            await page.get_by_role("button", name="Write").click()
            text, status = page.locator("#text"), page.get_by_role("status")
            await page.wait_for_function("document.getElementById('text').textContent.length > 20")
            assert await text.text_content() != LONG
            wire.cut()
            await page.wait_for_function("document.getElementById('text').textContent.length > 80")
            wire.cut()
            await page.wait_for_function(
                "document.getElementById('status').textContent.startsWith('Done: ')"
            )
            assert await text.text_content() == LONG
            assert await status.text_content() == "Done: Words."
            assert len(provider.requests) == 1
