"""A document that a limit refused costs next to nothing when it comes again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from app.pipeline.charges import PARSED_A_MINUTE
from tests.support.graphql_requests import aliased
from tests.support.service import Service, running_with_limits

THEME_FIELD = 'analyzeTheme(input: {content: "The lamps went out."}) { requestId }'
SUBSCRIBE = "subscription ($after: String) { events(after: $after) { id } }"
DOCUMENTS = {
    "a query": "{ viewer { id } }",
    "fields of a query": "{" + aliased("viewer { id }", 20) + "}",
    "mutations": "mutation {" + aliased(THEME_FIELD, 20) + "}",
}


async def scripts(found: Service) -> int:
    """How many scripts Redis ran."""
    told = await found.parts.redis.call("INFO", "commandstats")
    stats = told.get("cmdstat_evalsha", {"calls": 0})
    return int(stats["calls"])


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_refused_document_is_refused_again_before_it_runs(
    tmp_path: Path, redis_url: str, name: str
) -> None:
    async with running_with_limits(
        tmp_path, redis_url, user=1, operation__theme_analysis=1
    ) as found:
        await found.data(f"mutation {{ {THEME_FIELD} }}")
        first = await found.graphql(DOCUMENTS[name])
        began, before = time.monotonic(), await scripts(found)
        for _ in range(10):
            again = await found.graphql(DOCUMENTS[name])
        asked, seconds = await scripts(found) - before, time.monotonic() - began
        assert asked <= 20 * seconds  # in most seconds none
        assert again.status_code == 429
        [error], told = again.json()["errors"], first.json()["errors"][0]
        for fact in ("code", "scope", "limit", "remaining", "resetAt"):
            assert error["extensions"][fact] == told["extensions"][fact]
        assert error["extensions"]["retryAfterMs"] <= told["extensions"]["retryAfterMs"]
        assert 1 <= int(again.headers["Retry-After"]) <= 60
        assert again.headers["X-RateLimit-Scope"] == error["extensions"]["scope"]
        assert await found.counted() == 1


async def test_the_same_document_with_other_variables_is_asked_anew(
    tmp_path: Path, redis_url: str
) -> None:
    query = "query ($id: ID!) { content(id: $id) { contentId } viewer @skip(if: true) { id } }"
    async with running_with_limits(tmp_path, redis_url, user=1) as found:
        await found.data("{ viewer { id } }")
        for name in ("a", "b"):
            assert (await found.graphql(query, {"id": name})).status_code == 200
            assert (await found.graphql(query, {"id": name})).status_code == 429


async def test_of_a_user_whose_limit_is_full_so_many_new_documents_are_parsed_in_a_minute(
    tmp_path: Path, redis_url: str
) -> None:
    async with running_with_limits(tmp_path, redis_url, user=1) as found:
        await found.data("{ viewer { id } }")
        await found.graphql("{ viewer { id } }")
        documents = found.sockets.executor.documents.known
        before, began = len(documents), time.monotonic()
        for n in range(100):
            response = await found.graphql(f"{{ a{n}: viewer {{ id }} }}")
            assert response.json()["errors"][0]["extensions"]["code"] == "RATE_LIMIT_EXCEEDED"
        seconds = 1 + time.monotonic() - began  # in each of them Redis is asked once
        assert len(documents) - before <= PARSED_A_MINUTE * (1 + seconds / 60) + seconds


async def test_a_stream_goes_on_for_a_user_whose_limit_is_full(
    tmp_path: Path, redis_url: str
) -> None:
    async with running_with_limits(tmp_path, redis_url, user=3) as found:
        cursor = (await found.data("{ eventCursor }"))["eventCursor"]
        await found.generate()
        await found.data("{ viewer { id } }")
        for _ in range(3):
            assert (await found.graphql("{ viewer { id } }")).status_code in (200, 429)
        async with found.socket() as socket:
            await socket.acknowledged()
            await socket.subscribe(SUBSCRIBE, {"after": cursor})
            assert await socket.next("events")


async def test_over_a_socket_too_a_refusal_is_remembered(tmp_path: Path, redis_url: str) -> None:
    async with running_with_limits(tmp_path, redis_url, user=1) as found:
        await found.data("{ viewer { id } }")
        async with found.socket() as socket:
            await socket.acknowledged()
            for _ in range(3):
                await socket.subscribe("{ viewer { id } }")
                message = await socket.receive()
            assert message["type"] == "error"
            [error] = message["payload"]
            assert error["extensions"]["code"] == "RATE_LIMIT_EXCEEDED"
