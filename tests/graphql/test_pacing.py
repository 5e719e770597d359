"""Pacing: an answer is made in slices, and given up when it has too many bytes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from inspect import isawaitable
from typing import Any

import orjson
import pytest
from graphql import (
    ExecutionResult,
    execute,
    execute_root_selection_set,
    get_introspection_query,
    validate,
)
from graphql import parse as parsed

from resolvers import pacing
from resolvers.documents import READ_AT_ONCE, Documents
from resolvers.errors import InvalidDocument
from resolvers.execution import is_awaitable
from resolvers.pacing import PacedExecutor, Turns
from resolvers.response_streams import SubscriptionGroup
from resolvers.weights import MAX_WEIGHT
from tests.support.graphql_requests import aliased, by_get, by_post, by_socket
from tests.support.graphql_schema import BUILT
from tests.support.random_documents import RandomDocument
from tests.support.replaced import replaced
from tests.support.service import Service
from tests.support.stored_records import a_record, an_event

SCHEMA_QUERY = get_introspection_query(schema_description=True, input_value_deprecation=True)


@pytest.fixture
def always_late() -> Iterator[None]:
    """A slice is used up as soon as it begins."""
    with replaced(pacing, SLICE=0.0):
        yield


async def run(text: str, turns: Turns) -> tuple[ExecutionResult, PacedExecutor]:
    built = PacedExecutor.build(BUILT, parsed(text), is_awaitable=is_awaitable, turns=turns)
    result = execute_root_selection_set(built)
    return (await result if isawaitable(result) else result), built


async def counted_rounds(rounds: list[int]) -> None:
    while True:
        await asyncio.sleep(0)
        rounds[0] += 1


async def test_between_slices_others_go_on(always_late: None) -> None:
    rounds = [0]
    beside = asyncio.create_task(counted_rounds(rounds))
    result, _ = await run(SCHEMA_QUERY, Turns())
    beside.cancel()
    assert result == execute(BUILT, parsed(SCHEMA_QUERY))
    assert rounds[0] > 1_000  # of 9,456 values


class Noted(Turns):
    """Notes in which round each is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: list[float] = []

    async def next(self) -> None:
        await super().next()
        self.rounds.append(self.began)


async def test_in_one_round_one_slice_is_made_for_all_documents_together(
    always_late: None,
) -> None:
    turns = Noted()
    found = await asyncio.gather(*(run(SCHEMA_QUERY, turns) for _ in range(3)))
    assert all(result.data == found[0][0].data for result, _ in found)
    assert len(turns.rounds) == len(set(turns.rounds)) > 1_000


async def test_a_slice_is_shared_by_as_many_as_it_holds() -> None:
    turns = Noted()
    with replaced(pacing, SLICE=60.0):
        await asyncio.gather(*(turns.next() for _ in range(pacing.GROUP * 2)))
    assert len(set(turns.rounds)) == 2


