"""Bodies: the bytes of the fake provider's answers, as server-sent events or as whole JSON.

A body is steps: bytes to send, and seconds to wait. An infinite wait lasts until the client goes.
"""

from __future__ import annotations

import itertools
import math
import random
import string
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.fake_openai.behaviour import Behaviour, Sign
from app.fake_openai.completion import FakeCompletion, fake_completion

JSON, EVENTS = "application/json", "text/event-stream; charset=utf-8"
DONE, MALFORMED = b"data: [DONE]\n\n", b'data: {"choices": [{"de\n\n'
COMMENTS = {"comment": b": keep-alive\n\n", "processing": b": OPENROUTER PROCESSING\n\n"}
ERROR = {"error": {"message": "The server had an error", "type": "server_error", "code": None}}
ENDED = {"error": {"message": "Provider disconnected", "code": "server_error"}}
CREATED = 1_760_000_000
ALIVE = 0.05  # s between two signs of a model that thinks aloud
PADDING = 16  # letters at most, that hide how long a chunk's text is
LETTERS = "".join(random.choices(string.ascii_letters, k=4096 + PADDING))
THOUGHT = "Lamps, then tar. "

Step = bytes | float


class Cut(Exception):
    """The connection ends here, in the midst of an answer."""


class Ended(Exception):
    """The body ends here, in good order."""


class Unframed(bytes):
    """Bytes that are sent as they are, in no HTTP chunk."""


@dataclass(frozen=True, slots=True)
class Body:
    """`length` is in bytes; None where it is not known before, and comes in chunks."""

    type: str
    length: int | None
    steps: Iterator[Step]


def body(asked: dict[str, Any], behaviour: Behaviour, effort: str = "none") -> Body:
    """The answer in the form that was asked for. Its steps may raise `Cut` and `Ended`."""
    found = _body(asked, behaviour, fake_completion(asked, behaviour, effort))
    return Body(found.type, None, _packed(found.steps)) if behaviour.gzip else found


def _body(asked: dict[str, Any], behaviour: Behaviour, said: FakeCompletion) -> Body:
    told = behaviour.raw is None and behaviour.body is None and behaviour.status == 200
    if told and asked.get("stream") and not behaviour.whole:
        return Body(EVENTS, None, _Stream(asked, behaviour, said).steps())
    if told and behaviour.endless:
        return Body(JSON, None, _endless(behaviour, said))
    content = _content(behaviour, said)
    framed = behaviour.misframed_after is None
    return Body(JSON, len(content) if framed else None, _whole(content, behaviour, said))


def answer_of(text: str) -> bytes:
    """A whole HTTP answer, head and all: a completion with this text."""
    behaviour = Behaviour(text=text)
    content = _content(behaviour, fake_completion({}, behaviour, "none"))
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {JSON}\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


def _packed(steps: Iterator[Step]) -> Iterator[Step]:
    """Compressed, yet each step is readable when it comes."""
    packer = zlib.compressobj(wbits=31)
    with suppress(Ended):
        for step in steps:
            if isinstance(step, bytes):
                yield packer.compress(step) + packer.flush(zlib.Z_SYNC_FLUSH)
            else:
                yield step
    yield packer.flush()


