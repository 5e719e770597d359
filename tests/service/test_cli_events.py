"""`loregate events` beside a gateway that restarts, loses its log, and is asked for the past."""

from __future__ import annotations

import json
import re
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.support import service
from tests.support.cli_process import free_port
from tests.support.service import Service, token
from tests.support.sockets import until_subscribed
from tests.support.terminal import Piped, beside, invoke, piped, wired

pytestmark = pytest.mark.long

STORY = """mutation { generateStory(input: {elementType: SCENE, context: {}}) {
  story { contentId } } }"""


async def end_of_log(gateway: Service) -> str:
    log = gateway.parts.event_log
    return log.cursor(await log.end([log.partition("alice")]))


async def event(command: Piped) -> Any:
    return json.loads(await command.line())


async def made(gateway: Service) -> str:
    found: str = (await gateway.generate())["contentId"]
    return found


async def test_following_goes_on_through_a_restart_and_tells_the_last_cursor(
    tmp_path: Path, redis_url: str
) -> None:
    given = service.settings(tmp_path, redis_url).model_copy(update={"port": free_port()})
    environment = {"LOREGATE_URL": f"http://127.0.0.1:{given.port}", "LOREGATE_TOKEN": token()}
    async with AsyncExitStack() as stack:
        async with service.running(given) as first:
            started = piped("events", "--follow", "--json", **environment)
            command = await stack.enter_async_context(started)
            await until_subscribed(first)
            contents = [await made(first)]
            events = [await event(command)]
            first.gateway.open_streams.end_all()
            contents.append(await made(first))  # it may be told now, or after the restart
        async with service.running(given) as second:
            contents.append(await made(second))
            events += [await event(command), await event(command)]
            command.process.send_signal(signal.SIGINT)
            code, rest, err = await command.ended()
    assert (code, rest) == (130, "")
    assert [e["content_id"] for e in events] == contents
    assert len({e["id"] for e in events}) == 3
    assert f"cursor {events[-1]['cursor']}\n" in err
    assert "going on as soon as the gateway answers" in err
    assert "the gateway is back" in err


async def test_a_wire_that_is_cut_loses_nothing_and_tells_nothing_twice(loregate: Service) -> None:
    async with wired(loregate) as (wire, url):
        given = {**beside(loregate), "LOREGATE_URL": url}
        async with piped("events", "--json", **given) as command:
            await until_subscribed(loregate)
            contents = [await made(loregate)]
            events = [await event(command)]
            wire.cut()
            contents += [await made(loregate), await made(loregate)]
            events += [await event(command), await event(command)]
    assert [e["content_id"] for e in events] == contents


async def test_with_a_cursor_it_tells_what_was_and_ends(loregate: Service) -> None:
    start = await end_of_log(loregate)
    contents = [await made(loregate), await made(loregate)]
    words = ("events", "--after", start)
    code, out, err = await invoke(*words, **beside(loregate))
    assert code == 0
    assert re.findall(r"content\.generated +(\S+)  content_type=character", out) == contents
    assert out.count("\n") == 2
    [cursor] = re.findall(r"^cursor (\S+)$", err, re.M)
    assert (await invoke("events", "--after", cursor, **beside(loregate)))[:2] == (0, "")


async def test_only_the_types_that_were_asked_for_are_told(loregate: Service) -> None:
    start = await end_of_log(loregate)
    await made(loregate)
    await loregate.data(STORY)
    words = ("events", "--after", start, "--types", "story.generated", "--json")
    code, out, _ = await invoke(*words, **beside(loregate))
    assert (code, [json.loads(line)["type"] for line in out.splitlines()]) == (
        0,
        ["story.generated"],
    )


async def test_where_the_log_was_lost_it_says_so_and_goes_on_with_the_oldest(
    loregate: Service, redis_url: str
) -> None:
    lost = await end_of_log(loregate)
    await made(loregate)
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    kept = await made(loregate)
    code, out, err = await invoke("events", "--after", lost, "--json", **beside(loregate))
    assert code == 0
    assert [json.loads(line)["content_id"] for line in out.splitlines()] == [kept]
    assert "CURSOR_EXPIRED" in err


async def test_what_is_no_cursor_is_exit_code_2_and_no_cursor_is_told(loregate: Service) -> None:
    code, out, err = await invoke("events", "--after", "x", **beside(loregate))
    assert (code, out) == (2, "")
    assert "cursor x" not in err


async def test_at_a_tokens_end_it_says_how_to_go_on(loregate: Service) -> None:
    # Tokens are good for ten seconds more than they say.
    async with piped("events", **beside(loregate, exp=int(time.time()) - 3)) as command:
        await until_subscribed(loregate)
        code, _, err = await command.ended()
    assert code == 4
    assert "Put a token into LOREGATE_TOKEN" in err
    assert re.search(r"^cursor \S+$", err, re.M)
