"""GraphQL over HTTP: media types, status codes, headers, and bodies that hold no document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from redis.asyncio import Redis

from tests.support import service
from tests.support.service import CHARACTER_INPUT, GENERATE, Service

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
STREAM = "text/event-stream"


async def post(loregate: Service, content: bytes, **headers: str) -> httpx2.Response:
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    given = {"Content-Type": JSON, **loregate.headers(), **named}
    return await loregate.http.post("/graphql", content=content, headers=given)


VIEWER = b'{"query": "{ viewer { id } }"}'
BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", ""),
    "no JSON": (b"{", ""),
    "no UTF-8": (b'{"query": "\xff"}', ""),
    "a number": (b"5", ""),
    "null": (b"null", ""),
    "a string": (b'"{ viewer { id } }"', ""),
    "a batch": (b'[{"query": "{ viewer { id } }"}]', ""),
    "nested 100,000 deep": (b"[" * 100_000, ""),
    "no query": (b"{}", "query"),
    "query 5": (b'{"query": 5}', "query"),
    "an empty query": (b'{"query": " "}', "query"),
    "variables 5": (b'{"query": "{ viewer { id } }", "variables": 5}', "variables"),
    "variables a list": (b'{"query": "{ viewer { id } }", "variables": []}', "variables"),
    "extensions 5": (b'{"query": "{ viewer { id } }", "extensions": 5}', "extensions"),
    "operationName 5": (b'{"query": "{ viewer { id } }", "operationName": 5}', "operationName"),
}


NO_JSON = ("nothing", "no JSON", "no UTF-8", "nested 100,000 deep")


@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
async def test_a_body_that_holds_no_document_names_what_is_wrong(
    loregate: Service, accept: str
) -> None:
    """The release has 400 for what is no JSON, and 422 for what is no well-formed request."""
    for name, (content, field) in BODIES.items():
        response = await post(loregate, content, Accept=accept)
        new = 400 if name in NO_JSON else 422
        assert response.status_code == (new if accept == GRAPHQL else 400), name
        assert response.headers["Content-Type"] == f"{accept}; charset=utf-8"
        [error] = response.json()["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"]["field"] == field


async def test_bodies_are_bounded(loregate: Service) -> None:
    response = await post(loregate, b'{"query": "' + b" " * 300_000 + b'"}')
    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"]["code"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_what_a_page_of_elsewhere_could_send_is_not_read(
    loregate: Service, kind: str
) -> None:
    """Such types need no preflight, so a mutation in one would be forged."""
    response = await post(loregate, VIEWER, Content_Type=kind)
    assert response.status_code == 415


ACCEPTS = {
    JSON: JSON,
    GRAPHQL: GRAPHQL,
    "*/*": JSON,
    "": JSON,
    f"{GRAPHQL}, {JSON}": GRAPHQL,
    f"{JSON}, {GRAPHQL}": JSON,
    f"{GRAPHQL}; charset=utf-8, {JSON};q=0.9": GRAPHQL,
    f"{GRAPHQL};q=0.5, {JSON}": JSON,
    f"{JSON};q=0.1, {GRAPHQL}; q=0.2": GRAPHQL,
    f"{GRAPHQL};q=0, {JSON}": JSON,
    f"{GRAPHQL};q=0, */*": JSON,
    f"*/*, {GRAPHQL};q=0.9": JSON,
    f"{GRAPHQL}, */*;q=0.1": GRAPHQL,
    f"{JSON};q=0, */*, {GRAPHQL};q=0.1": GRAPHQL,
    f"{GRAPHQL.upper()}": GRAPHQL,
    "application/*": JSON,
    "text/html, application/xhtml+xml, */*;q=0.8": JSON,
    f"{STREAM}, {JSON}": STREAM,
    f"{GRAPHQL}, application/graphql+json, {JSON}, {STREAM}, multipart/mixed": GRAPHQL,
    f"{JSON};q=0.9, {STREAM}": STREAM,
    f"{STREAM}, multipart/mixed": STREAM,
}


@pytest.mark.parametrize("accept", ACCEPTS)
async def test_the_answer_comes_in_the_type_that_is_preferred(
    loregate: Service, accept: str
) -> None:
    response = await post(loregate, VIEWER, Accept=accept)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == f"{ACCEPTS[accept]}; charset=utf-8"


@pytest.mark.parametrize("accept", ["image/png", f"{JSON};q=0", f"{GRAPHQL};q=0, image/*"])
async def test_who_takes_none_of_the_types_gets_406(loregate: Service, accept: str) -> None:
    refused = await post(loregate, VIEWER, Accept=accept)
    assert refused.status_code == 406
    assert refused.json()["errors"][0]["extensions"]["code"] == "NOT_ACCEPTABLE"


def asking(query: str, **more: Any) -> bytes:
    return orjson.dumps({"query": query, **more})


# What is sent, and its status for who does not know the release and for who does.
STATUSES: dict[str, tuple[bytes, int, int]] = {
    "an answer": (VIEWER, 200, 200),
    "JSON that cannot be read": (b"NONSENSE", 400, 400),
    "half of JSON": (b'{"query":', 400, 400),
    "no query, but a misspelt one": (b'{"qeury": "{ __typename }"}', 400, 422),
    "variables that are a list": (asking("{ __typename }", variables=[7]), 400, 422),
    "a document that does not parse": (asking("{"), 200, 400),
    "a document that is not valid": (asking("{ nothing }"), 200, 422),
    "a document that is too complex": (asking("{ a" * 60 + "}" * 60), 200, 422),
    "an operation that is not there": (asking("{ __typename }", operationName="no"), 200, 422),
    "one of two operations": (asking("query a { __typename } query b { __typename }"), 200, 422),
    "a variable that is missing": (
        asking("query ($id: ID!) { content(id: $id) { contentId } }"),
        200,
        422,
    ),
    "a variable that does not fit": (
        asking("query ($n: Int) { contents(first: $n) { edges { cursor } } }", variables={"n": ""}),
        200,
        422,
    ),
    "a field that fails": (asking("{ contents(first: 0) { edges { cursor } } }"), 200, 294),
    "a field that fails beside one that does not": (
        asking("{ viewer { id } contents(first: 0) { edges { cursor } } }"),
        200,
        294,
    ),
    "a persisted query": (
        b'{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "00"}}}',
        200,
        422,
    ),
    "a subscription": (asking("subscription { events { id } }"), 406, 406),
    "more than 256 KB": (asking("{ __typename }", variables={"a": " " * 300_000}), 413, 413),
}


@pytest.mark.parametrize("name", STATUSES)
async def test_the_status_is_that_of_the_release_or_the_one_of_always(
    loregate: Service, name: str
) -> None:
    content, old, new = STATUSES[name]
    for accept, status in ((JSON, old), ("*/*", old), (GRAPHQL, new)):
        response = await post(loregate, content, Accept=accept)
        assert response.status_code == status, accept
        assert ("data" in response.json()) == (new in (200, 294))
        assert ("errors" in response.json()) == (new != 200)


@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
async def test_the_callers_standing_is_a_status_of_its_own(
    loregate: Service, accept: str, redis_url: str
) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer x"}):
        response = await post(loregate, VIEWER, Accept=accept, **headers)
        assert response.status_code == 401
        assert "data" not in response.json()
    await revoke(redis_url, "t")
    gone = loregate.headers(jti="t")["Authorization"]
    response = await post(loregate, VIEWER, Accept=accept, Authorization=gone)
    assert response.status_code == 401
    assert "data" not in response.json(), "nothing ran"
    poor = loregate.headers(permissions=[])["Authorization"]
    query = asking('{ content(id: "x") { contentId } }')
    response = await post(loregate, query, Accept=accept, Authorization=poor)
    assert response.status_code == (294 if accept == GRAPHQL else 200), "a field was forbidden"
    assert response.json()["data"] == {"content": None}


async def revoke(redis_url: str, jti: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        await redis.set(f"loregate:revoked:{jti}", "1")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "OPTIONS"])
async def test_other_methods_are_405_in_graphqls_words(loregate: Service, method: str) -> None:
    response = await loregate.http.request(method, "/graphql", headers=loregate.headers())
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD, POST"
    assert response.json()["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"


async def test_head_answers_as_get_without_a_body(loregate: Service) -> None:
    for query, status in (("{ viewer { id } }", 200), ("{ nothing }", 422), ("{", 400)):
        asked = {"params": {"query": query}}
        headers = {**loregate.headers(), "Accept": GRAPHQL}
        head = await loregate.http.head("/graphql", **asked, headers=headers)
        found = await loregate.http.get("/graphql", **asked, headers=headers)
        assert head.status_code == found.status_code == status
        assert head.headers["Content-Type"] == found.headers["Content-Type"]
        assert head.content == b""
        assert found.content


@pytest.mark.parametrize("path", ["/graphql/", "/health/", "/health/live/", "/api/v2/docs/"])
async def test_a_slash_at_the_end_is_answered_and_not_redirected(
    loregate: Service, path: str
) -> None:
    params = {"query": "{ viewer { id } }"} if path == "/graphql/" else {}
    response = await loregate.http.get(path, params=params, headers=loregate.headers())
    assert response.status_code == 200
    if params:
        posted = await loregate.http.post(path, content=VIEWER, headers=loregate.headers())
        assert posted.status_code == 415, "it was read as any other"


async def test_an_address_that_is_too_long_is_414(loregate: Service) -> None:
    params = {"query": "{ viewer { id } }" + " " * 9_000}
    response = await loregate.http.get("/graphql", params=params, headers=loregate.headers())
    assert response.status_code == 414
    assert response.json()["errors"][0]["extensions"]["code"] == "URI_TOO_LONG"


@pytest.mark.parametrize("by", ["documentId", "persistedQuery"])
async def test_a_persisted_query_is_not_supported_in_apollos_words(
    loregate: Service, by: str
) -> None:
    """Its clients then send the text with the hash, which runs as any other."""
    apollo = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "00"}}}
    asked = apollo if by == "persistedQuery" else {"documentId": "sha256:00"}
    refused = await post(loregate, orjson.dumps(asked))
    [error] = refused.json()["errors"]
    assert error["message"] == "PersistedQueryNotSupported"
    assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_SUPPORTED"
    sent = await post(loregate, asking("{ viewer { id } }", **apollo))
    assert sent.json() == {"data": {"viewer": {"id": "alice"}}}


async def test_get_runs_queries_and_nothing_else(loregate: Service) -> None:
    query = 'mutation { analyzeTheme(input: {content: "x"}) { requestId } }'
    headers = loregate.headers()
    response = await loregate.http.get("/graphql", params={"query": query}, headers=headers)
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert await loregate.counted("operation:theme_analysis") == 0
    for params in ({"query": ""}, {"variables": "{}"}, {"query": "{a}", "variables": "["}):
        response = await loregate.http.get("/graphql", params=params, headers=headers)
        assert response.status_code == 400


async def test_a_browser_gets_a_page_that_needs_no_other_server(loregate: Service) -> None:
    response = await loregate.http.get("/graphql", headers={"Accept": "text/html,*/*"})
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert 'src="http' not in response.text
    assert 'href="http' not in response.text


async def test_limits_and_ids_are_in_the_headers(loregate: Service) -> None:
    headers = {**loregate.headers(), "X-Request-ID": "mine-1"}
    response = await loregate.http.post(
        "/graphql", content=VIEWER, headers={**headers, "Content-Type": JSON}
    )
    assert response.headers["X-Request-ID"] == "mine-1"
    assert response.headers["X-RateLimit-Scope"] == "user"
    assert response.headers["X-RateLimit-Limit"] == "1000"
    assert response.headers["X-RateLimit-Remaining"] == "999"
    assert response.headers["X-RateLimit-Reset"].isdigit()
    assert "Retry-After" not in response.headers
    response = await loregate.graphql(GENERATE, {"input": CHARACTER_INPUT})
    assert response.headers["X-RateLimit-Scope"] == "operation:text_generation"
    assert response.headers["X-RateLimit-Remaining"] == "99"


NOT_PUBLIC = (
    "{ viewer { id } }",
    "{ viewer { nothing } }",
    "{ nothing }",
    "{ health { status } viewer { id } }",
    "mutation { health }",
    "{",
)


@pytest.mark.parametrize("dev", [True, False])
async def test_without_a_token_a_document_that_is_not_public_is_not_even_parsed(
    tmp_path: Path, redis_url: str, dev: bool
) -> None:
    """One that is not valid is answered as one that is and needs a token."""
    async with service.running(service.settings(tmp_path, redis_url, dev=dev)) as found:
        answers = [await found.http.post("/graphql", json={"query": q}) for q in NOT_PUBLIC]
        assert {a.status_code for a in answers} == {401}
        assert len({orjson.dumps(shown(a.json())) for a in answers}) == 1
        health = await found.http.post("/graphql", json={"query": "{ health { status } }"})
        assert health.json()["data"]["health"]["status"]


INTROSPECTION = "{ __schema { queryType { name } } }"
WRONG = "{ health { ... on Story { nothing } } }"


async def test_in_development_introspection_needs_no_token(tmp_path: Path, redis_url: str) -> None:
    async with service.running(service.settings(tmp_path, redis_url, dev=True)) as found:
        body = (await found.graphql(INTROSPECTION, anonymous=True)).json()
        assert body == {"data": {"__schema": {"queryType": {"name": "Query"}}}}
        [error, *_] = (await found.graphql(WRONG, anonymous=True)).json()["errors"]
        assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_elsewhere_introspection_needs_a_token_and_to_be_on(
    tmp_path: Path, redis_url: str
) -> None:
    given = service.settings(tmp_path, redis_url)
    async with service.running(given) as found:
        for text in (INTROSPECTION, WRONG, '{ __type(name: "Query") { name } }'):
            assert (await found.graphql(text, anonymous=True)).status_code == 401
        assert (await found.data(INTROSPECTION))["__schema"]
    async with service.running(given.model_copy(update={"introspection": False})) as found:
        assert (await found.graphql(INTROSPECTION, anonymous=True)).status_code == 401
        [error, *_] = (await found.graphql(INTROSPECTION)).json()["errors"]
        assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


def shown(body: Any) -> Any:
    for error in body.get("errors", ()):
        del error["extensions"]["requestId"]
    return body
