"""Where /metrics stands: here for all or for operators, at an address of its own, or nowhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from app import metrics_server
from app.errors import SettingsError
from app.settings import Settings
from tests.support import service


async def statuses(path: Path, redis_url: str, where: str) -> list[int]:
    """For nobody, for a caller of all wildcards, for an operator."""
    given = service.settings(path, redis_url, metrics_address=where)
    async with service.running(given) as found:
        answers = [await found.http.get("/metrics")]
        for permissions in (["*:*"], ["gateway:admin"]):
            answers += [await found.get("/metrics", permissions=permissions)]
        return [answer.status_code for answer in answers]


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("open", [200, 200, 200]),
        ("admin", [401, 403, 200]),
        ("closed", [404, 404, 404]),
        ("127.0.0.1:0", [404, 404, 404]),
    ],
)
async def test_who_may_read_the_metrics(
    tmp_path: Path, redis_url: str, where: str, wanted: list[int]
) -> None:
    assert await statuses(tmp_path, redis_url, where) == wanted


def test_they_are_open_in_dev_and_closed_in_production_unless_set() -> None:
    assert Settings.load(dev=True).metrics_address == "open"
    assert Settings.load().metrics_address == "closed"


async def scraped() -> tuple[bytes, str]:
    return b"a_metric 1\n", "text/plain; version=1.0.0"


async def test_an_address_of_its_own_has_the_metrics_and_nothing_else() -> None:
    async with (
        metrics_server.serving("127.0.0.1:0", scraped) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        found = await http.get("/metrics")
        assert (found.status_code, found.text) == (200, "a_metric 1\n")
        assert found.headers["content-type"] == "text/plain; version=1.0.0"
        assert (await http.head("/metrics")).text == ""
        for path in ("/", "/health", "/graphql"):
            assert (await http.get(path)).status_code == 404
        assert (await http.post("/metrics")).status_code == 404


async def test_several_processes_share_it_and_a_taken_one_is_named() -> None:
    async with (
        metrics_server.serving("127.0.0.1:0", scraped) as port,
        metrics_server.serving(f"127.0.0.1:{port}", scraped) as same,
    ):
        assert same == port
    with pytest.raises(SettingsError, match=r"LOREGATE_METRICS_ADDRESS: 203\.0\.113\.1:1 cannot"):
        async with metrics_server.serving("203.0.113.1:1", scraped):
            pass


async def test_who_says_nothing_or_too_much_holds_one_place_and_no_more() -> None:
    async with metrics_server.serving("127.0.0.1:0", scraped) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\nx: " + b"y" * 2 * metrics_server.MAX_HEAD)
        assert await reader.read() == b""
        writer.close()
        held = [
            await asyncio.open_connection("127.0.0.1", port)
            for _ in range(metrics_server.MAX_OPEN + 1)
        ]
        assert await held[-1][0].read() == b"", "one too many is closed at once"
        for _, one in held:
            one.close()


async def test_a_scrape_that_the_end_cuts_is_no_error_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun = asyncio.Event()

    async def never() -> tuple[bytes, str]:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with metrics_server.serving("127.0.0.1:0", never) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        await asyncio.wait_for(begun.wait(), 5)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == []
