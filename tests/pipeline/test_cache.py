"""The response cache: who gets a kept answer, for how long, and what that costs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config_file import ConfigFile
from app.embedded.valkey import start_valkey
from app.operations import OPERATIONS
from app.operations.theme import ThemeAnalysis
from app.operations.validation import ContentValidation
from app.pipeline.gateway import Asked
from app.policies.cache import LARGEST, SQUEEZE, STAMP, lifetime, pack, unpack
from tests.support import service
from tests.support.rest_bodies import GOOD as REST_BODIES
from tests.support.rest_bodies import TEXT, THEME, VALIDATION, changed
from tests.support.rest_requests import ask, cache_and_id, count_events, redis_of
from tests.support.round_trips import reads_counted
from tests.support.service import Service
from tests.support.upstream import GOOD, Upstream, refusal

pytestmark = pytest.mark.also_on("cluster")


async def test_judgements_are_cached_and_texts_only_when_asked(
    with_models: Service, provider: Upstream
) -> None:
    for path in (THEME, VALIDATION):
        first, second = [cache_and_id(await ask(with_models, path)) for _ in range(2)]
        assert (first[0], second) == ("MISS", ("HIT", first[1]))
    assert len(provider.requests) == 2
    first, second = [cache_and_id(await ask(with_models, TEXT)) for _ in range(2)]
    assert (first[0], second[0]) == ("BYPASS", "BYPASS")
    assert first[1] != second[1]
    first, second = [
        cache_and_id(await ask(with_models, TEXT, cache="max-age=60")) for _ in range(2)
    ]
    assert (first[0], second) == ("MISS", ("HIT", first[1]))
    assert len(provider.requests) == 5


async def never() -> None:
    await asyncio.Event().wait()


@pytest.mark.one_server
async def test_a_hit_needs_no_task_of_its_own(with_models: Service) -> None:
    """One that must be made has some, for it may outlive its caller."""
    gateway, loop = with_models.gateway, asyncio.get_running_loop()
    caller = await gateway.authenticate(with_models.headers()["Authorization"])
    asked = Asked(OPERATIONS["theme"], REST_BODIES[THEME])
    made: list[str] = []

    def noted(loop: Any, work: Any, **more: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **more)
        if asyncio.current_task() is us:
            made.append(task.get_name())
        return task

    us = asyncio.current_task()
    loop.set_task_factory(noted)
    try:
        counts = []
        for number in range(2):
            async with gateway.request(caller, str(number)) as context:
                context.disconnected = never  # and nothing cancels us
                found = await gateway.run(context, asked)
            counts.append((found.cache_status.value, len(made)))
            made.clear()
    finally:
        loop.set_task_factory(None)
    assert [status for status, _ in counts] == ["miss", "hit"]
    assert (counts[0][1] > 0, counts[1][1]) == (True, 0)


@pytest.mark.one_server
async def test_a_hit_is_the_answer_as_it_was_made_but_for_saying_so(with_models: Service) -> None:
    made = await ask(with_models, THEME)
    before = {scope: await with_models.counted(scope) for scope in SCOPES}
    published = await count_events(with_models)
    hit = await ask(with_models, THEME)
    assert hit.headers["age"].isdigit()
    assert "age" not in made.headers
    body = made.json()
    assert body["metadata"]["cached"] is False
    body["metadata"]["cached"] = True
    assert hit.json() == body
    after = {scope: await with_models.counted(scope) for scope in SCOPES}
    assert {s: after[s] - before[s] for s in SCOPES} == SCOPES
    assert await count_events(with_models) == published == 1


# What a hit takes of each limit.
SCOPES = {"model:gpt-4-turbo": 0, "operation:theme_analysis": 1, "user": 1, "global": 1}

SAME: list[dict[str, Any]] = [
    {"character_context": {"character_level": "5", "alignment": "true neutral"}},
    {"parameters": {"alignment": "true neutral", "character_level": 5}},
    {"character_context": None, "parameters": {"alignment": "true neutral", "character_level": 5}},
]
OTHER: list[dict[str, Any]] = [
    {"type": "combat"},
    {"character_context": {"character_level": 6, "alignment": "true neutral"}},
    {"theme": {"tone": "grim"}},
    {"model": {"name": "gpt-3.5-turbo"}},
    {"model": {"temperature": 0.8}},
    {"model": {"max_tokens": 999}},
    {"model": {"seed": 1}},
]


async def test_the_key_is_the_request_as_it_is_meant(with_models: Service) -> None:
    base = {"type": "backstory", **SAME[0]}
    _, made = cache_and_id(await ask(with_models, TEXT, base, cache="max-age=60"))
    for fields in SAME:
        body = {"type": "backstory", "unknown": 1, "theme": None, **fields}
        assert cache_and_id(await ask(with_models, TEXT, body, cache="max-age=60")) == ("HIT", made)
    for fields in OTHER:
        answer = await ask(with_models, TEXT, {**base, **fields}, cache="max-age=60")
        assert cache_and_id(answer)[0] == "MISS", fields
    answer = await ask(with_models, TEXT, base, cache="max-age=60", sub="bob")
    assert cache_and_id(answer)[0] == "MISS"


async def test_another_version_of_the_prompt_has_other_answers(
    with_models: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(with_models, THEME)
    monkeypatch.setattr(ThemeAnalysis, "version", ThemeAnalysis.version + 1)
    assert cache_and_id(await ask(with_models, THEME))[0] == "MISS"


async def test_answers_from_before_judged_and_undecided_are_not_given(
    loregate: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 2 is that of the answers without `judged` and with a category for every text."""
    for path, operation in ((THEME, ThemeAnalysis), (VALIDATION, ContentValidation)):
        with monkeypatch.context() as then:
            then.setattr(operation, "version", 2)
            await ask(loregate, path)
        assert cache_and_id(await ask(loregate, path))[0] == "MISS"


