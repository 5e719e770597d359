"""What `loregate write` shows of a generation: its text as it comes, or its whole answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import uuid4

from app.operations import Operation
from app.terminal.client import WRITING_TIMEOUT, GatewayClient, Generation
from app.terminal.failure import SAID_NO, CommandFailed
from app.terminal.outline import outline
from app.terminal.screen import YELLOW, Screen, WordWrap

SPINNER_DELAY = 0.5  # s; what answers sooner needs none

Body = Mapping[str, Any]


async def stream_text(
    client: GatewayClient, screen: Screen, operation: Operation[Any, Any], body: Body, *, live: bool
) -> int:
    """Prose as it is written; where not `live` all of it at the end, without what was given up."""
    text = TextOutput(screen, live=live)
    async with (
        cancelled_on_leaving(Generation(client, operation.path, body)) as generation,
        waiting(screen) as begun,
        aclosing(generation.events()) as events,
    ):
        async for event in events:
            if event["type"] != "started":
                begun()
            text.take(event)
    return 0


async def stream_json(
    client: GatewayClient, screen: Screen, operation: Operation[Any, Any], body: Body
) -> int:
    """A generation's events as lines of JSON, each with its cursor."""
    async with (
        cancelled_on_leaving(Generation(client, operation.path, body)) as generation,
        aclosing(generation.events()) as events,
    ):
        async for event in events:
            screen.json_line(event)
            _check_end(event)
    return 0


async def whole(
    client: GatewayClient, screen: Screen, operation: Operation[Any, Any], body: Body
) -> int:
    """The answer once it is there; who leaves before has it cancelled at the gateway."""
    headers = {"Idempotency-Key": str(uuid4()), "X-On-Disconnect": "cancel"}
    async with waiting(screen):
        answer = await client.ask(
            "POST", operation.path, body, headers=headers, within=WRITING_TIMEOUT
        )
    if screen.as_json:
        screen.json(answer)
    else:
        for line, style in outline(answer):
            wrap = WordWrap(screen.width if screen.live else len(line) + 1)
            screen.line(wrap.feed(line) + wrap.end(), style)
        _tell(screen, answer["metadata"], answer["content_id"])
    return SAID_NO if answer.get("passed") is False else 0


class TextOutput:
    """Takes a generation's events and writes its text."""

    def __init__(self, screen: Screen, *, live: bool) -> None:
        self._screen, self._live = screen, live
        self._wrap = WordWrap(screen.width) if screen.live else None
        self._kept: list[str] = []

    def take(self, event: Mapping[str, Any]) -> None:
        match event["type"]:
            case "delta":
                self._add(event["text"])
            case "reset":
                self._forget(event)
            case "completed":
                self._end()
                _tell(self._screen, event["metadata"], event["content_id"])
            case "failed" | "cancelled":
                self._screen.end_line()
                _check_end(event)

    def _add(self, text: str) -> None:
        if not self._live:
            self._kept.append(text)
        elif shown := self._wrap.feed(text) if self._wrap else text:
            self._screen.write(shown)

    def _forget(self, event: Mapping[str, Any]) -> None:
        """What was written is no part of the text: on a screen it stays, and is said not to be."""
        self._kept.clear()
        if self._live:
            self._wrap = WordWrap(self._screen.width) if self._wrap else None
            self._screen.end_line()
        place = "; forget the text above" if self._live else ""
        said = f"reset ({event['reason']}): attempt {event['attempt']} begins anew{place}"
        self._screen.say(said, YELLOW)

    def _end(self) -> None:
        rest = self._wrap.end() if self._live and self._wrap else "".join(self._kept)
        self._screen.write(rest)
        self._screen.end_line()


def _check_end(event: Mapping[str, Any]) -> None:
    """Raises `CommandFailed` for a generation that ended without a content."""
    if event["type"] == "failed":
        wait = event.get("retry_after_ms")
        raise CommandFailed(
            event["code"],
            event["message"],
            event.get("details"),
            status=500,
            wait=None if wait is None else wait / 1000,
        )
    if event["type"] == "cancelled":
        raise CommandFailed("CANCELLED", "The generation was cancelled by somebody else")


def _tell(screen: Screen, metadata: Mapping[str, Any], content_id: str) -> None:
    """Who wrote it, after whom, and under which id it is kept."""
    failed = [f"{a['model']} {a['outcome']}" for a in metadata["attempts"] if a["outcome"] != "ok"]
    if metadata["degraded"] or failed:
        after = f" after {', '.join(failed)}" if failed else ""
        simpler = ", which is simpler than the one asked for" if metadata["degraded"] else ""
        screen.say(f"fallback: {metadata['model_used']} wrote this{after}{simpler}", YELLOW)
    parts = [
        metadata["model_used"],
        f"{metadata['token_usage']['total_tokens']} tokens",
        "cached" if metadata["cached"] else "",
        f"${metadata['cost']:.6f}" if metadata.get("cost") else "",
        "ended by max_tokens" if metadata.get("finish_reason") == "length" else "",
        content_id,
    ]
    screen.say(" · ".join(filter(None, parts)))


@asynccontextmanager
async def cancelled_on_leaving(generation: Generation) -> AsyncIterator[Generation]:
    """A block that ends the generation at the gateway when it is left before the end."""
    try:
        yield generation
    except (asyncio.CancelledError, BrokenPipeError):
        # Shielded from nothing: a second Ctrl-C ends this too.
        await generation.cancel()
        raise


@asynccontextmanager
async def waiting(screen: Screen) -> AsyncIterator[Callable[[], None]]:
    """A block in which people at a terminal see that something is awaited, until it is called."""
    spinner = Spinner() if screen.live and screen.animated else None

    def begun() -> None:
        if spinner is not None:
            spinner.stop()

    try:
        yield begun
    finally:
        begun()


class Spinner:
    """Turns on standard error from `SPINNER_DELAY` seconds on, until it is stopped."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._status: Any = None
        self._timer = loop.call_later(SPINNER_DELAY, self._start)

    def _start(self) -> None:
        from rich.console import Console  # 0.1 s, which only those pay who wait

        self._status = Console(stderr=True).status("writing")
        self._status.start()

    def stop(self) -> None:
        self._timer.cancel()
        if self._status is not None:
            self._status.stop()
            self._status = None
