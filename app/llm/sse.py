"""A streamed answer: the data of its server-sent events, and the completion that they make."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import orjson

from app.llm import tokens
from app.llm.chunk_template import ChunkTemplate
from app.llm.completion import Completion, Listener, Usage
from app.llm.failure import AttemptFailed
from app.operations import Prompt
from app.operations.metadata import AttemptOutcome, FinishReason

MAX_EVENT_BYTES = 1_000_000  # bytes; a chunk of a chat completion has about 250
BOM = b"\xef\xbb\xbf"
PLAIN = b"data: "
BETWEEN = b"\n\ndata: "
MAX_TEMPLATE_TRIES = 4  # events of a stream that are looked at for a form that the others share
MAX_MODEL_NAME = 200  # characters of a model's name that are kept
MIN_RUN = 4  # events; fewer are read one by one as quickly
MAX_CHARACTERS_PER_TOKEN = 32  # no tokenizer has longer ones but for runs of spaces
SPARE_CHARACTERS = 4096  # characters

# OpenAI's and Azure's codes
REJECTED = ("content_filter", "content_policy_violation", "invalid_prompt", "cyber_policy")
TOO_LONG = "context_length_exceeded"
CODE = re.compile(r"[\w.-]{1,64}")  # as opposed to a sentence with somebody's words
NO_COMPLETION = "sent no chat completion"
BROKE_OFF = "broke off in its answer"


class EventTooLong(Exception):
    """An event over `MAX_EVENT_BYTES` bytes, whole or not."""


class EventParser:
    """Reads a stream's bytes, cut anywhere, and gives the data of each event that is whole.

    WHATWG HTML, section 9.2: lines end with LF, CR or CRLF; names, ids, retry times and comments
    are left out, and so is an event that no blank line ends.
    """

    __slots__ = ("_begun", "_kept", "_returned", "_size")

    def __init__(self) -> None:
        self._kept: list[bytes] = []  # of the event that is not whole yet
        self._size = 0
        self._returned = False  # whether the last byte was a CR: an LF after it ends no other line
        self._begun = False  # whether a byte order mark can no longer come

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that this chunk ends.

        Raises:
            EventTooLong: one of them, or the one that is not whole yet.
        """
        if self._returned or b"\r" in chunk:
            chunk = self._with_line_feeds(chunk)
        if b"\n" not in chunk and self._begun:
            # No event ends without one: joining each time would copy a long line over and over.
            self._keep(chunk)
            return []
        whole = b"".join((*self._kept, chunk)) if self._kept else chunk
        if not self._begun:
            if len(whole) < len(BOM) and BOM.startswith(whole):
                self._kept = [whole]
                return []
            self._begun = True
            whole = whole.removeprefix(BOM)
        return self._split(whole)

    def _split(self, whole: bytes) -> list[bytes]:
        if (found := self._split_plain(whole)) is not None:
            return found
        events = whole.split(b"\n\n")
        if len(whole) > MAX_EVENT_BYTES and any(len(e) > MAX_EVENT_BYTES for e in events):
            raise EventTooLong
        self._kept, self._size = [], 0
        if rest := events.pop():
            self._keep(rest)
        found = []
        for event in events:
            if event.startswith(PLAIN) and b"\n" not in event:
                found.append(event[6:])
            elif event and (data := _data(event)) is not None:
                found.append(data)
        return found

    def _split_plain(self, whole: bytes) -> list[bytes] | None:
        """The same where each event is one line of data, as of all providers, in a fifth of the
        time; None where one may be another.
        """
        end = whole.rfind(b"\n\n")
        if end < 0 or len(whole) > MAX_EVENT_BYTES or not whole.startswith(PLAIN):
            return None
        found = whole[len(PLAIN) : end].split(BETWEEN)
        # No other line may stand among them, nor a third line feed at the end.
        if whole.count(b"\n", 0, end + 2) != 2 * len(found):
            return None
        self._kept, self._size = [], 0
        if len(whole) > end + 2:
            self._keep(whole[end + 2 :])
        return found

    def _keep(self, rest: bytes) -> None:
        self._kept.append(rest)
        self._size += len(rest)
        if self._size > MAX_EVENT_BYTES:
            raise EventTooLong

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        if self._returned and chunk:
            chunk, self._returned = chunk.removeprefix(b"\n"), False
        if chunk.endswith(b"\r"):
            self._returned = True
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(event: bytes) -> bytes | None:
    """The data lines of an event, joined; None where it has none."""
    lines = [
        value.removeprefix(b" ")
        for name, _, value in (line.partition(b":") for line in event.split(b"\n"))
        if name == b"data"
    ]
    return b"\n".join(lines) if lines else None


