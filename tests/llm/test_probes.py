"""Probes: who finds out that a model is back, how soon, and that no caller pays for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.errors import ModelUnavailable
from app.llm import probes
from app.llm.breaker import BreakerPolicy, Breakers, BreakerState, Clock
from app.llm.completion import Completion, CompletionRequest, Listener, Usage
from app.llm.failure import AttemptFailed
from app.llm.fallback import CheckedCompletion, Model, Models
from app.llm.openai import OpenAIWriter
from app.llm.probes import Probers
from app.llm.refusal import CHANGE_MODEL
from app.llm.retry import RetryPolicy
from app.operations.metadata import AttemptOutcome
from app.redis.client import Redis
from app.storyteller.storyteller import Storyteller
from tests.support.openai_writers import open_writer, writer_at
from tests.support.operations import CHARACTER
from tests.support.raw_provider import (
    CLOSE,
    DONE,
    HANG,
    HEAD,
    USAGE_EVENT,
    RawProvider,
    Step,
    piece,
    refusal,
    streamed,
)
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.upstream import ANYTHING, Behaviour, Upstream
from tests.support.upstream import refusal as refusing
from tests.support.waiting import until

CLOSED, OPEN, HALF_OPEN = BreakerState
AWAY = refusing(503, "overloaded")
NO_MODEL = refusing(404, "model_not_found")


# -- the request
async def probe(writer: OpenAIWriter) -> None:
    await writer.probe(deadline=asyncio.get_running_loop().time() + 60)


@pytest.mark.parametrize("reason", ["stop", "length"])
@pytest.mark.parametrize("text", ["OK.", ""])
async def test_any_end_of_an_answer_is_a_probes_success(
    writer: OpenAIWriter, raw_provider: RawProvider, text: str, reason: str
) -> None:
    pieces = [piece(text)] if text else []
    raw_provider.then(streamed(*pieces, piece(finish=reason), USAGE_EVENT, DONE))
    await probe(writer)
    [asked] = raw_provider.requests
    assert asked["max_tokens"] == 16
    assert len(str(asked["messages"])) < 100


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (refusal(503, "overloaded"), AttemptOutcome.FAILED),
        (refusal(404, "model_not_found"), AttemptOutcome.FORBIDDEN),
        (streamed(piece("O"), CLOSE), AttemptOutcome.CUT),
        ([HEAD, HANG], AttemptOutcome.SILENT),
    ],
)
async def test_a_probe_fails_as_a_call_does(
    raw_provider: RawProvider, script: list[Step], outcome: AttemptOutcome
) -> None:
    raw_provider.then(script)
    async with open_writer(raw_provider.url, first_token=0.1) as writer:
        with pytest.raises(AttemptFailed) as failed:
            await probe(writer)
    assert failed.value.outcome is outcome


# -- gateways
class Gateway:
    """One process: a model behind the fake server, another that always answers, the storyteller."""

    def __init__(
        self, provider: Upstream, redis: Redis | None, now: Clock | None, policy: BreakerPolicy
    ) -> None:
        provider.models["theirs"] = ANYTHING
        self.writer = writer = writer_at(provider.url, upstream="theirs", first_token=0.3)
        self.breakers = Breakers(redis, ["theirs", "b"], now=now, policy=policy)
        self.breaker = self.breakers["theirs"]
        self.models = Models(
            [
                Model("a", writer, upstream="theirs", breaker=self.breaker),
                Model("twin", writer, upstream="theirs", breaker=self.breaker),
                Model("b", Other(), breaker=self.breakers["b"]),
                Model("storyteller", Storyteller()),
            ],
            ("a", "b", "storyteller"),
            policy=RetryPolicy(backoff=0.001),
        )
        self.probing = Probers(self.models, timeout=5.0)

    async def ask(self, *, degrade: bool = True) -> CheckedCompletion:
        request = CHARACTER.read(GOOD[TEXT])
        model, choice = self.models.choose(CHARACTER, request)
        links = self.models.candidates(model, None, degrade=degrade)
        work = CompletionRequest(CHARACTER, request, CHARACTER.prompt(request, choice))
        return await self.models.complete(links, work, charge=free, degrade=degrade)


async def free(_: Model) -> None:
    """No limit is full."""


class Other:
    """A model that always answers."""

    async def write(
        self, work: CompletionRequest, *, deadline: float, listener: Listener | None = None
    ) -> Completion:
        return Completion("text", Usage(1, 1))

    async def probe(self, *, deadline: float) -> None:
        """It is always there."""

    async def close(self) -> None:
        """Nothing is held."""


class Fleet:
    """Gateways in one time, which the test moves."""

    def __init__(self, provider: Upstream, *redis: Redis) -> None:
        self.now = 1000.0
        self.provider = provider
        policy = BreakerPolicy(jitter=0)
        self.gateways = [Gateway(provider, r, lambda: self.now, policy) for r in redis]

    @property
    def states(self) -> set[BreakerState]:
        return {g.breaker.state for g in self.gateways}

    async def later(self, seconds: float) -> None:
        """What goes on by itself, at the end of this time."""
        self.now += seconds
        await self.sync()
        await asyncio.gather(*(g.probing.look() for g in self.gateways))
        await self.sync()

    async def sync(self) -> None:
        for gateway in 2 * self.gateways:
            await gateway.breakers.sync()

    async def open(self, always: Behaviour = AWAY) -> None:
        """Every process has heard of it, or seen it fail by itself."""
        self.provider.always = always
        for gateway in self.gateways:
            if gateway.breaker.state is CLOSED:
                await gateway.ask()
            await self.sync()
        assert self.states == {OPEN}
        self.provider.requests.clear()

    async def probes(self, seconds: int) -> list[int]:
        """The seconds in which the provider was asked, as often as it was."""
        found = []
        for second in range(1, seconds + 1):
            await self.later(1)
            found += len(self.provider.requests) * [second]
            self.provider.requests.clear()
        return found


@asynccontextmanager
async def fleet_of(provider: Upstream, *urls: str) -> AsyncIterator[Fleet]:
    redis = [Redis(url) for url in urls]
    found = Fleet(provider, *redis)
    yield found
    await asyncio.gather(*(g.writer.close() for g in found.gateways))
    await asyncio.gather(*(r.close() for r in redis))


@pytest.fixture
async def fleet(provider: Upstream, redis_url: str) -> AsyncIterator[Fleet]:
    """Three processes on one Valkey."""
    async with fleet_of(provider, *3 * [redis_url]) as found:
        yield found


def tried(drafted: CheckedCompletion) -> list[tuple[str, str]]:
    return [(a.model, a.outcome.value) for a in drafted.attempts]


# -- who pays
async def test_after_a_minute_of_outage_the_model_writes_again_within_10_s(fleet: Fleet) -> None:
    """With one request a second, of which no more than the first meets the outage."""
    fleet.provider.always = AWAY
    outcomes: list[list[tuple[str, str]]] = []
    for second in range(80):
        if second == 60:
            fleet.provider.always = None
        outcomes.append(tried(await fleet.gateways[second % 3].ask()))
        await fleet.later(1)
    failed = [n for n, found in enumerate(outcomes) if ("a", "failed") in found]
    assert failed == [0]
    assert all(found[-1][1] == "ok" for found in outcomes)
    back = next(n for n, found in enumerate(outcomes) if n and found == [("a", "ok")])
    assert 60 < back <= 70
    assert all(found == [("a", "ok")] for found in outcomes[back:])


async def test_a_probe_that_hangs_since_the_outage_is_overtaken_by_another(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "HEDGE_DELAY", 0.05)
    await fleet.open()
    fleet.provider.always = None
    fleet.provider.then(Behaviour(silent=True))
    await fleet.later(5)
    assert fleet.states == {CLOSED}
    assert len(fleet.provider.requests) == 2


async def test_while_a_probe_is_under_way_no_caller_is_let_in(fleet: Fleet) -> None:
    await fleet.open()
    fleet.provider.always = Behaviour(silent=True)
    looking = asyncio.create_task(fleet.later(5))
    await until(lambda: bool(fleet.provider.requests))
    assert fleet.states == {HALF_OPEN}
    assert tried(await fleet.gateways[0].ask()) == [("a", "open"), ("b", "ok")]
    await looking
    assert fleet.states == {OPEN}, "it was silent for its first token's time"
    assert len(fleet.provider.requests) == 1


async def test_with_nobody_behind_a_caller_is_told_when_the_next_probe_is(fleet: Fleet) -> None:
    await fleet.open()
    await fleet.later(2)
    with pytest.raises(ModelUnavailable) as refused:
        await fleet.gateways[1].ask(degrade=False)
    assert (refused.value.retry_after, refused.value.details["attempts"]) == (3, 0)


# -- how often
async def test_all_processes_and_models_of_one_upstream_probe_it_once(fleet: Fleet) -> None:
    await fleet.open()
    assert await fleet.probes(40) == [5, 13, 21, 29, 37]


async def test_without_redis_each_process_probes_by_itself(
    provider: Upstream, tmp_path: Path
) -> None:
    async with fleet_of(provider, *2 * [f"unix://{tmp_path}/nobody.sock"]) as apart:
        await apart.open()
        assert await apart.probes(24) == [5, 5, 13, 13, 21, 21]


async def test_a_probe_comes_no_sooner_than_the_provider_asked(fleet: Fleet) -> None:
    busy = refusing(503, "overloaded", retry_after="20")
    await fleet.open()
    fleet.provider.always = busy
    assert await fleet.probes(60) == [5, 25, 45]


async def test_what_a_person_must_mend_is_probed_each_five_minutes(fleet: Fleet) -> None:
    await fleet.open(NO_MODEL)
    assert await fleet.probes(299) == []
    assert await fleet.probes(1) == [1]
    fleet.provider.always = None
    assert await fleet.probes(300) == [300]
    assert fleet.states == {CLOSED}


async def test_an_answer_that_only_refuses_the_probe_is_an_answer(fleet: Fleet) -> None:
    await fleet.open()
    fleet.provider.always = refusing(400, "unsupported_parameter")
    assert await fleet.probes(10) == [5]
    assert fleet.states == {CLOSED}


# -- by itself
async def test_state_follows_the_probes_without_any_request(provider: Upstream) -> None:
    gateway = Gateway(provider, None, None, BreakerPolicy(first=0.05, next=0.05))
    provider.always = AWAY
    await gateway.ask()
    assert gateway.models.state == "degraded", "b still answers"
    gateway.probing.start()
    await until(lambda: len(provider.requests) > 5)
    assert gateway.models.state == "degraded"
    provider.always = None
    await until(lambda: gateway.models.state == "healthy")
    await gateway.probing.stop()
    await gateway.writer.close()


async def test_a_process_that_stops_ends_its_probe_and_gives_its_place_back(fleet: Fleet) -> None:
    await fleet.open()
    fleet.provider.always = Behaviour(silent=True)
    stops, stays, _ = fleet.gateways
    fleet.now += 5
    stops.breakers.start()
    stops.probing.start()
    await until(lambda: bool(fleet.provider.requests))
    assert await stays.breaker.probe() is None
    await stops.probing.stop()
    await stops.breakers.stop()
    await until(lambda: bool(fleet.provider.aborted))
    await stays.breakers.sync()
    assert await stays.breaker.probe() is not None


async def test_a_probe_that_breaks_in_ours_is_logged_and_the_prober_lives(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    await fleet.open()
    for gateway in fleet.gateways:
        for model in gateway.models:
            model.writer = Broken()
    await fleet.later(5)
    [line] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert line.exc_info
    assert fleet.states == {OPEN}
    assert fleet.gateways[0].breaker.retry_after == 8


class Broken(Other):
    async def probe(self, *, deadline: float) -> None:
        raise KeyError("text")


# -- what is told
def lines(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, object]]:
    return [vars(r) for r in caplog.records if r.getMessage() == message]


async def test_who_must_mend_what_is_one_line_and_another_with_each_probe(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.provider.always = NO_MODEL
    await asyncio.gather(*(fleet.gateways[0].ask() for _ in range(5)))
    said = "a model is left alone until somebody mends it"
    [line] = lines(caplog, said)
    facts = ("model", "upstream", "status", "provider_code", "remedy")
    assert [line[f] for f in facts] == ["a", "theirs", 404, "model_not_found", CHANGE_MODEL]
    await fleet.later(300)
    assert len(lines(caplog, said)) == 2


async def test_a_failed_probe_is_a_line_of_its_own(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.llm")
    await fleet.open()
    await fleet.later(5)
    [line] = lines(caplog, "the probe of a model failed")
    assert (line["model"], line["outcome"], line["status"]) == ("a", "failed", 503)
