"""What the GraphQL types of all answers share. Each `of()` reads the REST answer's object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import strawberry

from app.errors import InvalidRequest
from app.operations.fields import ContentType
from app.operations.metadata import AttemptOutcome, FinishReason
from resolvers.complexity import DEFAULT_PAGE, MAX_PAGE
from resolvers.enums import TokenSource
from resolvers.node import Node
from resolvers.selections import asks_for_answers


def described(text: str) -> Any:
    """A plain field with its description."""
    return strawberry.field(description=text)


@strawberry.type(description="The tokens that an answer took, as its model counted them.")
class TokenUsage:
    prompt_tokens: int = described("Tokens of what the model was asked.")
    completion_tokens: int = described("Tokens of what the model wrote.")
    total_tokens: int = described("Both together.")
    cached_tokens: int = described("Prompt tokens that the provider had in its own cache.")
    cache_write_tokens: int = described("Prompt tokens that it keeps there from now on.")
    reasoning_tokens: int = described("Answer tokens that the model spent on thinking.")
    source: TokenSource = described("Who counted them.")

    @classmethod
    def of(cls, usage: dict[str, Any]) -> TokenUsage:
        # Answers that were stored by earlier versions say less.
        return cls(
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
            total_tokens=usage["total_tokens"],
            cached_tokens=usage.get("cached_tokens", 0),
            cache_write_tokens=usage.get("cache_write_tokens", 0),
            reasoning_tokens=usage.get("reasoning_tokens", 0),
            source=TokenSource(usage.get("source", "provider")),
        )


@strawberry.type(description="The tokens that an attempt took that gave no answer.")
class AttemptUsage:
    prompt_tokens: int = described("Tokens of what the model was asked.")
    completion_tokens: int = described("Tokens of what came of its text.")
    total_tokens: int = described("Both together.")
    estimated: bool = described("Whether the gateway counted them, as the provider did not say.")


@strawberry.type(description="What became of one attempt on a model.")
class Attempt:
    model: str = described("The model.")
    outcome: AttemptOutcome = described("How it ended.")
    ms: int = described("How long it took, in milliseconds; 0 when the model was not called.")
    usage: AttemptUsage | None = described(
        "The tokens that it took where it gave no answer; null where nothing is to be paid. An "
        "answer's own are in `tokenUsage`."
    )

    @classmethod
    def of(cls, attempt: dict[str, Any]) -> Attempt:
        return cls(
            model=attempt["model"],
            outcome=AttemptOutcome(attempt["outcome"]),
            ms=attempt["ms"],
            usage=AttemptUsage(**attempt["usage"], estimated=attempt["estimated"])
            if "usage" in attempt
            else None,
        )


@strawberry.type(description="What an answer tells about itself.")
class Metadata:
    content_type: ContentType = described("What kind of content it is.")
    model_used: str = described("The model that wrote it; `storyteller` is the embedded one.")
    token_usage: TokenUsage = described("The tokens that it took.")
    request_id: str = described("The request that made it.")
    created_at: datetime = described("When it was made.")
    cached: bool = described("Whether it was an earlier answer, given again.")
    degraded: bool = described("Whether a simpler model than the one asked for wrote it.")
    finish_reason: FinishReason = described("Whether the text came to its own end.")
    attempts: list[Attempt] = described("What was tried for it, in order.")
    cost: float | None = described("US dollars for its own tokens; null where no price is known.")
    upstream_model: str | None = described(
        "The model's name in its provider's own answer; null without one."
    )
    ignored_parameters: list[str] = described(
        "What of the request could not be used: names of its `model`, or paths in its input."
    )
    seed: int | None = described(
        "The seed that was used; null without one, or where it is no 32-bit number."
    )
    prompt_version: str = described("Which wording of the prompt was used.")
    variant: str | None = described("The canary that made it; null without one.")

    @classmethod
    def of(cls, metadata: dict[str, Any]) -> Metadata:
        found = cls.__new__(cls)
        found.__dict__["_told"] = metadata
        return found

    def __getattr__(self, name: str) -> Any:
        """Reads a field when it is first asked for: most documents want a few."""
        if name not in TOLD:
            raise AttributeError(name)
        found = self.__dict__[name] = TOLD[name](self._told)
        return found


# Answers that were stored by earlier versions say less.
TOLD: dict[str, Callable[[dict[str, Any]], Any]] = {
    "content_type": lambda told: ContentType(told["content_type"]),
    "model_used": lambda told: told["model_used"],
    "token_usage": lambda told: TokenUsage.of(told["token_usage"]),
    "request_id": lambda told: told["request_id"],
    "created_at": lambda told: datetime.fromisoformat(told["created_at"]),
    "cached": lambda told: told["cached"],
    "degraded": lambda told: told["degraded"],
    "finish_reason": lambda told: FinishReason(told.get("finish_reason", "stop")),
    "attempts": lambda told: [Attempt.of(a) for a in told.get("attempts", [])],
    "cost": lambda told: told.get("cost"),
    "upstream_model": lambda told: told.get("upstream_model"),
    "ignored_parameters": lambda told: told.get("ignored_parameters", []),
    "seed": lambda told: _as_int(told.get("seed")),
    "prompt_version": lambda told: told.get("prompt_version", "1"),
    "variant": lambda told: told.get("variant"),
}


def _as_int(value: int | None) -> int | None:
    """What GraphQL's Int holds; REST gives every seed."""
    return value if value is not None and -(2**31) <= value < 2**31 else None