class StreamedCompletion:
    """The model's first choice as it comes, chunk by chunk or whole."""

    __slots__ = (
        "_bound",
        "_listener",
        "_pieces",
        "_size",
        "_template",
        "_template_tries",
        "done",
        "finish",
        "first_text_at",
        "upstream_model",
        "usage",
    )

    def __init__(self, max_tokens: int, listener: Listener | None) -> None:
        self._listener = listener
        self._bound = MAX_CHARACTERS_PER_TOKEN * max_tokens + SPARE_CHARACTERS
        self._pieces: list[str] = []
        self._size = 0
        self._template: ChunkTemplate | None = None
        self._template_tries = MAX_TEMPLATE_TRIES
        self.finish: FinishReason | None = None
        self.first_text_at: float | None = None  # as `time.perf_counter` has it
        self.usage: Usage | None = None
        self.upstream_model: str | None = None  # its name in the provider's own words
        self.done = False  # nothing that is of use can follow

    @property
    def heard(self) -> bool:
        """Whether somebody hears it while it comes."""
        return self._listener is not None

    @property
    def begun(self) -> bool:
        return self._size > 0

    @property
    def broken_off(self) -> bool:
        """Whether its stream said that it is over, and the model not that it has finished."""
        return self.done and self.finish is None

    def take(self, events: Sequence[bytes]) -> bool:
        """Whether these events of the stream, or this one body, had text.

        Raises:
            AttemptFailed: they end the answer badly. What was before the fault has been heard.
        """
        before, first = self._size, len(self._pieces)
        try:
            at = 0
            while at < len(events) and not self.done:
                if run := self._run(events, at):
                    at += run
                    continue
                event = events[at]
                at += 1
                if self._template is not None and (text := self._template.text(event)):
                    self._write(text)
                elif event.startswith(b"[DONE]"):
                    self.done = True
                elif event:
                    self._read(event)
        finally:
            if self._size > before:
                self.first_text_at = self.first_text_at or time.perf_counter()
                if self._listener is not None:
                    self._listener.on_text("".join(self._pieces[first:]))
        return self._size > before

    def _run(self, events: Sequence[bytes], at: int) -> int:
        """Take many events at once; how many. 0 where one by one is the way."""
        if self._template is None or len(events) - at < MIN_RUN:
            return 0
        texts = self._template.texts(events[at:])
        size = sum(map(len, texts))
        if self._size + size > self._bound:
            return 0  # one of them is too much
        self._pieces += texts
        self._size += size
        return len(texts)

    def _read(self, event: bytes) -> None:
        try:
            chunk = orjson.loads(event)
        except orjson.JSONDecodeError:
            raise AttemptFailed(AttemptOutcome.MALFORMED, NO_COMPLETION) from None
        if not isinstance(chunk, dict):
            raise AttemptFailed(AttemptOutcome.MALFORMED, NO_COMPLETION)
        if error := chunk.get("error"):
            raise _complaint(error)
        if self.upstream_model is None and isinstance(named := chunk.get("model"), str):
            self.upstream_model = named[:MAX_MODEL_NAME] or None
        usage, choices = chunk.get("usage"), chunk.get("choices")
        if choices:
            if not isinstance(choices, list):
                raise AttemptFailed(AttemptOutcome.MALFORMED, NO_COMPLETION)
            for choice in choices:
                self._read_choice(choice)
        elif usage is None and not _is_chunk(chunk):
            raise AttemptFailed(AttemptOutcome.MALFORMED, NO_COMPLETION)
        if usage is not None:
            self.usage = tokens.reported_usage(usage) or self.usage
            # Some servers tell it with every chunk: the last of them is the whole.
            self.done = self.finish is not None and self.usage is not None
        elif self._template is None and self._template_tries and choices:
            self._learn_template(event, chunk)

    def _learn_template(self, event: bytes, chunk: dict[str, Any]) -> None:
        """Learn the form of an event that was read, and said nothing but a text."""
        choice, *others = chunk["choices"]
        content = (choice.get("delta") or {}).get("content")
        if (
            others
            or not content
            or not isinstance(content, str)
            or choice.get("finish_reason")
            or choice.get("index")
        ):
            return
        self._template_tries -= 1
        self._template = ChunkTemplate.of(event, chunk, content)

    def _read_choice(self, choice: Any) -> None:
        if not isinstance(choice, dict):
            raise AttemptFailed(AttemptOutcome.MALFORMED, NO_COMPLETION)
        if choice.get("index"):
            return  # another answer, which nobody asked for
        delta = choice.get("delta") or choice.get("message") or {}
        if not isinstance(delta, dict):
            raise AttemptFailed(AttemptOutcome.MALFORMED, NO_COMPLETION)
        if delta.get("refusal"):
            raise rejected("refusal")
        if content := delta.get("content"):
            self._write(content if isinstance(content, str) else _joined(content))
        if reason := choice.get("finish_reason"):
            self._end(reason)

    def _write(self, content: str) -> None:
        if not content:
            return
        if self._size + len(content) > self._bound:
            raise AttemptFailed(AttemptOutcome.MALFORMED, "sent far more than was asked for")
        self._pieces.append(content)
        self._size += len(content)

    def _end(self, reason: Any) -> None:
        if reason == "content_filter":
            raise rejected("content_filter")
        if reason == "error":  # OpenRouter's word where its own upstream failed
            raise AttemptFailed(AttemptOutcome.FAILED, "failed in its answer")
        if reason not in ("stop", "length"):
            raise AttemptFailed(AttemptOutcome.MALFORMED, "ended in a way that was not asked for")
        self.finish = FinishReason(reason)

    @property
    def text(self) -> str:
        """What came of it so far."""
        return "".join(self._pieces)

    def completion(self, prompt: Prompt) -> Completion:
        """The answer, with the usage counted where the provider did not say it.

        Raises:
            AttemptFailed: it has no end, or no text.
        """
        if self.finish is None:
            raise AttemptFailed(AttemptOutcome.CUT, BROKE_OFF)
        text = "".join(self._pieces)
        if not text or text.isspace():
            if self.finish is FinishReason.LENGTH:
                raise exhausted()
            raise AttemptFailed(AttemptOutcome.EMPTY, "gave an empty answer")
        usage = self.usage or tokens.counted(prompt, text)
        return Completion(text, usage, self.finish, self.upstream_model)


