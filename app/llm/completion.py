"""Completion: what every writer is asked and answers, a provider's model or the storyteller."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from app.operations import Operation, Prompt
from app.operations.fields import Request
from app.operations.metadata import FinishReason

MARK_BYTES = 4  # of a mark: of 100 others one is the same by chance in 40 million texts
MAX_MARKS = 12  # of a text; one names some four people
CHARACTERS_PER_TOKEN = 3  # English has about 4; reserving too much is given back, too little is not


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
class CompletionRequest:
    """One piece of writing: the operation, its checked request, and the prompt made from them.

    user: a pseudonym of who asks, for a provider to know abuse by; empty: nothing is said.
    owner: who asks, among whom a model's places are shared; it never leaves the process.
    continues: the text that it goes on from, as it stands in the prompt.
    lately: the marks of each piece that its user got lately, which another one is to do without.
    progress: of the call that is made with it.
    """

    operation: Operation[Any, Any]
    request: Request
    prompt: Prompt
    user: str = ""
    owner: str = ""
    continues: str | None = None
    lately: tuple[tuple[bytes, ...], ...] = ()
    progress: Progress = field(default_factory=lambda: Progress(), compare=False, repr=False)

    @property
    def tokens(self) -> int:
        """How many tokens one call may take: the prompt's, estimated, and all it may answer."""
        asked = sum(len(m["content"]) for m in self.prompt.messages)
        return asked // CHARACTERS_PER_TOKEN + self.prompt.choice.max_tokens


class PartialAnswer(Protocol):
    """What came so far: its text, and the usage where it was told.

    first_text_at: when the text began, as `time.perf_counter` has it.
    """

    first_text_at: float | None

    @property
    def text(self) -> str: ...

    @property
    def usage(self) -> Usage | None: ...


@dataclass(slots=True)
class Progress:
    """Of one call, for who must know what it took however it ends.

    answer: None where a provider was not asked. seconds: that the call took; None: there was none.
    """

    answer: PartialAnswer | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A writer's answer; whole, unless `finish` says otherwise.

    upstream_model: the model's name in the provider's own words. seed: the one that was used.
    ignored: what the caller gave and could not be used: names of the request's `model`, or paths
    such as `parameters.secret`.
    marks: by what its text is known again, for `CompletionRequest.lately` of the user's next ones;
    none where nothing need differ from it.
    first_token: seconds from the call to its first text; None where nobody waits for one.
    """

    text: str
    usage: Usage
    finish: FinishReason = FinishReason.STOP
    upstream_model: str | None = None
    seed: int | None = None
    ignored: tuple[str, ...] = ()
    marks: tuple[bytes, ...] = ()
    first_token: float | None = field(default=None, compare=False)


class Listener(Protocol):
    """Who hears an answer while it is written."""

    def on_text(self, text: str) -> None:
        """The next piece of the model's text, not empty. Must not block nor raise."""

    def on_reset(self, reason: str) -> None:
        """What was heard so far is void: the attempt failed, and another may begin."""


class Writer(Protocol):
    """Writes text for a prompt."""

    async def write(
        self, work: CompletionRequest, *, deadline: float, listener: Listener | None = None
    ) -> Completion:
        """A usable answer: not empty, with a finish reason.

        `deadline` is the event loop's time at which it must be there. A cancelled call leaves no
        connection open.

        Raises:
            AttemptFailed: saying how. Nothing else, but for cancellation.
        """

    async def probe(self, *, deadline: float) -> None:
        """Find out with one tiny request whether the model answers; any end of an answer will do.

        Raises:
            AttemptFailed: as `write` does.
        """

    async def close(self) -> None: ...
