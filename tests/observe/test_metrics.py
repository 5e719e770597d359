"""Metrics: what Prometheus reads of what was told."""

from __future__ import annotations

import asyncio
import re

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.limit_standing import Standing
from app.llm.completion import Usage
from app.observe.metrics import Metrics
from tests.support.prometheus import metrics_of_two_models, nonzero, samples_now, samples_of
from tests.support.rest_bodies import TEXT, changed
from tests.support.service import Service
from tests.support.sockets import socket_url
from tests.support.upstream import Behaviour, Upstream

USAGE = Usage(11, 22, cached=4, cache_write=3, reasoning=5)


def test_what_is_told_is_counted() -> None:
    found = metrics_of_two_models(redis_up=lambda: False)
    found.request("rest", 200, 0.25)
    found.request("rest", 204, 0.5)
    found.request("graphql", 503, 2)
    found.request("websocket", 101, 0.125)
    found.refused_below(431)
    found.refused_below(None)
    found.unlisted_document()
    found.refused("user")
    found.slow_reader()
    found.delivered("websocket", 0.5)
    found.delivered("rest", None)
    found.redis(0.001)
    found.database(0.002)
    found.outbox(3, 1.5)
    found.rated("gpt", "2", 5)
    found.budget_refused("team")
    found.budget_warned("team")
    found.budget_used("team", 0.75)
    assert nonzero(samples_now(found)) == {
        "requests_total{edge=rest,status=2xx}": 2,
        "requests_total{edge=graphql,status=5xx}": 1,
        "requests_total{edge=websocket,status=1xx}": 1,
        "request_seconds_count{edge=rest}": 2,
        "request_seconds_sum{edge=rest}": 0.75,
        "request_seconds_count{edge=graphql}": 1,
        "request_seconds_sum{edge=graphql}": 2,
        "request_seconds_count{edge=websocket}": 1,
        "request_seconds_sum{edge=websocket}": 0.125,
        "refused_below_total{status=431}": 1,
        "refused_below_total{status=dropped}": 1,
        "unlisted_documents_total{}": 1,
        "limit_refusals_total{scope=user}": 1,
        "slow_readers_total{}": 1,
        "event_deliveries_total{edge=websocket}": 1,
        "event_deliveries_total{edge=rest}": 1,
        "event_lag_seconds_count{}": 1,
        "event_lag_seconds_sum{}": 0.5,
        "redis_seconds_count{}": 1,
        "redis_seconds_sum{}": 0.001,
        "database_seconds_count{}": 1,
        "database_seconds_sum{}": 0.002,
        "outbox_events{}": 3,
        "outbox_oldest_seconds{}": 1.5,
        "ratings_total{model=gpt,prompt_version=2,score=5}": 1,
        "budget_refusals_total{budget=team}": 1,
        "budget_warnings_total{budget=team}": 1,
        "budget_used_ratio{budget=team}": 0.75,
    }


def test_operations_are_counted_by_how_they_ended_and_what_the_cache_did() -> None:
    found = metrics_of_two_models(redis_up=lambda: False)
    found.operation("rest", "npc", "ok", own=0.002, waiting=0.5)
    found.operation("rest", "npc", "cancelled", own=0.004, waiting=0)
    found.found("npc", "hit")
    found.found("npc", "coalesced")
    assert nonzero(samples_now(found)) == {
        "operations_total{edge=rest,operation=npc,outcome=ok}": 1,
        "operations_total{edge=rest,operation=npc,outcome=cancelled}": 1,
        "own_overhead_seconds_count{operation=npc}": 2,
        "own_overhead_seconds_sum{operation=npc}": 0.006,
        "waiting_seconds_count{operation=npc}": 2,
        "waiting_seconds_sum{operation=npc}": 0.5,
        "cache_total{operation=npc,result=hit}": 1,
        "cache_total{operation=npc,result=coalesced}": 1,
    }