async def test_what_cache_control_says(with_models: Service) -> None:
    _, first = cache_and_id(await ask(with_models, THEME))
    status, second = cache_and_id(await ask(with_models, THEME, cache="no-cache"))
    assert (status, first != second) == ("MISS", True)
    assert cache_and_id(await ask(with_models, THEME)) == ("HIT", second)
    assert cache_and_id(await ask(with_models, THEME, cache="no-store"))[0] == "BYPASS"
    assert cache_and_id(await ask(with_models, THEME)) == ("HIT", second)
    for wrong in ("max-age=soon", "max-age=-1", "similar=2", "similar=nan"):
        answer = await ask(with_models, THEME, cache=wrong)
        assert (answer.status_code, answer.json()["details"]["field"]) == (400, "Cache-Control")


async def spoil(found: Service, value: Any) -> None:
    """Overwrite every cached answer by what `value` makes of it."""
    async with redis_of(found) as redis:
        keys = await redis.keys("*:cache:*")
        assert keys
        for key in keys:
            await redis.set(key, value(await redis.get(key)), keepttl=True)


@pytest.mark.one_server
async def test_an_answer_older_than_is_wanted_is_made_anew(with_models: Service) -> None:
    _, first = cache_and_id(await ask(with_models, THEME))
    await spoil(with_models, lambda kept: b"%013d" % (int(kept[:STAMP]) - 100_000) + kept[STAMP:])
    aged = await ask(with_models, THEME, cache="max-age=200")
    assert cache_and_id(aged) == ("HIT", first)
    assert 100 <= int(aged.headers["age"]) < 200
    status, second = cache_and_id(await ask(with_models, THEME, cache="max-age=50"))
    assert (status, second != first) == ("MISS", True)
    assert cache_and_id(await ask(with_models, THEME, cache="max-age=50")) == ("HIT", second)


