"""Redis or the database in trouble: who asks is answered, and what was promised comes later."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.embedded.valkey import EmbeddedValkey, start_valkey
from app.errors import DependencyUnavailable
from app.pipeline import unstored
from app.pipeline.directives import CacheUse, Directives
from app.pipeline.lookup import Lookup, lookup
from app.pipeline.unstored import UnstoredAnswers
from app.redis.budget import ByteBudget
from app.redis.client import Redis
from tests.support import service
from tests.support.event_streams import PATH, Stream, open_stream
from tests.support.full_database import full
from tests.support.outages import RedisOutage
from tests.support.postgres import Postgres
from tests.support.rest_bodies import TEXT, context
from tests.support.rest_requests import (
    ask,
    cache_and_id,
    count_events,
    count_stored,
    draft_keys,
    says_unavailable,
)
from tests.support.service import Service, Socket
from tests.support.sockets import until_subscribed
from tests.support.upstream import Behaviour, Upstream
from tests.support.waiting import until

ASKED = 5.0  # s, against a hang: 50 ms of Redis's silence for each call, and the work
HEALED = 10.0  # s: the promise
NOW = timedelta(0)
WATCH = "subscription { contentGenerated { contentId cursor } }"


# -- Redis
@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    server = start_valkey(tmp_path / "own", persist=False)
    yield server
    with suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGCONT)
    server.stop()


class Trouble:
    """A service whose own Redis fails, and what was made before and meanwhile."""

    def __init__(self, found: Service, outage: RedisOutage) -> None:
        self.found, self._outage = found, outage
        self.redis: Redis = found.parts.redis
        self.back = asyncio.Event()
        self.redis.on_change(lambda up: self.back.set() if up else self.back.clear())

    async def made(self, count: int) -> list[str]:
        """So many texts, each answered in time."""
        found = []
        for _ in range(count):
            async with asyncio.timeout(ASKED):
                found.append((await self.found.generate())["contentId"])
        return found

    @asynccontextmanager
    async def away(self, kind: str) -> AsyncIterator[None]:
        mend = getattr(self._outage, kind)()
        try:
            yield
        finally:
            again = mend()
        async with asyncio.timeout(HEALED):
            await self.back.wait()
        if isinstance(again, EmbeddedValkey):
            self._outage.server = again

    async def published(self) -> None:
        """What the outbox holds goes out now; by itself it does a few seconds later."""
        await self.found.parts.relay.relay(older_than=NOW)


@pytest.fixture
async def trouble(tmp_path: Path, server: EmbeddedValkey) -> AsyncIterator[Trouble]:
    async with service.running(service.settings(tmp_path, server.url)) as found:
        outage = RedisOutage(server, tmp_path / "own")
        yield Trouble(found, outage)
    outage.server.stop()


async def distinct(stream: Stream, count: int) -> list[str]:
    """The contents of so many events, without repeats (a paused server runs what it was sent)."""
    found: dict[str, str] = {}
    while len(found) < count:
        event = (await stream.next()).json
        found.setdefault(event["id"], event["content_id"])
    return list(found.values())


BUDGET = ByteBudget(1_000_000)
KINDS = ["paused", "read_only", "out_of_memory"]


@pytest.mark.parametrize("kind", KINDS)
async def test_through_an_outage_all_are_answered_and_their_events_come_in_order(
    trouble: Trouble, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = trouble.found
    caplog.set_level(logging.INFO)
    async with open_stream(found) as stream, found.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(WATCH)
        await until_subscribed(found, 2)
        made = await trouble.made(1)
        async with trouble.away(kind):
            made += await trouble.made(5)
            assert not trouble.redis.up
            assert found.gateway.open_streams  # what was open has stayed open
        await trouble.published()
        made += await trouble.made(1)
        assert await distinct(stream, len(made)) == made
        assert await watched(socket, len(made)) == made
    said = Counter(r.message for r in caplog.records if r.name == "app.redis.client")
    gone = "redis is away" if kind == "paused" else "redis refuses writes"
    assert said == {gone: 1, "redis is back": 1}
    traces = [r for r in caplog.records if r.exc_info or r.levelno >= logging.ERROR]
    assert traces == []


async def watched(socket: Socket, count: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        found[(await socket.next("contentGenerated"))["contentId"]] = None
    return list(found)


async def test_a_server_that_comes_back_empty_expires_places_and_gets_what_was_held(
    trouble: Trouble,
) -> None:
    found = trouble.found
    begin = (await found.data("{ eventCursor }"))["eventCursor"]
    async with open_stream(found) as stream, found.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(WATCH)
        await until_subscribed(found, 2)
        before = await trouble.made(1)
        assert await distinct(stream, 1) == before == await watched(socket, 1)
        async with trouble.away("killed"):
            held = await trouble.made(5)
        [block] = await stream.rest()
        message = await socket.receive()
    assert block.json["code"] == "CURSOR_EXPIRED"
    assert message["type"] == "error"
    [error] = message["payload"]
    assert error["extensions"]["code"] == "CURSOR_EXPIRED"
    await trouble.published()
    for place in (block.id, error["extensions"]["cursor"]):
        async with open_stream(found, last=place) as stream:
            assert await distinct(stream, 5) == held
    async with open_stream(found, last=begin) as stream:
        [block] = await stream.rest()
        assert block.json["code"] == "CURSOR_EXPIRED"


async def test_while_redis_is_away_limits_go_on_and_afterwards_they_are_shared_again(
    trouble: Trouble,
) -> None:
    found = trouble.found
    await trouble.made(1)  # a process that never reached Redis would have less of its share
    async with trouble.away("paused"):
        await trouble.made(6)
        answer = await found.get(f"{PATH}?after=x")
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
        answer = await found.graphql("{ eventCursor }")
        [error] = answer.json()["errors"]
        assert error["extensions"]["code"] == "DEPENDENCY_UNAVAILABLE"
        assert error["extensions"]["dependency"] == "redis"
        assert "valkey" not in answer.text.lower()
    before = await found.counted(sub="bob")
    await found.generate(sub="bob")
    assert await found.counted(sub="bob") == before + 1


# -- the database
async def test_what_was_not_stored_is_not_claimed_and_a_retry_pays_no_model_twice(
    with_models: Service, provider: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    async with full(with_models):
        called, there = provider.calls.total(), await count_stored(with_models)
        published = await count_events(with_models)
        says_unavailable(await ask(with_models, TEXT, key="k"))
        says_unavailable(await ask(with_models, TEXT, key="k"))
        assert provider.calls.total() == called + 1
        assert await count_stored(with_models) == there
        assert await count_events(with_models) == published
        says_unavailable(
            await ask(with_models, TEXT)
        )  # without a key nobody could ask for it again
        assert len(await draft_keys(with_models)) == 1
    model = await with_models.counted("model:gpt-4-turbo")
    made = await ask(with_models, TEXT, key="k")
    assert made.status_code == 200
    assert provider.calls.total() == called + 2
    assert await with_models.counted("model:gpt-4-turbo") == model
    assert made.json()["metadata"]["request_id"] == made.headers["x-request-id"]
    assert (await ask(with_models, TEXT, key="k")).content == made.content
    assert await count_stored(with_models) == there + 1
    assert await count_events(with_models) == published + 1
    assert await draft_keys(with_models) == []
    assert "warlock" not in caplog.text


async def test_a_text_that_was_stored_late_and_deleted_does_not_come_back(
    with_models: Service, provider: Upstream
) -> None:
    async with full(with_models):
        says_unavailable(await ask(with_models, TEXT, key="k"))
    first = (await ask(with_models, TEXT, key="k")).json()["content_id"]
    path = f"/api/v2/content/{first}"
    await with_models.http.delete(path, headers=with_models.headers())
    called = provider.calls.total()
    again = await ask(with_models, TEXT, key="k")
    assert again.json()["content_id"] != first
    assert provider.calls.total() == called + 1


async def test_another_request_under_the_key_gets_no_foreign_draft(
    with_models: Service, provider: Upstream
) -> None:
    async with full(with_models):
        says_unavailable(await ask(with_models, TEXT, key="k"))
    called = provider.calls.total()
    other = await ask(with_models, TEXT, context(character_class="bard"), key="k")
    theirs = await ask(with_models, TEXT, key="k", sub="bob")
    assert (other.status_code, theirs.status_code) == (200, 200)
    assert provider.calls.total() == called + 2


@pytest.mark.servers
async def test_a_database_that_is_restarted_costs_no_text(
    tmp_path: Path,
    redis_url: str,
    provider: Upstream,
    postgres_server: Postgres,
    postgres_database: str,
) -> None:
    given = service.settings(
        tmp_path, redis_url, database_url=postgres_database, openai_base_url=provider.url
    )
    async with service.running(given) as found:
        first = cache_and_id(await ask(found, TEXT, key="before"))[1]
        postgres_server.run("pg_ctl", "-D", postgres_server.data, "-m", "fast", "-w", "restart")
        assert (await ask(found, TEXT, key="cut", cache="no-store")).status_code == 200
        called = provider.calls.total()
        provider.then(Behaviour(delay=0.3))
        asked = asyncio.create_task(ask(found, TEXT, key="k", cache="no-store"))
        await until(lambda: provider.calls.total() > called)
        with postgres_server.stopped():
            says_unavailable(await asked)
            says_unavailable(await ask(found, TEXT, key="new"))  # which calls no model for nothing
        assert (await ask(found, TEXT, key="k", cache="no-store")).status_code == 200
        assert provider.calls.total() == called + 1
        assert (await ask(found, TEXT, key="before")).json()["content_id"] == first
        assert await count_stored(found) == 3


class Refusing:
    """A store that takes nothing for so many times, as one whose server just went."""

    def __init__(self, add: Any, times: int) -> None:
        self._add, self._times = add, times

    async def add(self, *given: Any) -> None:
        if self._times > 0:
            self._times -= 1
            raise DependencyUnavailable("database")
        await self._add(*given)


async def test_with_redis_away_too_the_same_process_still_has_the_text(
    tmp_path: Path, server: EmbeddedValkey, provider: Upstream
) -> None:
    given = service.settings(tmp_path, server.url, openai_base_url=provider.url)
    async with service.running(given) as found:
        store: Any = found.parts.store
        store.add = Refusing(store.add, 1).add
        outage = RedisOutage(server, tmp_path / "own")
        mend = outage.read_only()
        says_unavailable(await ask(found, TEXT, key="k"))
        called = provider.calls.total()
        assert (await ask(found, TEXT, key="k")).status_code == 200
        assert provider.calls.total() == called == 1
        mend()


# -- unstored answers by themselves
BODY: dict[str, Any] = {
    "content_id": "01930000-0000-7000-8000-000000000000",
    "content": "The tide took the lamp.",
    "metadata": {},
}


def under(key: str | None, fingerprint: str = "f" * 32) -> Lookup:
    return lookup("alice", fingerprint, Directives(idempotency_key=key), CacheUse.USE, 60.0)


@pytest.fixture
async def gone(tmp_path: Path) -> AsyncIterator[Redis]:
    redis = Redis(f"unix://{tmp_path}/nobody.sock")
    yield redis
    await redis.close()


async def test_an_unstored_answer_is_found_by_any_process_for_ten_minutes(redis_url: str) -> None:
    clock = [1_000.0]
    redis = Redis(redis_url)
    one, other = (
        UnstoredAnswers(redis, BUDGET, lambda: clock[0]),
        UnstoredAnswers(redis, BUDGET, lambda: clock[0]),
    )
    await one.hold(under("k"), BODY)
    assert await other.find(under("k")) == BODY
    assert await other.find(under("l")) is None
    assert await other.find(under("k", "g" * 32)) is None
    assert await other.find(under(None)) is None
    clock[0] += unstored.UNSTORED_TTL + 1
    assert await other.find(under("k")) is None
    [name] = await redis.call("KEYS", "*:draft:*")
    assert 0 < await redis.call("PTTL", name) <= unstored.UNSTORED_TTL * 1000
    await redis.close()


async def test_without_redis_the_newest_are_kept_and_no_more(gone: Redis) -> None:
    held = UnstoredAnswers(gone, BUDGET, lambda: 0.0)
    for number in range(unstored.MAX_OWN + 1):
        await held.hold(under(str(number)), BODY)
    assert len(held._own) == unstored.MAX_OWN  # private: a bound that nobody else sees
    assert await held.find(under("0")) is None
    assert await held.find(under("1")) == BODY


async def test_what_is_too_large_or_has_no_key_is_not_kept(gone: Redis) -> None:
    held = UnstoredAnswers(gone, BUDGET, lambda: 0.0)
    noise = os.urandom(400_000).hex()
    await held.hold(under("k"), {**BODY, "content": noise})
    await held.hold(under(None), BODY)
    assert not held._own  # private: what has no key can be found by nobody