def test_calls_of_models_are_counted_with_their_tokens_and_cost() -> None:
    found = metrics_of_two_models(redis_up=lambda: False)
    found.attempt("gpt", "failed", 1.5)
    found.attempt("gpt", "ok", 2.5)
    found.attempt("gpt", "ok", None)  # it never came to a call
    found.first_chunk("gpt", 0.5)
    found.spent("gpt", USAGE, 250_000_000)
    found.spent("gpt", Usage(1, 2, counted=True), 1)
    usage = "gen_ai_client_inference_usage_{}_tokens_total{{model=gpt}}".format
    assert nonzero(samples_now(found)) == {
        "model_attempts_total{model=gpt,outcome=failed}": 1,
        "model_attempts_total{model=gpt,outcome=ok}": 2,
        "gen_ai_client_inference_duration_seconds_count{error_type=,model=gpt}": 1,
        "gen_ai_client_inference_duration_seconds_sum{error_type=,model=gpt}": 2.5,
        "gen_ai_client_inference_duration_seconds_count{error_type=failed,model=gpt}": 1,
        "gen_ai_client_inference_duration_seconds_sum{error_type=failed,model=gpt}": 1.5,
        "gen_ai_client_inference_time_to_first_chunk_seconds_count{model=gpt}": 1,
        "gen_ai_client_inference_time_to_first_chunk_seconds_sum{model=gpt}": 0.5,
        usage("input"): 12,
        usage("output"): 24,
        usage("cache_read_input"): 4,
        usage("cache_write_input"): 3,
        usage("reasoning_output"): 5,
        "model_estimated_tokens_total{model=gpt}": 3,
        "model_cost_usd_total{model=gpt}": 0.250000001,
    }


def test_a_call_has_the_labels_of_the_conventions() -> None:
    found = metrics_of_two_models()
    found.spent("gpt", USAGE, 0)
    said = (
        'gen_ai_client_inference_usage_input_tokens_total{gen_ai_operation_name="chat",'
        'gen_ai_provider_name="openai",gen_ai_request_model="gpt-7",gen_ai_token_modality="text",'
        'model="gpt"} 11.0'
    )
    assert said in found.render()[0].decode().splitlines()


def test_a_sum_of_money_is_exact_to_the_billionth_of_a_dollar() -> None:
    found = metrics_of_two_models()
    for _ in range(1000):
        found.spent("gpt", Usage(), 100_000_001)
    assert samples_now(found)["loregate_model_cost_usd_total{model=gpt}"] == 100.000001


def test_a_histogram_s_buckets_hold_what_took_at_most_so_long() -> None:
    found = metrics_of_two_models()
    for seconds in (0.0005, 0.05, 0.051, 90):
        found.request("rest", 200, seconds)
    after = samples_now(found)
    name = "loregate_request_seconds_bucket{{edge=rest,le={}}}".format
    counts = [after[name(le)] for le in ("0.001", "0.05", "0.1", "60.0", "+Inf")]
    assert counts == [1, 2, 3, 3, 4]


def test_what_nobody_knows_counts_as_other_and_makes_no_series() -> None:
    found = metrics_of_two_models(
        waiting=lambda: {"gpt": 1, "x": 2, "y": 3}, breakers=lambda: {"x": "open"}
    )
    before = set(samples_now(found))
    found.request("gopher", 999, 1)
    found.attempt("x", "exploded", 1)
    found.attempt("gpt", "exploded", 1)
    found.first_chunk("x", 1)
    found.spent("x", Usage(1, 1), 10**9)
    found.found("dance", "lost")
    found.operation("gopher", "dance", "lost", own=0, waiting=0)
    found.refused("moon")
    found.refused_below(799)
    found.budget_refused("moon")
    found.delivered("gopher", None)
    after = samples_now(found)
    # Of the calls' durations alone those series are told that counted something.
    assert {k for k in set(after) - before if "inference_duration" not in k} == set()
    told = {k: v for k, v in nonzero(after).items() if re.search(r"_total|waiting{|breaker", k)}
    assert told == {
        "requests_total{edge=other,status=other}": 1,
        "refused_below_total{status=other}": 1,
        "model_attempts_total{model=other,outcome=other}": 1,
        "model_attempts_total{model=gpt,outcome=other}": 1,
        "gen_ai_client_inference_usage_input_tokens_total{model=other}": 1,
        "gen_ai_client_inference_usage_output_tokens_total{model=other}": 1,
        "model_cost_usd_total{model=other}": 1,
        "cache_total{operation=other,result=other}": 1,
        "operations_total{edge=other,operation=other,outcome=other}": 1,
        "limit_refusals_total{scope=other}": 1,
        "budget_refusals_total{budget=other}": 1,
        "event_deliveries_total{edge=other}": 1,
        "model_calls_waiting{model=gpt}": 1,
        "model_calls_waiting{model=other}": 5,
    }


