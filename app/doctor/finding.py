"""What a check gets, and what it finds; each within its time, and without secrets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from app.settings import Settings

CHECK_TIMEOUT = 2.0  # s

State = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; `fix`: what to do about it."""

    name: str
    state: State
    said: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What is looked at. `serve`: by what `loregate serve` needs, which embeds nothing."""

    settings: Settings
    serve: bool


Check = Callable[[Case], AsyncIterator[Finding]]


async def bounded(name: str, check: Check, case: Case) -> list[Finding]:
    """Its findings; one that takes too long is left where it is."""
    found: list[Finding] = []

    async def run() -> None:
        async for finding in check(case):
            found.append(finding)  # noqa: PERF401  # what was found before a time-out counts

    task = asyncio.create_task(run())
    await asyncio.wait({task}, timeout=CHECK_TIMEOUT)
    if not task.done():
        task.cancel()
        said = f"no answer within {CHECK_TIMEOUT:g} s"
        found.append(Finding(name, "failure", said, "look at it, and at the network before it"))
    elif error := task.exception():
        said = str(error) or type(error).__name__
        found.append(Finding(name, "failure", said.splitlines()[0]))
    return found


def scrubbed(text: str, url: str) -> str:
    """A library's words without a URL's password."""
    password = urlsplit(url).password
    for secret in filter(None, (password, unquote(password or ""))):
        text = text.replace(secret, "***")
    return text