@pytest.mark.one_server
@pytest.mark.parametrize(
    "value",
    [
        lambda kept: kept[: len(kept) // 2],
        lambda kept: kept[:STAMP] + b"9" + kept[STAMP + 1 :],
        lambda kept: kept[: STAMP + 2] + b"\x00" * 50,
        lambda kept: b"nonsense",
        lambda kept: b"",
        lambda kept: kept[: STAMP + 1] + b"r[]",
        lambda kept: b"inf" + kept,
    ],
    ids=["truncated", "version", "garbage", "nonsense", "empty", "no answer", "no stamp"],
)
async def test_a_damaged_entry_is_a_miss_and_is_replaced(
    with_models: Service, provider: Upstream, value: Any
) -> None:
    _, first = cache_and_id(await ask(with_models, THEME))
    await spoil(with_models, value)
    status, second = cache_and_id(await ask(with_models, THEME))
    assert (status, second != first, len(provider.requests)) == ("MISS", True, 2)
    assert cache_and_id(await ask(with_models, THEME)) == ("HIT", second)
    assert await with_models.counted("model:gpt-4-turbo") == 2


async def test_a_simpler_models_answer_is_not_kept(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = refusal(400, "unsupported")
    for _ in range(2):
        answer = await ask(with_models, THEME)
        assert cache_and_id(answer)[0] == "MISS"
        assert answer.json()["metadata"]["degraded"] is True
    provider.always = GOOD
    assert cache_and_id(await ask(with_models, THEME))[0] == "MISS"
    assert cache_and_id(await ask(with_models, THEME))[0] == "HIT"


async def test_the_storytellers_answer_is_kept_where_it_is_the_first_of_the_chain(
    loregate: Service,
) -> None:
    _, first = cache_and_id(await ask(loregate, THEME))
    assert cache_and_id(await ask(loregate, THEME)) == ("HIT", first)


@pytest.mark.one_server
async def test_a_hit_takes_one_round_trip_and_a_miss_two(with_models: Service) -> None:
    await ask(with_models, THEME, changed(THEME, content="To load the scripts."))
    async with reads_counted(with_models) as reads:
        taken = []
        for _ in range(3):
            before = await reads()
            status, _ = cache_and_id(await ask(with_models, THEME))
            taken.append((status, await reads() - before - 1))
    assert taken == [("MISS", 2), ("HIT", 1), ("HIT", 1)]


@pytest.mark.one_server
@pytest.mark.parametrize("given", [{"cache_ttl": 0}, {"file": ConfigFile(cache={"theme": 0})}])
async def test_no_time_to_live_turns_the_cache_off(
    tmp_path: Path, redis_url: str, given: dict[str, Any]
) -> None:
    wanted = service.settings(tmp_path, redis_url).model_copy(update=given)
    async with service.running(wanted) as found:
        answers = [
            cache_and_id(await ask(found, THEME, cache=c)) for c in (None, "max-age=60", "no-cache")
        ]
        assert [status for status, _ in answers] == ["BYPASS"] * 3
        async with redis_of(found) as redis:
            assert await redis.keys("*:cache:*") == []


@pytest.mark.one_server
async def test_each_operation_has_its_own_time_with_jitter(tmp_path: Path, redis_url: str) -> None:
    wanted = service.settings(tmp_path, redis_url).model_copy(
        update={"cache_ttl": 1000, "file": ConfigFile(cache={"theme": 100})}
    )
    async with service.running(wanted) as found, redis_of(found) as redis:
        await ask(found, THEME)
        [theme] = await redis.keys("*:cache:*")
        assert 89_000 < await redis.pttl(theme) <= 100_000
        await ask(found, VALIDATION)
        [other] = set(await redis.keys("*:cache:*")) - {theme}
        assert 890_000 < await redis.pttl(other) <= 1_000_000


async def test_without_redis_nothing_is_cached_and_nothing_fails(
    tmp_path: Path, provider: Upstream
) -> None:
    server = start_valkey(tmp_path / "valkey", persist=False)
    wanted = service.settings(tmp_path, server.url, openai_base_url=provider.url)
    async with service.running(wanted) as found:
        await ask(found, THEME)
        server.stop()
        answers = [cache_and_id(await ask(found, THEME)) for _ in range(7)]
        assert {status for status, _ in answers} == {"MISS"}
        assert len({content_id for _, content_id in answers}) == 7


def a_body(text: str) -> dict[str, Any]:
    return {"content_id": "x", "text": text, "metadata": {"cached": False}}


def test_large_values_are_compressed_and_too_large_ones_not_kept() -> None:
    small, large = a_body("tide"), a_body("The tide took the lamp. " * 1000)
    for body in (small, large):
        value = pack(body, 12.345)
        assert value is not None
        assert unpack(value) == (body, 12.345)
    assert len(pack(small, 0) or b"") == STAMP + 2 + len(orjson.dumps(small)) < SQUEEZE
    assert len(pack(large, 0) or b"") < len(orjson.dumps(large)) / 10
    noise = Random(1).randbytes(LARGEST * 2).hex()
    assert pack(a_body(noise), 0) is None
    assert len(orjson.dumps(a_body(noise))) > LARGEST


@given(st.text(max_size=3000), st.data())
def test_a_value_cut_anywhere_is_a_miss(text: str, data: st.DataObject) -> None:
    value = pack(a_body(text), 1.0)
    assert value is not None
    assert unpack(value[: data.draw(st.integers(0, len(value) - 1))]) is None


@given(st.binary(max_size=200), st.sampled_from([b"", b"0000000000000", b"00000000000001z"]))
def test_whatever_stands_there_is_an_answer_or_a_miss(noise: bytes, before: bytes) -> None:
    found = unpack(before + noise)
    assert found is None or isinstance(found[0]["metadata"], dict)


def test_what_was_stored_together_ends_apart() -> None:
    lives = [lifetime(1000) for _ in range(1000)]
    assert min(lives) < 920
    assert max(lives) > 980
    assert 900 <= min(lives) <= max(lives) <= 1_000
