"""Models: which model writes, what follows when it cannot, and one repair of a wrong answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.errors import (
    ContentRejected,
    InvalidRequest,
    ModelError,
    ModelFailure,
    ModelTimeout,
    ModelUnavailable,
)
from app.llm.base import CONFIGURATION, Completion, Usage, Work, Writer
from app.operations import DraftRejected, ModelChoice, Operation
from app.operations.fields import Request

STORYTELLER = "storyteller"
DEFAULT = "gpt-4-turbo"
FAILING = 3  # failures in a row that make a model unhealthy

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Model:
    """A model that can be asked for. Prices are US dollars for a million tokens, None: unknown.

    Without a writer it is known but not reachable from here: no key was configured for it.
    """

    name: str
    writer: Writer | None
    provider: str = "openai"
    input_price: float | None = None
    output_price: float | None = None
    context_size: int | None = None
    max_tokens: int = 4096
    failures: int = field(default=0, init=False)  # in a row, as real calls saw it

    @property
    def state(self) -> str:
        """healthy, degraded or unhealthy, by what real calls saw last."""
        if self.failures == 0:
            return "healthy"
        return "unhealthy" if self.failures >= FAILING else "degraded"


@dataclass(frozen=True, slots=True)
class Drafted:
    """A checked draft, who wrote it, and the tokens that the answer took."""

    draft: Any
    model: Model
    usage: Usage
    degraded: bool


class Models:
    """The configured models and their fallback chain."""

    def __init__(self, models: Sequence[Model], chain: Sequence[str]) -> None:
        self._models: Mapping[str, Model] = {m.name: m for m in models}
        self._chain = tuple(name for name in chain if name in self._models)
        named = (DEFAULT, *(n for n in chain if n != STORYTELLER), models[0].name)
        self._default = next(self._models[n] for n in named if n in self._models)

    def __iter__(self) -> Any:
        return iter(self._models.values())

    @property
    def chain(self) -> tuple[str, ...]:
        return self._chain

    def choose(self, operation: Operation[Any, Any], request: Request) -> tuple[Model, ModelChoice]:
        """The model asked for, and its settings within what that model gives.

        Raises:
            InvalidRequest: an unknown model, or more tokens than the model gives.
        """
        choice = operation.choice(request)
        model = self._known(choice.name, "name") if choice.name else self._default
        if choice.fallback_model:
            self._known(choice.fallback_model, "fallback_model")
        if choice.max_tokens > model.max_tokens:
            if operation.caller_chooses and "max_tokens" in choice.model_fields_set:
                said = f"{model.name} gives at most {model.max_tokens}"
                raise InvalidRequest.at(("model", "max_tokens"), said)
            choice = choice.model_copy(update={"max_tokens": model.max_tokens})
        return model, choice

    def _known(self, name: str, field: str) -> Model:
        if name not in self._models:
            known = ", ".join(self._models)
            raise InvalidRequest.at(("model", field), f"unknown model; configured are: {known}")
        return self._models[name]

    def first(self, asked: Model) -> Model:
        """Who is really called first: the asked one, or the storyteller where that has no key."""
        if asked.writer is None and self._storyteller_follows(asked):
            return self._models[STORYTELLER]
        return asked

    def _storyteller_follows(self, model: Model) -> bool:
        chain = self._chain
        return (
            STORYTELLER in chain
            and model.name in chain
            and chain.index(model.name) < chain.index(STORYTELLER)
        )

    async def draft(self, asked: Model, work: Work) -> Drafted:
        """A checked draft from the asked model, or a simpler one from the storyteller.

        Raises:
            ContentRejected, ModelError, ModelTimeout, ModelUnavailable
        """
        model = self.first(asked)
        try:
            draft, usage = await self._checked(model, work)
        except (ModelUnavailable, ModelTimeout):
            if model.name == STORYTELLER or not self._storyteller_follows(model):
                raise
            model = self._models[STORYTELLER]
            draft, usage = await self._checked(model, work)
        return Drafted(draft, model, usage, degraded=model is not asked)

    async def _checked(self, model: Model, work: Work) -> tuple[Any, Usage]:
        """What the model wrote, checked; asked once more with the errors when it is wrong."""
        completion = await self._write(model, work)
        try:
            return work.operation.check(work.request, completion.text), completion.usage
        except DraftRejected as error:
            log.info("asking again for a right answer", extra={"model": model.name})
            again = replace(work, prompt=work.prompt.repaired(completion.text, error.problems))
        try:
            repaired = await self._write(model, again)
        except ModelFailure as failure:
            failure.details["attempts"] = 2
            raise
        usage = completion.usage + repaired.usage
        try:
            return work.operation.check(work.request, repaired.text), usage
        except DraftRejected:
            raise ModelError(
                f"{model.name} gave no usable answer, also when asked again", model.name, attempts=2
            ) from None

    async def _write(self, model: Model, work: Work) -> Completion:
        if model.writer is None:
            said = f"{model.name} is not configured here"
            raise ModelUnavailable(said, model.name, retry_after=CONFIGURATION)
        try:
            completion = await model.writer.write(work)
        except (ModelError, ModelTimeout, ModelUnavailable):
            model.failures += 1
            raise
        except ContentRejected:
            model.failures = 0  # it answered, if only to refuse
            raise
        model.failures = 0
        return completion

    @property
    def state(self) -> str:
        """The worst that the configured models' real calls saw, unless another still answers."""
        states = [m.state for m in self if m.writer is not None and m.name != STORYTELLER]
        if not states or set(states) == {"healthy"}:
            return "healthy"
        return "unhealthy" if set(states) == {"unhealthy"} else "degraded"

    async def close(self) -> None:
        for model in self:
            if model.writer is not None:
                await model.writer.close()
