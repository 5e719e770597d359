"""The examples in Python work as they stand."""

from __future__ import annotations

import ast
import contextlib
import re
import sqlite3
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from app.config_file import ConfigFile, LimitTable
from tests.support import service
from tests.support.cli_process import ROOT
from tests.support.event_streams import publish
from tests.support.examples import EXAMPLES, source
from tests.support.service import Service, token
from tests.support.snippets import Pasted, pasted, snippet
from tests.support.sockets import until_subscribed
from tests.support.upstream import Behaviour, Upstream
from tests.support.waiting import until
from tests.support.wire import Wire

PROGRAMS = sorted(p.name for p in EXAMPLES.glob("*.py"))


def program(name: str, folder: Path, **known: str) -> AbstractAsyncContextManager[Pasted]:
    known["PYTHONPATH"] = str(ROOT / "clients" / "python" / "src")
    return pasted([sys.executable, "-W", "error"], source(name), folder, **known)


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_begins_with_what_it_shows_and_how_it_is_run(name: str) -> None:
    head = ast.get_docstring(ast.parse(source(name)))
    assert head is not None
    assert re.search(r"^Install.*:\n    pip install |^Install: nothing\.$", head, re.M)
    assert re.search(rf"^Run.*:\n    .+=.+ python {name}$", head, re.M)


# -- the event service
def texts(folder: Path) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(folder / "events.db")) as db:
        return db.execute("select event_id, content_id from texts order by content_id").fetchall()


async def test_the_event_service_handles_each_event_once_though_it_is_killed(
    loregate: Service, tmp_path: Path
) -> None:
    known = {"LOREGATE_URL": loregate.url, "TOKEN": token()}
    async with program("event_service.py", tmp_path, **known) as run:
        await until_subscribed(loregate)
        await publish(loregate, "zeroth", content_id="0")
        await publish(loregate, "first", content_id="1")
        await run.until("CONTENT_GENERATED 1")
        run.process.kill()
    await publish(loregate, "first", content_id="1")
    await publish(loregate, "while it was away", content_id="2")
    async with program("event_service.py", tmp_path, **known) as run:
        await run.until("CONTENT_GENERATED 2")
    assert re.findall(r"GENERATED (\d.*?) ?\n", run.out) == ["1 (again)", "2"]
    assert texts(tmp_path) == [("zeroth", "0"), ("first", "1"), ("while it was away", "2")]


async def test_the_event_service_says_what_it_missed_and_goes_on(
    loregate: Service, tmp_path: Path
) -> None:
    known = {"LOREGATE_URL": loregate.url, "TOKEN": token()}
    async with program("event_service.py", tmp_path, **known) as run:
        await until_subscribed(loregate)
        run.process.kill()
    await loregate.parts.event_log.redis.call("FLUSHALL")
    await publish(loregate, "what is left", content_id="3")
    async with program("event_service.py", tmp_path, **known) as run:
        await run.until("events were missed.*\nCONTENT_GENERATED 3")
    assert texts(tmp_path) == [("what is left", "3")]


# -- the consumer group
async def test_the_consumer_group_shares_the_events_among_its_processes(
    loregate: Service, tmp_path: Path, redis_url: str
) -> None:
    await publish(loregate, *range(20))
    folders = [tmp_path / name for name in ("one", "two")]
    async with contextlib.AsyncExitStack() as stack:
        runs = []
        for folder in folders:
            folder.mkdir()
            known = {"REDIS_URL": redis_url, "NAME": folder.name}
            run = program("consumer_group.py", folder, **known)
            runs.append(await stack.enter_async_context(run))
        await until(lambda: sum(run.out.count("\n") for run in runs) == 20)
        assert [run.err for run in runs] == ["", ""]


def test_the_documentation_shows_the_consumer_group_as_it_is() -> None:
    assert source("consumer_group.py").endswith(f'"""\n\n{snippet("python", "xreadgroup")}')


# -- the legacy service
async def test_the_legacy_service_waits_where_a_limit_is_full(
    tmp_path: Path, redis_url: str
) -> None:
    table = LimitTable(target="operation:text_generation", max=1, window=1.0)
    given = service.settings(tmp_path, redis_url)
    limited = given.model_copy(update={"file": ConfigFile(limits=(table,))})
    async with service.running(limited) as found:
        run = program("legacy_service.py", tmp_path, LOREGATE_URL=found.url, TOKEN=token())
        async with (
            run as one,
            program(
                "legacy_service.py", tmp_path, LOREGATE_URL=found.url, TOKEN=token(), JOB="2"
            ) as two,
        ):
            assert [await one.ended(), await two.ended()] == [0, 0]
    assert "waiting for" in one.err + two.err


async def test_the_legacy_service_has_nothing_written_twice(
    with_models: Service, provider: Upstream, tmp_path: Path
) -> None:
    """Neither where its connection is cut, nor where it is started again."""
    provider.always = Behaviour(delay=0.3)
    async with Wire(with_models.url).laid() as wire:
        known = {"LOREGATE_URL": wire.url, "TOKEN": token()}
        async with program("legacy_service.py", tmp_path, **known) as first:
            await until(lambda: provider.requests)
            wire.cut()
            assert await first.ended() == 0, first.err
        async with program("legacy_service.py", tmp_path, **known) as second:
            assert await second.ended() == 0, second.err
    assert "waiting for" in first.err
    assert first.out == second.out
    assert len(provider.requests) == 2  # the text, and its analysis


async def test_the_legacy_service_ends_with_the_reason(loregate: Service, tmp_path: Path) -> None:
    known = {"LOREGATE_URL": loregate.url, "TOKEN": "bad"}
    async with program("legacy_service.py", tmp_path, **known) as run:
        assert await run.ended() == 1
    assert re.fullmatch(r"ended: UNAUTHENTICATED: .+ \(request .+\)\n", run.err)
