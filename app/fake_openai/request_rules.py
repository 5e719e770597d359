"""RequestRules: what the fake provider refuses, as OpenAI does in November 2026 and in its words.

`code` and `param` are what a client may act on; messages change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.fake_openai.catalogue import NONE, OPENAI, Model
from app.fake_openai.strict_schemas import objection

FIELDS = frozenset(
    [
        "messages",
        "model",
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "modalities",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    ]
)
OPTIONS = frozenset({"include_usage", "include_obfuscation"})  # of a stream
# What a model that thinks takes at its default alone, and what it does not know at all.
SAMPLING = {"temperature": 1, "top_p": 1, "logprobs": False}
STEERING = ("presence_penalty", "frequency_penalty", "logit_bias", "stop", "top_logprobs")
VALUES: dict[str, tuple[str, ...]] = {
    "verbosity": ("low", "medium", "high"),
    "service_tier": ("auto", "default", "flex", "scale", "priority", "fast"),
}
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
LENGTHS = {"safety_identifier": 128, "prompt_cache_key": 64}  # characters
MAX_OUTPUT_TOKENS = 128_000  # tokens
RANGES = {"temperature": (0, 2), "top_p": (0, 1), "presence_penalty": (-2, 2)}
INSTEAD = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # of a schema
DEPRECATIONS = "https://platform.openai.com/docs/deprecations"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered. `code` and `param` may be null."""

    message: str
    code: str | None
    param: str | None = None
    status: int = 400
    type: str = "invalid_request_error"

    @property
    def body(self) -> dict[str, Any]:
        told = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": told}


@dataclass(slots=True)
class RequestRules:
    """The models that there are, by name. `others` holds for every other name; None: a 404."""

    models: dict[str, Model] = field(default_factory=lambda: dict(OPENAI))
    others: Model | None = None

    def refusal(self, asked: dict[str, Any]) -> Refusal | None:
        """What would be refused in a request's body; None where it is answered."""
        name = asked.get("model")
        model = self._model(name)
        if model is None:
            return _missing_model(f"`{name}` does not exist or you do not have access to it.")
        if model.retired:
            said = f"`{name}` has been deprecated, learn more here: {DEPRECATIONS}"
            return _missing_model(said)
        checks = LOOSE if model.anything else STRICT
        given = {key: value for key, value in asked.items() if value is not None}
        return next((found for check in checks for found in check(given, model)), None)

    def effort(self, asked: dict[str, Any]) -> str:
        """How much the model thinks about it: none, low, medium, high …"""
        model = self._model(asked.get("model"))
        if model is None or not model.efforts:
            return NONE
        return str(asked.get("reasoning_effort") or model.effort)

    def _model(self, name: Any) -> Model | None:
        return self.models.get(str(name), self.others)


Given = dict[str, Any]
Check = Callable[[Given, Model], Iterator[Refusal]]


def _missing_model(said: str) -> Refusal:
    return Refusal(f"The model {said}", "model_not_found", status=404)


def _unsupported(param: str, instead: str | None = None) -> Refusal:
    said = f"Unsupported parameter: '{param}' is not supported with this model."
    hint = f" Use '{instead}' instead." if instead else ""
    return Refusal(said + hint, "unsupported_parameter", param)


def _unsupported_value(param: str, said: str) -> Refusal:
    return Refusal(f"Unsupported value: '{param}' {said}", "unsupported_value", param)


