"""What every writer is asked and answers, whether it is a provider's model or the storyteller."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from app.operations import Operation, Prompt
from app.operations.fields import Request

CHARACTERS_A_TOKEN = 3  # English has about 4; reserving too much is given back, too little is not


class Outcome(StrEnum):
    """How one attempt on a model ended."""

    OK = "ok"
    # The model was not called.
    LIMITED = "limited"  # its rate limit was full
    OPEN = "open"  # its circuit breaker was open
    BUSY = "busy"  # as many calls as may be were running, and as many as may be were waiting
    UNCONFIGURED = "unconfigured"  # it has no key here
    # The model was called, and did not answer.
    UNREACHABLE = "unreachable"  # the connection was refused, or reset before any answer
    OVERLOADED = "overloaded"  # 429
    FAILED = "failed"  # 408, 409, 5xx, or an error in place of the next piece
    FORBIDDEN = "forbidden"  # 401, 403, 404: this gateway may not use it
    REFUSED = "refused"  # any other 4xx
    TOO_LONG = "too_long"  # the prompt does not fit the model's context
    REJECTED = "rejected"  # the provider's safety system
    SILENT = "silent"  # no first token in time
    STALLED = "stalled"  # no next token in time
    TIMEOUT = "timeout"  # not whole in time
    # The model answered, and the answer is of no use.
    CUT = "cut"  # it ended without a finish reason
    MALFORMED = "malformed"  # it was no chat completion
    EMPTY = "empty"
    EXHAUSTED = "exhausted"  # thinking used its tokens up before the first word
    TRUNCATED = "truncated"  # max_tokens ended an answer that is of no use in part
    INVALID = "invalid"  # it does not fit the operation, also when asked again
    CANCELLED = "cancelled"  # the client's own wish


# What may go better when the same model is asked again: nothing of an answer had come.
RETRIED = frozenset({Outcome.UNREACHABLE, Outcome.OVERLOADED, Outcome.FAILED})
# What speaks against the model; anything else was the request's own, or the caller's.
BROKEN = frozenset(
    {
        Outcome.UNREACHABLE,
        Outcome.OVERLOADED,
        Outcome.FAILED,
        Outcome.FORBIDDEN,
        Outcome.SILENT,
        Outcome.STALLED,
        Outcome.TIMEOUT,
        Outcome.CUT,
        Outcome.MALFORMED,
        Outcome.EMPTY,
    }
)
UNCALLED = frozenset({Outcome.LIMITED, Outcome.OPEN, Outcome.BUSY, Outcome.UNCONFIGURED})


class Failed(Exception):
    """One attempt that gave no answer.

    said: what a caller may be told, without the model's name. retry_after: seconds until another
    try makes sense, where somebody said so. reason: the provider's word for a rejection. partial:
    whether text had come before it. again: whether the same model may be asked again, where the
    outcome alone does not say.

    For the log alone, where they are known: the answer's HTTP status, the provider's code, kind as
    the name of the error that a library gave, remedy as what a person must do.
    """

    def __init__(
        self,
        outcome: Outcome,
        said: str,
        *,
        retry_after: float | None = None,
        reason: str = "",
        partial: bool = False,
        again: bool | None = None,
        status: int | None = None,
        code: str | None = None,
        kind: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(said)
        self.outcome, self.said, self.reason, self.partial = outcome, said, reason, partial
        self.retry_after, self._again = retry_after, again
        self.status, self.code, self.kind, self.remedy = status, code, kind, remedy

    @property
    def again(self) -> bool:
        """Whether the same model may be asked again."""
        if self._again is not None:
            return self._again
        return self.outcome in RETRIED and not self.partial

    def as_extra(self) -> dict[str, Any]:
        """What a log line may say of it: nothing of a provider's or a user's text."""
        facts = {"status": self.status, "provider_code": self.code, "kind": self.kind or None}
        return {name: fact for name, fact in facts.items() if fact is not None}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer. `cached` and `cache_write` (kept by the provider from now on) are part
    of the prompt's, `reasoning` of the completion's.

    counted: whether the gateway counted them itself, because the provider did not say.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    counted: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached + other.cached,
            self.cache_write + other.cache_write,
            self.reasoning + other.reasoning,
            self.counted or other.counted,
        )

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def as_dict(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total,
            "cached_tokens": self.cached,
            "cache_write_tokens": self.cache_write,
            "reasoning_tokens": self.reasoning,
            "source": "gateway" if self.counted else "provider",
        }


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of writing: the operation, its checked request, and the prompt made from them.

    user: a pseudonym of who asks, for a provider to know abuse by; empty: nothing is said.
    """

    operation: Operation[Any, Any]
    request: Request
    prompt: Prompt
    user: str = ""

    @property
    def tokens(self) -> int:
        """How many tokens one call may take: the prompt's, estimated, and all it may answer."""
        asked = sum(len(m["content"]) for m in self.prompt.messages)
        return asked // CHARACTERS_A_TOKEN + self.prompt.choice.max_tokens


class Finish(StrEnum):
    """Why a model stopped, where its answer is of use."""

    STOP = "stop"
    LENGTH = "length"  # max_tokens were reached; the text is not whole


@dataclass(frozen=True, slots=True)
class Completion:
    """A writer's answer; whole, unless `finish` says otherwise.

    upstream_model: the model's name in the provider's own words. seed: the one that was used.
    ignored: what the caller set and could not be used, by the names of the request's `model`.
    """

    text: str
    usage: Usage
    finish: Finish = Finish.STOP
    upstream_model: str | None = None
    seed: int | None = None
    ignored: tuple[str, ...] = ()


class Listener(Protocol):
    """Who hears an answer while it is written."""

    def heard(self, text: str) -> None:
        """The next piece of the model's text, not empty. Must not block nor raise."""

    def forget(self, reason: str) -> None:
        """What was heard so far is void: the attempt failed, and another may begin."""


class Writer(Protocol):
    """Writes text for a prompt."""

    async def write(
        self, work: Work, *, until: float, listener: Listener | None = None
    ) -> Completion:
        """A usable answer: not empty, with a finish reason.

        `until` is the event loop's time at which it must be there. A cancelled call leaves no
        connection open.

        Raises:
            Failed: saying how. Nothing else, but for cancellation.
        """

    async def probe(self, *, until: float) -> None:
        """Find out with one tiny request whether the model answers; any end of an answer will do.

        Raises:
            Failed: as `write` does.
        """

    async def close(self) -> None: ...
