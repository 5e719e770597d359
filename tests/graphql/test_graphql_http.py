"""GraphQL over HTTP: media types, status codes, headers, and bodies that hold no document."""

from __future__ import annotations

import httpx2
import orjson
import pytest

from tests.support.service import CHARACTER_INPUT, GENERATE, Service

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"


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


@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
async def test_a_body_that_holds_no_document_is_400(loregate: Service, accept: str) -> None:
    for name, (content, field) in BODIES.items():
        response = await post(loregate, content, Accept=accept)
        assert response.status_code == 400, name
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
    f"{GRAPHQL}, {JSON}": GRAPHQL,
    f"{JSON}, {GRAPHQL}": JSON,
    f"{GRAPHQL}; charset=utf-8, {JSON};q=0.9": GRAPHQL,
    "application/*": JSON,
}


async def test_the_answer_comes_in_an_accepted_type(loregate: Service) -> None:
    for accept, kind in ACCEPTS.items():
        response = await post(loregate, VIEWER, Accept=accept)
        assert response.status_code == 200
        assert response.headers["Content-Type"] == f"{kind}; charset=utf-8"
    refused = await post(loregate, VIEWER, Accept="image/png")
    assert refused.status_code == 406


STATUSES: dict[str, tuple[str, int, int]] = {
    "an answer": ("{ viewer { id } }", 200, 200),
    "a parse error": ("{", 200, 400),
    "a validation error": ("{ nothing }", 200, 400),
    "variables that do not fit": (
        "query ($id: ID!) { content(id: $id) { contentId } }",
        200,
        400,
    ),
    "a refusal while running": ("{ contents(first: 0) { edges { cursor } } }", 200, 200),
    "a subscription": ("subscription { events { id } }", 406, 406),
}


@pytest.mark.parametrize("name", STATUSES)
async def test_the_status_says_whether_execution_began(loregate: Service, name: str) -> None:
    query, old, new = STATUSES[name]
    content = orjson.dumps({"query": query})
    assert (await post(loregate, content, Accept=JSON)).status_code == old
    response = await post(loregate, content, Accept=GRAPHQL)
    assert response.status_code == new
    assert ("data" in response.json()) == (new == 200)


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
