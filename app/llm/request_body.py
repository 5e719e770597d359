"""The body of a chat completion's request, in the form that one model takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import openai
import orjson

from app.llm.profiles import Profile
from app.llm.unsupported import BOUNDS, CAP, SCHEMA, UnsupportedParameters
from app.operations import Prompt
from app.operations.schemas import bounded

CAPS = ("max_tokens", "max_completion_tokens")
OBFUSCATION = "include_obfuscation"
JSON = "json_object"
ANSWER_FORM = re.compile(r"response_format|json_schema")
# What an answer can do without.
OPTIONAL = (
    *("temperature", "seed", "random_seed", "reasoning_effort", "stream_options", OBFUSCATION),
    *("store", "safety_identifier", "prompt_cache_key"),
)
MAX_MESSAGE_READ = (
    200  # characters of a message that are read: further on may stand what a caller wrote
)
UNSUPPORTED = ("unsupported_parameter", "unsupported_value", "unknown_parameter")
# Servers without such codes say it in words.
SAYS_UNSUPPORTED = re.compile(
    r"unsupported|not? support|unrecogni[sz]ed|unknown|unexpected|extra (inputs|fields)"
    r"|not permitted|not allowed|invalid (parameter|argument|field)",
    re.IGNORECASE,
)


def request_body(
    prompt: Prompt,
    upstream: str,
    profile: Profile,
    unsupported: UnsupportedParameters,
    *,
    user: str = "",
) -> dict[str, Any]:
    """What is sent. `user` is a pseudonym; without one nothing is said of who asks."""
    choice = prompt.choice
    cap = CAPS[(profile.cap == CAPS[1]) != (CAP in unsupported)]
    found: dict[str, Any] = {
        "model": upstream,
        "messages": prompt.messages,
        cap: choice.max_tokens + profile.headroom,
        "stream": True,
    }
    if profile.effort:
        found["reasoning_effort"] = profile.effort
    if profile.takes_temperature and "reasoning_effort" not in unsupported:
        found["temperature"] = min(choice.temperature, profile.hottest)
    if profile.seed and choice.seed is not None:
        found[profile.seed] = choice.seed
    if profile.usage:
        found["stream_options"] = _options(profile, unsupported)
    if profile.own_fields:
        found |= _own(prompt, user)
    for name in unsupported.names:
        found.pop(name, None)
    if prompt.schema is not None:
        found |= _answer_form(prompt, profile, unsupported)
    return found


def _options(profile: Profile, unsupported: UnsupportedParameters) -> dict[str, Any]:
    if profile.own_fields and OBFUSCATION not in unsupported:
        return {"include_usage": True, OBFUSCATION: False}
    return {"include_usage": True}


def _own(prompt: Prompt, user: str) -> dict[str, Any]:
    """What OpenAI alone knows: nothing is kept there, and equal beginnings are cached together."""
    found = {"store": False, "prompt_cache_key": prompt.cache_key}
    return {**found, "safety_identifier": user} if user else found


def _answer_form(
    prompt: Prompt, profile: Profile, unsupported: UnsupportedParameters
) -> dict[str, Any]:
    if profile.schemas == "json_schema" and SCHEMA not in unsupported:
        by = "none" if BOUNDS in unsupported else profile.bounds
        described = {
            "name": prompt.schema_name,
            "schema": _sent(prompt.schema or {}, by, profile.longest),
            "strict": True,
        }
        return {"response_format": {"type": "json_schema", "json_schema": described}}
    said = f"Answer with one JSON object that fits this JSON schema:\n{_text(prompt.schema)}"
    found: dict[str, Any] = {"messages": (*prompt.messages, {"role": "system", "content": said})}
    if profile.schemas != "words" and JSON not in unsupported:
        found["response_format"] = {"type": JSON}
    return found


def _sent(schema: dict[str, Any], by: str, longest: int) -> Any:
    """A schema with its bounds, made once: as bytes that are JSON already."""
    key = (id(schema), by, longest)
    if key not in _SENT:
        if len(_SENT) >= MAX_SCHEMAS:
            _SENT.clear()
        # The schema itself is kept with it, so that its id stays its own.
        _SENT[key] = schema, orjson.Fragment(orjson.dumps(bounded(schema, by=by, longest=longest)))
    return _SENT[key][1]


MAX_SCHEMAS = 1024
_SENT: dict[tuple[int, str, int], tuple[dict[str, Any], orjson.Fragment]] = {}


def _text(schema: Any) -> str:
    return orjson.dumps(schema).decode()


def ignored(prompt: Prompt, sent: dict[str, Any]) -> tuple[str, ...]:
    """What the caller set and the model was not told, by the names of the request's fields."""
    choice, found = prompt.choice, []
    if "temperature" in choice.model_fields_set and sent.get("temperature") != choice.temperature:
        found.append("temperature")
    if choice.seed is not None and not sent.keys() & {"seed", "random_seed"}:
        found.append("seed")
    return tuple(found)


def unsupported_parameter(error: openai.APIStatusError, sent: dict[str, Any]) -> str | None:
    """What of a body the model does not take and can do without, as `names` has it."""
    if error.status_code not in (400, 422):
        return None
    code, param, message = (
        str(error.code or ""),
        str(error.param or ""),
        error.message[:MAX_MESSAGE_READ],
    )
    form = sent.get("response_format", {}).get("type")
    if form and (param.startswith("response_format") or ANSWER_FORM.search(message)):
        if form == JSON:
            return JSON
        return BOUNDS if "invalid schema" in message.lower() else SCHEMA
    named = _first(param.split("."), sent)
    if code in UNSUPPORTED or SAYS_UNSUPPORTED.search(message):
        return named or _first(re.findall(r"\w+", message), sent)
    return named if named != CAP else None  # a cap's value may be wrong; the field is not


def _first(names: Sequence[str], sent: dict[str, Any]) -> str | None:
    """The first that was sent; the innermost where one stands in another."""
    known = {*sent, *(sent.get("stream_options") or ())}
    found = [name for name in names if name in known]
    if OBFUSCATION in found:
        return OBFUSCATION
    return next((CAP if n in CAPS else n for n in found if n in CAPS or n in OPTIONAL), None)
