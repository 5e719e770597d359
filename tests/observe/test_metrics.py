"""Metrics: what Prometheus reads of what was told, also of several processes at once."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.errors import SettingsError
from app.observe.metrics import DIRECTORY
from tests.support.prometheus import metrics_of_two_models, nonzero, samples_now, samples_of
from tests.support.rest_bodies import TEXT, changed
from tests.support.service import Service
from tests.support.sockets import socket_url
from tests.support.upstream import Behaviour, Upstream

ROOT = Path(__file__).parents[2]


def test_what_is_told_is_counted() -> None:
    found = metrics_of_two_models(redis_up=lambda: False)
    found.request("rest", 200, 0.25)
    found.request("rest", 204, 0.5)
    found.request("graphql", 503, 2)
    found.request("websocket", 101, 0.125)
    found.attempt("gpt", "failed", 1.5)
    found.attempt("gpt", "ok", 2.5)
    found.answered("gpt", prompt=10, completion=20, cached=4, reasoning=5, cost=0.25)
    found.answered("gpt", prompt=1, completion=2, first_token_seconds=0.5)
    found.operation("npc", "hit")
    found.operation("npc", "coalesced")
    found.refused("user")
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
        "model_attempts_total{model=gpt,outcome=failed}": 1,
        "model_attempts_total{model=gpt,outcome=ok}": 1,
        "model_seconds_count{model=gpt}": 2,
        "model_seconds_sum{model=gpt}": 4,
        "model_tokens_total{kind=prompt,model=gpt}": 11,
        "model_tokens_total{kind=completion,model=gpt}": 22,
        "model_tokens_total{kind=cached,model=gpt}": 4,
        "model_tokens_total{kind=reasoning,model=gpt}": 5,
        "model_cost_usd_total{model=gpt}": 0.25,
        "model_first_token_seconds_count{model=gpt}": 1,
        "model_first_token_seconds_sum{model=gpt}": 0.5,
        "operations_total{cache=hit,operation=npc}": 1,
        "operations_total{cache=coalesced,operation=npc}": 1,
        "limit_refusals_total{scope=user}": 1,
    }


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
    found.answered("x", prompt=1, completion=1, cost=1, first_token_seconds=1)
    found.operation("dance", "lost")
    found.refused("moon")
    after = samples_now(found)
    assert set(after) == before
    told = {k: v for k, v in nonzero(after).items() if re.search(r"_total|waiting|breaker", k)}
    assert told == {
        "requests_total{edge=other,status=other}": 1,
        "model_attempts_total{model=other,outcome=other}": 1,
        "model_attempts_total{model=gpt,outcome=other}": 1,
        "model_tokens_total{kind=prompt,model=other}": 1,
        "model_tokens_total{kind=completion,model=other}": 1,
        "model_cost_usd_total{model=other}": 1,
        "operations_total{cache=other,operation=other}": 1,
        "limit_refusals_total{scope=other}": 1,
        "model_calls_waiting{model=gpt}": 1,
        "model_calls_waiting{model=other}": 5,
    }


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


async def test_two_metrics_share_nothing_and_one_that_is_alone_watches_nothing() -> None:
    one, two = metrics_of_two_models(), metrics_of_two_models()
    one.refused("user")
    await asyncio.wait_for(one.watch(), 1)
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
    found = {k: v for k, v in (await scraped(with_models)).items() if "first_token" in k}
    assert 0.2 <= found.pop("model_first_token_seconds_sum{model=gpt-4-turbo}") < 60
    assert found == {"model_first_token_seconds_count{model=gpt-4-turbo}": 1}


# Several workers: processes of their own, since the library decides at its import.


class Worker:
    """A process with metrics of its own, which share a directory with the others'."""

    def __init__(self, number: int, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.metrics_worker", str(number)],
            cwd=ROOT,
            env={**os.environ, DIRECTORY: str(directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ask("ready")

    def ask(self, what: str) -> bytes:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline()) != "# END\n":
            assert line, "the worker died"
            lines.append(line)
        return "".join(lines).encode()

    def end(self, *, kill: bool = False) -> None:
        if kill:
            self.process.kill()
        self.process.communicate(timeout=20)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[tuple[Worker, Worker]]:
    found = Worker(1, tmp_path), Worker(2, tmp_path)
    yield found
    for worker in found:
        if worker.process.returncode is None:
            worker.end()


def test_any_worker_tells_of_all(workers: tuple[Worker, Worker]) -> None:
    one, two = (samples_of(w.ask("scrape")) for w in workers)
    assert one == two
    assert nonzero(one) == {
        "requests_total{edge=rest,status=2xx}": 3,
        "request_seconds_count{edge=rest}": 3,
        "request_seconds_sum{edge=rest}": 0.75,
        "model_tokens_total{kind=prompt,model=gpt}": 30,
        "model_cost_usd_total{model=gpt}": 1.5,
        "model_calls_running{model=gpt}": 3,
        "generations_running{}": 3,
        "breaker_state{model=gpt,state=open}": 1,
        "breaker_state{model=gpt,state=closed}": 1,
    }
    assert one["loregate_redis_up{}"] == 0  # one of them does not reach it


@pytest.mark.parametrize("kill", [False, True])
def test_a_worker_that_ends_leaves_its_counts_and_takes_its_gauges(
    workers: tuple[Worker, Worker], kill: bool, tmp_path: Path
) -> None:
    one, two = workers
    two.end(kill=kill)
    left = [p.name for p in tmp_path.glob(f"gauge_*_{two.process.pid}.db")]
    assert bool(left) == kill
    found = samples_of(one.ask("scrape"))
    assert found["loregate_requests_total{edge=rest,status=2xx}"] == 3
    assert found["loregate_generations_running{}"] == 1
    assert found["loregate_breaker_state{model=gpt,state=open}"] == 0
    assert found["loregate_redis_up{}"] == 1
    assert not list(tmp_path.glob(f"gauge_*_{two.process.pid}.db"))


def test_a_directory_that_comes_too_late_or_is_none_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    with pytest.raises(SettingsError, match="before the process starts"):
        metrics_of_two_models()
    monkeypatch.setenv(DIRECTORY, "nowhere")
    with pytest.raises(SettingsError, match="'nowhere'; it must name a directory"):
        metrics_of_two_models()
