"""The AsyncAPI document: what it says of events, streams and frames is what a listener gets."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import orjson
import pytest
from redis import Redis

from app.events.asyncapi import asyncapi_document
from app.events.cursor import EntryId
from app.events.event_schemas import EXAMPLES, OWN, SUMMARIES, event_schema, schema_name
from app.events.log import stream_key
from app.events.types import EVENT_TYPES
from app.operations import OPERATIONS
from app.rest.events import PATH
from tests.support.event_streams import IDS, open_stream, publish
from tests.support.openapi import held
from tests.support.rest_bodies import GOOD
from tests.support.service import Service

DOCUMENT = asyncapi_document()
MESSAGES = [
    (channel, name) for channel, item in DOCUMENT["channels"].items() for name in item["messages"]
]


def payload(channel: str, name: str) -> Any:
    """A validator of the message's payload."""
    return held(DOCUMENT, DOCUMENT["channels"][channel]["messages"][name]["payload"])


def known(kind: str) -> Any:
    """A validator that takes no field that the schema does not have."""
    schema = event_schema(kind)
    metadata = {**schema["properties"]["metadata"], "additionalProperties": False}
    properties = {**schema["properties"], "metadata": metadata}
    strict = {**schema, "properties": properties, "additionalProperties": False}
    return jsonschema_rs.Draft202012Validator(strict, validate_formats=True)


def test_every_type_of_event_is_described_and_no_other() -> None:
    assert {*OWN} == {*EXAMPLES} == {*SUMMARIES} == {*EVENT_TYPES}
    told = DOCUMENT["channels"]["events"]["messages"]
    assert {m["name"] for m in told.values()} == {*EVENT_TYPES, "position", "error"}
    assert {schema_name(kind) for kind in EVENT_TYPES} < DOCUMENT["components"]["schemas"].keys()


@pytest.mark.parametrize(("channel", "name"), MESSAGES)
def test_an_example_is_what_its_message_may_be(channel: str, name: str) -> None:
    for example in DOCUMENT["channels"][channel]["messages"][name]["examples"]:
        payload(channel, name).validate(example["payload"])


async def test_the_events_of_every_operation_fit_their_schemas_and_have_no_other_field(
    loregate: Service,
) -> None:
    for operation in OPERATIONS.values():
        made = await loregate.post(operation.path, GOOD[operation.path])
        assert made.status_code == 200, made.text
    url, headers = f"/api/v2/content/{made.json()['content_id']}/rating", loregate.headers()
    assert (await loregate.http.put(url, json={"score": 4}, headers=headers)).is_success
    page = await loregate.parts.event_log.read(0, EntryId(0, 0))
    for entry in page.entries:
        known(entry.event.type).validate(entry.event.payload)
    # A budget has a page of tests of its own.
    assert {entry.event.type for entry in page.entries} == {*EVENT_TYPES} - {"budget.warned"}


async def test_a_server_sent_event_fits_the_message_of_its_name(loregate: Service) -> None:
    channel = DOCUMENT["channels"]["events"]
    assert channel["address"] == PATH
    by_name = {m["name"]: name for name, m in channel["messages"].items()}
    async with open_stream(loregate) as stream:
        position = await stream.block()
        payload("events", by_name[position.event or ""]).validate(position.json)
        await loregate.generate()
        event = await stream.next()
        payload("events", by_name[event.event or ""]).validate(event.json)
        loregate.gateway.open_streams.end_all()
        loregate.gateway.open_streams.stopping = False
        error = await stream.next()
        assert error.event == "error"
        payload("events", by_name[error.event]).validate(error.json)


async def test_an_entry_of_the_stream_has_the_fields_that_are_told(
    loregate: Service, redis_url: str
) -> None:
    await loregate.generate()
    channel = DOCUMENT["channels"]["stream"]
    key = channel["address"].format(partition=channel["parameters"]["partition"]["default"])
    assert key == stream_key(0)
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        [(_, fields)] = redis.xrange(key)
    payload("stream", "Entry").validate(fields)
    known("content.generated").validate(orjson.loads(fields["event"]))


async def test_the_frames_of_a_socket_fit_their_messages(loregate: Service) -> None:
    frames = {
        m["payload"]["properties"]["type"]["const"]: name
        for name, m in DOCUMENT["channels"]["graphql"]["messages"].items()
    }
    seen = set[str]()
    async with loregate.socket() as socket:

        async def told(*kinds: str) -> None:
            for _ in kinds:
                message = orjson.loads(await socket.ws.recv())
                payload("graphql", frames[message["type"]]).validate(message)
                seen.add(message["type"])

        await told("connection_ack")
        await socket.subscribe(IDS)
        await told("ping")  # it has joined
        await publish(loregate, "one")
        await told("next")
        await socket.subscribe("subscription { nothing }")
        await told("error")
        await socket.subscribe("{ viewer { id } }")
        await told("next", "complete")
        await socket.send({"type": "ping"})
        await told("pong")
    assert seen == {"connection_ack", "ping", "next", "error", "complete", "pong"}


async def test_the_document_is_served_without_a_token_as_it_was_made(loregate: Service) -> None:
    answer = await loregate.http.get("/api/v2/asyncapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == DOCUMENT
