"""Checks: what must hold of each answer; each returns what does not, in words."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from app.operations import OPERATIONS
from tests.real_model.edges import STREAMED, Told
from tests.real_model.llama import Counts
from tests.real_model.questions import MODEL, Question


def answer(question: Question, edge: str, told: Told, stored: dict[str, Any]) -> list[str]:
    """What is wrong with an answer, and with what was stored of it."""
    wrong = _origin(told) + _shape(question, stored)
    if told.finish != "stop" and not (question.plain and told.finish == "length"):
        wrong.append(f"finish {told.finish}")
    if question.prose and edge in STREAMED:
        wrong += _stream(told, stored)
    elif told.heard:
        wrong.append("it streamed text, and should not have")
    return wrong


def _origin(told: Told) -> list[str]:
    wrong = [] if told.model == MODEL else [f"written by {told.model}"]
    wrong += ["degraded"] if told.degraded else []
    wrong += ["from the cache"] if told.cached else []
    return wrong


def _shape(question: Question, stored: dict[str, Any]) -> list[str]:
    try:
        OPERATIONS[question.operation].answer_type.model_validate(stored)
    except ValidationError as error:
        return [f"not its schema: {error}"]
    return []


def _stream(told: Told, stored: dict[str, Any]) -> list[str]:
    wrong = []
    if len(told.heard) < 2:
        wrong.append(f"{len(told.heard)} pieces of text")
    if "".join(told.heard).strip() != stored["content"]:
        wrong.append("what was streamed is not what was stored")
    return wrong


def usage(told: list[Told], counted: Counts) -> list[str]:
    """Whether the tokens that answers tell are those that the server counted meanwhile.

    Of an answer that took several attempts only the last one's are told: then the server has more.
    """
    wrong = [f"tokens counted by the {t.source}" for t in told if t.source != "provider"]
    said = Counts(sum(t.prompt for t in told), sum(t.completion for t in told))
    if any(len(t.tried) > 1 for t in told):
        alike = said.prompt <= counted.prompt and said.completion <= counted.completion
    else:
        alike = said == counted
    if not alike:
        wrong.append(
            f"usage {said.prompt}+{said.completion} tokens, "
            f"the server counted {counted.prompt}+{counted.completion}"
        )
    return wrong
