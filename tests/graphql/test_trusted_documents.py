"""Trusted documents: listed ones run by id on every transport, others as the mode says."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.embedded.valkey import EmbeddedValkey, start_valkey
from app.errors import DependencyUnavailable, SettingsError
from app.main import create_app
from app.policies import manifests
from app.policies.trusted_documents import DocumentsInRedis
from app.redis.client import Redis
from app.settings import TrustedList
from resolvers.documents import MAX_CACHED_DOCUMENTS, Documents
from resolvers.errors import InvalidDocument
from resolvers.questions import Question
from resolvers.trusted_documents import (
    MAX_LOGGED,
    DocumentNotTrusted,
    TrustedDocuments,
    UnlistedLog,
    reader,
)
from tests.support import service
from tests.support.graphql_schema import BUILT, SCHEMA
from tests.support.prometheus import samples_now
from tests.support.service import Service
from tests.support.waiting import until

VIEWER = "query Viewer { viewer { id } }"
PAGE = "query Page($n: Int!) { contents(first: $n) { edges { node { contentId } } } }"
WATCH = "subscription Watch { events { id cursor } }"
LISTED = {manifests.sha256(text): text for text in (VIEWER, PAGE, WATCH)}
VIEWER_ID, PAGE_ID, WATCH_ID = LISTED
OTHER = "{ viewer { tier } }"


@asynccontextmanager
async def serving(
    path: Path, redis_url: str, mode: Any, where: str | None = None
) -> AsyncIterator[Service]:
    if where is None:
        where = str(path / "documents.json")
        Path(where).write_bytes(orjson.dumps({**LISTED, "my.viewer": VIEWER}))
    found = service.settings(path, redis_url, documents=TrustedList(mode, where))
    async with service.running(found) as loregate:
        yield loregate


@pytest.fixture
async def enforcing(tmp_path: Path, redis_url: str) -> AsyncIterator[Service]:
    async with serving(tmp_path, redis_url, "enforce") as found:
        yield found


@pytest.fixture
async def logging_only(tmp_path: Path, redis_url: str) -> AsyncIterator[Service]:
    async with serving(tmp_path, redis_url, "log") as found:
        yield found


# -- transports: each sends a question as it is
async def by_post(loregate: Service, asked: Mapping[str, Any]) -> Any:
    headers = loregate.headers()
    return (await loregate.http.post("/graphql", json=asked, headers=headers)).json()


async def by_get(loregate: Service, asked: Mapping[str, Any]) -> Any:
    params = {k: v if isinstance(v, str) else json.dumps(v) for k, v in asked.items()}
    headers = loregate.headers()
    return (await loregate.http.get("/graphql", params=params, headers=headers)).json()


async def by_stream(loregate: Service, asked: Mapping[str, Any]) -> Any:
    headers = {**loregate.headers(), "Accept": "text/event-stream"}
    response = await loregate.http.post("/graphql", json=asked, headers=headers)
    [data] = [line for line in response.text.splitlines() if line.startswith("data: {")]
    return orjson.loads(data.removeprefix("data: "))


async def by_socket(loregate: Service, asked: Mapping[str, Any]) -> Any:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.send({"type": "subscribe", "id": "1", "payload": asked})
        message = await socket.receive()
        return {"errors": message["payload"]} if message["type"] == "error" else message["payload"]


def apollos(text: str) -> dict[str, Any]:
    """What Apollo's link sends of a document at first."""
    hashed = manifests.sha256(text)
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hashed}}}


over_each_transport = pytest.mark.parametrize("ask", [by_post, by_get, by_stream, by_socket])
ANSWER = {"data": {"viewer": {"id": "alice"}}}


@over_each_transport
@pytest.mark.parametrize(
    "asked",
    [
        {"documentId": VIEWER_ID},
        {"documentId": f"sha256:{VIEWER_ID}"},
        {"documentId": "my.viewer"},
        {"documentId": VIEWER_ID, "query": VIEWER},
        {"query": VIEWER},
        apollos(VIEWER),
        {"query": VIEWER, **apollos(VIEWER)},
    ],
    ids=lambda asked: "+".join(asked),
)
async def test_a_listed_document_runs_by_its_id_and_by_its_text(
    ask: Any, asked: Any, enforcing: Service
) -> None:
    assert await ask(enforcing, asked) == ANSWER


