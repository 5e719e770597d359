"""The examples of the OpenAPI document are sent as they stand, and work."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.rest.openapi import openapi_document
from tests.support.openapi import resolved
from tests.support.service import Service

JSON = "application/json"
METHODS = ("get", "post", "put", "delete")
DOCUMENT = openapi_document()
OPERATIONS = [
    (method, path)
    for path, item in DOCUMENT["paths"].items()
    for method in METHODS
    if method in item
]
ENDLESS = "/api/v2/events"
PREPARED = "/api/v2/text/character/stream"
RATING = "/api/v2/content/{content_id}/rating"


def described(method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][path][method]
    return found


def parameters(method: str, path: str, place: str) -> list[dict[str, Any]]:
    """Its own parameters and those of its path that stand in this place."""
    item = DOCUMENT["paths"][path]
    given = [*item.get("parameters", ()), *item[method].get("parameters", ())]
    return [p for p in map(resolved, given) if p["in"] == place]


def example(operation: dict[str, Any]) -> Any:
    """The body that the document shows for it; None where it has none."""
    body = operation.get("requestBody")
    return body["content"][JSON]["example"] if body else None


async def written(found: Service) -> str:
    """The id of a generation and of its content, which the reference's page has written too."""
    answer = await found.post(PREPARED, example(described("post", PREPARED)))
    assert "event: completed" in answer.text
    identity: str = answer.headers["x-generation-id"]
    return identity


def test_every_body_has_an_example_and_every_id_is_one_that_the_page_fills_in() -> None:
    for method, path in OPERATIONS:
        operation = described(method, path)
        assert ("requestBody" not in operation) or example(operation)
        names = [p["name"] for p in parameters(method, path, "path")]
        assert set(names) <= {"content_id", "generation_id", "sub"}
        assert all(f"{{{name}}}" in path for name in names)


async def mismatch(found: Service, method: str, path: str) -> str:
    """How the answer to an operation's example is not what the document says; empty if it is."""
    operation, address = described(method, path), path
    for parameter in parameters(method, path, "path"):
        value = parameter.get("example") or await written(found)
        address = address.replace(f"{{{parameter['name']}}}", value)
    if (method, path) == ("get", RATING):  # there is one once it was given
        rating = example(described("put", RATING))
        assert (await found.http.put(address, json=rating, headers=found.headers())).is_success
    given = {p["name"]: p["example"] for p in parameters(method, path, "query") if "example" in p}
    request = found.http.build_request(
        method, address, params=given, json=example(operation), headers=found.headers()
    )
    response = await found.http.send(request, stream=True)
    try:
        if path != ENDLESS or response.status_code != 200:
            await response.aread()
        told = next(r for r in operation["responses"].items() if r[0].startswith("2"))
        kinds = told[1].get("content", {"": None})
        good = response.headers.get("content-type", "").startswith(next(iter(kinds)))
        return "" if good and str(response.status_code) == told[0] else str(response)
    finally:
        await response.aclose()


@pytest.mark.long
async def test_every_example_that_is_sent_is_answered_as_the_document_says(
    loregate: Service,
) -> None:
    async with asyncio.timeout(60):
        wrong = {one: said for one in OPERATIONS if (said := await mismatch(loregate, *one))}
    assert wrong == {}