async def test_who_is_cancelled_holds_nobody_up() -> None:
    turns = Turns()
    first, second = (asyncio.create_task(turns.next()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled()


async def test_what_is_made_in_slices_is_what_would_be_made_at_once(
    loregate: Service,
) -> None:
    first = (await loregate.generate())["contentId"]
    ids = [first, *[(await loregate.generate())["contentId"] for _ in range(9)]]
    documents = [RandomDocument(seed, ids) for seed in range(12)]
    asked = [(one.text(), one.variables) for one in documents]
    at_once = [await by_post(loregate, *one, tier="service") for one in asked]
    with replaced(pacing, SLICE=0.0):
        in_slices = [await by_post(loregate, *one, tier="service") for one in asked]
    for one, other in zip(at_once, in_slices, strict=True):
        assert _lasting(one) == _lasting(other)
    assert sum("errors" not in one for one in at_once) > 3


def _lasting(value: Any) -> Any:
    """Without what differs between two requests: ids of requests, counts of limits and traffic."""
    if isinstance(value, dict):
        return {k: _lasting(v) for k, v in value.items() if not isinstance(v, int | float | str)}
    return [_lasting(v) for v in value] if isinstance(value, list) else value


# -- bytes
async def test_an_answer_weighs_its_bytes() -> None:
    result, built = await run(SCHEMA_QUERY, Turns())
    size = len(orjson.dumps(result.data))
    assert size <= built.weight < size * 1.3


TEXTS = "... on GeneratedContent { " + aliased("text", 30) + " }"


async def heavy(loregate: Service, characters: int = 100_000, **fields: Any) -> str:
    """The id of a content of 100 KB, which is more than a model is told to write."""
    answer = (await loregate.generate()) and (await loregate.parts.store.page("alice", first=1))[
        0
    ].answer
    record = a_record("alice", operation="character", content_type="character")
    answer |= {"content_id": record.content_id, "content": "\n" * characters, **fields}
    kept = a_record(
        "alice", operation="character", content_type="character",
        content_id=record.content_id, answer=answer,
    )  # fmt: skip
    await loregate.parts.store.add(kept, [an_event("alice")])
    return record.content_id


@pytest.mark.parametrize("ask", [by_post, by_get, by_socket])
async def test_an_answer_of_too_many_bytes_is_refused_on_every_transport(
    ask: Any, loregate: Service
) -> None:
    content_id = await heavy(loregate)
    body = await ask(loregate, f'{{ content(id: "{content_id}") {{ {TEXTS} }} }}', {})
    [error] = body["errors"]
    facts = error["extensions"]
    assert "data" not in body
    assert (facts["code"], facts["limit"]) == ("QUERY_TOO_COMPLEX", MAX_WEIGHT)
    assert MAX_WEIGHT < facts["weight"] < MAX_WEIGHT + 300_000  # no more of it was made
    assert error["message"] == (
        "The document's answer has more bytes than it may have, and at most 2,000,000 are "
        "allowed: ask for fewer items, or for less of each"
    )
    one = f'{{ content(id: "{content_id}") {{ ... on GeneratedContent {{ text }} }} }}'
    few = await ask(loregate, one, {})
    assert len(few["data"]["content"]["text"]) == 100_000


async def test_an_event_of_too_many_bytes_tells_that_it_has_them(loregate: Service) -> None:
    built = PacedExecutor.build(
        BUILT, parsed("subscription { events { id } }"), turns=Turns(), is_awaitable=is_awaitable
    )
    built.weight = MAX_WEIGHT + 1
    group = SubscriptionGroup("alice", ("k",), built, "a request")
    found = ExecutionResult({"events": None})
    body = orjson.loads(group._encoded(built, found))  # private: no event is of 2 MB
    assert body["data"] is None
    assert body["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"


# -- what is read
@pytest.mark.parametrize(
    ("selected", "whole"),
    [
        ("edges { cursor }", False),
        ("pageInfo { endCursor }", False),
        ("edges { node { id contentId contentType createdAt __typename } }", False),
        ("edges { node { ...f } }", False),
        ("edges { node { ... on Story { parentElementId childElements } } }", False),
        ("edges { node { parent { metadata { modelUsed } } } }", False),
        ("edges { node { metadata { modelUsed } } }", True),
        ("edges { node { ... on GeneratedContent { text } } }", True),
        ("edges { node { ...g } }", True),
        ("edges { cursor } edges { node { ...f } } edges { node { metadata { seed } } }", True),
    ],
)
async def test_answers_are_read_where_something_of_them_is_asked(
    loregate: Service, selected: str, whole: bool
) -> None:
    await loregate.generate()
    page, asked = loregate.parts.store.page, list[bool]()

    async def noted(*given: Any, **how: Any) -> Any:
        asked.append(how["whole"])
        return await page(*given, **how)

    text = f"{{ contents {{ {selected} }} }}"
    if "...f" in text:
        text += " fragment f on Content { id parent { id } children { id } }"
    if "...g" in text:
        text += " fragment g on Content { ... on Content { metadata { modelUsed } } }"
    with replaced(loregate.parts.store, page=noted):
        await loregate.data(text)
    assert asked == [whole]


async def test_columns_tell_the_same_as_the_answer(loregate: Service) -> None:
    first = (await loregate.generate())["contentId"]
    columns = (
        "id contentId contentType createdAt __typename ... on GeneratedContent { parentContentId }"
    )
    text = f'{{ content(id: "{first}") {{ {columns} %s }} }}'
    apart = (await loregate.data(text % ""))["content"]
    whole = (await loregate.data(text % "metadata { modelUsed }"))["content"]
    del whole["metadata"]
    assert apart == whole


# -- documents
async def test_a_longer_document_is_read_in_a_thread_and_remembered() -> None:
    documents, seen = Documents(BUILT, introspection=True), list[str]()
    parsed_by = documents.parsed

    def noted(text: str) -> Any:
        seen.append(threading.current_thread().name)
        return parsed_by(text)

    long = "{ __typename }" + " " * READ_AT_ONCE
    with replaced(documents, parsed=noted):
        await documents.read_aside("{ __typename }", None)
        read = await documents.read_aside(long, None)
        assert await documents.read_aside(long, None) is read
        with pytest.raises(InvalidDocument):
            await documents.read_aside("{ nothing }" + " " * READ_AT_ONCE, None)
        with pytest.raises(InvalidDocument):
            await documents.read_aside(long, "another")
    assert seen[0] == threading.main_thread().name
    assert all("document-reader" in name for name in seen[1:])
    assert len(seen) == 3


WRONG = [
    "{ nothing }",
    "{ health }",
    "query a { health { status } } query a { health { status } }",
    "query ($a: Health) { __typename }",
    "query ($a: Int, $a: Int) { contents(first: $a) { __typename } }",
    "{ contents(first: $a) { __typename } }",
    "{ __typename @skip }",
    "{ __typename @nothing }",
    "{ __typename @skip(if: true) @skip(if: true) }",
    '{ contents(first: "x") { __typename } }',
    "{ ...f } fragment f on Query { ...f }",
    "{ health { status: components } }",
    "subscription { events { id } generation { __typename } }",
    'subscription { events { id } ... @defer(label: "a") { events { id } } }',
    "fragment f on Nothing { id }",
]


@pytest.mark.parametrize("text", WRONG)
def test_rules_that_are_left_out_would_have_said_nothing(text: str) -> None:
    documents = Documents(BUILT, introspection=True)
    with pytest.raises(InvalidDocument) as caught:
        documents.parsed(text)
    every = documents._rules  # private: which are left out is nobody's to know
    whole = validate(BUILT, parsed(text), every, hide_suggestions=True)
    assert [e.message for e in caught.value.errors] == [e.message for e in whole]
