"""A fake OpenAI server on a real socket: it answers chat completions, and misbehaves on order."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson

PROSE = "The harbour of Saltmere smelled of tar and old promises when the lamps went out."
USAGE = {"prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160}


@dataclass
class Behaviour:
    """How one request is answered: with a status, a body, after a delay, or not at all."""

    status: int = 200
    body: Any = None
    raw: bytes | None = None  # instead of any JSON
    text: str | None = None
    finish_reason: str = "stop"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    reset: bool = False  # the connection is closed without an answer
    cut: int | None = None  # bytes of the body, after which the connection ends
    silent: bool = False  # nothing ever comes


GOOD = Behaviour()


def refusal(status: int, code: str, message: str = "no", **headers: str) -> Behaviour:
    """An error as OpenAI words it."""
    error = {"message": message, "type": "error", "param": None, "code": code}
    return Behaviour(status=status, body={"error": error}, headers=headers)


NO_SCHEMAS = Behaviour(
    status=400,
    body={
        "error": {
            "message": "Invalid parameter: this model takes no such format",
            "type": "invalid_request_error",
            "param": "response_format",
            "code": None,
        }
    },
)


class Upstream:
    """The server. `requests` holds what it was asked; `then(…)` orders the next answers."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.always = GOOD
        self.takes_schemas = True  # older models refuse a `response_format` of type json_schema
        self._next: deque[Behaviour] = deque()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._left = asyncio.Condition()

    def then(self, *behaviours: Behaviour) -> None:
        self._next.extend(behaviours)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    @property
    def connections(self) -> int:
        return len(self._open)

    async def all_left(self) -> None:
        """Returns when no connection is open; a server hears of an end after its client."""
        async with asyncio.timeout(5), self._left:
            await self._left.wait_for(lambda: not self._open)

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self._one(reader, writer)
        self._open.discard(writer)
        writer.close()
        async with self._left:
            self._left.notify_all()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {
            k.lower(): v.strip() for k, _, v in (x.partition(":") for x in head.split("\r\n")[1:])
        }
        length = int(headers.get("content-length", "0"))
        asked = orjson.loads(await reader.readexactly(length)) if length else {}
        self.requests.append(asked)
        self.headers.append(headers)
        behaviour = self._behaviour(asked)
        if behaviour.delay:
            await asyncio.sleep(behaviour.delay)
        if behaviour.reset:
            writer.transport.abort()
            raise ConnectionResetError
        if behaviour.silent:
            await reader.read()  # until the client gives up
            raise ConnectionResetError
        body = behaviour.raw or orjson.dumps(answer(asked, behaviour))
        writer.write(_head(behaviour, len(body)) + body[: behaviour.cut])
        await writer.drain()
        if behaviour.cut is not None:
            raise ConnectionResetError

    def _behaviour(self, asked: dict[str, Any]) -> Behaviour:
        if not self.takes_schemas and asked.get("response_format", {}).get("type") == "json_schema":
            return NO_SCHEMAS
        return self._next.popleft() if self._next else self.always


def _head(behaviour: Behaviour, length: int) -> bytes:
    lines = [f"HTTP/1.1 {behaviour.status} Status", "content-type: application/json"]
    lines += [f"content-length: {length}", "x-request-id: req_fake"]
    lines += [f"{k.replace('_', '-')}: {v}" for k, v in behaviour.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(asked: dict[str, Any], behaviour: Behaviour) -> Any:
    """The body: as ordered, else a chat completion that fits what was asked."""
    if behaviour.body is not None:
        return behaviour.body
    text = behaviour.text if behaviour.text is not None else written(asked)
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": asked.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": behaviour.finish_reason}],
        "usage": USAGE,
    }


def written(asked: dict[str, Any]) -> str:
    """What a good model writes: prose, or JSON for the schema that it was given."""
    wanted = asked.get("response_format", {})
    schema = wanted.get("json_schema", {}).get("name")
    if wanted.get("type") == "json_object":
        said = asked["messages"][-1]["content"]
        schema = next(name for name, mark in MARKS.items() if mark in said)
    if schema is None:
        return PROSE
    prompt = asked["messages"][1]["content"]
    return orjson.dumps(STRUCTURED[schema](prompt)).decode()


def _story(_: str) -> dict[str, Any]:
    return {"content": PROSE, "summary": "The lamps go out in Saltmere."}


def _theme(prompt: str) -> dict[str, Any]:
    listed = re.search(r"in this order: ([\w, ]+);", prompt)
    assert listed is not None
    allowed = re.search(r"only among: ([\w, ]+)\.", prompt)
    assert allowed is not None
    fit = {"score": 0.4, "conflicts": ["tone"], "enhancements": [], "transition_steps": ["one"]}
    return {
        "primary_category": allowed[1].split(", ")[0],
        "secondary_categories": [],
        "category_confidence": 0.8,
        "elements": [
            {"element": e, "score": 0.5, "description": "It is there.", "suggestions": []}
            for e in listed[1].split(", ")
        ],
        "compatibility": fit if "how well the text would fit" in prompt else None,
        "overall_score": 0.6,
        "summary": "A tale.",
    }


def _validation(prompt: str) -> dict[str, Any]:
    count = re.search(r"each of the (\d+) rules", prompt)
    assert count is not None
    return {
        "results": [
            {"number": n, "passed": True, "score": 0.9, "issues": []}
            for n in range(1, int(count[1]) + 1)
        ],
        "summary": "All rules are kept.",
    }


def _npc(prompt: str) -> dict[str, Any]:
    asked = _request(prompt)
    return {
        "name": "Odile Vell",
        "description": PROSE,
        "personality": "Dry, and kind to dogs.",
        "motivations": ["To see the lamps lit again."],
        "secrets": ["She put them out."],
        "relationships": [
            {"to": to, "nature": nature} for to, nature in asked["relationships"].items()
        ],
    }


def _location(prompt: str) -> dict[str, Any]:
    asked = _request(prompt)
    return {
        "name": "The Blind Lamp",
        "description": PROSE,
        "points_of_interest": ["The lamp room.", *asked["features"]],
        "occupants": asked["occupants"],
        "secrets": ["The oil is seawater."],
        "hooks": ["A light is seen there.", "The keeper has not come home."],
    }


def _request(prompt: str) -> dict[str, Any]:
    data = prompt.partition("<request>\n")[2].rpartition("\n</request>")[0]
    found: dict[str, Any] = orjson.loads(data)
    return found


MARKS = {
    "theme": "primary_category",
    "validation": "results",
    "npc": "personality",
    "location": "points_of_interest",
    "story": "summary",
}
STRUCTURED = {
    "story": _story,
    "npc": _npc,
    "location": _location,
    "theme": _theme,
    "validation": _validation,
}


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Upstream]:
    server = Upstream()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
