"""Ratings over both edges: whose content, which words, what is told of them, and the report."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from app.caller import PERMISSIONS
from app.embedded.valkey import start_valkey
from resolvers.node import CONTENT, global_id
from tests.support import service
from tests.support.outages import RedisOutage
from tests.support.rest_bodies import GOOD, TEXT, THEME, changed
from tests.support.rest_requests import count_events
from tests.support.service import Service
from tests.support.upstream import Upstream

pytestmark = pytest.mark.also_on("cluster", "postgresql")

RATE = """mutation ($input: RateContentInput!) {
  rateContent(input: $input) {
    requestId rateLimit { scope } rating { contentId score comment ratedAt }
  }
}"""
REPORT = """query ($since: DateTime, $until: DateTime) {
  ratings(since: $since, until: $until) {
    truncated groups { operation model promptVersion variant count mean scores }
  }
}"""
EVENTS = "subscription ($after: String) { events(after: $after) { id type contentId ... on %s } }"
RATED = "ContentRatedEvent { score metadata { modelUsed promptVersion variant } }"


async def made(found: Service, path: str = TEXT, **claims: Any) -> str:
    answer = await found.post(path, GOOD[path], **claims)
    assert answer.status_code == 200, answer.text
    content_id: str = answer.json()["content_id"]
    return content_id


async def put(found: Service, content_id: str, body: Any, **claims: Any) -> Any:
    url = f"/api/v2/content/{content_id}/rating"
    return await found.http.put(url, json=body, headers=found.headers(**claims))


async def test_rest_and_graphql_tell_the_last_word(loregate: Service) -> None:
    content_id = await made(loregate)
    said = (await put(loregate, content_id, {"score": 2, "comment": "Dull."})).json()
    assert (said["content_id"], said["score"], said["comment"]) == (content_id, 2, "Dull.")
    given = {"id": str(global_id(CONTENT, content_id)), "score": 5}
    data = (await loregate.data(RATE, {"input": given}))["rateContent"]
    assert {k: data["rating"][k] for k in ("contentId", "score", "comment")} == {
        "contentId": content_id,
        "score": 5,
        "comment": None,
    }
    assert data["rateLimit"]["scope"]
    read = await loregate.get(f"/api/v2/content/{content_id}/rating")
    assert (read.json()["score"], read.json()["comment"]) == (5, None)


@pytest.mark.one_server
async def test_the_event_tells_the_score_and_who_made_the_content_and_no_words(
    loregate: Service,
) -> None:
    content_id = await made(loregate)
    async with loregate.socket() as socket:
        await socket.acknowledged()
        cursor = (await loregate.data("{ eventCursor }"))["eventCursor"]
        await socket.subscribe(EVENTS % RATED, {"after": cursor})
        for body in ({"score": 3, "comment": "My secret."}, {"score": 3, "comment": "My secret."}):
            assert (await put(loregate, content_id, body)).status_code == 200
        await put(loregate, content_id, {"score": 4})
        told = [await socket.next("events") for _ in range(2)]
    assert [event.pop("score") for event in told] == [3, 4], "the same word again is no event"
    assert len({event.pop("id") for event in told}) == 2
    made_by = {"modelUsed": "storyteller", "promptVersion": "1", "variant": None}
    wanted = {"type": "CONTENT_RATED", "contentId": content_id, "metadata": made_by}
    assert told == [wanted] * 2
    stored = await loregate.parts.store.database.read(
        lambda c: c.exec_driver_sql("SELECT payload FROM events").scalars().all()
    )
    assert not [payload for payload in stored if "secret" in payload]
    assert await count_events(loregate) == 3


BAD: list[tuple[Any, str]] = [
    ({}, "score"),
    ({"score": 0}, "score"),
    ({"score": 6}, "score"),
    ({"score": 2.5}, "score"),
    ({"score": True}, "score"),
    ({"score": 3, "comment": "x" * 1_001}, "comment"),
    ({"score": 3, "comment": "a\0b"}, "comment"),
    ([], ""),
]


@pytest.mark.parametrize(("body", "field"), BAD, ids=lambda x: str(x)[:20])
async def test_what_is_no_rating_is_refused_by_its_field(
    loregate: Service, body: Any, field: str
) -> None:
    content_id = await made(loregate)
    answer = await put(loregate, content_id, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
    assert answer.json()["details"]["field"] == field


async def test_a_comment_may_have_a_thousand_characters_of_any_script(loregate: Service) -> None:
    content_id, comment = await made(loregate), "🐉ß" * 500
    assert (await put(loregate, content_id, {"score": "4", "comment": comment})).status_code == 200
    read = await loregate.get(f"/api/v2/content/{content_id}/rating")
    assert read.json()["comment"] == comment


async def test_only_what_is_ones_own_and_there_can_be_rated(loregate: Service) -> None:
    anothers = await made(loregate, sub="bob")
    mine = await made(loregate)
    assert (await loregate.get(f"/api/v2/content/{mine}/rating")).status_code == 404
    headers = loregate.headers()
    assert (await loregate.http.delete(f"/api/v2/content/{mine}", headers=headers)).is_success
    for content_id in (anothers, mine, str(uuid7()), "no-id"):
        answer = await put(loregate, content_id, {"score": 1})
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND"), content_id
        body = (await loregate.graphql(RATE, {"input": {"id": content_id, "score": 1}})).json()
        assert body["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    groups = (await loregate.data(REPORT))["ratings"]["groups"]
    assert groups == []


async def test_rating_needs_the_right_to_write_and_the_report_that_of_an_admin(
    loregate: Service,
) -> None:
    content_id = await made(loregate)
    for permission, ask in {
        "content:write": put(
            loregate,
            content_id,
            {"score": 1},
            permissions=[p for p in PERMISSIONS if p != "content:write"],
        ),
        "gateway:admin": loregate.get("/api/v2/ratings", permissions=["*:*"]),
    }.items():
        answer = await ask
        assert answer.status_code == 403
        assert answer.json()["details"]["required_permission"] == permission


async def test_a_rating_counts_one_request(loregate: Service) -> None:
    content_id = await made(loregate)
    for ask in (
        lambda: put(loregate, content_id, {"score": 1}),
        lambda: put(loregate, content_id, {"score": 9}),
        lambda: put(loregate, str(uuid7()), {"score": 1}),
        lambda: loregate.graphql(RATE, {"input": {"id": content_id, "score": 1}}),
        lambda: loregate.get("/api/v2/ratings"),
        lambda: loregate.graphql(REPORT),
    ):
        before = await loregate.counted()
        await ask()
        assert await loregate.counted() == before + 1
    one = f'rateContent(input: {{id: "{content_id}", score: 2}}) {{ requestId }}'
    await loregate.data(f"mutation {{ a: {one} b: {one} }}")
    assert await loregate.counted() == before + 3, "each field of a document counts"


async def test_the_report_tells_models_prompts_and_operations_apart(
    with_models: Service, provider: Upstream
) -> None:
    asked: list[tuple[str, Any, int]] = [
        (TEXT, {}, 5),
        (TEXT, {}, 4),
        (TEXT, {"model": {"name": "gpt-3.5-turbo"}}, 2),
        (TEXT, {"model": {"name": "storyteller"}}, 1),
        (THEME, {}, 3),
    ]
    for path, fields, score in asked:
        answer = await with_models.post(path, changed(path, **fields))
        await put(with_models, answer.json()["content_id"], {"score": 1})
        await put(with_models, answer.json()["content_id"], {"score": score})
    rest = (await with_models.get("/api/v2/ratings", sub="root")).json()
    wanted = [
        ("character", "gpt-4-turbo", "1", None, 2, 4.5, [0, 0, 0, 1, 1]),
        ("character", "gpt-3.5-turbo", "1", None, 1, 2.0, [0, 1, 0, 0, 0]),
        ("character", "storyteller", "1", None, 1, 1.0, [1, 0, 0, 0, 0]),
        ("theme", "gpt-4-turbo", "3", None, 1, 3.0, [0, 0, 1, 0, 0]),
    ]
    assert [tuple(group.values()) for group in rest["groups"]] == wanted
    report = (await with_models.data(REPORT, sub="root"))["ratings"]
    assert [tuple(group.values()) for group in report["groups"]] == wanted
    assert rest["truncated"] is report["truncated"] is False


SPANS = [
    ("since=2026-11-01&until=2026-11-01", 400),
    ("since=2026-11-02&until=2026-11-01", 400),
    ("since=2024-01-01&until=2026-11-01", 400),
    ("since=yesterday", 400),
    ("since=2025-11-01&until=2026-11-01", 200),
    ("until=0001-01-02", 400),
    ("since=0001-01-01T00:00:00%2B14:00", 400),
    ("since=2026-11-01T00:00:00Z&until=2026-11-01T00:00:01%2B00:00", 200),
    ("", 200),
]


@pytest.mark.parametrize(("query", "status"), SPANS)
async def test_a_report_has_a_time_that_is_bounded(
    loregate: Service, query: str, status: int
) -> None:
    answer = await loregate.get(f"/api/v2/ratings?{query}")
    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.json()["details"]["field"] in ("since", "until")


async def test_a_rating_is_kept_while_the_hub_is_away_and_its_event_waits(tmp_path: Path) -> None:
    directory = tmp_path / "valkey"
    server = start_valkey(directory, persist=False)
    async with service.running(service.settings(tmp_path, server.url)) as found:
        content_id = await made(found)
        RedisOutage(server, directory).killed()
        assert (await put(found, content_id, {"score": 2})).status_code == 200
        later = datetime.now(UTC) + timedelta(seconds=1)
        waiting = await found.parts.store.unpublished(older_than=later, limit=10)
    assert [(e.type, e.payload["score"]) for e in waiting] == [("content.rated", 2)]


async def test_a_word_is_counted_by_model_prompt_version_and_score(loregate: Service) -> None:
    content_id = await made(loregate)
    for score in (3, 3, 5):
        await put(loregate, content_id, {"score": score})
    text = (await loregate.get("/metrics")).text
    counted = re.findall(r"^loregate_ratings_total\{(.*?)\} (\S+)$", text, re.M)
    labels = {(*sorted(pairs.split(",")), float(n)) for pairs, n in counted if float(n)}
    made_by = ('model="storyteller"', 'prompt_version="1"')
    assert labels == {(*made_by, 'score="3"', 1.0), (*made_by, 'score="5"', 1.0)}
