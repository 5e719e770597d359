"""Spans of attempts on models, by OpenTelemetry's conventions for GenAI as of November 2026.

https://github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/client-inference.md. There
a span covers a call with its retries; here each attempt has its own, as each is another call, on
perhaps another model, and costs by itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import orjson

from app import spans
from app.llm.completion import Completion, CompletionRequest, Usage
from app.llm.failure import NOT_CALLED, AttemptFailed
from app.llm.model import STORYTELLER, Model
from app.operations.metadata import AttemptOutcome
from app.spans import Facts, Kind, Span

CHAT = "chat"
MAX_TEXT = 8_192  # characters of a message that are told, where texts are
# The conventions' names for providers, where ours are others.
PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "xai": "x_ai",
    "embedded": "loregate",
}
# What is nobody's fault: the request's own end, or our own decision not to call.
NO_FAULT = NOT_CALLED | {AttemptOutcome.CANCELLED}


def provider(name: str) -> str:
    """A provider's name in the conventions."""
    return PROVIDERS.get(name, name)


def attempt(model: Model, work: CompletionRequest) -> AbstractContextManager[Span]:
    """A span around one attempt; none for a model that is not configured here."""
    if model.writer is None or spans.installed() is None:
        return spans.NOTHING
    name, kind = model.upstream or model.name, Kind.CLIENT
    if model.name == STORYTELLER:  # in this process
        kind = Kind.INTERNAL
    facts: Facts = {
        "gen_ai.operation.name": CHAT,
        "gen_ai.provider.name": provider(model.provider),
        "gen_ai.request.model": name,
        "gen_ai.request.max_tokens": work.prompt.choice.max_tokens,
        "gen_ai.request.stream": True,
        "gen_ai.output.type": "text" if work.prompt.schema is None else "json",
        "gen_ai.prompt.name": work.operation.name,
        "gen_ai.prompt.version": str(work.prompt.version),
        "loregate.model": model.name,
    }
    return spans.span(f"{CHAT} {name}", kind, facts)


def tell(
    span: Span,
    work: CompletionRequest,
    failure: AttemptFailed | None,
    completion: Completion | None,
    usage: Usage | None,
) -> None:
    """What became of it. `usage`: what it took, as far as that is known."""
    if not span.recording:
        return
    if completion is not None:
        reasons = [completion.finish.value]
        model = completion.upstream_model
        span.tell({"gen_ai.response.model": model, "gen_ai.response.finish_reasons": reasons})
    if usage is not None:
        span.tell(_usage(usage))
    answer = work.progress.answer
    if answer is not None and answer.first_text_at is not None:
        span.event("first_chunk", ago=time.perf_counter() - answer.first_text_at)
    if completion is not None:
        span.tell({"gen_ai.response.time_to_first_chunk": completion.first_token})
    if failure is not None:
        _fail(span, failure, partial=completion is None and answer is not None)
    if span.texts:
        span.tell(_texts(work, completion))


def _usage(usage: Usage) -> Facts:
    """The totals contain the parts."""
    return {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached or None,
        "gen_ai.usage.cache_write.input_tokens": usage.cache_write or None,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning or None,
        "loregate.usage.estimated": usage.counted or None,
    }


def _fail(span: Span, failure: AttemptFailed, *, partial: bool) -> None:
    span.failed(failure.outcome.value, fault=failure.outcome not in NO_FAULT)
    span.tell({"http.response.status_code": failure.status})
    if partial:
        span.tell({"gen_ai.response.finish_reasons": ["error"]})


def _texts(work: CompletionRequest, completion: Completion | None) -> Facts:
    asked = [_message(m["role"], m["content"]) for m in work.prompt.messages]
    found = {"gen_ai.input.messages": orjson.dumps(asked).decode()}
    if completion is not None:
        written = _message("assistant", completion.text) | {
            "finish_reason": completion.finish.value
        }
        found["gen_ai.output.messages"] = orjson.dumps([written]).decode()
    return found


def _message(role: str, text: str) -> dict[str, str | Sequence[Mapping[str, str]]]:
    return {"role": role, "parts": [{"type": "text", "content": text[:MAX_TEXT]}]}