def _frame(said: FakeCompletion, kind: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-fake",
        "object": kind,
        "created": CREATED,
        "model": said.model,
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _worded(text: str, behaviour: Behaviour) -> Any:
    return [{"type": "text", "text": text}] if behaviour.parts else text


# -- whole
def _content(behaviour: Behaviour, said: FakeCompletion) -> bytes:
    if behaviour.raw is not None:
        return behaviour.raw
    content = orjson.dumps(_answer(behaviour, said))
    if behaviour.malformed_after is not None:
        content = content[: len(content) // 2]
    # White space before the value is JSON's form of a keep-alive line.
    return b" \n \n" + content if behaviour.between in COMMENTS else content


def _answer(behaviour: Behaviour, said: FakeCompletion) -> Any:
    """The whole body: as ordered, else a chat completion."""
    if behaviour.body is not None:
        return behaviour.body
    if behaviour.error_after is not None and not behaviour.error_in_choice:
        return ERROR
    message = {
        "role": "assistant",
        "content": _worded(said.text, behaviour),
        "refusal": behaviour.refusal,
        "annotations": [],
    }
    if behaviour.aloud in ("reasoning", "reasoning_content"):
        message[behaviour.aloud] = THOUGHT
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish}
    found = {**_frame(said, "chat.completion"), "choices": [choice]}
    if behaviour.error_after is not None:
        return {**found, **ENDED, "choices": [{**choice, "finish_reason": "error"}]}
    return found if said.usage is None else {**found, "usage": said.usage}


def _whole(content: bytes, behaviour: Behaviour, said: FakeCompletion) -> Iterator[Step]:
    yield said.thinks + behaviour.first + behaviour.pace * len(said.pieces)
    half = len(content) // 2
    if behaviour.stall_after is not None:
        yield content[:half]
        yield math.inf
    if behaviour.misframed_after is not None:
        yield content[:half]
        yield from _misframed()
    if behaviour.cut_after is not None:
        yield content[:half]
        raise Cut
    yield content


def _endless(behaviour: Behaviour, said: FakeCompletion) -> Iterator[Step]:
    opened, mark, _ = orjson.dumps(_answer(behaviour, said)).partition(b'"content":"')
    yield opened + mark
    for token in itertools.cycle(said.pieces):
        yield orjson.dumps(token)[1:-1]
        yield behaviour.pace


def _misframed() -> Iterator[Step]:
    """A chunk whose size is no number, and then nothing."""
    yield Unframed(b"lamp\r\nout\r\n")
    yield math.inf


# -- streamed
@dataclass(slots=True)
class _Stream:
    asked: dict[str, Any]
    behaviour: Behaviour
    said: FakeCompletion
    frame: dict[str, Any] = field(default_factory=dict)  # what each chunk has; made once

    def steps(self) -> Iterator[Step]:
        if self.behaviour.aloud is None or self.behaviour.aloud in COMMENTS:
            yield from self._thoughts()
            yield self._role()
        else:
            yield self._role()
            yield from self._thoughts()
        yield self.behaviour.first
        if self.behaviour.refusal is not None:
            yield self._chunk({"refusal": self.behaviour.refusal})
        yield from self._tokens()
        yield from self._midway(len(self.said.pieces), last=True)
        yield from self._end()

    def _role(self) -> bytes:
        role = self._chunk({"role": "assistant", "content": "", "refusal": None})
        return self._prompt_filter() + role if self.behaviour.aloud == "choiceless" else role

    def _prompt_filter(self) -> bytes:
        """What Azure says of the prompt, before anything else."""
        fine = {"hate": {"filtered": False, "severity": "safe"}}
        results = [{"prompt_index": 0, "content_filter_results": fine}]
        named = {"choices": [], "created": 0, "id": "", "model": "", "object": ""}
        return _event({**named, "prompt_filter_results": results})

    def _thoughts(self) -> Iterator[Step]:
        """What shows meanwhile that the model lives, if anything does."""
        sign, thinks = self.behaviour.aloud, self.said.thinks
        if sign is None:
            yield thinks
            return
        for _ in range(math.ceil(thinks / ALIVE)):
            yield self._sign(sign)
            yield ALIVE

    def _sign(self, sign: Sign) -> bytes:
        if sign in COMMENTS:
            return COMMENTS[sign]
        if sign == "choiceless":
            return _event({**self._frame(), "choices": []})
        if sign == "empty":
            return self._chunk({"content": ""}) + self._chunk({})
        return self._chunk({"content": None, sign: THOUGHT})

    def _tokens(self) -> Iterator[Step]:
        pieces: Iterable[str] = self.said.pieces
        if self.behaviour.endless:
            # It comes by the round: what reads it is bounded by size, not by events.
            pieces = itertools.cycle([self.said.text])
        for number, token in enumerate(pieces):
            if number:
                yield self.behaviour.pace
            yield from self._midway(number)
            if self.behaviour.between is not None:
                yield self._sign(self.behaviour.between)
            yield self._chunk({"content": _worded(token, self.behaviour)})

    def _midway(self, number: int, *, last: bool = False) -> Iterator[Step]:
        """What goes wrong after so many tokens; after the last, also what wanted more of them."""

        def here(after: int | None) -> bool:
            return after is not None and (after >= number if last else after == number)

        if here(self.behaviour.malformed_after):
            yield MALFORMED
        if here(self.behaviour.stall_after):
            yield math.inf
        if here(self.behaviour.misframed_after):
            yield from _misframed()
        if here(self.behaviour.cut_after):
            raise Cut
        if here(self.behaviour.error_after):
            yield self._error()
            raise Ended

    def _error(self) -> bytes:
        if not self.behaviour.error_in_choice:
            return _event(ERROR)
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        return _event({**self._frame(), **ENDED, "choices": [choice]})

    def _end(self) -> Iterator[Step]:
        yield self._chunk({}, self.said.finish)
        if self._option("include_usage") and self.said.usage is not None:
            yield _event({**self._frame(), "choices": [], "usage": self.said.usage})
        if self.behaviour.end == "silent":
            yield math.inf
        if self.behaviour.end == "done":
            yield DONE

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**self._frame(), "choices": [choice]})

    def _frame(self) -> dict[str, Any]:
        """With `include_usage`, every chunk but the last has a usage of null."""
        if not self.frame:
            self.frame = _frame(self.said, "chat.completion.chunk")
            if self._option("include_usage"):
                self.frame["usage"] = None
        if not self._option("include_obfuscation", default=True):
            return self.frame
        at, length = random.getrandbits(12), 1 + random.getrandbits(4)
        return {**self.frame, "obfuscation": LETTERS[at : at + length]}

    def _option(self, name: str, *, default: bool = False) -> bool:
        return bool((self.asked.get("stream_options") or {}).get(name, default))


def _event(value: Any) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
