"""By which names the gateway may be asked: a page's own name that leads here is none of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from app.hosts import Hosts
from tests.support import service
from tests.support.service import PROTOCOL, Service

EVIL = "rebound.evil.example"
PAGE = {"Host": EVIL, "Origin": f"http://{EVIL}"}
OURS = ("localhost:8100", "127.0.0.1", "[::1]:8100", "LOCALHOST")


@pytest.mark.parametrize(
    ("host", "fine"),
    [
        *((host, True) for host in OURS),
        *((host, False) for host in (EVIL, "", "localhost.evil.example", "127.0.0.1.evil.example")),
        *((host, False) for host in ("192.168.1.7", "[::2]", "[::1", "localhost@evil.example")),
    ],
)
def test_the_names_of_this_machine_are_its_own(host: str, fine: bool) -> None:
    assert (host in Hosts()) is fine


@pytest.mark.parametrize(
    ("host", "fine"),
    [
        *((host, True) for host in ("api.example.com", "API.example.com:443", "a.b.lore.example")),
        *((host, False) for host in ("lore.example", "notlore.example", "localhost", "127.0.0.1")),
    ],
)
def test_names_that_are_set_are_all_there_are(host: str, fine: bool) -> None:
    assert (host in Hosts(["api.example.com", "*.lore.example"])) is fine


def test_any_name_may_be_let_in() -> None:
    assert EVIL in Hosts(["*"])


def test_who_develops_on_every_address_is_asked_by_any_and_by_no_other_name() -> None:
    hosts = Hosts(served="0.0.0.0", always=True)
    assert all(host in hosts for host in ("192.168.1.7:8100", "[fe80::1]:8100", "localhost"))
    assert EVIL not in hosts
    assert "192.168.1.7" not in Hosts(served="0.0.0.0"), "in production the names are set"
    assert "192.168.1.7" in Hosts(served="192.168.1.7")


@pytest.fixture
async def dev(tmp_path: Path, redis_url: str) -> AsyncIterator[Service]:
    given = service.settings(tmp_path, redis_url, dev=True)
    async with service.running(given) as found:
        yield found


@pytest.mark.parametrize("path", ["/health", "/graphql?query={__typename}", "/api/v2/content/x"])
async def test_in_dev_every_request_must_name_this_machine(dev: Service, path: str) -> None:
    for headers in ({"Host": EVIL}, PAGE):
        refused = await dev.http.get(path, headers={**dev.headers(), **headers})
        assert refused.status_code == 400
        assert "LOREGATE_ALLOWED_HOSTS" in refused.json()["message"]
    assert "LOREGATE_ALLOWED_HOSTS" not in (await dev.http.get(path)).text


async def test_in_production_a_page_must_name_it_and_a_probe_need_not(
    loregate: Service,
) -> None:
    probed = await loregate.http.get("/health", headers={"Host": "10.2.3.4:8100"})
    assert probed.status_code == 200
    refused = await loregate.http.get("/health", headers=PAGE)
    assert refused.status_code == 400
    assert "LOREGATE_ALLOWED_HOSTS" in refused.json()["message"]
    own = {"Host": "localhost:8100", "Origin": "http://localhost:8100"}
    assert (await loregate.http.get("/health", headers=own)).status_code == 200


async def test_names_and_origins_that_are_set_are_let_in(tmp_path: Path, redis_url: str) -> None:
    given = service.settings(
        tmp_path, redis_url, allowed_hosts=("api.example",), cors_origins=("https://app.example",)
    )
    async with service.running(given) as found:
        for headers in (
            {"Host": "api.example", "Origin": "http://api.example"},
            {"Host": "other.example", "Origin": "https://app.example"},
        ):
            assert (await found.http.get("/health", headers=headers)).status_code == 200
        assert (await found.http.get("/health", headers=PAGE)).status_code == 400
        assert await closed(found, {"Host": "api.example", "Origin": "http://api.example"}) is None


async def closed(found: Service, headers: dict[str, str]) -> tuple[int, str] | None:
    """With what a socket is closed at once; None where it stays open."""
    port = int(found.url.rpartition(":")[2])
    given: Any = {"subprotocols": [PROTOCOL], "host": "127.0.0.1", "port": port}
    address = f"ws://{headers['Host']}/graphql"
    async with connect(address, origin=headers.get("Origin"), **given) as ws:  # type: ignore[arg-type]
        try:
            await ws.send('{"type": "ping"}')
            await ws.recv()
        except ConnectionClosed:
            return ws.close_code or 0, ws.close_reason or ""
    return None


async def test_a_socket_of_a_page_whose_name_leads_here_is_closed(
    loregate: Service, dev: Service
) -> None:
    for found in (loregate, dev):
        refused = await closed(found, PAGE)
        assert refused is not None
        assert refused[0] == 4403
        assert "LOREGATE_ALLOWED_HOSTS" in refused[1]
    assert await closed(loregate, {"Host": EVIL}) is None, "no page: it has no Origin"
    assert await closed(dev, {"Host": EVIL}) is not None