@over_each_transport
async def test_variables_go_with_an_id(ask: Any, enforcing: Service) -> None:
    asked = {"documentId": PAGE_ID, "variables": {"n": 3}, "operationName": "Page"}
    assert await ask(enforcing, asked) == {"data": {"contents": {"edges": []}}}


REFUSALS = [
    ({"query": OTHER}, "DOCUMENT_NOT_TRUSTED"),
    ({"query": "{ nothing"}, "DOCUMENT_NOT_TRUSTED"),  # it is not even parsed
    ({"query": "{ __typename }"}, "DOCUMENT_NOT_TRUSTED"),
    ({"documentId": "unknown", "query": OTHER}, "DOCUMENT_NOT_TRUSTED"),
    ({"documentId": "unknown"}, "DOCUMENT_NOT_FOUND"),
    ({"documentId": VIEWER_ID, "query": OTHER}, "BAD_USER_INPUT"),
    (apollos(OTHER), "PERSISTED_QUERY_NOT_SUPPORTED"),
]


@over_each_transport
@pytest.mark.parametrize(("asked", "code"), REFUSALS)
async def test_what_is_not_listed_is_refused_where_lists_are_enforced(
    ask: Any, asked: Any, code: str, enforcing: Service
) -> None:
    [error] = (await ask(enforcing, asked))["errors"]
    assert error["extensions"]["code"] == code


@pytest.mark.parametrize(("asked", "code"), REFUSALS)
async def test_only_a_document_that_is_not_listed_is_forbidden(
    asked: Any, code: str, enforcing: Service
) -> None:
    found = []
    for accepted in ("application/graphql-response+json", "application/json"):
        headers = {**enforcing.headers(), "Accept": accepted}
        response = await enforcing.http.post("/graphql", json=asked, headers=headers)
        found.append(response.status_code)
    assert found == ([403, 403] if code == "DOCUMENT_NOT_TRUSTED" else [422, 200])


async def test_a_subscription_is_watched_by_its_id(enforcing: Service) -> None:
    async with enforcing.socket() as socket:
        await socket.acknowledged()
        for name in ("1", "2"):
            payload = {"documentId": WATCH_ID}
            await socket.send({"type": "subscribe", "id": name, "payload": payload})
        await socket.send({"type": "subscribe", "id": "3", "payload": {"query": OTHER}})
        refused = await socket.receive()
        while refused["type"] != "error":
            refused = await socket.receive()
        assert refused["id"] == "3"
        await enforcing.post("/api/v2/text/character", service.CHARACTER)
        seen = set()
        while seen != {"1", "2"}:
            message = await socket.receive()
            if message["type"] == "next":
                seen.add(message["id"])


async def test_without_a_token_nothing_is_learned_of_the_list(enforcing: Service) -> None:
    for asked in ({"documentId": VIEWER_ID}, {"documentId": PAGE_ID, "variables": {"n": 1}}):
        response = await enforcing.http.post("/graphql", json=asked)
        assert response.status_code == 401


async def test_what_is_refused_counts_one_request(enforcing: Service) -> None:
    await by_post(enforcing, {"query": OTHER})
    assert await enforcing.counted() == 1


# -- log
async def test_unlisted_documents_run_counted_and_logged_by_their_hash_where_lists_are_tried(
    logging_only: Service, caplog: pytest.LogCaptureFixture
) -> None:
    name = "loregate_unlisted_documents_total{}"
    with caplog.at_level(logging.INFO):
        assert await by_post(logging_only, {"query": OTHER}) == {
            "data": {"viewer": {"tier": "standard"}}
        }
        await by_post(logging_only, {"query": OTHER})
        await by_post(logging_only, {"documentId": VIEWER_ID})
    told = [r for r in caplog.records if r.name == "resolvers.trusted_documents"]
    assert [r.__dict__["sha256"] for r in told] == [manifests.sha256(OTHER)]
    assert OTHER not in caplog.text
    assert samples_now(logging_only.gateway.metrics)[name] == 2
    [error] = (await by_post(logging_only, {"documentId": "unknown"}))["errors"]
    assert error["message"] == "No listed document has the id unknown"


