"""Where a trace comes from and where it goes: callers, providers, events, sockets."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.caller import Caller
from tests.support.collector import Collector
from tests.support.rest_bodies import TEXT
from tests.support.service import CHARACTER_INPUT, GENERATE, Service, Socket
from tests.support.traced_requests import CALLER, MODEL, PARENT, TRACE, UNWANTED, ask
from tests.support.upstream import Upstream


async def test_a_callers_trace_goes_on_here_and_at_the_provider(
    traced: Service, collected: Collector, provider: Upstream
) -> None:
    await ask(traced, traceparent=PARENT, tracestate="congo=t61, rojo=1")
    root = await collected.one(f"POST {TEXT}")
    assert (root.trace_id, root.parent_id) == (TRACE, CALLER)
    assert {s.trace_id for s in collected.spans} == {TRACE}
    [model] = collected.named(MODEL)
    [sent] = provider.headers
    assert sent["traceparent"] == f"00-{TRACE}-{model.span_id}-01"
    assert sent["tracestate"] == "congo=t61,rojo=1"
    assert model.state == "congo=t61,rojo=1"


@pytest.mark.parametrize("sent", ["00-1-2-01", f"{PARENT}, {PARENT}", "é", "x" * 5000])
async def test_a_malformed_traceparent_begins_a_trace_of_our_own(
    traced: Service, collected: Collector, sent: str
) -> None:
    await ask(traced, traceparent=sent.encode("latin-1"))  # type: ignore[arg-type]  # as bytes
    assert (await collected.one(f"POST {TEXT}")).parent_id == ""


async def test_a_trace_that_its_caller_does_not_record_is_not_recorded_and_goes_on(
    traced: Service, collected: Collector, provider: Upstream
) -> None:
    await ask(traced, traceparent=UNWANTED)
    await ask(traced)
    await collected.one(f"POST {TEXT}")
    assert TRACE not in {s.trace_id for s in collected.spans}
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-00", provider.headers[0]["traceparent"])


async def test_without_traces_a_provider_and_an_event_hear_of_none(
    with_models: Service, provider: Upstream
) -> None:
    await ask(with_models, traceparent=PARENT)
    assert "traceparent" not in provider.headers[0]
    [event] = await published(with_models)
    assert "traceparent" not in event["metadata"]


async def test_a_subscriber_hears_which_span_an_event_came_from(
    traced: Service, collected: Collector
) -> None:
    query = "subscription ($after: String) { events(after: $after) { metadata { traceparent } } }"
    begin = await traced.gateway.events.cursor(Caller("alice"))
    await ask(traced)
    async with traced.socket() as socket:
        await (await socket.acknowledged()).subscribe(query, {"after": begin})
        event = await socket.next("events")
        operation = await collected.one("character")
    said = f"00-{operation.trace_id}-{operation.span_id}-03"
    assert event == {"metadata": {"traceparent": said}}


async def published(found: Service) -> list[dict[str, Any]]:
    """The payloads of what stands in the event log."""
    log = found.parts.event_log
    page = await log.read(0, (await log.oldest(0)).entry_id)
    return [entry.event.payload for entry in page.entries]


async def test_an_event_says_which_span_it_came_from(traced: Service, collected: Collector) -> None:
    await ask(traced)
    operation = await collected.one("character")
    [event] = await published(traced)
    said = event["metadata"]["traceparent"]
    # 02: the trace's id is random throughout (trace context, level 2).
    assert said == f"00-{operation.trace_id}-{operation.span_id}-03"


# -- GraphQL
async def test_a_document_is_told_by_its_kind_alone(traced: Service, collected: Collector) -> None:
    await traced.graphql(GENERATE, {"input": CHARACTER_INPUT})
    root = await collected.one("POST /graphql")
    assert root.attributes["graphql.operation.type"] == "mutation"
    assert [s.name for s in collected.children(root)] == ["character"]
    assert not [name for s in collected.spans for name in s.attributes if "document" in name]


async def operate(socket: Socket, **extensions: Any) -> dict[str, Any]:
    payload = {"query": GENERATE, "variables": {"input": CHARACTER_INPUT}, "extensions": extensions}
    await socket.send({"type": "subscribe", "id": "1", "payload": payload})
    answer: dict[str, Any] = await socket.receive()
    assert (await socket.receive())["type"] == "complete"
    return answer


async def test_a_sockets_operations_belong_to_the_trace_that_it_was_opened_with(
    traced: Service, collected: Collector
) -> None:
    init = {**traced.headers(), "traceparent": PARENT}
    async with traced.socket(init=init) as socket:
        await operate(await socket.acknowledged())
        root = await collected.one("mutation")
        assert (root.kind, root.trace_id, root.parent_id) == ("server", TRACE, CALLER)
        assert [s.name for s in collected.children(root)] == ["character"]


async def test_an_operation_may_name_a_trace_of_its_own(
    traced: Service, collected: Collector
) -> None:
    own = "00-11111111111111111111111111111111-2222222222222222-01"
    async with traced.socket(init={**traced.headers(), "traceparent": PARENT}) as socket:
        await operate(await socket.acknowledged(), traceparent=own)
        root = await collected.one("mutation")
    assert f"00-{root.trace_id}-{root.parent_id}-01" == own


@pytest.mark.parametrize("said", [5, {"a": 1}, ["x"], "x" * 600, None])
async def test_what_is_no_trace_in_a_message_is_ignored(
    traced: Service, collected: Collector, said: Any
) -> None:
    async with traced.socket(init={**traced.headers(), "traceparent": said}) as socket:
        answer = await operate(await socket.acknowledged(), traceparent=said, tracestate=said)
        root = await collected.one("mutation")
    assert answer["type"] == "next"
    assert root.parent_id == ""


async def test_a_socket_operation_that_is_refused_says_its_code(
    traced: Service, collected: Collector
) -> None:
    async with traced.socket() as socket:
        await (await socket.acknowledged()).subscribe("{ nothing }")
        assert (await socket.receive())["type"] == "error"
    root = await collected.one("GraphQL Operation")
    assert root.attributes == {"error.type": "GRAPHQL_VALIDATION_FAILED"}
