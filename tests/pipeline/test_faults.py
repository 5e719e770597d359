"""Every fault of the provider, by every edge, with and without a model that follows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from types import CoroutineType

import orjson
import pytest
import pytest_asyncio

from app.caller import Caller
from app.embedded.valkey import EmbeddedValkey
from app.llm.breaker import BreakerPolicy, Breakers
from app.llm.probes import Probers
from tests.support import service, upstream
from tests.support.content_by_edge import EDGES, ENDS, STATUS, Asked, Result
from tests.support.fault_table import (
    ASKED,
    GOOD,
    NEXT,
    OTHER,
    STORYTELLER,
    TABLE,
    UPSTREAM,
    Row,
    text_of,
)
from tests.support.service import Service
from tests.support.upstream import (
    FAULTS,
    PROSE,
    USAGE,
    Behaviour,
    Flapping,
    Order,
    Upstream,
    refusal,
)
from tests.support.waiting import until

pytestmark = pytest.mark.long

on_one_loop = pytest.mark.asyncio(loop_scope="module")

CHARACTER = Asked()
CHAINS = {"followed": (ASKED, NEXT, STORYTELLER), "alone": (ASKED,)}


@dataclass
class Bench:
    """A service with a provider of its own, asked by one edge: none hears of another's breakers."""

    edge: str
    chain: str
    found: Service
    provider: Upstream

    @property
    def name(self) -> str:
        return f"{self.edge}, {self.chain}"

    def renew(self, always: Order | None = None, *, now: Callable[[], float] | None = None) -> None:
        """The asked model does this from now on, the next one answers well; nothing is known."""
        self.provider.calls.clear()
        self.provider.aborted.clear()
        self.provider.requests.clear()
        self.provider.on(UPSTREAM[ASKED]).always = always
        for model in self.found.gateway.models:
            if model.breaker is not None:
                breakers = Breakers(None, [model.name], now=now, policy=BreakerPolicy(jitter=0))
                model.breaker = breakers[model.name]

    async def ask(self, wanted: Asked, sub: str) -> Result:
        loop = asyncio.get_running_loop()
        began = loop.time()
        told = await EDGES[self.edge](self.found, wanted, sub)
        return replace(told, seconds=loop.time() - began)

    def rests(self) -> bool:
        """Whether nothing is under way, by any count that there is."""
        gateway = self.found.gateway
        places = sum(m.bulkhead.running + m.bulkhead.waiting for m in gateway.models)
        return not (places or gateway.single_flight.waiting or gateway.generations.running)


def _another(wanted: Asked) -> Behaviour:
    """The next model's answer."""
    if wanted.operation == "character":
        return Behaviour(text=OTHER)
    return Behaviour(text=orjson.dumps({"content": OTHER, "summary": "It is gone."}).decode())


async def everywhere(
    benches: list[Bench],
    name: str,
    wanted: Asked = CHARACTER,
    *orders: Order,
    always: Order | None = None,
) -> list[tuple[Bench, Result]]:
    """What is told by each of them, all at once, each to a user of its own."""
    for bench in benches:
        bench.renew(always)
        bench.provider.on(UPSTREAM[NEXT]).always = _another(wanted)
        bench.provider.on(UPSTREAM[ASKED]).then(*orders)
    told = await asyncio.gather(*[b.ask(wanted, f"{name}-{b.name}") for b in benches])
    return list(zip(benches, told, strict=True))


@contextmanager
def noted(bench: Bench, told: Result) -> Iterator[None]:
    """Whatever is wrong is said with who was told what."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"by {bench.name}: {told}")
        raise


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def benches(
    valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[Bench]]:
    """One for each edge and chain; each has answered once, so that what stays open is open."""
    async with AsyncExitStack() as stack:
        found = []
        for edge in EDGES:
            for name, chain in CHAINS.items():
                provider = await stack.enter_async_context(upstream.running())
                given = service.settings(
                    tmp_path_factory.mktemp("faults"),
                    valkey.url,
                    openai_base_url=provider.url,
                    fallback=chain,
                    model_timeout=3.0,
                    first_token_timeout=0.5,
                    stall_timeout=0.5,
                )
                running = await stack.enter_async_context(service.running(given))
                models = running.gateway.models
                models.policy = replace(models.policy, backoff=0.02)
                found.append(Bench(edge, name, running, provider))
        for bench, told in await everywhere(found, "warm"):
            with noted(bench, told):
                check_well(told)
        await at_rest(found)
        yield found


def tasks() -> Counter[str]:
    """The tasks that run, by what they do; connections of the provider's are counted by it."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    found = Counter(c.__qualname__ for c in coroutines if isinstance(c, CoroutineType))
    del found["FakeOpenAI._serve"]
    return found


