"""What the JavaScript client follows, over WebSocket and over server-sent events."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from app.open_streams import TokenExpired
from tests.support.event_streams import publish, until_nothing_is_open
from tests.support.generation_clients import LONG, SLOW
from tests.support.javascript_client import CLIENT, JavaScriptClient, options
from tests.support.service import CHARACTER_INPUT, Service, token
from tests.support.sockets import until_subscribed
from tests.support.upstream import Behaviour, Upstream
from tests.support.waiting import until
from tests.support.wire import FailingProxy, Wire

clients = pytest.mark.clients
ways = pytest.mark.parametrize("way", ["socket", "stream"])

CHARACTER: dict[str, Any] = {"operation": "character", "input": CHARACTER_INPUT}


def test_its_documents_and_types_are_those_of_the_schema() -> None:
    command = [sys.executable, str(CLIENT / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@clients
async def test_its_types_let_pass_what_works_and_refuse_what_does_not(
    javascript_client: JavaScriptClient,
) -> None:
    await javascript_client.checked()


# -- events
@clients
@ways
async def test_events_come_once_each_and_those_behind_after_first(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    begin = (await loregate.data("{ eventCursor }"))["eventCursor"]
    await publish(loregate, "before", "before")
    async with javascript_client.driven(**options(loregate, way)) as client:
        await client.say(events={"after": begin})
        await client.first("value")
        await publish(loregate, "live", "before", "live", "last")
        await client.until(lambda: "last" in client.ids)
        assert client.ids == ["before", "live", "last"]
        assert client.told("value")[0]["metadata"]["modelUsed"] == "storyteller"


@clients
@ways
async def test_only_the_wanted_types_come(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    async with javascript_client.driven(**options(loregate, way)) as client:
        await client.say(events={"types": ["THEME_ANALYZED"]})
        await client.first("position")
        await publish(loregate, "text")
        await publish(loregate, "theme", kind="theme.analyzed")
        await client.first("value")
        assert client.ids == ["theme"]


@clients
@ways
async def test_a_cut_before_the_first_event_loses_none(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    async with (
        Wire(loregate.url).laid() as wire,
        javascript_client.driven(**options(wire, way)) as client,
    ):
        await client.say(events={})
        await client.first("position")
        async with wire.broken():
            await publish(loregate, "while it was away")
        await client.first("value")
        await publish(loregate, "live")
        await client.first("value", 2)
        assert client.ids == ["while it was away", "live"]
        assert {"waiting", "connecting", "open"} <= set(client.told("state"))


@clients
@ways
async def test_it_stays_away_when_told_so_and_then_goes_on(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    async with javascript_client.driven(**options(loregate, way)) as client:
        await client.say(events={})
        await client.first("position")
        await client.say(disconnect=None)
        await until_nothing_is_open(loregate)
        await publish(loregate, "while it was away")
        await client.say(connect=None)
        await client.first("value")
        assert client.ids == ["while it was away"]
        assert client.told("state") == [
            "connecting",
            "open",
            "closed",
            "idle",
            "connecting",
            "open",
        ]


@clients
@ways
async def test_silence_is_a_lost_connection(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    """The gateway would say something after 12 or 15 seconds."""
    async with javascript_client.driven(**options(loregate, way, silence=1)) as client:
        await client.say(events={})
        assert await client.first("why") == "CONNECTION_LOST"
        await publish(loregate, "one")
        await client.first("value")
        assert client.ids == ["one"]


@clients
@ways
async def test_a_proxy_without_a_gateway_behind_it_is_waited_for(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    async with (
        FailingProxy(loregate.url, failing=4).laid() as proxy,
        javascript_client.driven(**options(proxy, way)) as client,
    ):
        await client.say(request={"document": "{ viewer { id } }"})
        await client.say(events={})
        await client.first("position")
        assert (await client.first("result"))["data"] == {"viewer": {"id": "alice"}}


# -- tokens
@clients
@ways
async def test_a_token_at_its_end_is_asked_for_anew_and_nothing_is_missed(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    given: list[str] = []

    def renewed() -> str:
        given.append(token(jti=f"t{len(given)}"))
        return given[-1]

    async with javascript_client.driven(url=loregate.url, way=way) as client:
        client.token = renewed
        await client.say(events={})
        await client.first("position")
        for number in range(3):
            for holder in list(loregate.gateway.open_streams):
                holder.end(TokenExpired())
            await publish(loregate, f"{number}")
            await client.first("value", number + 1)
        assert client.ids == ["0", "1", "2"]
        assert client.told("token") == [None, *given[:-1]]  # which was refused, each time


@clients
@ways
async def test_a_token_that_is_no_function_ends_the_iteration_with_its_end(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    async with javascript_client.driven(**options(loregate, way)) as client:
        await client.say(events={})
        await client.first("position")
        for holder in list(loregate.gateway.open_streams):
            holder.end(TokenExpired())
        failed = await client.first("failed")
        assert (failed["name"], failed["code"]) == ("LoregateError", "TOKEN_EXPIRED")
        assert await client.ended() == ""


@clients
@ways
async def test_a_bad_token_ends_the_iteration_after_one_more_was_asked_for(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    async with javascript_client.driven(url=loregate.url, way=way) as client:
        client.token = lambda: "no.token.at-all"
        await client.say(events={})
        failed = await client.first("failed")
        assert (failed["code"], failed["status"]) == ("UNAUTHENTICATED", 401)
        assert client.told("token") == [None, "no.token.at-all"]
        assert await client.ended() == ""


@clients
async def test_a_request_with_an_expired_token_is_sent_again_with_another(
    loregate: Service, javascript_client: JavaScriptClient
) -> None:
    old = token(exp=1)
    tokens = [token(), old]
    async with javascript_client.driven(url=loregate.url, way="stream") as client:
        client.token = lambda: tokens.pop()
        await client.say(request={"document": "{ viewer { id } }"})
        assert (await client.first("result"))["data"] == {"viewer": {"id": "alice"}}
        assert client.told("token") == [None, old]


@clients
async def test_a_page_of_elsewhere_is_told_so(
    loregate: Service, javascript_client: JavaScriptClient
) -> None:
    given = options(loregate, "socket", origin="https://evil.example")
    async with javascript_client.driven(**given) as client:
        await client.say(events={})
        assert (await client.first("failed"))["code"] == "ORIGIN_REFUSED"
        assert await client.ended() == ""


# -- cursors
@clients
@ways
async def test_a_cursor_that_expired_ends_the_iteration_and_tells_where_to_go_on(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    place = (await loregate.data("{ eventCursor }"))["eventCursor"]
    await loregate.parts.event_log.redis.call("FLUSHALL")
    await publish(loregate, "gone")
    async with javascript_client.driven(**options(loregate, way)) as client:
        await client.say(events={"after": place})
        failed = await client.first("failed")
        assert failed["code"] == "CURSOR_EXPIRED"
        await client.say(events={"after": failed["resumeAfter"]})
        await client.first("value")


@clients
@ways
async def test_a_cursor_that_expired_is_gone_on_from_when_it_was_told_so(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    place = (await loregate.data("{ eventCursor }"))["eventCursor"]
    await loregate.parts.event_log.redis.call("FLUSHALL")
    await publish(loregate, "left")
    async with javascript_client.driven(**options(loregate, way)) as client:
        await client.say(events={"after": place, "onExpired": "continue"})
        await client.first("value")
        await publish(loregate, "live")
        await client.until(lambda: "live" in client.ids)
        assert client.told("failed") == []


# -- generations
@clients
@ways
async def test_a_text_is_whole_through_cuts(
    with_models: Service, provider: Upstream, javascript_client: JavaScriptClient, way: str
) -> None:
    provider.always = SLOW
    async with (
        Wire(with_models.url).laid() as wire,
        javascript_client.driven(**options(wire, way)) as client,
    ):
        await client.say(start=CHARACTER)
        generation = await client.first("started")
        await client.say(generation={"id": generation["id"]})
        for count in (3, 8, 13):
            await client.first("value", count)
            wire.cut()
        await client.first("ended")
        told = client.told("value")
        assert "".join(v["text"] for v in told if v["type"] == "delta") == LONG
        assert [v["seq"] for v in told if v["type"] == "delta"] == list(range(1, len(told) - 1))
        assert (told[0]["type"], told[-1]["type"]) == ("started", "completed")
        assert told[-1]["content"]["text"] == LONG
        assert len(provider.requests) == 1


@clients
@ways
async def test_a_generation_that_is_cancelled_ends_so(
    with_models: Service, provider: Upstream, javascript_client: JavaScriptClient, way: str
) -> None:
    provider.always = Behaviour(silent=True)
    async with javascript_client.driven(**options(with_models, way)) as client:
        await client.say(start=CHARACTER)
        generation = await client.first("started")
        await client.say(generation={"id": generation["id"]})
        await client.first("value")
        await client.say(cancel={"id": generation["id"]})
        await client.first("ended")
        assert [v["type"] for v in client.told("value")] == ["started", "cancelled"]
        assert (await client.first("cancelled"))["state"] == "CANCELLED"


# -- leaving
@clients
@ways
async def test_who_leaves_the_loop_leaves_nothing_open(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    async with javascript_client.driven(**options(loregate, way)) as client:
        await client.say(events={})
        await client.first("position")
        await client.say(leave=None)
        await client.first("ended")  # the loop that waited
        await until_nothing_is_open(loregate)
        assert await client.ended() == ""


@clients
@ways
async def test_an_aborted_iteration_rejects_and_leaves_nothing_open(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    async with javascript_client.driven(**options(loregate, way)) as client:
        await client.say(events={})
        await client.first("position")
        await client.say(abort=None)
        assert (await client.first("failed"))["name"] == "AbortError"
        await until_nothing_is_open(loregate)
        assert await client.ended() == ""


@clients
@ways
async def test_who_waits_for_a_gateway_that_is_away_may_leave(
    javascript_client: JavaScriptClient, way: str
) -> None:
    given = {"url": "http://127.0.0.1:1", "way": way, "token": "any"}
    async with javascript_client.driven(**given) as client:
        await client.say(events={})
        await client.until(lambda: "waiting" in client.told("state"))
        assert await client.first("why") == "CONNECTION_LOST"
        await client.say(leave=None)
        await client.first("ended")
        assert await client.ended() == ""


@clients
@ways
async def test_who_leaves_one_of_two_iterations_ends_its_subscription_alone(
    loregate: Service, javascript_client: JavaScriptClient, way: str
) -> None:
    async with javascript_client.driven(**options(loregate, way)) as client:
        for count in (1, 2):
            await client.say(events={})
            await client.first("position", count)
        await client.say(leave=None)
        await until_subscribed(loregate)
        await publish(loregate, "for the other")
        await client.first("value")
        assert client.ids == ["for the other"]


# -- back-pressure
@clients
async def test_a_slow_consumer_is_unsubscribed_and_goes_on_from_its_cursor(
    loregate: Service, javascript_client: JavaScriptClient
) -> None:
    async with javascript_client.driven(**options(loregate, "socket", buffer=10)) as client:
        await client.say(events={"step": True})
        await client.say(next=None)
        await until_subscribed(loregate)
        await publish(loregate, *range(30))
        await client.first("value")
        await until(lambda: not loregate.parts.fanout.readers)  # it keeps ten, and wants no more
        await client.say(go=None)
        await client.first("value", 30)
        await until_subscribed(loregate)
        await publish(loregate, 30)
        await client.first("value", 31)
        assert client.ids == [str(n) for n in range(31)]


@clients
async def test_over_a_stream_no_more_is_read_than_is_taken(
    loregate: Service, javascript_client: JavaScriptClient
) -> None:
    given = options(loregate, "stream", buffer=10)
    async with javascript_client.driven(**given) as client:
        await client.say(events={"step": True})
        await client.say(next=None)
        await until_subscribed(loregate)
        for name in range(60):
            await publish(loregate, name)
            await until_subscribed(loregate)  # each is a piece of its own
        await client.say(pieces=None)
        assert await client.first("pieces") < 20
        await client.say(go=None)
        await client.first("value", 60)
        assert client.ids == [str(n) for n in range(60)]
