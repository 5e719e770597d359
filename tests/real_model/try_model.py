"""Try a real model: every operation on every edge, against llama.cpp with SmolLM2.

    make try-model [ARGS="--only theme,validation --edges REST,WebSocket --keep"]

Prints a row for each answer, and ends with 1 when something does not hold (README.md says what).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx2

from app.operations import OPERATIONS
from tests.real_model import checks, llama
from tests.real_model.edges import (
    CANCEL,
    EDGES,
    PATIENCE,
    STREAM,
    STRICT,
    UNANSWERED,
    Client,
    Refused,
    Told,
)
from tests.real_model.llama import CONTEXT, SLOTS, Llama
from tests.real_model.questions import (
    CHARACTER,
    LONG,
    MODEL,
    NPC,
    QUESTIONS,
    SHORT,
    STORY,
    THEME,
    Question,
)
from tests.support.cli_process import serving
from tests.support.service import SECRET

CONFIG = """
fallback = "{name}"
[[models]]
name = "{name}"
url = "{url}/v1"
context_size = {size}
"""
# Two cores read a prompt for seconds, four at once for longer: what is tried is not speed.
SETTINGS = {
    "LOREGATE_JWT_SECRET": SECRET,
    "LOREGATE_MODEL_TIMEOUT": "180",
    "LOREGATE_FIRST_TOKEN_TIMEOUT": "120",
    "LOREGATE_STALL_TIMEOUT": "60",
}
SOON = 2.0  # s in which a cancellation frees the server's slot; the next token is its chance
BEGIN = 60.0  # s in which the server begins to write
LINE = "{:<11} {:<15} {:>6} {:>7} {:>5} {:>5}  {:<7} {:<12} {:<9} {}"
HEAD = ("operation", "edge", "first", "seconds", "in", "out", "finish", "model", "degraded", "")


@dataclass
class Trial:
    """What runs, and whether all of it held."""

    server: Llama
    url: str
    http: httpx2.AsyncClient
    broken: int = 0
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.url, self.http)

    def tell(self, line: str, wrong: list[str]) -> None:
        self.broken += bool(wrong)
        print(line if not wrong else f"{line}: {'; '.join(wrong)}", flush=True)

    def row(self, question: Question, edge: str, told: Told, wrong: list[str]) -> None:
        first = "" if told.first is None else f"{told.first:.2f}"
        degraded = str(told.degraded).lower()
        verdict = "ok" if not wrong else "NOT OK"
        if len(told.tried) > 1:
            verdict += f" ({', '.join(told.tried)})"
        found = (first, f"{told.seconds:.2f}", told.prompt, told.completion, told.finish)
        line = LINE.format(question.operation, edge, *found, told.model, degraded, verdict)
        self.tell(line, wrong)

    async def at_rest(self) -> list[str]:
        """Wait until no slot writes; what is wrong where one still does."""
        try:
            await self.server.until_idle(SOON)
        except TimeoutError:
            return [f"a slot was not free within {SOON:g} s"]
        return []

    def lost(self, question: Question, edge: str, seconds: float, wrong: list[str]) -> None:
        """There was no answer."""
        blank = ("", f"{seconds:.2f}", "", "", "", "", "")
        self.tell(LINE.format(question.operation, edge, *blank, "NOT OK"), wrong)


def tokens(question: Question) -> int | None:
    """The cap that is asked for: prose may be ended anywhere, the rest has its own default."""
    return SHORT if question.plain else None


# -- each operation on each edge
async def ask(trial: Trial, question: Question, edge: str) -> None:
    """One row: the answer, and the tokens that the server counted for it."""
    before, began = await trial.server.counts(), time.perf_counter()
    try:
        told = await EDGES[edge](trial.client, question, tokens(question))
        stored = await trial.client.stored(told.content_id)
    except UNANSWERED as error:
        seconds = time.perf_counter() - began
        trial.lost(question, edge, seconds, [str(error), *await trial.at_rest()])
        return
    wrong = await trial.at_rest() + checks.answer(question, edge, told, stored)
    wrong += checks.usage([told], await trial.server.counts() - before)
    trial.row(question, edge, told, wrong)


# -- four callers
async def together(trial: Trial) -> None:
    """Four callers at once, each on an edge of its own; all slots of the server write."""
    asked = list(zip((CHARACTER, STORY, THEME, NPC), EDGES, strict=False))
    clients = [Client(trial.url, trial.http, f"caller-{n}") for n in range(SLOTS)]
    before, peak = await trial.server.counts(), 0
    tasks = [
        asyncio.create_task(EDGES[edge](client, question, tokens(question)))
        for client, (question, edge) in zip(clients, asked, strict=True)
    ]
    while not all(task.done() for task in tasks):
        peak = max(peak, await trial.server.busy())
        await asyncio.sleep(llama.LOOK)
    wrong = await trial.at_rest()
    counted, answers = await trial.server.counts() - before, []
    for client, (question, edge), task in zip(clients, asked, tasks, strict=True):
        if isinstance(error := task.exception(), UNANSWERED):
            trial.lost(question, edge, 0.0, [str(error)])
            continue
        answers.append(told := await task)
        stored = await client.stored(told.content_id)
        trial.row(question, edge, told, checks.answer(question, edge, told, stored))
    wrong += [] if peak == SLOTS else [f"at most {peak} slots wrote at once"]
    if len(answers) == SLOTS:
        wrong += checks.usage(answers, counted)
    trial.tell(f"{SLOTS} callers, {peak} slots at once, {counted.completion} tokens", wrong)


# -- cancelling
async def by_mutation(trial: Trial, question: Question) -> None:
    """Cancelled over GraphQL once the server writes."""
    generation_id = await trial.client.start(question, LONG if question.plain else None)
    await trial.server.until_writing(BEGIN)
    ended = await trial.client.graphql(CANCEL, {"id": generation_id})
    if (state := ended["cancelGeneration"]["generation"]["state"]) != "CANCELLED":
        raise Refused(f"the generation is {state}")


async def by_delete(trial: Trial, question: Question) -> None:
    """Cancelled over REST."""
    generation_id = await trial.client.start(question, LONG if question.plain else None)
    await trial.server.until_writing(BEGIN)
    path = f"/api/v2/generations/{generation_id}"
    ended = await trial.http.delete(path, headers=trial.client.headers)
    if ended.json().get("state") != "cancelled":
        raise Refused(ended.text)


async def by_leaving(trial: Trial, question: Question) -> None:
    """Its only reader goes away, who had said that this is to end it."""
    headers = {**trial.client.headers, **STRICT, **STREAM, "X-On-Disconnect": "cancel"}
    body = question.rest(LONG if question.plain else None)
    path = OPERATIONS[question.operation].path
    async with trial.http.stream("POST", path, json=body, headers=headers) as answer:
        if answer.status_code != 200:
            await answer.aread()
            raise Refused.by_rest(answer)
        await trial.server.until_writing(BEGIN)


CANCELLING = {"cancelGeneration": by_mutation, "DELETE": by_delete, "leaving": by_leaving}


async def cancel(trial: Trial, question: Question, name: str) -> None:
    """Cancelled midway: the slot is free soon, and the rest was never written."""
    before, wrong = await trial.server.counts(), []
    try:
        await CANCELLING[name](trial, question)
    except UNANSWERED as error:
        wrong.append(str(error))
    began = time.perf_counter()
    wrong += await trial.at_rest()
    free = time.perf_counter() - began
    counted = await trial.server.counts() - before
    line = f"{question.operation:<11} {name:<16} slot free after {free:.2f} s"
    trial.tell(f"{line}, {counted.completion} tokens were written", wrong)


# -- all of it
async def every(trial: Trial, only: list[str], edges: list[str]) -> None:
    if missing := set(OPERATIONS) - {q.operation for q in QUESTIONS}:
        trial.tell("operations", [f"no question for {', '.join(sorted(missing))}"])
    print(LINE.format(*HEAD))
    for question in QUESTIONS:
        if not only or question.operation in only:
            for edge in edges or EDGES:
                await ask(trial, question, edge)
    if not only and not edges:
        print("\nfour callers at once")
        await together(trial)
        print("\ncancelled")
        for question in (CHARACTER, THEME):
            for name in CANCELLING:
                await cancel(trial, question, name)


@contextlib.asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Trial]:
    """The server and a Loregate that knows no other model."""
    async with llama.running(directory) as server:
        config = directory / "models.toml"
        config.write_text(CONFIG.format(name=MODEL, url=server.url, size=CONTEXT))
        given: dict[str, Any] = {"LOREGATE_CONFIG": str(config), **SETTINGS}
        async with (
            serving(directory, "dev", **given) as gateway,
            httpx2.AsyncClient(base_url=gateway.url, timeout=PATIENCE) as http,
        ):
            yield Trial(server, gateway.url, http)


async def tried(directory: Path, only: list[str], edges: list[str]) -> int:
    """How many checks did not hold."""
    began = time.perf_counter()
    async with running(directory) as trial:
        await every(trial, only, edges)
    said = f"{trial.broken} did not hold" if trial.broken else "all held"
    print(f"\n{said}; {time.perf_counter() - began:.0f} s")
    return trial.broken


def named(listed: str) -> list[str]:
    return [name for name in listed.split(",") if name]


def main() -> int:
    parser = argparse.ArgumentParser(description="every operation against a real model")
    parser.add_argument("--only", default="", help="operations, comma-separated; default all")
    parser.add_argument("--edges", default="", help=f"of {', '.join(EDGES)}; default all")
    parser.add_argument("--keep", action="store_true", help="keep the processes' logs")
    given = parser.parse_args()
    directory = Path(mkdtemp(prefix="loregate-model-"))
    broken = 1
    try:
        broken = asyncio.run(tried(directory, named(given.only), named(given.edges)))
    finally:
        if given.keep or broken:
            print(f"logs: {directory}")
        else:
            shutil.rmtree(directory)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
