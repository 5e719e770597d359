"""What each kind of request costs its user, over each edge: one table.

A cost is what the user's own limit counts; the operation's limit counts the same for what runs one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from tests.support.rest_bodies import GOOD, TEXT, THEME
from tests.support.service import Service

pytestmark = pytest.mark.long

NOTHING = str(UUID(int=7))
TALE = '{content: "The lamps went out."}'
RUN = f"mutation {{ analyzeTheme(input: {TALE}) {{ requestId }} }}"
WRONG = 'mutation { analyzeTheme(input: {content: ""}) { requestId } }'
BATCH = (
    "mutation { generateBatch(requests: ["
    + f"{{themeAnalysis: {TALE}}} " * 3
    + "]) { requestId } }"
)
START = f"mutation {{ startGeneration(input: {{themeAnalysis: {TALE}}}) {{ requestId }} }}"
EVENTS = "subscription ($after: String) { events(after: $after) { id } }"
FOLLOW = "subscription ($id: ID!, $after: String) { generation(id: $id, after: $after) { cursor } }"
READ = f'{{ content(id: "{NOTHING}") {{ contentId }} viewer {{ id }} }}'
RATE = "mutation ($id: ID!) { rateContent(input: {id: $id, score: 4}) { requestId } }"
REPORT = "{ ratings { truncated } }"
STREAM = {"Accept": "text/event-stream"}


@dataclass
class Given:
    """A running service, and what was made there before anything is counted."""

    service: Service
    cursor: str
    content_id: str
    generation_cursor: str


Ask = Callable[[Given], Awaitable[None]]


def rest(method: str, path: str, body: Any = None, **headers: str) -> Ask:
    """A request to REST; `{content}` in its path is what is there, `after` the events' cursor."""

    async def ask(given: Given) -> None:
        found = path.format(content=given.content_id, cursor=given.cursor)
        found = found.replace("END", given.generation_cursor)
        sent = {**given.service.headers(), **headers}
        body_ = {"content": body} if isinstance(body, bytes) else {"json": body} if body else {}
        async with given.service.http.stream(method, found, headers=sent, **body_) as response:
            if "event-stream" not in response.headers.get("content-type", ""):
                await response.aread()

    return ask


def variables(query: str, given: Given, after: str | None) -> dict[str, Any]:
    ends = {"here": given.cursor, "end": given.generation_cursor, "nowhere": "no cursor"}
    found: dict[str, Any] = {"after": ends.get(after or "")}
    return {**found, "id": given.content_id} if "$id" in query else found


def http(query: str, after: str | None = None, **headers: str) -> Ask:
    """A document over HTTP; with `Accept: text/event-stream` over SSE."""

    async def ask(given: Given) -> None:
        body = {"query": query, "variables": variables(query, given, after)}
        sent = {**given.service.headers(), **headers}
        stream = given.service.http.stream("POST", "/graphql", json=body, headers=sent)
        async with stream as response:
            if "event-stream" not in response.headers["content-type"]:
                await response.aread()

    return ask


def sse(query: str, after: str | None = None) -> Ask:
    return http(query, after, **STREAM)


def ws(query: str, after: str | None = None, *, ends: bool = False) -> Ask:
    """`ends`: it ends by itself, and is left no sooner, which would count one."""

    async def ask(given: Given) -> None:
        async with given.service.socket() as socket:
            await socket.acknowledged()
            await socket.subscribe(query, variables(query, given, after))
            while ends and (await socket.receive())["type"] != "complete":
                continue
            # Its reply, or that of what comes behind it: a subscription may have none.
            await socket.subscribe("{ __typename }")
            while (await socket.receive()).get("id") != "2":
                continue

    return ask


SOCKET_PROBE = 1  # what `ws` asks besides

