"""GraphQL under generated documents: each field of the schema with anything that it may take."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from tests.support.fuzzing import PATIENCE, cases, examples, unharmed, user, users, values
from tests.support.service import Service

pytestmark = pytest.mark.long

FEW = 88
SCHEMA = Path(__file__).parents[2] / "schema.graphql"
TIMES = st.sampled_from(["2026-11-26T01:02:03Z", "2026-11-26T01:02:03.5+01:00", "yesterday", ""])
ACCEPTED = st.sampled_from(
    [
        "*/*",
        "application/json",
        "application/graphql-response+json",
        "text/event-stream",
        "application/graphql-response+json;q=0.5, text/event-stream;q=0.9",
    ]
)
PARTS = ("query", "variables", "operationName", "extensions", "documentId")
# A document's text cut, doubled, or with a word in it that is out of place.
DAMAGE = st.tuples(st.integers(0, 400), st.text(max_size=5) | st.sampled_from('{}()[]$@!|&"\\#'))


def asked(url: str, body: Any, accept: str, number: int) -> requests.Response:
    """The answer to a body as JSON, or to what Python makes of numbers that JSON does not have."""
    headers = {**user(number), "Accept": accept, "Content-Type": "application/json"}
    sent = json.dumps(body)
    return requests.post(f"{url}/graphql", data=sent, headers=headers, timeout=PATIENCE)


def held(response: requests.Response) -> None:
    """No failure of the server's own, whatever the transport says it in."""
    assert response.status_code < 500, (response.status_code, response.text)
    assert "INTERNAL_ERROR" not in response.text, response.text


async def test_no_document_makes_graphql_fail(loregate: Service) -> None:
    schemathesis.graphql.scalar("DateTime", TIMES.map(schemathesis.graphql.nodes.String))
    api = schemathesis.graphql.from_path(str(SCHEMA))
    operations = [found.ok() for found in api.get_all_operations() if isinstance(found, Ok)]
    succeeded = 0

    def of(operation: Any) -> None:
        @examples(cases(FEW, 2 * len(operations)))
        @given(case=operation.as_strategy(), accept=ACCEPTED, number=users)
        def run(case: Any, accept: str, number: int) -> None:
            nonlocal succeeded
            response = asked(loregate.url, {"query": case.body}, accept, number)
            held(response)
            succeeded += '"errors"' not in response.text

        @examples(cases(FEW, 2 * len(operations)))
        @given(case=operation.as_strategy(), accept=ACCEPTED, number=users, damage=DAMAGE)
        def damaged(case: Any, accept: str, number: int, damage: tuple[int, str]) -> None:
            place, word = damage
            body = case.body[:place] + word + case.body[place + len(word) :]
            held(asked(loregate.url, {"query": body}, accept, number))

        run()
        damaged()

    async with unharmed(loregate):
        for operation in operations:
            await asyncio.to_thread(of, operation)
    assert succeeded > 0


async def test_no_body_makes_graphql_fail(loregate: Service) -> None:
    """Whatever stands where a document, its variables and the like are wanted."""
    bodies = st.dictionaries(st.sampled_from(PARTS), values, max_size=5) | values

    @examples(cases(FEW))
    @given(body=bodies, accept=ACCEPTED, number=users)
    def run(body: Any, accept: str, number: int) -> None:
        held(asked(loregate.url, body, accept, number))

    async with unharmed(loregate):
        await asyncio.to_thread(run)
