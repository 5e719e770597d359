"""The snippets of the README and the documentation, run as they are pasted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tests.support.doc_blocks import blocks

SOON = 30.0  # s in which what must happen happens
EMBEDDED = "127.0.0.1:8100"  # where `make dev` listens unless told otherwise


def snippet(language: str, sign: str) -> str:
    """The only block of that language in the README and the documentation with `sign` in it."""
    [found] = [block.text for block in blocks(language) if sign in block.text]
    return found


class Pasted:
    """A snippet that runs, and what it said so far."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.out = self.err = ""
        self._heard = asyncio.Condition()
        reading = (self._read(process.stdout, "out"), self._read(process.stderr, "err"))
        self._reading = asyncio.gather(*reading)

    async def _read(self, stream: asyncio.StreamReader | None, name: str) -> None:
        assert stream is not None
        while line := await stream.readline():
            setattr(self, name, getattr(self, name) + line.decode())
            async with self._heard:
                self._heard.notify_all()

    async def until(self, pattern: str, *, stream: str = "out") -> None:
        """Until that was printed; the test fails with all that was said."""
        try:
            async with asyncio.timeout(SOON), self._heard:
                await self._heard.wait_for(lambda: re.search(pattern, getattr(self, stream)))
        except TimeoutError:
            raise AssertionError(f"no {pattern!r} in {self.out!r} {self.err!r}") from None

    async def ended(self) -> int:
        async with asyncio.timeout(SOON):
            await self._reading
            return await self.process.wait()


@contextlib.asynccontextmanager
async def pasted(
    command: Sequence[str], source: str, folder: Path, **variables: str
) -> AsyncIterator[Pasted]:
    """The snippet as a file in the folder, run in an environment with no others of ours."""
    script = folder / ("snippet.mjs" if command[0] == "node" else "snippet.py")
    script.write_text(source)
    environment = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **variables}
    process = await asyncio.create_subprocess_exec(
        *command, script.name, cwd=folder, env=environment, stdout=PIPE, stderr=PIPE
    )
    running = Pasted(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.ended()
