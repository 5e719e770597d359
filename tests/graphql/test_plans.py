"""Compiled documents: what a plan answers is to the byte what graphql-core answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.plan_oracle import Oracle, at_leisure
from tests.support.written_documents import documents

CASES = 60  # of each kind


@pytest.fixture
def leisure() -> Iterator[None]:
    with at_leisure():
        yield


@pytest.mark.parametrize("operation", ["query", "mutation"])
async def test_a_plan_answers_as_graphql_core_does(leisure: None, operation: str) -> None:
    oracle = Oracle()
    await oracle.equal_at_random(operation, range(CASES))
    assert oracle.planned > CASES / 4


async def test_a_plan_tells_events_as_graphql_core_does(leisure: None) -> None:
    oracle = Oracle()
    await oracle.equal_at_random("subscription", range(CASES))
    assert oracle.events > CASES


@pytest.mark.parametrize("each", [4, pytest.param(1, marks=pytest.mark.long)])
async def test_every_document_that_is_written_down_is_answered_alike(
    leisure: None, each: int
) -> None:
    oracle = Oracle()
    assert len(documents()) > 200
    for seed, text in list(enumerate(documents()))[::each]:
        await oracle.equal_as_written(text, seed)
    assert oracle.planned > 100 / each
    assert oracle.events > 50 / each