async def at_rest(benches: list[Bench], before: Counter[str] | None = None) -> None:
    """Nothing runs that did not before, and the provider is told by nobody to go on."""
    await until(lambda: all(b.rests() for b in benches))
    await until(lambda: "_Sending.run" not in tasks())
    await until(lambda: all(b.provider.connections <= 1 for b in benches))
    if before is not None:
        await until(lambda: not tasks() - before)


def alike(told: Result) -> Result:
    """What the edges must agree in: the storyteller tells each of them another tale."""
    return replace(told, text="", tokens=0) if told.model == STORYTELLER else told


# -- what holds for a row
def check_well(told: Result) -> None:
    """The asked model answered for itself."""
    assert told.code is None, told
    assert (told.model, told.degraded) == (ASKED, False)
    check_stream(told)


def check_stream(told: Result) -> None:
    """One start, one end, and in between the very text that is stored."""
    if told.events is None:
        return
    kinds = [e["type"] for e in told.events]
    assert kinds[0] == "started"
    assert [kind for kind in kinds if kind in ENDS] == [kinds[-1]], kinds
    seqs = [e["seq"] for e in told.events if e["type"] == "delta"]
    assert seqs == list(range(1, len(seqs) + 1))
    if told.code is None:
        assert told.heard == told.text
    else:
        assert (PROSE * 600).startswith(told.heard)


def check_content(row: Row, told: Result, model: str) -> None:
    assert told.code is None, told
    assert (told.model, told.degraded) == (model, model != ASKED)
    assert told.text == (text_of(model) or told.text) != ""
    assert told.tried == row.tried(followed=model != ASKED)
    if model == ASKED:
        assert told.finish == row.finish
        assert told.source == ("gateway" if row.counted else "provider")


def check_failure(row: Row, told: Result) -> None:
    assert (told.code, told.retry_after) == (row.code, row.retry_after)
    assert told.status in (200 if told.events is not None else STATUS[str(row.code)],)
    assert told.tried == row.tried(followed=False)
    assert told.calls in (None, len(row.outcomes))
    assert told.retryable in (None, row.code != "CONTENT_REJECTED")


def check(row: Row, bench: Bench, told: Result) -> None:
    """Everything that the row says of one edge and chain."""
    followed = bench.chain == "followed" and not row.well and row.follower is not None
    check_stream(told)
    if row.well or followed:
        check_content(row, told, str(row.follower) if followed else ASKED)
    else:
        check_failure(row, told)
    calls = {UPSTREAM[ASKED]: len(row.attempts(followed)) + row.repeats} | (
        {UPSTREAM[NEXT]: 1} if followed and row.follower == NEXT else {}
    )
    assert bench.provider.calls == calls
    assert told.seconds < row.seconds
    if told.events is not None:
        resets = row.resets(followed=followed)
        # What is told within 20 ms of the last delta waits, and is dropped with its attempt.
        assert told.resets == resets[: len(told.resets)]
        assert bool(told.resets) == bool(resets)
        assert bool(told.heard or told.resets) == (row.well or followed or row.told)


def test_every_fault_stands_in_the_table() -> None:
    # What comes after the next request was sent is that one's answer, as HTTP/1.1 has it: who
    # fears it does not reuse connections (tests/test_connections.py).
    assert TABLE.keys() == FAULTS.keys() - {"unasked_next"}


@on_one_loop
@pytest.mark.parametrize("name", TABLE)
async def test_a_fault_comes_to_what_the_table_says(name: str, benches: list[Bench]) -> None:
    row, before = TABLE[name], tasks()
    told = await everywhere(benches, name, Asked(row.operation), always=FAULTS[name])
    await at_rest(benches, before)
    for bench, found in told:
        with noted(bench, found):
            check(row, bench, found)
    for chain in CHAINS:
        first, *others = [alike(found) for bench, found in told if bench.chain == chain]
        assert all(other == first for other in others), "the edges agree"
    if row.left:
        await until(lambda: all(b.provider.aborted for b in benches))
    for bench, found in await everywhere(benches, f"{name}-after"):
        with noted(bench, found):
            check(GOOD, bench, found)
    await at_rest(benches, before)