def _quoted(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{v}'" for v in values)


# -- the checks, each of one thing
def _unknown(given: Given, _: Model) -> Iterator[Refusal]:
    for key in given:
        if key not in FIELDS:
            yield Refusal(f"Unknown parameter: '{key}'.", "unknown_parameter", key)


def _refused(given: Given, model: Model) -> Iterator[Refusal]:
    for key in given:
        if key in model.refuses:
            yield _unsupported(key, INSTEAD.get(key))


def _effort(given: Given, model: Model) -> Iterator[Refusal]:
    said = given.get("reasoning_effort")
    if said is None:
        return
    if not model.efforts:  # older models name neither code nor parameter
        yield Refusal("Unrecognized request argument supplied: reasoning_effort", None)
    elif said not in model.efforts:
        told = f"does not support '{said}' with this model. Supported values are: "
        yield _unsupported_value("reasoning_effort", f"{told}{_quoted(model.efforts)}.")


def _sampling(given: Given, model: Model) -> Iterator[Refusal]:
    """A model that may think samples only where it is told, in so many words, not to."""
    if not model.efforts or given.get("reasoning_effort") == NONE:
        return
    for key, default in SAMPLING.items():
        if given.get(key, default) != default:
            said, only = str(given[key]).lower(), str(default).lower()
            told = f"does not support {said} with this model."
            yield _unsupported_value(key, f"{told} Only the default ({only}) value is supported.")
    yield from (_unsupported(key) for key in STEERING if key in given)


def _values(given: Given, _: Model) -> Iterator[Refusal]:
    for key, values in VALUES.items():
        if key in given and given[key] not in values:
            yield _invalid_value(key, given[key], values)
    for key, most in LENGTHS.items():
        if (length := len(given.get(key, ""))) > most:
            told = f"Invalid '{key}': string too long. Expected a string with maximum length {most}"
            said = f"{told}, but got a string with length {length} instead."
            yield Refusal(said, "string_above_max_length", key)
    for key, (least, highest) in RANGES.items():
        if not least <= given.get(key, least) <= highest:
            said = f"Invalid '{key}': expected a value between {least} and {highest}."
            yield Refusal(said, "invalid_value", key)


def _invalid_value(param: str, value: Any, values: tuple[str, ...]) -> Refusal:
    said = f"Invalid value: '{value}'. Supported values are: {_quoted(values)}."
    return Refusal(said, "invalid_value", param)


def _cap(given: Given, _: Model) -> Iterator[Refusal]:
    for key in INSTEAD:
        cap = given.get(key, 1)
        if type(cap) is not int:
            said = f"Invalid type for '{key}': expected an integer."
            yield Refusal(said, "invalid_type", key)
        elif cap < 1:
            said = f"Invalid '{key}': integer below minimum value. Expected a value >= 1"
            yield Refusal(f"{said}, but got {cap} instead.", "integer_below_min_value", key)
        elif cap > MAX_OUTPUT_TOKENS:
            said = f"{key} is too large: {cap}. This model supports at most {MAX_OUTPUT_TOKENS}"
            yield Refusal(f"{said} completion tokens.", "invalid_value", key)


def _messages(given: Given, _: Model) -> Iterator[Refusal]:
    if not (messages := given.get("messages")):
        said = "Missing required parameter: 'messages'."
        yield Refusal(said, "missing_required_parameter", "messages")
        return
    for number, message in enumerate(messages):
        if message.get("role") not in ROLES:
            yield _invalid_value(f"messages[{number}].role", message.get("role"), ROLES)


def _options(given: Given, _: Model) -> Iterator[Refusal]:
    options = given.get("stream_options")
    if options is None:
        return
    if not given.get("stream"):
        said = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        yield Refusal(said, None, "stream_options")
    for key in options:
        if key not in OPTIONS:
            name = f"stream_options.{key}"
            yield Refusal(f"Unknown parameter: '{name}'.", "unknown_parameter", name)


def _takes_schemas(given: Given, model: Model) -> Iterator[Refusal]:
    if not model.schemas and given.get("response_format", {}).get("type") == "json_schema":
        said = "'response_format' of type 'json_schema' is not supported with this model."
        yield Refusal(f"Invalid parameter: {said}", None, "response_format")


def _format(given: Given, _: Model) -> Iterator[Refusal]:
    wanted = given.get("response_format", {"type": "text"})
    kind = wanted.get("type")
    if kind not in (kinds := ("text", "json_object", "json_schema")):
        yield _invalid_value("response_format.type", kind, kinds)
    elif kind == "json_schema":
        yield from _schema(wanted.get("json_schema") or {})
    elif kind == "json_object" and "json" not in str(given.get("messages")).lower():
        said = "'messages' must contain the word 'json' in some form, to use 'response_format'"
        yield Refusal(f"{said} of type 'json_object'.", None, "messages")


def _schema(described: dict[str, Any]) -> Iterator[Refusal]:
    name, param = described.get("name"), "response_format"
    if not isinstance(name, str) or not NAME.fullmatch(name):
        where = "response_format.json_schema.name"
        said = f"Invalid '{where}': string does not match pattern '^[a-zA-Z0-9_-]+$'."
        yield Refusal(said, "invalid_value", where)
    elif described.get("strict") and (wrong := objection(described.get("schema"))):
        yield Refusal(f"Invalid schema for response_format '{name}': {wrong}", None, param)


LOOSE: tuple[Check, ...] = (_refused, _takes_schemas)
STRICT: tuple[Check, ...] = (
    _unknown,
    _refused,
    _effort,
    _sampling,
    _cap,
    _values,
    _messages,
    _options,
    _takes_schemas,
    _format,
)
