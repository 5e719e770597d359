"""What every writer is asked and answers, whether it is a provider's model or the storyteller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from app.operations import Operation, Prompt
from app.operations.fields import Request


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

    def as_dict(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of writing: the operation, its checked request, and the prompt made from them."""

    operation: Operation[Any, Any]
    request: Request
    prompt: Prompt


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