# -- more than one answer
@on_one_loop
@pytest.mark.parametrize("name", ["400", "503_seconds", "stall", "cut"])
async def test_who_takes_no_simpler_answer_gets_none(name: str, benches: list[Bench]) -> None:
    """And is told when to come back, where the model was not to be had or broke."""
    row, followed = TABLE[name], [b for b in benches if b.chain == "followed"]
    if name != "400":
        row = replace(row, code="MODEL_UNAVAILABLE", retry_after=row.retry_after or 5)
    told = await everywhere(followed, f"{name}-alone", Asked(degrade=False), always=FAULTS[name])
    for bench, found in told:
        with noted(bench, found):
            check_stream(found)
            check_failure(row, found)
            assert bench.provider.calls == {UPSTREAM[ASKED]: len(row.outcomes)}


@on_one_loop
@pytest.mark.parametrize("name", ["wrong_json", "wrong_schema"])
async def test_what_is_wrong_is_mended_by_the_model_itself(name: str, benches: list[Bench]) -> None:
    told = await everywhere(benches, f"{name}-mended", Asked("story"), FAULTS[name])
    for bench, found in told:
        with noted(bench, found):
            check_well(found)
            assert found.text == PROSE
            assert found.tried == [(ASKED, "invalid"), (ASKED, "ok")]
            assert found.tokens == 2 * USAGE["total_tokens"], "both answers are paid for"
            assert found.resets == (["invalid"] if name == "wrong_json" and found.events else [])
            first, second = bench.provider.requests[-2:]
            assert second["messages"][:2] == first["messages"]
            assert len(second["messages"]) == 4, "with the answer, and what was wrong with it"


@on_one_loop
async def test_a_wait_that_fits_is_waited_for(benches: list[Bench]) -> None:
    busy = refusal(429, "rate_limit_exceeded", retry_after_ms="400")
    for bench, found in await everywhere(benches, "fits", CHARACTER, busy):
        with noted(bench, found):
            check_well(found)
            assert found.tried == [(ASKED, "overloaded"), (ASKED, "ok")]
            assert found.seconds > 0.4 - 0.001, "the clocks are no finer than a millisecond"


@on_one_loop
async def test_a_wait_that_does_not_fit_is_the_next_models_turn_at_once(
    benches: list[Bench],
) -> None:
    busy = refusal(429, "rate_limit_exceeded", retry_after="10")
    row = Row(("overloaded",), code="MODEL_UNAVAILABLE", retry_after=10)
    for bench, found in await everywhere(benches, "does not fit", CHARACTER, always=busy):
        with noted(bench, found):
            check(row, bench, found)


@on_one_loop
async def test_a_follower_whose_limit_is_full_is_passed_over(benches: list[Bench]) -> None:
    followed = [b for b in benches if b.chain == "followed"]
    for bench in followed:
        caller = Caller(f"full-{bench.name}")
        await bench.found.gateway.admission_call.spend(caller, (f"model:{NEXT}",), requests=500)
    row = replace(TABLE["503"], follower=STORYTELLER)
    for bench, found in await everywhere(followed, "full", CHARACTER, always=FAULTS["503"]):
        with noted(bench, found):
            check_stream(found)
            assert (found.code, found.model, found.degraded) == (None, STORYTELLER, True)
            own = row.tried(followed=False)
            assert found.tried == [*own, (NEXT, "limited"), (STORYTELLER, "ok")]
            assert bench.provider.calls == {UPSTREAM[ASKED]: 3}


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@on_one_loop
async def test_a_minute_of_a_model_that_comes_and_goes(benches: list[Bench]) -> None:
    """Five seconds away, five well: it is back with the probe that finds it well."""
    clock = Clock()
    flapping = Flapping(refusal(503, "overloaded"), (5.0, 5.0), clock=clock)
    followed = [b for b in benches if b.chain == "followed"]
    for bench in followed:
        bench.renew(flapping, now=clock)
    probing = [Probers(b.found.gateway.models, timeout=1.0) for b in followed]
    by_second: list[set[str]] = []
    for second in range(60):
        clock.now = float(second)
        await asyncio.gather(*[p.look() for p in probing])
        sub = f"flapping-{second}"
        told = await asyncio.gather(*[b.ask(CHARACTER, f"{sub}-{b.name}") for b in followed])
        for bench, found in zip(followed, told, strict=True):
            with noted(bench, found):
                check_stream(found)
                assert found.code is None
                assert found.degraded == (found.model == NEXT)
        by_second.append({found.model for found in told})
    well = [second for second, models in enumerate(by_second) if models == {ASKED}]
    assert well == [n for n in range(60) if n % 10 >= 5]
    assert all(models == {NEXT} for n, models in enumerate(by_second) if n not in well)
    for bench in followed:
        probes = 6
        assert bench.provider.calls[UPSTREAM[ASKED]] == 6 * (3 + 5) + probes, (
            "three failures open it"
        )
