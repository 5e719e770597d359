"""FakeCompletion: what the fake model says to a request, and what it costs, whatever its form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.fake_openai.answers import USAGE, words, written
from app.fake_openai.behaviour import Behaviour


class Effort(NamedTuple):
    """What thinking takes: tokens, and seconds in which nothing is said."""

    tokens: int
    seconds: float


# Far quicker than a real model, and about as greedy: a cap for prose alone is eaten at medium.
EFFORTS = {
    "none": Effort(0, 0.0),
    "minimal": Effort(32, 0.02),
    "low": Effort(256, 0.05),
    "medium": Effort(1024, 0.1),
    "high": Effort(4096, 0.15),
    "xhigh": Effort(16_384, 0.2),
}


@dataclass(frozen=True, slots=True)
class FakeCompletion:
    """`pieces` are the text's tokens; one round of them where it is endless. thinks: seconds."""

    model: str | None
    pieces: list[str]
    finish: str | None
    usage: Mapping[str, Any] | None
    thinks: float

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def fake_completion(asked: dict[str, Any], behaviour: Behaviour, effort: str) -> FakeCompletion:
    """As ordered, else a text that fits what was asked, within the request's cap of tokens."""
    cost = EFFORTS[effort]
    thinks = cost.seconds if behaviour.thinks is None else behaviour.thinks
    thoughts = cost.tokens if behaviour.reasoning is None else behaviour.reasoning
    model = behaviour.model or asked.get("model")
    pieces, finish = _tokens(asked, behaviour), behaviour.finish_reason
    cap = _cap(asked, behaviour)
    if cap is None:
        return FakeCompletion(model, pieces, finish, _usage(behaviour, thoughts), thinks)
    thoughts = min(thoughts, cap)
    if len(pieces) > cap - thoughts:
        pieces, finish = pieces[: cap - thoughts], "length"
    return FakeCompletion(model, pieces, finish, _usage(behaviour, thoughts, cap), thinks)


def _tokens(asked: dict[str, Any], behaviour: Behaviour) -> list[str]:
    if behaviour.tokens is not None:
        return list(behaviour.tokens)
    if behaviour.body is not None or behaviour.raw is not None:
        return []
    return words(behaviour.text if behaviour.text is not None else written(asked))


def _cap(asked: dict[str, Any], behaviour: Behaviour) -> int | None:
    if behaviour.endless or not behaviour.obeys:
        return None
    return asked.get("max_completion_tokens") or asked.get("max_tokens")


def _usage(behaviour: Behaviour, thoughts: int, cap: int | None = None) -> Mapping[str, Any] | None:
    """The usage with its details, as OpenAI tells it; what was ordered as it was ordered."""
    if behaviour.usage is not USAGE:
        return behaviour.usage
    output = USAGE["completion_tokens"] + thoughts
    return usage(USAGE["prompt_tokens"], output if cap is None else min(cap, output), thoughts)


def usage(prompt: int, completion: int, thoughts: int = 0) -> dict[str, Any]:
    """OpenAI's account of so many tokens; those of the thoughts are among the completion's."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thoughts},
    }