def test_ten_thousand_junk_names_make_no_series_and_keep_nothing() -> None:
    found = metrics_of_two_models()
    found.attempt("junk", "junk", 1)
    found.rated("junk", "junk", 9)
    found.delivered("junk", 1)
    before = set(samples_now(found))
    kept = found.names_kept
    for number in range(10_000):
        junk = f"junk-{number}"
        found.request(junk, 200 + number, 0.1)
        found.refused_below(number + 1000)
        found.operation(junk, junk, junk, own=0, waiting=0)
        found.found(junk, junk)
        found.attempt(junk, junk, 1)
        found.first_chunk(junk, 1)
        found.spent(junk, USAGE, 1)
        found.refused(junk)
        found.standing([Standing(junk, 1, 0, 0, 1)])
        found.budget_used(junk, 1)
        found.budget_refused(junk)
        found.budget_warned(junk)
        found.delivered(junk, 1)
        found.rated(junk, junk, 6 + number)
    assert set(samples_now(found)) == before
    assert found.names_kept == kept


def test_a_budget_that_is_not_configured_is_counted_nowhere() -> None:
    found = Metrics(models=(), outcomes=(), operations=(), scopes=())
    found.budget_refused("team")
    found.budget_warned("team")
    found.budget_used("team", 1)
    assert not [name for name in samples_now(found) if "budget" in name]


def test_a_limit_s_headroom_is_the_lowest_that_anybody_saw() -> None:
    found = metrics_of_two_models()
    found.standing([Standing("user", 100, 40, 0, 60), Standing("global", 1000, 900, 0, 60)])
    found.standing([Standing("user", 100, 10, 0, 60)])
    found.standing([Standing("user", 100, 70, 0, 60)])
    headroom = "loregate_limit_headroom_ratio{{scope={}}}".format
    told = samples_now(found)
    assert [told[headroom(s)] for s in ("user", "global", "other")] == [0.1, 0.9, 1]


async def test_the_state_of_now_is_read_at_each_scrape() -> None:
    breakers, calls = {"gpt": "open", "storyteller": "closed"}, {"gpt": 3}
    found = metrics_of_two_models(
        breakers=lambda: breakers,
        running=lambda: calls,
        waiting=dict,
        generations=lambda: 2,
        redis_up=lambda: True,
    )
    assert nonzero(samples_now(found)) == {
        "breaker_state{model=gpt,state=open}": 1,
        "breaker_state{model=storyteller,state=closed}": 1,
        "model_calls_running{model=gpt}": 3,
        "generations_running{}": 2,
        "redis_up{}": 1,
    }
    breakers["gpt"] = "half_open"
    calls.clear()
    body, kind = await found.scrape()
    assert kind.startswith("text/plain; version=")
    assert nonzero(samples_of(body)) == {
        "breaker_state{model=gpt,state=half_open}": 1,
        "breaker_state{model=storyteller,state=closed}": 1,
        "generations_running{}": 2,
        "redis_up{}": 1,
    }


async def test_the_event_loop_s_lateness_is_watched() -> None:
    found = metrics_of_two_models()
    watching = asyncio.create_task(found.watch())
    async with asyncio.timeout(20):
        while not (told := samples_now(found))["loregate_event_loop_lag_seconds_count{}"]:
            await asyncio.sleep(0.05)
    watching.cancel()
    await asyncio.wait({watching})
    assert 0 <= told["loregate_event_loop_lag_seconds_sum{}"] < 20


def test_two_metrics_share_nothing() -> None:
    one, two = metrics_of_two_models(), metrics_of_two_models()
    one.refused("user")
    assert "limit_refusals_total{scope=user}" not in nonzero(samples_now(two))


# -- what a running service tells
async def scraped(found: Service) -> dict[str, float]:
    return nonzero(samples_of((await found.http.get("/metrics")).content))


async def test_a_websocket_is_counted_by_its_handshake(loregate: Service) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.send({"type": "ping"})
        await socket.receive()
    with pytest.raises(InvalidStatus):
        async with connect(f"{socket_url(loregate)}/nowhere"):
            pass
    counts = {k: v for k, v in (await scraped(loregate)).items() if "websocket" in k}
    assert 0 < counts.pop("request_seconds_sum{edge=websocket}") < 60
    assert counts == {
        "requests_total{edge=websocket,status=1xx}": 1,
        "requests_total{edge=websocket,status=4xx}": 1,
        "request_seconds_count{edge=websocket}": 2,
    }


async def test_a_models_first_token_is_timed_and_the_storyteller_has_none(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = Behaviour(first=0.2)
    await with_models.generate()
    await with_models.post(TEXT, changed(TEXT, model={"name": "storyteller"}))
    found = {k: v for k, v in (await scraped(with_models)).items() if "first_chunk" in k}
    first = "gen_ai_client_inference_time_to_first_chunk_seconds_{}{{model=gpt-4-turbo}}".format
    assert 0.2 <= found.pop(first("sum")) < 60
    assert found == {first("count"): 1}
