"""Multiprocess: several workers' metrics as one, whichever of them is asked and whichever dies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import SettingsError
from app.observe.metrics import Metrics
from app.observe.multiprocess import DIRECTORY
from tests.support.prometheus import metrics_of_two_models, nonzero, samples_now, samples_of

ROOT = Path(__file__).parents[2]


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
        "gen_ai_client_inference_usage_input_tokens_total{model=gpt}": 30,
        "model_cost_usd_total{model=gpt}": 1.5,
        "model_calls_running{model=gpt}": 3,
        "generations_running{}": 3,
        "breaker_state{model=gpt,state=open}": 1,
        "breaker_state{model=gpt,state=closed}": 1,
    }
    assert one["loregate_redis_up{}"] == 0  # one of them does not reach it


@pytest.mark.parametrize("kill", [False, True])
def test_a_worker_that_ends_leaves_its_counts_and_takes_its_gauges(
    workers: tuple[Worker, Worker], kill: bool
) -> None:
    one, two = workers
    two.end(kill=kill)
    found = samples_of(one.ask("scrape"))
    assert found["loregate_requests_total{edge=rest,status=2xx}"] == 3
    assert found["loregate_generations_running{}"] == 1
    assert found["loregate_breaker_state{model=gpt,state=open}"] == 0
    assert found["loregate_redis_up{}"] == 1
    assert found == samples_of(one.ask("scrape"))


def test_workers_that_are_killed_and_replaced_leave_no_files_and_no_count_behind(
    workers: tuple[Worker, Worker], tmp_path: Path
) -> None:
    one, last = workers
    for _ in range(4):
        last.end(kill=True)
        last = Worker(2, tmp_path)
        found = samples_of(one.ask("scrape"))
    assert found["loregate_requests_total{edge=rest,status=2xx}"] == 1 + 5 * 2
    assert found["loregate_generations_running{}"] == 3
    assert len(list(tmp_path.glob("*.cells"))) == 2
    last.end()


def test_an_ended_worker_is_not_counted_twice_when_whoever_buries_it_is_killed(
    workers: tuple[Worker, Worker], tmp_path: Path
) -> None:
    """Its counts are with the ended's, and its file is still there."""
    one, two = workers
    before = set(tmp_path.glob("*.cells"))
    third = Worker(2, tmp_path)
    (path,) = set(tmp_path.glob("*.cells")) - before
    third.end(kill=True)
    left = path.read_bytes()
    requests = "loregate_requests_total{edge=rest,status=2xx}"
    assert samples_of(one.ask("scrape"))[requests] == 5
    path.write_bytes(left)
    assert samples_of(two.ask("scrape"))[requests] == 5
    assert not path.exists()


def test_a_worker_killed_before_it_wrote_anything_counts_nothing(
    workers: tuple[Worker, Worker], tmp_path: Path
) -> None:
    one, _ = workers
    (kin,) = {p.name.rpartition("-")[0] for p in tmp_path.glob("*.cells")}
    (tmp_path / f"{kin}-0011223344556677.cells").touch()
    assert samples_of(one.ask("scrape"))["loregate_requests_total{edge=rest,status=2xx}"] == 3
    assert len(list(tmp_path.glob("*.cells"))) == 2


def test_workers_of_another_configuration_count_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    one = metrics_of_two_models()
    other = Metrics(models=("gpt",), outcomes=(), operations=(), scopes=())
    one.request("rest", 200, 1)
    other.request("rest", 200, 1)
    assert samples_now(one)["loregate_requests_total{edge=rest,status=2xx}"] == 1
    assert samples_now(other)["loregate_requests_total{edge=rest,status=2xx}"] == 1


def test_a_directory_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY, "nowhere")
    with pytest.raises(SettingsError, match="'nowhere'; it must name a directory"):
        metrics_of_two_models()
