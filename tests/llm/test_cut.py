"""A stream that is cut at any byte: never taken for complete, never without an end."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from app.config_file import ConfigFile, ModelTable
from app.fake_openai.bodies import body
from app.llm.completion import Completion, CompletionRequest, Listener, Usage
from app.llm.fallback import CheckedCompletion, Model, Models
from app.llm.openai import OpenAIWriter
from app.operations.metadata import FinishReason
from tests.support import service
from tests.support.content_by_edge import ENDS, Asked, Result, by_stream, by_subscription
from tests.support.fault_table import ASKED, NEXT, OTHER, UPSTREAM
from tests.support.openai_writers import work_for, writer_at
from tests.support.upstream import ANYTHING, Behaviour, Upstream
from tests.support.waiting import until

# Sixty tokens, some of them of characters that take two, three and four bytes.
TOKENS = [f"{word}{n} " for n, word in enumerate(["lamp", "Fährmann", "龍の巣", "🐉"] * 15)]
TEXT = "".join(TOKENS).strip()
SAMPLE = 100  # positions that go through the whole service
LANES = 16  # calls at once; with more a slow machine's time-outs are met
FEW = 7  # with `make test` each seventh place; with `make test-long` all

STEPS = [FEW, pytest.param(1, marks=pytest.mark.long)]

Cut = Callable[[bytes, int], Behaviour]
EVENTS = {"content_type": "text/event-stream"}
# How a body ends behind so many of its bytes.
ENDINGS: dict[str, Cut] = {
    "in good order": lambda whole, at: Behaviour(raw=whole[:at], headers=EVENTS),
    "closed": lambda whole, at: Behaviour(raw=whole, headers=EVENTS, cut=at),
    "reset": lambda whole, at: Behaviour(raw=whole, headers=EVENTS, cut=at, abort=True),
}


def event(**choice: object) -> bytes:
    return b"data: " + orjson.dumps({"choices": [choice]}) + b"\n\n"


@dataclass(frozen=True)
class Stream:
    """A whole body, and behind how many of its bytes the answer is finished, and its usage told."""

    whole: bytes
    finished: int
    counted: int

    @classmethod
    def of(cls, events: Sequence[bytes]) -> Stream:
        """Events that end with the finish reason, the usage and [DONE]."""
        *_, usage, done = events
        size = sum(map(len, events))
        return cls(b"".join(events), size - len(usage + done), size - len(done))


# As short as a server may send it, so that the sweep is too: with OpenAI a token takes 200 bytes.
LEAN = Stream.of(
    [
        event(delta={"role": "assistant", "content": ""}),
        *(event(delta={"content": token}) for token in TOKENS),
        event(finish_reason="stop"),
        b'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 60}}\n\n',
        b"data: [DONE]\n\n",
    ]
)


class Next:
    """The model that follows: it always answers, with its own text."""

    async def write(
        self, work: CompletionRequest, *, deadline: float, listener: Listener | None = None
    ) -> Completion:
        if listener is not None:
            listener.on_text(OTHER)
        return Completion(OTHER, Usage(1, 1))

    async def probe(self, *, deadline: float) -> None:
        """It is always there."""

    async def close(self) -> None:
        """Nothing is held."""


class Ear:
    """Holds what it hears against the true text, piece by piece."""

    def __init__(self) -> None:
        self.told, self.forgotten = "", 0
        self.true = "".join(TOKENS)

    def on_text(self, text: str) -> None:
        self.told += text
        assert self.true.startswith(self.told), self.told

    def on_reset(self, reason: str) -> None:
        assert reason == "cut"
        self.told, self.true = "", OTHER
        self.forgotten += 1


@pytest.fixture
def silence() -> Iterator[None]:
    """Each cut is a warning in the log: thirty thousand of them are not wanted."""
    logger = logging.getLogger("app")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)


async def drafted(models: Models, asked: CompletionRequest, ear: Ear) -> CheckedCompletion:
    async def free(_: Model) -> None:
        """No limit is full."""

    return await models.complete(list(models), asked, charge=free, listener=ear)


async def check_cut(models: Models, asked: CompletionRequest, stream: Stream, at: int) -> None:
    """What becomes of the stream that ends behind `at` bytes."""
    ear = Ear()
    draft = await drafted(models, asked, ear)
    outcomes = [a.outcome.value for a in draft.attempts]
    if at < stream.finished:
        assert (draft.model.name, draft.draft.text, outcomes) == ("b", OTHER, ["cut", "ok"])
        assert (ear.told, ear.forgotten) == (OTHER, 1)
        return
    assert (draft.model.name, draft.draft.text, outcomes) == ("a", TEXT, ["ok"])
    assert (ear.told.strip(), ear.forgotten, draft.finish) == (TEXT, 0, FinishReason.STOP)
    assert draft.usage.counted == (at < stream.counted)


async def sweep(
    provider: Upstream, stream: Stream, places: Sequence[int], cut: Callable[[int], Behaviour]
) -> None:
    """Cut at each of these places, in lanes; each lane's model has a name, and orders, of its own.

    Without breakers, so that each cut reaches its model.
    """
    asked = work_for()

    async def run(name: str, places: Sequence[int]) -> None:
        provider.models[name] = ANYTHING
        writer = writer_at(provider.url, upstream=name, provider="openai")
        try:
            await cuts(name, writer, places)
        finally:
            await writer.close()

    async def cuts(name: str, writer: OpenAIWriter, places: Sequence[int]) -> None:
        models = Models([Model("a", writer), Model("b", Next())], ("a", "b"))
        for at in places:
            provider.on(name).then(cut(at))
            try:
                await check_cut(models, asked, stream, at)
            except Exception as error:
                error.add_note(f"cut behind {at} of {len(stream.whole)} bytes")
                raise

    async with asyncio.TaskGroup() as group:
        for lane in range(LANES):
            group.create_task(run(f"lane{lane:02}", places[lane::LANES]))


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("step", STEPS)
async def test_a_stream_cut_at_any_byte_is_complete_only_behind_its_finish_reason(
    step: int, ending: str, provider: Upstream
) -> None:
    places, cut = range(0, len(LEAN.whole) + 1, step), ENDINGS[ending]
    await sweep(provider, LEAN, places, lambda at: cut(LEAN.whole, at))
    assert sum(provider.calls.values()) == len(places)


def own(model: str) -> Stream:
    """The provider's own stream, which goes in chunks."""
    options = {"include_usage": True, "include_obfuscation": False}  # padding is drawn anew
    asked = {"model": model, "stream": True, "stream_options": options}
    steps = body(asked, Behaviour(tokens=TOKENS)).steps
    return Stream.of([step for step in steps if isinstance(step, bytes)])


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("abort", [False, True])
@pytest.mark.parametrize("step", STEPS)
async def test_so_is_one_in_chunks_cut_at_any_byte_of_its_ends_and_many_between(
    step: int, abort: bool, provider: Upstream
) -> None:
    stream, rng = own("lane00"), seeded()
    size = len(stream.whole)
    places = {*range(300), *range(stream.finished - 300, size + 1), *rng.sample(range(size), 300)}
    await sweep(
        provider,
        stream,
        sorted(places)[::step],
        lambda at: Behaviour(tokens=TOKENS, cut=at, abort=abort),
    )


