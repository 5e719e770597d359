"""Everything of a user is told, and erased from every store; nothing brings it back."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import orjson
import pytest
from uuid_utils import uuid7

from app.embedded.valkey import EmbeddedValkey
from app.events.log import owner_of
from app.events.types import Event
from app.generations.log import generation_key
from app.generations.transcript import Transcript
from app.pipeline.directives import CacheUse, Directives
from app.pipeline.lookup import lookup
from app.pipeline.unstored import UnstoredAnswers
from app.pipeline.user_data import UserData
from app.policies import similar
from app.redis import steps
from app.redis.budget import ByteBudget
from app.redis.client import user_slot
from app.redis.steps import mark_key
from tests.support import service
from tests.support.data_rights import database_holds, files_hold, naming, redis_holds
from tests.support.data_rights_life import Life
from tests.support.rest_bodies import TEXT
from tests.support.rest_requests import ask, cache_and_id
from tests.support.service import Service
from tests.support.stored_records import a_record
from tests.support.upstream import GOOD, Behaviour, Upstream
from tests.support.waiting import until

pytestmark = pytest.mark.also_on("cluster", "postgresql")

WORD, SUB = "kanarienvogel", "kanarienvogel|42/é@example.org"
OTHER = "nachtigall"
NAMES = WORD, user_slot(SUB), owner_of(SUB)  # in no case what was said, nor who said it
ADMIN = {"sub": "operator", "permissions": ["gateway:admin"]}
HASHES = {"loregate:events:{0}:erased", mark_key(user_slot(SUB))}  # the marks themselves


def path(sub: str = SUB) -> str:
    return f"/api/v2/users/{quote(sub, safe='')}"


async def erase(found: Service, of: str = SUB, **claims: Any) -> httpx2.Response:
    return await found.http.delete(path(of), headers=found.headers(**(claims or ADMIN)))


async def exported(found: Service, of: str = SUB, **claims: Any) -> list[dict[str, Any]]:
    answer = await found.get(f"{path(of)}/export", **(claims or ADMIN))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [orjson.loads(line) for line in answer.content.splitlines()]


def lasting(redis_url: str) -> dict[bytes, bytes]:
    """What does not lapse within seconds, as leases and what a limit counted do."""
    brief = (b":lease:", b":readers", b":limit:")
    return {k: v for k, v in redis_holds(redis_url).items() if not any(b in k for b in brief)}


def without_margin(found: Service) -> UserData:
    """On one machine there is one clock."""
    parts = found.parts
    return UserData(parts.store, parts.redis, parts.event_log, margin=0.0)


async def stopped(life: Life) -> None:
    """What runs is cancelled, and what it spent is written."""
    generations = life.found.gateway.generations
    cancelled = await generations.cancel(await generations.find(life.sub, life.running))
    await until(lambda: cancelled.key not in generations.running_here)
    await until(lambda: not life.found.parts.store.ledger.waiting)


@pytest.fixture
async def mine(with_models: Service, provider: Upstream) -> AsyncIterator[Life]:
    life = Life(with_models, provider, SUB, WORD)
    await life.live()
    yield life
    for generation in list(with_models.gateway.generations.running_here.values()):
        generation.cancel()  # a shutdown would wait for its end


@pytest.fixture
async def theirs(with_models: Service, provider: Upstream) -> Life:
    """Another user's, who did the same."""
    life = Life(with_models, provider, OTHER, OTHER)
    await life.live()
    await stopped(life)
    return life


