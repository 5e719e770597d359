"""What a running service tells of its events, limits, connections, Redis and database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.events.cursor import EntryId
from app.events.fanout import Fanout
from app.events.relay import LOOK_INTERVAL, Relay
from app.observe.metrics import Metrics
from app.storage.backlog import backlog
from tests.support.event_log import Subscriber, cursor_now, event_log_running, numbered_event
from tests.support.event_streams import IDS, PATH, named_event, publish
from tests.support.prometheus import nonzero, samples_now
from tests.support.rest_bodies import GOOD, NPC
from tests.support.service import Service, running_with_limits
from tests.support.sockets import until_subscribed
from tests.support.stored_records import a_record, an_event
from tests.support.waiting import until

OF_CHARACTERS = "subscription { contentGenerated(contentTypes: [CHARACTER]) { id } }"
SSE = {"Accept": "text/event-stream"}


def told(found: Metrics, *begins: str) -> dict[str, float]:
    """What is not nought of the metrics whose names begin so."""
    return {k: v for k, v in nonzero(samples_now(found)).items() if k.startswith(begins)}


# -- events
async def test_events_are_counted_at_the_edge_that_sent_them_and_streams_while_they_are_open(
    loregate: Service,
) -> None:
    metrics, headers = loregate.gateway.metrics, {**loregate.headers(), **SSE}
    document = {"json": {"query": IDS}, "headers": headers}
    async with (
        loregate.socket() as socket,
        loregate.http.stream("GET", PATH, headers=headers) as rest,
        loregate.http.stream("POST", "/graphql", **document) as graphql,
    ):
        await socket.acknowledged()
        await socket.subscribe(IDS)
        await until_subscribed(loregate, 3)
        assert told(metrics, "subscriptions") == {
            "subscriptions{edge=rest}": 1,
            "subscriptions{edge=graphql}": 1,
            "subscriptions{edge=websocket}": 1,
        }
        await publish(loregate, "first", "second", occurred_at=datetime.now(UTC).isoformat())
        await publish(loregate, "old")
        reading = [asyncio.create_task(read(s)) for s in (rest, graphql)]
        for _ in range(3):
            await socket.receive()
        await until(lambda: sum(told(metrics, "event_deliveries").values()) == 9)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    assert told(metrics, "event_deliveries") == {
        "event_deliveries_total{edge=rest}": 3,
        "event_deliveries_total{edge=graphql}": 3,
        "event_deliveries_total{edge=websocket}": 3,
    }
    # What occurred before the subscribers came has no lag that is ours.
    assert told(metrics, "event_lag_seconds_count") == {"event_lag_seconds_count{}": 6}
    assert 0 < told(metrics, "event_lag_seconds_sum")["event_lag_seconds_sum{}"] < 6 * 60
    await until(lambda: not told(metrics, "subscriptions"))


async def read(stream: Any) -> None:
    async for _ in stream.aiter_raw():
        pass


async def test_an_event_that_a_subscriber_did_not_ask_for_is_not_counted(
    loregate: Service,
) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(OF_CHARACTERS)
        await until_subscribed(loregate)
        await publish(loregate, "npc", content_type="npc")
        await publish(loregate, "character")
        await socket.receive()
        await until(lambda: told(loregate.gateway.metrics, "event_deliveries"))
    assert told(loregate.gateway.metrics, "event_deliveries") == {
        "event_deliveries_total{edge=websocket}": 1
    }


async def test_an_event_without_its_time_is_delivered_and_has_no_lag(loregate: Service) -> None:
    event = named_event("x")
    del event.payload["occurred_at"]
    async with loregate.http.stream("GET", PATH, headers=loregate.headers()) as rest:
        await until_subscribed(loregate)
        await loregate.parts.event_log.publish([event])
        reading = asyncio.create_task(read(rest))
        await until(lambda: told(loregate.gateway.metrics, "event_deliveries"))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert not told(loregate.gateway.metrics, "event_lag")


async def test_a_subscriber_that_falls_behind_is_counted_and_one_that_comes_late_is_not(
    redis_url: str,
) -> None:
    slow: list[None] = []
    async with event_log_running(redis_url) as (log, _):
        fanout = Fanout(log, on_slow=lambda: slow.append(None))
        fanout.start()
        await fanout.ready.wait()
        start = await cursor_now(log, "alice")
        one = Subscriber(fanout, "alice", start)
        await log.publish([numbered_event("alice", n) for n in range(2)])
        await one.take(2)
        assert not slow
        await log.publish([numbered_event("alice", 2)])
        await until(lambda: fanout.tails[0].head > fanout.tails[0].floor)
        fanout.tails[0].floor = EntryId(2**60, 0)  # what is remembered no longer has its place
        await one.take(3)
        assert len(slow) == 1
        late = Subscriber(fanout, "alice", start)
        await late.take(3)
        assert len(slow) == 1
        await one.close()
        await late.close()
        await fanout.stop()


class Clock:
    at = datetime(2026, 11, 26, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


async def test_the_relay_tells_how_much_waits_and_for_how_long_also_without_redis() -> None:
    clock, seen, waits = Clock(), [], [(7, Clock.at - timedelta(seconds=90)), (0, None)]

    async def look() -> tuple[int, datetime | None]:
        return waits.pop(0)

    nothing: Any = None
    relay = Relay(
        nothing, nothing, nothing, now=clock, backlog=look, on_backlog=lambda *got: seen.append(got)
    )
    await relay.look()
    await relay.look()  # too soon
    clock.at += LOOK_INTERVAL
    await relay.look()
    assert seen == [(7, 90), (0, 0)]


async def test_what_waits_in_the_database_is_counted(loregate: Service) -> None:
    store = loregate.parts.store
    assert await backlog(store.database) == (0, None)
    before = datetime.now(UTC)
    events = [an_event(), an_event()]
    await store.add(a_record(), events)
    count, oldest = await backlog(store.database)
    assert count == 2
    assert oldest is not None
    assert timedelta(0) <= oldest - before < timedelta(minutes=1)


# -- limits
async def test_a_limit_s_headroom_falls_with_what_is_taken_and_ends_with_a_refusal(
    tmp_path: Path, redis_url: str
) -> None:
    async with running_with_limits(tmp_path, redis_url, user=4) as found:
        metrics = found.gateway.metrics
        name = "loregate_limit_headroom_ratio{scope=user}"
        seen = [samples_now(metrics)[name]]
        for _ in range(5):
            await found.post(NPC, GOOD[NPC])
            seen.append(samples_now(metrics)[name])
        assert seen == [1, 0.75, 0.5, 0.25, 0, 0]
        assert told(metrics, "limit_refusals") == {"limit_refusals_total{scope=user}": 1}


# -- below the application, and what it stands on
async def test_what_is_refused_below_the_application_is_counted(loregate: Service) -> None:
    host, port = loregate.url.removeprefix("http://").split(":")
    for head in (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000, b"nonsense\r\n\r\n"):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head)
        await reader.read()
        writer.close()
    assert told(loregate.gateway.metrics, "refused_below") == {
        "refused_below_total{status=431}": 1,
        "refused_below_total{status=400}": 1,
    }
    assert not told(loregate.gateway.metrics, "requests_total")


async def test_calls_of_redis_and_of_the_database_are_timed(loregate: Service) -> None:
    metrics, names = loregate.gateway.metrics, ("redis_seconds_count", "database_seconds_count")
    before = told(metrics, *names)
    await loregate.post(NPC, GOOD[NPC])
    after = told(metrics, *names)
    assert after["redis_seconds_count{}"] >= before.get("redis_seconds_count{}", 0) + 2
    assert after["database_seconds_count{}"] > before.get("database_seconds_count{}", 0)
    assert told(metrics, "redis_seconds_sum", "database_seconds_sum").keys() == {
        "redis_seconds_sum{}",
        "database_seconds_sum{}",
    }


async def test_whether_the_database_answers_is_told(loregate: Service) -> None:
    found = loregate.gateway.metrics
    assert samples_now(found)["loregate_database_up{}"] == 1
    await loregate.parts.store.close()
    await until(lambda: samples_now(found)["loregate_database_up{}"] == 0)