def test_the_log_names_ten_documents_a_minute_and_each_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = [100.0]
    unlisted = UnlistedLog(lambda: clock[0])
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            for n in range(50):
                unlisted.note(f"{{ a{n}: __typename }}")
        assert len(caplog.records) == MAX_LOGGED
        clock[0] += 60
        for n in range(50):
            unlisted.note(f"{{ a{n}: __typename }}")
    assert len({r.__dict__["sha256"] for r in caplog.records}) == 2 * MAX_LOGGED


# -- the list in a process
def trusting(mode: Any, texts: Mapping[str, str] = LISTED) -> TrustedDocuments:
    found = TrustedDocuments(Documents(BUILT, introspection=False), reader(SCHEMA), mode)
    assert found.take(texts) == {}
    return found


def test_listed_documents_are_not_put_out_by_others() -> None:
    trusted = trusting("log")
    first = trusted.document(Question("", document_id=VIEWER_ID))
    for n in range(MAX_CACHED_DOCUMENTS + 1):
        trusted.document(Question(f"{{ a{n}: __typename }}"))
    assert trusted.document(Question("", document_id=VIEWER_ID)) is first
    assert trusted.document(Question(VIEWER)) is first


def test_a_listed_document_may_introspect_and_others_may_not() -> None:
    text = "{ __schema { description } }"
    trusted = trusting("log", {"schema": text})
    assert trusted.document(Question(text)) is trusted.document(Question("", document_id="schema"))
    with pytest.raises(InvalidDocument):
        trusted.document(Question("{ __schema { types { name } } }"))


async def test_a_new_list_keeps_what_was_read_and_leaves_out_what_is_wrong(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trusted = trusting("enforce")
    first = trusted.document(Question("", document_id=VIEWER_ID))
    await trusted.replace({VIEWER_ID: VIEWER, "bad": "{ nothing }", "new": OTHER})
    assert trusted.document(Question("", document_id=VIEWER_ID)) is first
    assert trusted.document(Question(OTHER))
    with pytest.raises(InvalidDocument):
        trusted.document(Question("", document_id=PAGE_ID))
    [record] = caplog.records
    assert record.__dict__["id"] == "bad"
    assert "Cannot query field 'nothing'" in record.__dict__["why"]


def test_where_lists_are_enforced_and_none_was_read_nothing_runs() -> None:
    trusted = TrustedDocuments(Documents(BUILT, introspection=False), reader(SCHEMA), "enforce")
    for asked in (Question(VIEWER), Question("", document_id=VIEWER_ID)):
        with pytest.raises(DependencyUnavailable):
            trusted.document(asked)
    trusted.take({})
    with pytest.raises(DocumentNotTrusted):
        trusted.document(Question(VIEWER))


def test_while_no_list_was_read_nothing_is_called_unlisted() -> None:
    counted: list[int] = []
    trusted = TrustedDocuments(
        Documents(BUILT, introspection=False),
        reader(SCHEMA),
        "log",
        on_unlisted=lambda: counted.append(1),
    )
    assert trusted.document(Question(VIEWER))
    assert counted == []
    trusted.take({})
    assert trusted.document(Question(VIEWER))
    assert counted == [1]


# -- a file, at the start
@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("[]", 'documents.json: an object of ids and texts, {"<id>": "<text>"}, or Apollo'),
        ("{", "documents.json: not JSON"),
        ('{"a b": "{ __typename }"}', "documents.json: the id 'a b': 1 to 128 of"),
        ('{"a": ""}', "documents.json: a: the text of a document is wanted"),
        ('{"a": "{ nothing }"}', "documents.json: a: Cannot query field 'nothing' on type 'Query'"),
        ('{"a": "{"}', "documents.json: a: Syntax Error: Expected Name, found <EOF>. (line 1)"),
        (json.dumps({"0" * 64: VIEWER}), f"the SHA-256 of its text is {VIEWER_ID}"),
        ('{"sha256:1": "{ __typename }"}', "64 hexadecimal digits are wanted behind sha256:"),
        ('{"format": "other"}', "documents.json: the format 'other' is not known"),
        (
            '{"format": "apollo-persisted-query-manifest", "version": 2}',
            "documents.json: version 2; 1 is known",
        ),
        (
            '{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{}]}',
            "documents.json: the id None",
        ),
        (json.dumps({f"d{n}": VIEWER for n in range(10_001)}), "at most 10000 may be listed"),
        (json.dumps({"a": "#" * 65_537}), "documents.json: a: more than 65536 characters"),
    ],
)
def test_a_file_that_is_wrong_stops_the_start_with_its_entry_and_why(
    tmp_path: Path, valkey_url: str, listed: str, said: str
) -> None:
    (tmp_path / "documents.json").write_text(listed)
    documents = TrustedList("log", str(tmp_path / "documents.json"))
    with pytest.raises(SettingsError) as caught:
        create_app(service.settings(tmp_path, valkey_url, documents=documents))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 5_000


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path, valkey_url: str) -> None:
    found = service.settings(tmp_path, valkey_url, documents=TrustedList("log", "nowhere.json"))
    with pytest.raises(SettingsError, match=r"nowhere\.json cannot be read"):
        create_app(found)


