"""What every writer is asked and answers, whether it is a provider's model or the storyteller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from app.operations import Operation, Prompt
from app.operations.fields import Request

CONFIGURATION = 60.0  # s until another try makes sense where a person must mend something first
CHARACTERS_A_TOKEN = 3  # English has about 4; reserving too much is given back, too little is not


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def as_dict(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total,
        }


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of writing: the operation, its checked request, and the prompt made from them."""

    operation: Operation[Any, Any]
    request: Request
    prompt: Prompt

    @property
    def tokens(self) -> int:
        """How many tokens one call may take: the prompt's, estimated, and all it may answer."""
        asked = sum(len(m["content"]) for m in self.prompt.messages)
        return asked // CHARACTERS_A_TOKEN + self.prompt.choice.max_tokens


@dataclass(frozen=True, slots=True)
class Completion:
    """A writer's whole answer. `finish_reason` is the provider's word: stop, length, …"""

    text: str
    usage: Usage
    finish_reason: str = "stop"


class Writer(Protocol):
    """Writes text for a prompt, whole, or raises a `GatewayError` that says why not."""

    async def write(self, work: Work) -> Completion: ...

    async def close(self) -> None: ...