def seeded() -> random.Random:
    """Anew in each run; its seed is printed."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


# -- through the whole service
def check_stream(told: Result) -> None:
    """One end, and until it nothing but the beginnings of a model's true text."""
    events = told.events or []
    assert [e["type"] for e in events if e["type"] in ENDS] == [events[-1]["type"]]
    heard, true = "", OTHER if told.model == NEXT and not told.resets else TEXT
    for event in events:
        if event["type"] == "reset":
            assert heard, "there was nothing to forget"
            assert (event["reason"], true) == ("cut", TEXT)
            heard, true = "", OTHER
        elif event["type"] == "delta":
            heard += event["text"]
            assert true.startswith(heard), heard
    if told.code is None:
        assert heard == told.text


def check_told(told: Result, *, finished: bool, followed: bool) -> None:
    check_stream(told)
    if finished:
        assert (told.model, told.text, told.finish) == (ASKED, TEXT, "stop")
        assert told.tried == [(ASKED, "ok")]
    elif followed:
        assert (told.model, told.text, told.degraded) == (NEXT, OTHER, True)
        assert told.tried == [(ASKED, "cut"), (NEXT, "ok")]
    else:
        assert (told.code, told.tried) == ("MODEL_ERROR", [(ASKED, "cut")])


@pytest.mark.long
@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("followed", [True, False])
async def test_a_generation_whose_stream_is_cut_has_one_end_and_no_wrong_text(
    followed: bool, tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    given = service.settings(
        tmp_path,
        redis_url,
        openai_base_url=provider.url,
        fallback=(ASKED, NEXT) if followed else (ASKED,),
    )
    rows = [ModelTable(name=n, provider="openai", upstream=UPSTREAM[n]) for n in (ASKED, NEXT)]
    given = given.model_copy(update={"file": ConfigFile(models=tuple(rows))})
    stream, rng = own(UPSTREAM[ASKED]), seeded()
    provider.on(UPSTREAM[NEXT]).always = Behaviour(text=OTHER)
    async with service.running(given) as found:
        for model in found.gateway.models:
            model.breaker = None
        for number in range(SAMPLE):
            # Some of them behind the finish reason, which a fiftieth of the bytes are.
            at = rng.randrange(0 if number % 10 else stream.finished - 5, len(stream.whole))
            order = Behaviour(tokens=TOKENS, cut=at, abort=rng.random() < 0.5)
            provider.on(UPSTREAM[ASKED]).then(order)
            ask = by_stream if number % 2 else by_subscription
            told = await ask(found, Asked(), f"user {number % 7}")
            try:
                check_told(told, finished=at >= stream.finished, followed=followed)
            except AssertionError as error:
                where = f"cut behind {at} of {len(stream.whole)} bytes, reset: {order.abort}"
                error.add_note(f"{where}: {told}")
                raise
        await until(lambda: not found.gateway.generations.running)
