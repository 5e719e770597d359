"""Catalogue: the models that the fake provider knows, and what each one takes.

OpenAI's, as of November 2026; which effort a model takes is said for Chat Completions alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NONE, LOW, MEDIUM, HIGH, XHIGH = "none", "low", "medium", "high", "xhigh"
CREATED = 1_760_000_000
THINKING = (LOW, MEDIUM, HIGH, XHIGH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What a model takes.

    efforts: values of `reasoning_effort`, none where it does not think. effort: what holds where a
    request says none. refuses: fields that it does not take. schemas: whether it takes a
    `response_format` of type json_schema. anything: no other rule holds, as with the servers that
    only speak OpenAI's language. shutdown: its day, YYYY-MM-DD.
    """

    efforts: tuple[str, ...] = ()
    effort: str = NONE
    refuses: tuple[str, ...] = ()
    schemas: bool = True
    anything: bool = False
    retired: bool = False
    shutdown: str | None = None


ANYTHING = Model(anything=True)  # vLLM, Ollama, llama.cpp and their like
RETIRED = Model(retired=True)


def _thinking(*efforts: str, effort: str = MEDIUM, shutdown: str | None = None) -> Model:
    return Model(efforts=efforts, effort=effort, refuses=("max_tokens",), shutdown=shutdown)


def _classic(shutdown: str) -> Model:
    return Model(shutdown=shutdown)


OPENAI: dict[str, Model] = {
    "gpt-6-luna": _thinking(NONE, *THINKING),
    "gpt-6.1-terra": _thinking(NONE, *THINKING),
    "gpt-6-sol": _thinking(NONE, *THINKING),
    "gpt-6.1-sol": _thinking(*THINKING),
    "gpt-6.2-sol": _thinking(*THINKING),
    "gpt-6-astra": _thinking(*THINKING),
    "gpt-6.2-astra": _thinking(*THINKING),
    "gpt-5.6-luna": _thinking(NONE, *THINKING),
    "gpt-5.6-terra": _thinking(NONE, *THINKING),
    "gpt-5.6-sol": _thinking(NONE, *THINKING),
    "gpt-5.1": _thinking(NONE, LOW, MEDIUM, HIGH, effort=NONE, shutdown="2027-04-01"),
    "gpt-5": _thinking("minimal", LOW, MEDIUM, HIGH, shutdown="2026-12-11"),
    "gpt-5-mini": _thinking("minimal", LOW, MEDIUM, HIGH, shutdown="2026-12-11"),
    "gpt-5-nano": _thinking("minimal", LOW, MEDIUM, HIGH, shutdown="2026-12-11"),
    "o3": _thinking(LOW, MEDIUM, HIGH, shutdown="2026-12-11"),
    "gpt-4o": _classic("2027-01-14"),
    "gpt-4o-mini": _classic("2027-01-14"),
    "gpt-4.1": _classic("2027-01-14"),
    "gpt-4.1-mini": _classic("2027-01-14"),
    "gpt-4-turbo": RETIRED,
    "gpt-4-turbo-preview": RETIRED,
    "gpt-4-turbo-2024-04-09": RETIRED,
    "gpt-3.5-turbo": RETIRED,
    "gpt-3.5-turbo-16k": RETIRED,
    "gpt-3.5-turbo-1106": RETIRED,
    "gpt-3.5-turbo-0125": RETIRED,
}


def living() -> dict[str, str | None]:
    """What OpenAI lists: the day on which each ends, None where none is known."""
    return {name: model.shutdown for name, model in OPENAI.items() if not model.retired}


def listing(shutdowns: Mapping[str, str | None]) -> dict[str, Any]:
    """The body of `/v1/models`."""
    common = {"object": "model", "created": CREATED, "owned_by": "system"}
    listed = [{"id": name, **common, "shutdown_date": day} for name, day in shutdowns.items()]
    return {"object": "list", "data": listed}
