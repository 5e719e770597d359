"""Metrics: what Prometheus reads of what was told, also of several processes at once."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.errors import SettingsError
from app.observe.metrics import DIRECTORY, Metrics

ROOT = Path(__file__).parent.parent


def metrics(**given: Any) -> Metrics:
    return Metrics(
        models=("gpt", "storyteller"),
        outcomes=("ok", "failed"),
        operations=("npc", "story"),
        scopes=("user", "global"),
        **given,
    )


def read(body: bytes) -> dict[str, float]:
    """Samples by name and labels, such as `loregate_requests_total{edge=rest,status=2xx}`."""
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def samples(found: Metrics) -> dict[str, float]:
    return read(found.render()[0])


def risen(found: dict[str, float]) -> dict[str, float]:
    """What is not nought, without the histograms' buckets."""
    return {k.removeprefix("loregate_"): v for k, v in found.items() if v and "_bucket" not in k}


def test_what_is_told_is_counted() -> None:
    found = metrics(redis_up=lambda: False)
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
    assert risen(samples(found)) == {
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
    found = metrics()
    for seconds in (0.0005, 0.05, 0.051, 90):
        found.request("rest", 200, seconds)
    after = samples(found)
    name = "loregate_request_seconds_bucket{{edge=rest,le={}}}".format
    counts = [after[name(le)] for le in ("0.001", "0.05", "0.1", "60.0", "+Inf")]
    assert counts == [1, 2, 3, 3, 4]


def test_what_nobody_knows_counts_as_other_and_makes_no_series() -> None:
    found = metrics(waiting=lambda: {"gpt": 1, "x": 2, "y": 3}, breakers=lambda: {"x": "open"})
    before = set(samples(found))
    found.request("gopher", 999, 1)
    found.attempt("x", "exploded", 1)
    found.attempt("gpt", "exploded", 1)
    found.answered("x", prompt=1, completion=1, cost=1, first_token_seconds=1)
    found.operation("dance", "lost")
    found.refused("moon")
    after = samples(found)
    assert set(after) == before
    told = {k: v for k, v in risen(after).items() if re.search(r"_total|waiting|breaker", k)}
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
    found = metrics(
        breakers=lambda: breakers,
        running=lambda: calls,
        waiting=dict,
        generations=lambda: 2,
        redis_up=lambda: True,
    )
    assert risen(samples(found)) == {
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
    assert risen(read(body)) == {
        "breaker_state{model=gpt,state=half_open}": 1,
        "breaker_state{model=storyteller,state=closed}": 1,
        "generations_running{}": 2,
        "redis_up{}": 1,
    }


async def test_two_metrics_share_nothing_and_one_that_is_alone_watches_nothing() -> None:
    one, two = metrics(), metrics()
    one.refused("user")
    await asyncio.wait_for(one.watch(), 1)
    assert "limit_refusals_total{scope=user}" not in risen(samples(two))


# Several workers: processes of their own, since the library decides at its import.

WORKER = """
import asyncio, sys
from tests.test_metrics import metrics

number = int(sys.argv[1])
found = metrics(
    running=lambda: {"gpt": number},
    generations=lambda: number,
    breakers=lambda: {"gpt": "open" if number == 2 else "closed"},
    redis_up=lambda: number == 1,
)

async def work():
    for _ in range(number):
        found.request("rest", 200, 0.25)
        found.answered("gpt", prompt=10, cost=0.5)
    watching = asyncio.create_task(found.watch())
    for line in iter(sys.stdin.readline, ""):
        if line == "scrape\\n":
            body = found.render()[0].decode()
            print(body + "# END", flush=True)
        elif line == "ready\\n":
            await asyncio.sleep(0)
            print("# END", flush=True)
    watching.cancel()
    await asyncio.wait((watching,))

asyncio.run(work())
"""


class Worker:
    """A process with metrics of its own, which share a directory with the others'."""

    def __init__(self, number: int, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(number)],
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
    one, two = (read(w.ask("scrape")) for w in workers)
    assert one == two
    assert risen(one) == {
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
    found = read(one.ask("scrape"))
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
        metrics()
    monkeypatch.setenv(DIRECTORY, "nowhere")
    with pytest.raises(SettingsError, match="'nowhere'; it must name a directory"):
        metrics()
