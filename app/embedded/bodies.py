"""Bodies: the bytes of the fake provider's answers, as server-sent events or as whole JSON.

A body is steps: bytes to send, and seconds to wait. An infinite wait lasts until the client goes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from app.embedded.answers import words, written
from app.embedded.faults import ERROR, Behaviour

JSON, EVENTS = "application/json", "text/event-stream; charset=utf-8"
DONE, MALFORMED, COMMENT = b"data: [DONE]\n\n", b'data: {"choices": [{"de\n\n', b": keep-alive\n\n"
CREATED = 1_760_000_000

Step = bytes | float


class Cut(Exception):
    """The connection ends here, in the midst of an answer."""


class Ended(Exception):
    """The body ends here, in good order."""


@dataclass(frozen=True, slots=True)
class Body:
    """`length` is in bytes; None where it is not known before, and comes in chunks."""

    type: str
    length: int | None
    steps: Iterator[Step]


def body(asked: dict[str, Any], behaviour: Behaviour) -> Body:
    """The answer in the form that was asked for. Its steps may raise `Cut` and `Ended`."""
    told = behaviour.raw is None and behaviour.body is None and behaviour.status == 200
    if told and asked.get("stream") and not behaviour.whole:
        return Body(EVENTS, None, _streamed(asked, behaviour))
    if told and behaviour.endless:
        return Body(JSON, None, _endless(asked, behaviour))
    content = _content(asked, behaviour)
    return Body(JSON, len(content), _whole(content, len(tokens(asked, behaviour)), behaviour))


def tokens(asked: dict[str, Any], behaviour: Behaviour) -> list[str]:
    """The text's tokens; one round of them where it is endless."""
    if behaviour.tokens is not None:
        return list(behaviour.tokens)
    if behaviour.body is not None or behaviour.raw is not None:
        return []
    return words(behaviour.text if behaviour.text is not None else written(asked))


def answer(asked: dict[str, Any], behaviour: Behaviour) -> Any:
    """The whole body: as ordered, else a chat completion that fits what was asked."""
    if behaviour.body is not None:
        return behaviour.body
    text = "".join(tokens(asked, behaviour))
    message = {"role": "assistant", "content": text, "refusal": behaviour.refusal}
    choice = {"index": 0, "message": message, "finish_reason": behaviour.finish_reason}
    found = {**_frame(asked, "chat.completion"), "choices": [choice]}
    return found if behaviour.usage is None else {**found, "usage": behaviour.usage}


def _frame(asked: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-fake",
        "object": kind,
        "created": CREATED,
        "model": asked.get("model"),
    }


# -- whole
def _content(asked: dict[str, Any], behaviour: Behaviour) -> bytes:
    if behaviour.raw is not None:
        return behaviour.raw
    failed = behaviour.error_after is not None
    content = orjson.dumps(ERROR if failed else answer(asked, behaviour))
    if behaviour.malformed_after is not None:
        content = content[: len(content) // 2]
    # White space before the value is JSON's form of a keep-alive line.
    return b" \n \n" + content if behaviour.comments else content


def _whole(content: bytes, count: int, behaviour: Behaviour) -> Iterator[Step]:
    yield behaviour.first + behaviour.pace * count
    half = len(content) // 2
    if behaviour.stall_after is not None:
        yield content[:half]
        yield math.inf
    if behaviour.cut_after is not None:
        yield content[:half]
        raise Cut
    yield content


def _endless(asked: dict[str, Any], behaviour: Behaviour) -> Iterator[Step]:
    opened, mark, _ = orjson.dumps(answer(asked, behaviour)).partition(b'"content":"')
    yield opened + mark
    for token in itertools.cycle(tokens(asked, behaviour)):
        yield orjson.dumps(token)[1:-1]
        yield behaviour.pace


# -- streamed
def _streamed(asked: dict[str, Any], behaviour: Behaviour) -> Iterator[Step]:
    yield _chunk(asked, {"role": "assistant", "content": ""})
    yield behaviour.first
    pieces = tokens(asked, behaviour)
    if behaviour.refusal is not None:
        yield _chunk(asked, {"refusal": behaviour.refusal})
    # Without an end it comes by the round: what reads it is bounded by size, not by events.
    told = itertools.cycle(["".join(pieces)]) if behaviour.endless else pieces
    yield from _told(asked, told, behaviour)
    yield from _midway(behaviour, len(pieces), last=True)
    yield _chunk(asked, {}, behaviour.finish_reason)
    if _counts(asked) and behaviour.usage is not None:
        yield _event({**_frame_of_chunk(asked), "choices": [], "usage": behaviour.usage})
    if behaviour.end == "silent":
        yield math.inf
    if behaviour.end == "done":
        yield DONE


def _told(asked: dict[str, Any], pieces: Iterable[str], behaviour: Behaviour) -> Iterator[Step]:
    for number, token in enumerate(pieces):
        if number:
            yield behaviour.pace
        yield from _midway(behaviour, number)
        if behaviour.comments:
            yield COMMENT
        yield _chunk(asked, {"content": token})


def _midway(behaviour: Behaviour, number: int, *, last: bool = False) -> Iterator[Step]:
    """What goes wrong after so many tokens; after the last, also what wanted more of them."""

    def here(after: int | None) -> bool:
        return after is not None and (after >= number if last else after == number)

    if here(behaviour.malformed_after):
        yield MALFORMED
    if here(behaviour.stall_after):
        yield math.inf
    if here(behaviour.cut_after):
        raise Cut
    if here(behaviour.error_after):
        yield _event(ERROR)
        raise Ended


def _chunk(asked: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _event({**_frame_of_chunk(asked), "choices": [choice]})


def _frame_of_chunk(asked: dict[str, Any]) -> dict[str, Any]:
    """With `include_usage`, every chunk but the last has a usage of null."""
    frame = _frame(asked, "chat.completion.chunk")
    return {**frame, "usage": None} if _counts(asked) else frame


def _counts(asked: dict[str, Any]) -> bool:
    return bool((asked.get("stream_options") or {}).get("include_usage"))


def _event(value: Any) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
