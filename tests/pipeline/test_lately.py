"""What a user got lately of the storyteller: a ring of hashes, read and written along the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import orjson
import pytest

from app.embedded.valkey import EmbeddedValkey
from app.pipeline import lately
from app.redis.client import user_slot
from app.storyteller.marks import Marks
from app.storyteller.packs import Packs
from tests.storyteller.variety import OPENING, WORD, masked
from tests.support import service
from tests.support.data_rights import redis_holds
from tests.support.rest_bodies import STORY, TEXT, THEME, changed, strictly
from tests.support.rest_requests import ask, cache_and_id, redis_of
from tests.support.round_trips import reads_counted
from tests.support.service import Service
from tests.support.upstream import Upstream, refusal

pytestmark = pytest.mark.also_on("cluster")

PIECES = 12
MARKS = Marks(Packs())
FIGHTER = {"type": "backstory", "character_context": {"character_race": "human"}}
AGAIN = """
import asyncio, sys, orjson
from tests.support.operations import CHARACTER
from tests.support.storyteller_requests import written
sys.stdout.write(asyncio.run(written(CHARACTER, orjson.loads(sys.argv[1]))).text)
"""


async def text(found: Service, body: Any = FIGHTER, **given: Any) -> dict[str, Any]:
    answer = await ask(found, TEXT, body, **given)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def rings(redis_url: str) -> dict[str, int]:
    """How many pieces each ring has, by its key."""
    held = redis_holds(redis_url).items()
    return {k.decode(): len(v) // lately.PIECE for k, v in held if b":lately:" in k}


def ring(sub: str = "alice", operation: str = "character") -> str:
    return f"{user_slot(sub)}:lately:{operation}"


async def test_of_twenty_answers_none_begins_as_or_has_a_person_of_the_twelve_before_it(
    loregate: Service, redis_url: str
) -> None:
    openings, people = list[set[Any]](), list[set[Any]]()
    for _ in range(20):
        told = (await text(loregate))["content"]
        openings.append({tuple(WORD.findall(masked(told))[:OPENING])})
        people.append(set(MARKS.people(told)))
    for found in (openings, people):
        for at, own in enumerate(found):
            assert not own & set[Any]().union(*found[max(0, at - PIECES) : at])
    assert rings(redis_url) == {ring(): PIECES}


async def test_a_text_is_repeated_by_the_seed_that_was_drawn_in_another_process_too(
    loregate: Service,
) -> None:
    """Though the ring has all of it."""
    for _ in range(2):
        await text(loregate)
    first = await text(loregate)
    body = FIGHTER | {"model": {"seed": first["metadata"]["seed"]}}
    for _ in range(2):
        assert (await text(loregate, body))["content"] == first["content"]
    elsewhere = subprocess.run(
        [sys.executable, "-c", AGAIN, orjson.dumps(body).decode()],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert elsewhere.stdout == first["content"]


@pytest.mark.one_server
async def test_it_is_read_only_where_the_storyteller_may_have_to_draw_a_seed(
    with_models: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, asked = with_models.gateway.admission_call, list[Any]()
    spend = call.spend

    async def noted(*given: Any, **more: Any) -> Any:
        asked.append(more.get("ring"))
        return await spend(*given, **more)

    monkeypatch.setattr(call, "spend", noted)
    await text(with_models)
    await text(with_models, FIGHTER | {"model": {"seed": 5}})
    await ask(with_models, THEME)
    await strictly(with_models, TEXT)
    assert asked == [ring(), None, None, None]


async def test_each_user_has_a_ring_of_their_own_for_each_kind_of_text(
    loregate: Service, redis_url: str
) -> None:
    await text(loregate)
    await text(loregate)
    await text(loregate, sub="bob")
    assert (await ask(loregate, STORY)).status_code == 200
    wanted = {ring(): 2, ring("bob"): 1, ring(operation="story"): 1}
    assert rings(redis_url) == wanted


async def test_what_was_not_written_now_or_not_by_the_storyteller_is_not_in_it(
    with_models: Service, provider: Upstream, redis_url: str
) -> None:
    await text(with_models)
    assert (await ask(with_models, THEME)).status_code == 200
    assert rings(redis_url) == {}
    provider.always = refusal(400, "unsupported")
    told = await text(with_models, key="once")
    assert told["metadata"]["degraded"]
    assert (await text(with_models, key="once"))["content_id"] == told["content_id"]
    judged = (await ask(with_models, THEME, cache="no-cache")).json()
    assert judged["metadata"]["model_used"] == "storyteller"
    assert rings(redis_url) == {ring(): 1}


async def test_who_takes_an_earlier_answer_gets_it_and_adds_nothing(
    loregate: Service, redis_url: str
) -> None:
    body = changed(TEXT, model={"name": "storyteller"})
    first, second = [
        cache_and_id(await ask(loregate, TEXT, body, cache="max-age=60")) for _ in range(2)
    ]
    assert (first[0], second) == ("MISS", ("HIT", first[1]))
    assert rings(redis_url) == {ring(): 1}


@pytest.mark.one_server
async def test_it_has_no_word_of_a_text_and_lapses_a_day_after_the_last(
    loregate: Service, redis_url: str
) -> None:
    told = await text(loregate)
    async with redis_of(loregate) as redis:
        [piece] = await redis.lrange(ring(), 0, -1)
        assert len(piece) == lately.PIECE == 48
        assert not any(word.encode() in piece for word in told["content"].split())
        await redis.expire(ring(), 60)
        await text(loregate)
        assert 86_390 < await redis.ttl(ring()) <= 86_400


@pytest.mark.one_server
async def test_neither_reading_nor_writing_it_takes_a_round_trip(loregate: Service) -> None:
    await text(loregate)
    async with redis_of(loregate) as redis, reads_counted(loregate) as reads:
        taken = []
        for _ in range(3):
            before = await reads()
            await text(loregate)
            taken.append(await reads() - before - 1)
        assert taken == [2, 2, 2]
        assert await redis.llen(ring()) == 4


@pytest.mark.one_server
async def test_with_redis_away_each_request_gets_another_text_all_the_same(
    tmp_path: Any, own_valkey: EmbeddedValkey
) -> None:
    async with service.running(service.settings(tmp_path, own_valkey.url)) as found:
        before = await text(found)
        os.kill(own_valkey.pid, signal.SIGSTOP)
        told = [before, *[await text(found) for _ in range(3)]]
        assert len({each["metadata"]["seed"] for each in told}) == 4
        assert len({each["content"] for each in told}) == 4
        os.kill(own_valkey.pid, signal.SIGCONT)