FirstChildren = Annotated[
    int, strawberry.argument(description=f"How many at the most, 1 to {MAX_PAGE}.")
]


@dataclass(frozen=True, slots=True)
class ContentOf:
    """A content that is asked for by its id; `whole`: with its answer, not its columns alone."""

    id: str
    whole: bool = True


@dataclass(frozen=True, slots=True)
class ChildrenOf:
    """What continues a content, up to `first`; `whole` as above."""

    id: str
    first: int
    whole: bool = True


@strawberry.interface(description="Anything that the gateway made and keeps for its owner.")
class Content(Node):
    content_id: strawberry.ID = described("Its UUID, by which REST and events name it.")
    content_type: ContentType = described("What kind of content it is.")
    created_at: datetime = described("When it was made.")
    metadata: Metadata = described("What it tells about itself.")
    continues: strawberry.Private[str | None] = None  # the parent's id

    @strawberry.field(description="The content that this one continues; null when it is gone.")
    async def parent(self, info: strawberry.Info) -> Content | None:
        if self.continues is None:
            return None
        asked = ContentOf(self.continues, whole=asks_for_answers(info))
        found: Content | None = await info.context.contents.load(asked)
        return found

    @strawberry.field(description="The contents that continue this one, the oldest first.")
    async def children(
        self, info: strawberry.Info, first: FirstChildren = DEFAULT_PAGE
    ) -> list[Content] | None:
        info.context.authenticated.caller.require("content:read")
        if not 1 <= first <= MAX_PAGE:
            raise InvalidRequest.at(("first",), f"must be between 1 and {MAX_PAGE}")
        asked = ChildrenOf(str(self.content_id), first=first, whole=asks_for_answers(info))
        found: list[Content] = await info.context.children.load(asked)
        return found


@strawberry.type(description="How a rate limit, or a quota of what is kept, stands for the caller.")
class RateLimit:
    scope: str = described(
        "Which limit it is, such as `operation:text_generation` or `user`; `quota:contents` and "
        "`quota:bytes` are what may be kept."
    )
    limit: int = described("What it admits in its window; at most 2,147,483,647 is told.")
    remaining: int = described("What is left of it.")
    reset_at: datetime = described(
        "When it has room again, or its count next falls; of a quota now, for deleting frees."
    )
    window_seconds: float = described("The length of its sliding window; 0 for a quota.")