async def test_a_scan_of_all_stores_finds_no_byte_of_an_erased_user(
    mine: Life, redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store = mine.found.parts.store
    before = redis_holds(redis_url)
    families = {key.split(b":")[3] for key in naming(before, NAMES) if key.count(b":") > 3}
    assert {b"cache", b"made", b"similar", b"once", b"draft", b"generation", b"lately"} <= families
    tables = naming(await database_holds(store), NAMES)
    assert {"contents", "events", "idempotency", "holdings", "ratings", "usage"} <= set(tables)
    answer = await erase(mine.found)
    assert answer.status_code == 200, answer.text
    assert naming(await database_holds(store), NAMES) == []
    assert {key.decode() for key in naming(redis_holds(redis_url), NAMES)} <= HASHES
    assert naming(files_hold(tmp_path), NAMES) == []
    logged = [vars(r) for r in caplog.records if r.name.startswith(("app", "loregate"))]
    assert naming(dict(enumerate(logged)), NAMES) == []


async def test_what_another_user_has_is_byte_for_byte_what_it_was(
    mine: Life, theirs: Life, redis_url: str
) -> None:
    found, of_others = mine.found.parts.store, (OTHER, user_slot(OTHER), owner_of(OTHER))

    async def kept() -> tuple[dict[bytes, bytes], dict[str, list[str]]]:
        keys = {k: v for k, v in redis_holds(redis_url).items() if naming({k: ""}, of_others)}
        for short in [k for k in keys if k.endswith(b":readers") or b":lease:" in k]:
            del keys[short]  # they lapse within seconds
        rows = await database_holds(found)
        return keys, {t: [row for row in rows[t] if naming({t: row}, of_others)] for t in rows}

    before, told = await kept(), await exported(mine.found, OTHER)
    assert (await erase(mine.found)).status_code == 200
    assert await kept() == before
    assert [line for line in await exported(mine.found, OTHER) if line["kind"] != "user"] == [
        line for line in told if line["kind"] != "user"
    ]


async def test_usage_keeps_its_sums_and_loses_the_name(mine: Life, theirs: Life) -> None:
    ledger = mine.found.parts.store.ledger
    await stopped(mine)
    before = await ledger.total(mine.began)
    assert (await erase(mine.found)).status_code == 200
    assert await ledger.total(mine.began) == before
    rows = (await database_holds(mine.found.parts.store))["usage"]
    assert not naming(dict(enumerate(rows)), NAMES)


async def test_an_export_tells_everything_page_by_page_and_says_when_it_is_whole(
    mine: Life,
) -> None:
    lines = await exported(mine.found)
    assert (lines[0]["kind"], lines[0]["user_id"]) == ("user", SUB)
    by_kind = {kind: [x for x in lines if x["kind"] == kind] for kind in lines[-1]["counts"]}
    assert {kind: len(found) for kind, found in by_kind.items()} == lines[-1]["counts"]
    assert {x["content_id"] for x in by_kind["content"]} >= set(mine.contents)
    assert any(WORD in x["answer"].get("content", "") for x in by_kind["content"])
    kept = {x["event"]["content_id"] for x in by_kind["event"] if "content_id" in x["event"]}
    assert kept >= set(mine.contents)
    assert {x["key"] for x in by_kind["idempotency_key"]} >= {f"{WORD}-1", f"{WORD}-2"}
    assert not any("fingerprint" in x for x in lines)
    assert [x["comment"] for x in by_kind["rating"]] == [WORD]
    assert 31 in [x["nano_usd"] for x in by_kind["usage"]]


async def test_a_user_exports_their_own_and_nobody_elses(mine: Life) -> None:
    own = {"sub": SUB, "permissions": ["content:read"]}
    assert (await exported(mine.found, SUB, **own))[-1]["kind"] == "end"
    for claims in ({"sub": OTHER, "permissions": ["*:*"]}, {"sub": SUB, "permissions": []}):
        refused = await mine.found.get(f"{path()}/export", **claims)
        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    for claims in ({"sub": SUB, "permissions": ["*:*"]}, {"sub": OTHER, "permissions": ["*:*"]}):
        assert (await erase(mine.found, SUB, **claims)).status_code == 403


async def test_an_erasure_says_what_it_removed_and_may_be_done_again(mine: Life) -> None:
    first = (await erase(mine.found)).json()["erased"]
    assert first["database"]["contents"] >= len(mine.contents)
    assert first["database"]["ratings"] == 1
    assert first["redis"]["generations_cancelled"] == 1
    assert first["redis"]["events"] >= len(mine.contents)
    again = (await erase(mine.found)).json()["erased"]
    assert {n for store in again.values() for n in store.values()} == {0}
    assert [line["kind"] for line in await exported(mine.found)] == ["user", "end"]


async def test_whoever_comes_back_is_new(mine: Life, provider: Upstream, redis_url: str) -> None:
    found = mine.found
    found.gateway.user_data = without_margin(found)
    assert (await erase(found)).status_code == 200
    provider.always = GOOD
    fresh = await ask(found, TEXT, cache="max-age=600", key=f"{WORD}-1", sub=SUB)
    assert cache_and_id(fresh)[0] == "MISS"
    assert cache_and_id(await ask(found, TEXT, cache="max-age=600", key="new", sub=SUB))[0] == "HIT"
    lines = await exported(found)
    assert [x["content_id"] for x in lines if x["kind"] == "content"] == [cache_and_id(fresh)[1]]
    assert len([x for x in lines if x["kind"] == "event"]) == 1


async def test_a_request_under_way_brings_nothing_back(
    with_models: Service, provider: Upstream, redis_url: str
) -> None:
    found, store = with_models, with_models.parts.store
    provider.always = Behaviour(text=f"{WORD} keeps the lamp.", delay=1.0)
    asked = asyncio.create_task(ask(found, TEXT, cache="max-age=600", key=WORD, sub=SUB))
    follower = asyncio.create_task(ask(found, TEXT, cache="max-age=600", key=f"{WORD}2", sub=SUB))
    await until(lambda: provider.requests)
    assert (await erase(found)).status_code == 200
    for answer in await asyncio.gather(asked, follower):
        assert (answer.status_code, answer.json()["code"]) == (409, "USER_ERASED")
        assert answer.headers["retry-after"] == "5"
    await until(lambda: not store.ledger.waiting)
    rows = await database_holds(store)
    assert naming(rows, NAMES) == []
    assert len(rows["usage"]) == 1
    assert {key.decode() for key in naming(lasting(redis_url), NAMES)} <= HASHES


async def test_what_was_stored_just_before_is_told_nowhere_behind_it(
    with_models: Service, redis_url: str
) -> None:
    """A process that stood still between its commit and what follows it in Redis."""
    found, parts = with_models, with_models.parts
    fields = {"type": "content.generated", "id": str(uuid7()), "user_id": SUB}
    record = a_record(SUB, answer={"content": WORD})
    await parts.store.add(record, [event := Event(fields)])
    asked = lookup(SUB, "f" * 32, Directives(idempotency_key=WORD), CacheUse.USE, 60.0)
    assert (await erase(found)).status_code == 200
    of, slot = record.content_id, user_slot(SUB)
    late = [steps.keep(f"{slot}:cache:x", WORD, 60, of), steps.note(f"{slot}:made:x", WORD, 60, of)]
    late.append(steps.push(f"{slot}:lately:x", WORD, 60, of))
    entry = similar.entry(of, "f" * similar.FRAME, similar.signature({"word": WORD}))
    index = similar.index_call(SUB, "character", entry, 60.0)
    await parts.event_log.publish([event], also=[*steps.calls(late), index])
    body = {"content_id": of, "content": WORD, "metadata": {}}
    await UnstoredAnswers(parts.redis, ByteBudget(1_000_000)).hold(asked, body)
    await parts.store.remember(SUB, WORD, "d" + "f" * 32, of)
    transcript = Transcript(generation_key(SUB, of))
    transcript.append({"type": "started", "word": WORD})
    await found.gateway.generations.log.begin(transcript)
    assert transcript.events[-1] == {"type": "cancelled"}
    assert naming(await database_holds(parts.store), NAMES) == []
    assert {key.decode() for key in naming(lasting(redis_url), NAMES)} <= HASHES


async def test_with_redis_away_it_says_what_is_left_and_is_finished_later(
    tmp_path: Path, own_valkey: EmbeddedValkey, provider: Upstream
) -> None:
    given = service.settings(tmp_path, own_valkey.url, openai_base_url=provider.url)
    async with service.running(given) as found:
        await Life(found, provider, SUB, WORD).live()
        os.kill(own_valkey.pid, signal.SIGSTOP)
        answer = await erase(found)
        assert (answer.status_code, answer.json()["code"]) == (503, "DEPENDENCY_UNAVAILABLE")
        assert answer.json()["details"]["left"] == ["redis"]
        assert answer.json()["details"]["erased"]["database"]["contents"] > 0
        assert naming(await database_holds(found.parts.store), NAMES) == []
        os.kill(own_valkey.pid, signal.SIGCONT)
        await until(lambda: found.parts.redis.up)
        assert (await erase(found)).status_code == 200
        assert {key.decode() for key in naming(redis_holds(own_valkey.url), NAMES)} <= HASHES
