"""Pages of elsewhere: who may ask and open sockets, in `dev` and in production, and who says no."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from app.settings import Settings
from tests.support import service
from tests.support.service import PROTOCOL, Service
from tests.support.sockets import socket_url

LOCAL = (
    "http://localhost:5173",
    "http://localhost",
    "https://localhost:8443",
    "http://127.0.0.1:3000",
    "http://[::1]:3000",
)
ELSEWHERE = (
    "https://evil.example",
    "http://localhost.evil.example",
    "http://evil.example:5173",
    "http://localhost@evil.example",
    "http://localhost:5173/path",
    "http://127.0.0.1.evil.example",
    "http://192.168.0.7:5173",
    "file://localhost",
    "null",
    "http://[",
)
SETTING = "LOREGATE_CORS_ORIGINS"


async def preflight(found: Service, origin: str) -> Any:
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    return await found.http.request("OPTIONS", "/graphql", headers={"Origin": origin, **asked})


async def opens(found: Service, origin: str) -> str | None:
    """Begin on a socket from a page of that origin; what it was closed with, if it was."""
    headers = {"Origin": origin}
    async with connect(
        socket_url(found), subprotocols=[PROTOCOL], additional_headers=headers
    ) as ws:
        with contextlib.suppress(ConnectionClosed):
            await ws.send(orjson.dumps({"type": "ping"}).decode())
            await asyncio.wait_for(ws.recv(), 10)
            return None
        return f"{ws.close_code} {ws.close_reason}"


async def test_in_dev_pages_of_this_machine_may_ask_and_open_sockets(
    tmp_path: Path, redis_url: str
) -> None:
    async with service.running(service.settings(tmp_path, redis_url, dev=True)) as found:
        for origin in LOCAL:
            allowed = await preflight(found, origin)
            assert allowed.status_code == 200, origin
            assert allowed.headers["access-control-allow-origin"] == origin
            answer = await found.http.get("/health", headers={"Origin": origin})
            assert answer.headers["access-control-allow-origin"] == origin
            assert await opens(found, origin) is None, origin


@pytest.mark.parametrize("dev", [True, False])
async def test_a_page_of_elsewhere_is_refused_by_name_of_the_setting(
    tmp_path: Path, redis_url: str, dev: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with service.running(service.settings(tmp_path, redis_url, dev=dev)) as found:
        for origin in (*ELSEWHERE, *(() if dev else LOCAL)):
            caplog.clear()
            refused = await preflight(found, origin)
            assert refused.status_code == 400, origin
            assert SETTING in refused.text
            assert "access-control-allow-origin" not in refused.headers
            said = await opens(found, origin) or ""
            assert said.startswith("4403 "), origin
            assert SETTING in said
            told = [r.getMessage() for r in caplog.records if SETTING in r.getMessage()]
            assert len(told) == 2
            assert all(repr(origin) in line for line in told)
            answer = await found.http.get("/health", headers={"Origin": origin})
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("given", ["https://table.example", "*"])
async def test_what_the_setting_names_is_allowed(
    tmp_path: Path, redis_url: str, given: str
) -> None:
    origin = "https://table.example"
    set_ = service.settings(tmp_path, redis_url, cors_origins=(given,))
    async with service.running(set_) as found:
        allowed = await preflight(found, origin)
        assert allowed.headers["access-control-allow-origin"] in (origin, "*")
        assert await opens(found, origin) is None


def test_nothing_but_the_command_makes_settings_those_of_dev(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DEV", "_DEV", "LOREGATE_DEV"):
        monkeypatch.setenv(name, "true")
    assert not Settings.load().dev
    assert Settings.load(dev=True).dev
    assert Settings.load(dev=True).model_copy(update={"workers": 2}).dev


async def test_in_dev_the_address_itself_leads_to_the_first_page_that_is_on(
    tmp_path: Path, redis_url: str
) -> None:
    given = service.settings(tmp_path, redis_url, dev=True)
    for off, page in {
        (): "/console",
        ("console",): "/graphql",
        ("console", "graphiql"): "/api/v2/docs",
    }.items():
        async with service.running(given.model_copy(update=dict.fromkeys(off, False))) as found:
            led = await found.http.get("/")
            assert (led.status_code, led.headers["location"]) == (307, page)
            there = await found.http.get(page, headers={"Accept": "text/html"})
            assert there.headers["content-type"].startswith("text/html")


async def test_in_production_nothing_is_at_the_address_itself(loregate: Service) -> None:
    answer = await loregate.http.get("/")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