def _is_chunk(chunk: dict[str, Any]) -> bool:
    """Whether it is one that only says that its sender lives, such as Azure's first."""
    return "choices" in chunk or str(chunk.get("object")).startswith("chat.completion")


def _joined(parts: Any) -> str:
    """A content that is a list of parts, as Mistral's; what it thinks is no text."""
    if not isinstance(parts, list) or not all(isinstance(p, dict) for p in parts):
        raise AttemptFailed(AttemptOutcome.MALFORMED, NO_COMPLETION)
    found = [p.get("text") for p in parts if p.get("type") == "text"]
    if not all(isinstance(text, str) for text in found):
        raise AttemptFailed(AttemptOutcome.MALFORMED, NO_COMPLETION)
    return "".join(map(str, found))


def exhausted() -> AttemptFailed:
    return AttemptFailed(AttemptOutcome.EXHAUSTED, "used up its tokens before the first word")


def rejected(reason: str) -> AttemptFailed:
    return AttemptFailed(AttemptOutcome.REJECTED, "refused this content", reason=reason)


def loggable_code(code: object) -> str | None:
    """A provider's code as the log may have it; None for what may be somebody's words."""
    return str(code) if code is not None and CODE.fullmatch(str(code)) else None


def _complaint(error: Any) -> AttemptFailed:
    """An error in place of the next piece."""
    code = error.get("code") if isinstance(error, dict) else None
    if code in REJECTED:
        found = rejected(code)
    elif code == TOO_LONG:
        found = AttemptFailed(AttemptOutcome.TOO_LONG, "cannot take so long a request")
    else:
        found = AttemptFailed(AttemptOutcome.FAILED, "failed in its answer")
    found.code = loggable_code(code)
    return found
