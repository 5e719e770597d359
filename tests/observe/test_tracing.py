"""Traces, as a collector gets them from the running service."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.errors import SettingsError
from app.observe.tracing import DROPPED, FLUSH_TIMEOUT, Seldom
from app.observe_wiring import Traces
from tests.support import service
from tests.support.collector import Collector, Exported
from tests.support.marked_requests import KEY, MARK, everything
from tests.support.rest_bodies import GOOD, TEXT, THEME
from tests.support.service import CHARACTER_INPUT, GENERATE, SECRET, Service
from tests.support.traced_requests import MODEL, PARENT, ask
from tests.support.upstream import Behaviour, Upstream, overloaded


# -- the tree
async def test_a_request_is_told_by_its_route_with_its_operation_and_its_model(
    traced: Service, collected: Collector
) -> None:
    answer = await ask(traced)
    root = await collected.one(f"POST {TEXT}")
    assert (root.kind, root.parent_id, root.failed) == ("server", "", False)
    assert root.attributes == {
        "http.request.method": "POST",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "http.route": TEXT,
        "http.response.status_code": 200,
    }
    [operation] = collected.children(root)
    assert (operation.name, operation.kind) == ("character", "internal")
    assert operation.attributes == {
        "loregate.operation": "character",
        "loregate.cache": "bypass",
        "loregate.degraded": False,
        "loregate.content.id": answer.json()["content_id"],
    }
    [model] = [s for s in collected.children(operation) if s.kind == "client"]
    assert root.began <= operation.began <= model.began < model.ended <= operation.ended
    assert operation.ended <= root.ended
    assert root.resource["service.name"] == "loregate"
    assert root.resource.keys() >= {"service.version", "service.instance.id"}


async def test_each_stage_has_a_span_in_its_operations(
    traced: Service, collected: Collector, provider: Upstream
) -> None:
    """As `docs/guides/traces.md` shows it."""
    provider.then(overloaded)
    await traced.graphql(GENERATE, {"input": CHARACTER_INPUT})
    root = await collected.one("POST /graphql")
    assert list(collected.tree(root)) == [
        "POST /graphql",
        "  character",
        "    admission",
        f"    {MODEL}",
        "    waiting",
        f"    {MODEL}",
        "    store",
        "    publish",
    ]


async def test_an_attempt_has_the_conventions_attributes(
    traced: Service, collected: Collector, provider: Upstream
) -> None:
    await ask(traced)
    model = await collected.one(MODEL)
    told = dict(model.attributes)
    first = told.pop("gen_ai.response.time_to_first_chunk")
    assert 0 < first < (model.ended - model.began) / 1e9
    assert model.began < model.events["first_chunk"] < model.ended
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "compatible",
        "gen_ai.request.model": "gpt-6.1-terra",
        "gen_ai.request.max_tokens": 1000,
        "gen_ai.request.stream": True,
        "gen_ai.output.type": "text",
        "gen_ai.prompt.name": "character",
        "gen_ai.prompt.version": "1",
        "gen_ai.response.model": "gpt-6.1-terra",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 40,
        "loregate.model": "gpt-4-turbo",
        "server.address": "127.0.0.1",
        "server.port": provider.port,
    }


async def test_each_attempt_has_a_span_and_one_that_failed_says_how(
    traced: Service, collected: Collector, provider: Upstream
) -> None:
    provider.then(overloaded)
    await ask(traced)
    await collected.until(lambda: len(collected.named(MODEL)) == 2)
    failed, good = collected.named(MODEL)
    assert (failed.failed, failed.attributes["error.type"]) == (True, "overloaded")
    assert failed.attributes["http.response.status_code"] == 429
    assert (good.failed, "error.type" in good.attributes) == (False, False)
    assert failed.parent_id == good.parent_id


async def test_an_answer_that_breaks_off_has_its_first_chunk_and_an_error(
    traced: Service, collected: Collector, provider: Upstream
) -> None:
    provider.then(Behaviour(cut=900))
    await ask(traced)
    failed = await collected.one(MODEL)
    assert failed.attributes["error.type"] == "cut"
    assert failed.attributes["gen_ai.response.finish_reasons"] == ["error"]
    assert "first_chunk" in failed.events


async def test_a_refused_request_is_no_fault_and_a_broken_one_is(
    traced: Service, collected: Collector, provider: Upstream
) -> None:
    await traced.post(TEXT, {**GOOD[TEXT], "model": {"name": "nobody's"}})
    refused = await collected.one("character")
    assert (refused.attributes["error.type"], refused.failed) == ("INVALID_REQUEST", False)
    provider.always = Behaviour(status=500)
    headers = {**traced.headers(), "X-Allow-Degraded": "false"}
    await traced.http.post(TEXT, json=GOOD[TEXT], headers=headers)
    # The root ends last, and may come with a later batch.
    await collected.until(lambda: len(collected.named(f"POST {TEXT}")) == 2)
    broken, root = collected.named("character")[1], collected.named(f"POST {TEXT}")[1]
    assert (broken.failed, root.failed) == (True, True)
    assert (broken.attributes["error.type"], root.attributes["error.type"]) == (
        "MODEL_UNAVAILABLE",
        "503",
    )


async def test_a_hit_calls_no_model_and_one_who_waits_is_linked_to_whom_it_waits_for(
    traced: Service, collected: Collector, provider: Upstream
) -> None:
    provider.then(Behaviour(delay=0.2))
    await asyncio.gather(ask(traced, THEME), ask(traced, THEME))
    await ask(traced, THEME)
    await collected.until(lambda: len(collected.named(f"POST {THEME}")) == 3)
    operations = {s.attributes["loregate.cache"]: s for s in collected.named("theme")}
    assert operations.keys() == {"miss", "coalesced", "hit"}
    leader, follower = operations["miss"], operations["coalesced"]
    linked = [link for s in (follower, *collected.children(follower)) for link in s.links]
    assert linked == [f"{leader.trace_id}-{leader.span_id}"]
    assert leader.trace_id != follower.trace_id
    assert len([s for s in collected.spans if s.kind == "client"]) == 1


# -- what is never told
def shown(spans: list[Exported]) -> bytes:
    """All bytes that left the service."""
    return b"".join(s.raw + repr(s.resource).encode() for s in spans)


async def test_a_whole_run_exports_no_text_token_or_key(
    tmp_path: Path, redis_url: str, provider: Upstream, collected: Collector
) -> None:
    given = service.settings(
        tmp_path, redis_url, openai_base_url=provider.url, otlp_endpoint=collected.url, cache_ttl=0
    ).model_copy(update={"model_keys": {"OPENAI_API_KEY": SecretStr(KEY)}})
    async with service.running(given) as found:
        bearer = found.headers(sub="mallory-the-user")["Authorization"].split()[1]
        await everything(found, provider)
        await ask(found, Authorization=f"Bearer {bearer}")
        async with found.socket() as socket:
            await (await socket.acknowledged()).subscribe(f"query {MARK[:5]} {{ health }}")
            await socket.receive()
    assert provider.headers[0]["authorization"] == f"Bearer {KEY}", "the key was in use"
    told = shown(collected.spans)
    header, payload, signature = bearer.split(".")
    written = [MARK, MARK.replace("-", ""), MARK[:5], KEY, SECRET, "mallory", "alice"]
    for private in (*written, header, payload, signature):
        assert private.encode() not in told
    assert len(collected.spans) > 100


async def test_texts_are_told_where_the_setting_says_so(
    tmp_path: Path, redis_url: str, provider: Upstream, collected: Collector
) -> None:
    given = service.settings(
        tmp_path,
        redis_url,
        openai_base_url=provider.url,
        otlp_endpoint=collected.url,
        trace_texts=True,
    )
    provider.always = Behaviour(text="A tale of salt. " + "x" * 20_000)
    async with service.running(given) as found:
        context = {**CHARACTER_INPUT["characterContext"], "background": MARK}  # type: ignore[dict-item]
        answer = await found.graphql(
            GENERATE, {"input": {**CHARACTER_INPUT, "characterContext": context}}
        )
        assert "errors" not in answer.json()
        model, root = await collected.one(MODEL), await collected.one("POST /graphql")
    asked = json.loads(model.attributes["gen_ai.input.messages"])
    assert [m["role"] for m in asked] == ["system", "user"]
    assert MARK in asked[1]["parts"][0]["content"]
    [written] = json.loads(model.attributes["gen_ai.output.messages"])
    assert written["finish_reason"] == "stop"
    assert written["parts"][0]["content"].startswith("A tale of salt.")
    assert len(written["parts"][0]["content"]) == 8_192
    assert "generateCharacterContent" in root.attributes["graphql.document"]


async def test_a_caller_cannot_have_all_recorded(
    tmp_path: Path,
    redis_url: str,
    provider: Upstream,
    collected: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    given = service.settings(
        tmp_path,
        redis_url,
        openai_base_url=provider.url,
        otlp_endpoint=collected.url,
        caller_traces=0.001,
    )
    async with service.running(given) as found:
        for _ in range(10):
            await ask(found, traceparent=PARENT)
        await ask(found)
    assert len([s for s in collected.spans if s.kind == "server"]) == 1


# -- a collector that is away
@pytest.mark.parametrize("away", ["silent", "refusing", "gone"])
async def test_a_collector_that_is_away_costs_no_request_and_holds_no_stop(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    async with Collector().listening() as found_away:
        found_away.silent = away == "silent"
        found_away.status = 503 if away == "refusing" else 200
        url = "http://127.0.0.1:9" if away == "gone" else found_away.url
        given = service.settings(tmp_path, redis_url, otlp_endpoint=url)
        async with contextlib.AsyncExitStack() as stack:
            found = await stack.enter_async_context(service.running(given))
            answers = await asyncio.gather(*(ask(found) for _ in range(20)))
            traces = found.parts.traces
            assert traces is not None
            began = asyncio.get_running_loop().time()
            await traces.tracing.stop()
            assert asyncio.get_running_loop().time() - began < FLUSH_TIMEOUT + 0.5
    assert len(answers) == 20


async def test_what_is_left_at_a_stop_is_exported(
    tmp_path: Path, redis_url: str, collected: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
    given = service.settings(tmp_path, redis_url, otlp_endpoint=collected.url)
    async with service.running(given) as found:
        await ask(found)
        assert not collected.spans
    assert collected.named(f"POST {TEXT}")


def test_a_wrong_variable_of_the_sdk_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "many")
    given = service.settings(tmp_path, "redis://localhost", otlp_endpoint="http://localhost:4318")
    with pytest.raises(SettingsError, match="OTEL_SPAN_LINK_COUNT_LIMIT must be a non-negative"):
        Traces.of(given)


def test_an_exporter_that_fails_is_told_once_a_minute_and_its_retries_never() -> None:
    told, seldom = [], Seldom(interval=3600)
    for level, said in [
        (logging.ERROR, "a"),
        (logging.WARNING, "retry"),
        (logging.WARNING, DROPPED),
    ]:
        record = logging.LogRecord("x", level, "", 0, said, None, None)
        told.append([seldom.filter(record) for _ in range(3)])
    assert told == [[True, False, False], [False] * 3, [True, False, False]]


def test_without_traces_nothing_of_opentelemetry_is_imported() -> None:
    """It would take 0.2 s of each start."""
    program = "import sys, app.main, app.cli; print('opentelemetry' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "False"