COSTS: dict[str, tuple[int, dict[str, Ask]]] = {
    "an operation": (
        1,
        {"rest": rest("POST", THEME, GOOD[THEME]), "http": http(RUN), "ws": ws(RUN)},
    ),
    "an operation whose input is wrong": (
        1,
        {"rest": rest("POST", THEME, {"content": ""}), "http": http(WRONG), "ws": ws(WRONG)},
    ),
    "a body that cannot be read": (
        1,
        {"rest": rest("POST", THEME, b"{"), "http": rest("POST", "/graphql", b"{")},
    ),
    "a body of another kind": (
        1,
        {"rest": rest("POST", THEME, b"a", **{"Content-Type": "text/plain"})},
    ),
    "an operation told as it is written": (1, {"rest": rest("POST", TEXT, GOOD[TEXT], **STREAM)}),
    "an operation as a job": (1, {"http": http(START), "ws": ws(START)}),
    "a batch of three": (
        3,
        {
            "rest": rest(
                "POST",
                "/api/v2/batch",
                [{"id": n, "path": THEME, "body": GOOD[THEME]} for n in "abc"],
            ),
            "http": http(BATCH),
            "ws": ws(BATCH),
        },
    ),
    "a batch of two of which one leads nowhere": (
        2,
        {
            "rest": rest(
                "POST",
                "/api/v2/batch",
                [{"id": p, "path": p, "body": GOOD[THEME]} for p in (THEME, "/nowhere")],
            )
        },
    ),
    "an empty batch": (
        1,
        {
            "rest": rest("POST", "/api/v2/batch", b"[]"),
            "http": http("mutation { generateBatch(requests: []) { requestId } }"),
            "ws": ws("mutation { generateBatch(requests: []) { requestId } }"),
        },
    ),
    "what is read": (
        1,
        {
            "rest": rest("GET", "/api/v2/content/{content}"),
            "http": http("{ viewer { id } }"),
            "ws": ws("{ viewer { id } }"),
        },
    ),
    "what is read by two fields": (2, {"http": http(READ), "ws": ws(READ)}),
    "what is not there": (1, {"rest": rest("GET", f"/api/v2/content/{NOTHING}")}),
    "a report of usage": (
        1,
        {
            "rest": rest("GET", "/api/v2/usage"),
            "http": http("{ usage { until } }"),
            "ws": ws("{ usage { until } }"),
        },
    ),
    "what is deleted": (
        1,
        {
            "rest": rest("DELETE", f"/api/v2/content/{NOTHING}"),
            "http": http(f'mutation {{ deleteContent(id: "{NOTHING}") {{ requestId }} }}'),
        },
    ),
    "what is rated": (
        1,
        {
            "rest": rest("PUT", "/api/v2/content/{content}/rating", {"score": 4}),
            "http": http(RATE),
            "ws": ws(RATE),
        },
    ),
    "a report": (1, {"rest": rest("GET", "/api/v2/ratings"), "http": http(REPORT)}),
    "a route that is not there": (1, {"rest": rest("GET", "/api/v2/nowhere")}),
    "a method that is not there": (
        1,
        {
            "rest": rest("PUT", THEME),
            "http": rest("GET", "/graphql?query=mutation%7B__typename%7D"),
        },
    ),
    "a document that fails": (1, {"http": http("{"), "sse": sse("{"), "ws": ws("{")}),
    "events": (
        1,
        {"rest": rest("GET", "/api/v2/events"), "sse": sse(EVENTS), "ws": ws(EVENTS)},
    ),
    "events from where one was": (
        0,
        {
            "rest": rest("GET", "/api/v2/events?after={cursor}"),
            "sse": sse(EVENTS, "here"),
            "ws": ws(EVENTS, "here"),
        },
    ),
    "events from nowhere": (
        1,
        {
            "rest": rest("GET", "/api/v2/events?after=nowhere"),
            "sse": sse(EVENTS, "nowhere"),
            "ws": ws(EVENTS, "nowhere"),
        },
    ),
    "a generation": (
        1,
        {
            "rest": rest("GET", "/api/v2/generations/{content}", **STREAM),
            "sse": sse(FOLLOW),
            "ws": ws(FOLLOW),
        },
    ),
    "a generation from where one was": (
        0,
        {
            "rest": rest("GET", "/api/v2/generations/{content}?after=END", **STREAM),
            "sse": sse(FOLLOW, "end"),
            "ws": ws(FOLLOW, "end", ends=True),
        },
    ),
    "a generation looked at": (1, {"rest": rest("GET", "/api/v2/generations/{content}")}),
    "a generation that is not there": (
        1,
        {"rest": rest("GET", f"/api/v2/generations/{NOTHING}?after=x", **STREAM)},
    ),
    "what needs no token": (
        0,
        {"rest": rest("GET", "/health"), "docs": rest("GET", "/api/v2/openapi.json")},
    ),
}
CASES = [(kind, edge) for kind, (_, asks) in COSTS.items() for edge in asks]


@pytest.fixture
async def given(loregate: Service) -> Given:
    """Made by the user whose requests are then counted; the limits' log is emptied behind it."""
    content_id = (await loregate.generate())["contentId"]
    cursor = (await loregate.data("{ eventCursor }"))["eventCursor"]
    found = await loregate.get(f"/api/v2/generations/{content_id}")
    limits = await loregate.parts.redis.call("KEYS", "*:limit:*")
    await loregate.parts.redis.call("DEL", *limits)
    return Given(loregate, cursor, content_id, found.json()["cursor"])


@pytest.mark.parametrize(("kind", "edge"), CASES, ids=[f"{k} by {e}" for k, e in CASES])
async def test_a_request_costs_what_the_table_says(given: Given, kind: str, edge: str) -> None:
    cost, asks = COSTS[kind]
    await asks[edge](given)
    probe = SOCKET_PROBE if edge == "ws" else 0
    assert await given.service.counted() == cost + probe
    assert await given.service.counted("global") == cost + probe


async def test_a_socket_costs_nothing_by_itself(given: Given) -> None:
    async with given.service.socket() as socket:
        await socket.acknowledged()
    assert await given.service.counted() == 0


async def test_a_hit_counts_for_all_but_the_model(with_models: Service) -> None:
    for _ in range(3):
        assert (await with_models.post(THEME, GOOD[THEME])).status_code == 200
    assert await with_models.counted("operation:theme_analysis") == 3
    assert await with_models.counted("user") == 3
    assert await with_models.counted("model:gpt-4-turbo") == 1