async def test_a_file_that_is_written_anew_is_read_anew(tmp_path: Path, redis_url: str) -> None:
    async with serving(tmp_path, redis_url, "enforce") as loregate:
        watch = loregate.parts.documents
        assert watch is not None
        (tmp_path / "documents.json").write_bytes(orjson.dumps({"tier": OTHER}))
        await watch.look()
        assert "data" in await by_post(loregate, {"documentId": "tier"})
        assert "errors" in await by_post(loregate, {"documentId": VIEWER_ID})
        (tmp_path / "documents.json").unlink()
        await watch.look()
        assert "data" in await by_post(loregate, {"documentId": "tier"}), "the last list holds"


# -- Redis
async def test_what_is_added_to_redis_is_known_to_all_processes_soon(
    tmp_path: Path, redis_url: str
) -> None:
    listing = DocumentsInRedis(redis := Redis(redis_url))
    async with (
        serving(tmp_path, redis_url, "enforce", "redis") as one,
        serving(tmp_path, redis_url, "enforce", "redis") as two,
    ):
        assert "errors" in await by_post(one, {"query": VIEWER})
        assert await listing.add({VIEWER_ID: VIEWER}) == 1
        for loregate in (one, two):
            async with asyncio.timeout(10):
                while "errors" in await by_post(loregate, {"documentId": VIEWER_ID}):
                    await asyncio.sleep(0.1)
            assert await by_post(loregate, {"query": VIEWER}) == ANSWER
    await redis.close()


async def test_the_last_list_holds_while_redis_is_away(tmp_path: Path) -> None:
    server = start_valkey(tmp_path / "valkey", persist=False)
    redis = Redis(server.url)
    await DocumentsInRedis(redis).add({VIEWER_ID: VIEWER})
    await redis.close()
    try:
        async with serving(tmp_path, server.url, "enforce", "redis") as loregate:
            assert await by_post(loregate, {"documentId": VIEWER_ID}) == ANSWER
            server.kill()
            watch = loregate.parts.documents
            assert watch is not None
            await watch.look()
            assert await by_post(loregate, {"documentId": VIEWER_ID}) == ANSWER
            server = start_valkey(tmp_path / "valkey", persist=False)  # which has lost its data
            await until(lambda: loregate.parts.redis.up)
            await watch.look()
            assert await by_post(loregate, {"documentId": VIEWER_ID}) == ANSWER
    finally:
        server.stop()


async def test_while_no_list_could_be_read_everything_is_refused_until_it_can(
    tmp_path: Path, own_valkey: EmbeddedValkey
) -> None:
    own_valkey.kill()
    async with serving(tmp_path, own_valkey.url, "enforce", "redis") as loregate:
        headers = loregate.headers()
        response = await loregate.http.post("/graphql", json={"query": VIEWER}, headers=headers)
        assert response.status_code == 503
        assert response.json()["errors"][0]["extensions"]["code"] == "DEPENDENCY_UNAVAILABLE"
        assert "Retry-After" in response.headers
