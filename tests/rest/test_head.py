"""HEAD answers as GET on every route: the same status and headers, and no body."""

from __future__ import annotations

from uuid import uuid4

import httpx2
import pytest
from starlette.routing import Route

from tests.support.rest_bodies import GOOD, TEXT
from tests.support.service import Service

# What differs between two equal requests: counts and the times at which they change.
CHANGING = {
    *("date", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "content-length"),
    "server-timing",
}


def paths(found: Service) -> list[str]:
    """The routes of REST that take no id."""
    routes = [r.path for r in found.app.routes if isinstance(r, Route)]
    return [p for p in routes if "{" not in p and p != "/graphql"]


async def pair(
    found: Service, path: str, headers: dict[str, str]
) -> tuple[httpx2.Response, httpx2.Response]:
    sent = {**headers, "X-Request-ID": "the-same"}
    async with found.http.stream("GET", path, headers=sent) as get:
        pass  # the headers are there; an event stream has no end
    return get, await found.http.head(path, headers=sent)


@pytest.mark.parametrize("authorized", [True, False])
async def test_head_answers_as_get_on_every_route(loregate: Service, authorized: bool) -> None:
    made = (await loregate.post(TEXT, GOOD[TEXT])).json()["content_id"]
    asked = [
        *paths(loregate),
        *(f"/api/v2/content/{i}" for i in (made, uuid4(), "42")),
        *(f"/api/v2/generations/{uuid4()}{rest}" for rest in ("", "/events")),
        *("/api/v2/errors/NOT_FOUND", "/api/v2/errors/NOBODY", "/api/v2/nothing", "/nothing"),
        *("/health/", "/api/v2/docs/", "/api/v2/events/"),
    ]
    headers = loregate.headers(tier="service") if authorized else {}
    statuses = set()
    for path in asked:
        get, head = await pair(loregate, path, headers)
        statuses.add(get.status_code)
        assert head.status_code == get.status_code, path
        assert head.content == b"", path
        framing = {"transfer-encoding"}  # of a body, where there is one
        assert head.headers.keys() - framing == get.headers.keys() - framing, path
        for name in get.headers.keys() - CHANGING - framing:
            assert head.headers[name] == get.headers[name], (path, name)
        if not path.startswith(("/health", "/metrics")):  # which tell the time
            assert head.headers.get("content-length") == get.headers.get("content-length"), path
    # 403: `/console/session` is for the gateway's own pages.
    assert statuses == ({200, 403, 404, 405} if authorized else {200, 401, 403, 404})
