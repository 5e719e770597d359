"""Models whose writers fail or answer as a test scripted it, without a provider."""

from __future__ import annotations

from typing import Any

from app.llm.breaker import Breakers
from app.llm.completion import Completion, CompletionRequest, Listener, Usage
from app.llm.failure import AttemptFailed
from app.llm.fallback import CheckedCompletion, Model, Models
from app.llm.retry import RetryPolicy
from app.operations import Prompt
from app.operations.metadata import AttemptOutcome
from app.storyteller.storyteller import Storyteller
from tests.support.operations import CHARACTER
from tests.support.rest_bodies import TEXT, changed


class ScriptedWriter:
    """A writer that fails or answers as it is told."""

    def __init__(self, *outcomes: Any) -> None:
        self._outcomes = list(outcomes)
        self.prompts: list[Prompt] = []

    async def write(
        self, work: CompletionRequest, *, deadline: float, listener: Listener | None = None
    ) -> Completion:
        self.prompts.append(work.prompt)
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, AttemptOutcome):
            raise AttemptFailed(outcome, "failed")
        if isinstance(outcome, AttemptFailed):
            raise outcome
        return Completion(outcome, Usage(1, 1))

    async def probe(self, *, deadline: float) -> None:
        """It is always there."""

    async def close(self) -> None:
        """Nothing is held."""


PATIENT = RetryPolicy(backoff=0.001)


def models_of(*writers: Any, chain: Any = ("a", "b", "c", "storyteller"), **sizes: int) -> Models:
    breakers = Breakers(None, "abc")
    named = [
        Model(n, writer, breaker=breakers[n], context_size=sizes.get(n), max_tokens=2000)
        for n, writer in zip("abc", writers, strict=False)
    ]
    return Models([*named, Model("storyteller", Storyteller())], chain, policy=PATIENT)


def work_for(found: Models, **model: Any) -> tuple[Model, CompletionRequest]:
    request = CHARACTER.read(changed(TEXT, model=model))
    chosen, choice = found.choose(CHARACTER, request)
    return chosen, CompletionRequest(CHARACTER, request, CHARACTER.prompt(request, choice))


async def drafted(
    found: Models, charge: Any = None, *, degrade: bool = True, **model: Any
) -> CheckedCompletion:
    asked, wanted = work_for(found, name="a", **model)
    links = found.candidates(asked, wanted.prompt.choice.fallback_model, degrade=degrade)

    async def free(_: Model) -> None:
        """No limit is full."""

    return await found.complete(links, wanted, charge=charge or free, degrade=degrade)


def outcomes(attempts: Any) -> list[tuple[str, str]]:
    return [(a.model, a.outcome.value) for a in attempts]
