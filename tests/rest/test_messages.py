"""Messages: they name fields as REST does, and repeat little of what the caller sent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.errors import MAX_QUOTED
from app.operations import OPERATIONS
from tests.support.service import Service, token

LONG = 5_000  # characters
HEADERS = (
    *("Idempotency-Key", "Cache-Control", "X-Allow-Degraded", "X-On-Disconnect"),
    *("X-Request-ID", "Content-Type", "Content-Encoding", "Accept", "Authorization"),
    "Last-Event-ID",
)
Place = tuple[str | int, ...]


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every place in a JSON value, the whole included."""
    yield at
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*at, key))


def with_value(value: Any, at: Place, new: Any) -> Any:
    if not at:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = with_value(copy[at[0]], at[1:], new)
    return copy


def texts(value: Any) -> Iterator[str]:
    """Every string of a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def little(found: Iterable[str], mark: str) -> None:
    for text in found:
        longest = max((len(run) for run in re.findall(f"(?:{mark})+", text)), default=0)
        assert longest <= MAX_QUOTED, text[:300]


def repeats_little(answer: httpx2.Response, mark: str) -> None:
    """What an error says, and each header."""
    little(answer.headers.values(), mark)
    little(texts(answer.json()) if answer.content else (), mark)


FORMS: dict[str, Any] = {
    "value": lambda mark: mark * (LONG // len(mark)),
    "list": lambda mark: [mark * (LONG // len(mark))],
    "key": lambda mark: {mark * (LONG // len(mark)): {"a": None}},
    "text": lambda mark: {mark * (LONG // len(mark)): mark * (LONG // len(mark))},
}
OPERATIONS_PLACES = [
    (o.path, o.example.request, at) for o in OPERATIONS.values() for at in places(o.example.request)
]


async def test_no_message_repeats_more_than_200_characters_of_a_body(loregate: Service) -> None:
    loop = asyncio.get_running_loop()

    async def send(path: str, body: Any, mark: str) -> None:
        answer = await loregate.post(path, body, tier="service")
        assert answer.status_code < 500
        if answer.status_code != 200:
            repeats_little(answer, mark)
        for result in answer.json().get("results", ()):
            if result.get("status", 200) != 200:
                little(texts(result), mark)

    @settings(
        max_examples=60,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        place=st.sampled_from(OPERATIONS_PLACES),
        form=st.sampled_from(sorted(FORMS)),
        mark=st.sampled_from(["x", "Q{}", "\u00e9", "\U0001f409", "a.b"]),
        batched=st.booleans(),
    )
    def examples(place: tuple[str, Any, Place], form: str, mark: str, batched: bool) -> None:
        path, example, at = place
        body = with_value(example, at, FORMS[form](mark))
        if batched:
            path, body = "/api/v2/batch", [{"id": "a", "path": path, "body": body}]
        asyncio.run_coroutine_threadsafe(send(path, body, re.escape(mark)), loop).result(30)

    await asyncio.to_thread(examples)


async def test_no_message_repeats_more_than_200_characters_of_paths_queries_and_headers(
    loregate: Service,
) -> None:
    long = "x" * LONG
    body = OPERATIONS["character"].example.request
    batch = {"id": long, "path": long, "body": body}
    answers = [
        await loregate.get(f"/api/v2/{long}"),
        await loregate.get(f"/api/v2/content/{long}"),
        await loregate.get(f"/api/v2/errors/{long}"),
        await loregate.get(f"/api/v2/generations/{long}"),
        await loregate.get(f"/api/v2/generations/{long}/events"),
        await loregate.get(f"/{long}"),
        await loregate.get(f"/api/v2/events?types={long},{'y' * LONG}"),
        await loregate.get(f"/api/v2/events?after={long}"),
        await loregate.get(f"/api/v2/events?all={long}"),
        await loregate.post("/api/v2/batch", [batch]),
        await loregate.post("/api/v2/batch", [{**batch, "id": "a"}]),
        await loregate.post("/api/v2/batch", {long: []}),
    ]
    for name in HEADERS:
        sent = {**loregate.headers(), "Content-Type": "application/json", name: long}
        for method, path in (("POST", "/api/v2/text/character"), ("GET", "/api/v2/events")):
            content = orjson.dumps(body)
            async with loregate.http.stream(method, path, content=content, headers=sent) as got:
                if got.status_code != 200:
                    await got.aread()
                    answers.append(got)
    assert len(answers) > 18
    for answer in answers:
        assert answer.status_code < 500
        repeats_little(answer, "x")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "combat", "character_context": {"character_level": 99}}, "character_level"),
        ({"type": "combat", "character_context": {}, "model": {"max_tokens": 0}}, "max_tokens"),
        ({"type": "combat", "character_context": {}, "parent_content_id": 5}, "parent_content_id"),
    ],
)
async def test_messages_name_fields_as_rest_does(loregate: Service, body: Any, field: str) -> None:
    error = (await loregate.post("/api/v2/text/character", body)).json()
    assert field in error["message"]
    assert not re.search(r"\b[a-z]+[A-Z]", error["message"])


async def test_a_field_that_is_named_in_part_says_so(loregate: Service) -> None:
    body = {"type": "combat", "character_context": {"k" * 5_000: None}}
    details = (await loregate.post("/api/v2/text/character", body)).json()["details"]
    assert len(details["field"]) == MAX_QUOTED
    assert details["field"].startswith("character_context.kkk")
    assert details["field"].endswith("k…")


async def test_a_token_without_its_scheme_is_told_what_is_missing(loregate: Service) -> None:
    bare = token()
    for sent, said in {
        bare: "Write `Bearer ` before the token",
        "Bearer": "A token must follow",
        f"Token {bare}": "Only the scheme `Bearer`",
        f"Bearer {bare} {bare}": "The token is malformed",
    }.items():
        answer = await loregate.http.get("/api/v2/usage", headers={"Authorization": sent})
        error = answer.json()
        assert (answer.status_code, error["details"]["reason"]) == (401, "malformed")
        assert error["message"].startswith(said)
        assert bare not in answer.text
        assert said in answer.headers["www-authenticate"]
