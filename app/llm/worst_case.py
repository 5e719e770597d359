"""The worst case of a call: the most tokens that it can take, and what they cost.

No tokenizer has more tokens than its text has bytes in UTF-8: vocabularies of bytes begin with
single bytes and join them. What is sent beside the texts is a schema, which is counted like them,
and a few tokens that frame each message. An answer has no more than the cap that is sent.
"""

from __future__ import annotations

import math

import orjson

from app.llm.completion import CompletionRequest
from app.llm.model import Model
from app.llm.prices import Prices
from app.llm.spending import NANO
from app.operations import Prompt

FRAME = 16  # tokens around a message: its role, its marks
ENVELOPE = 128  # tokens around all: a provider's own words for a schema, and the answer's beginning
SCHEMA = 2  # times its bytes: bounds that a provider does not take are told in words instead
A_MILLION = 1_000_000


def worst_case(model: Model, work: CompletionRequest) -> tuple[int, int]:
    """Tokens, and billionths of a US dollar, rounded up; unknown prices count as nothing."""
    asked = _prompt_tokens(work.prompt)
    answered = min(work.prompt.choice.max_tokens, model.max_tokens) + model.headroom
    return asked + answered, _nano_usd(model.prices, asked, answered)


def _prompt_tokens(prompt: Prompt) -> int:
    texts = sum(len(m["content"].encode(errors="replace")) + FRAME for m in prompt.messages)
    schema = 0 if prompt.schema is None else SCHEMA * len(orjson.dumps(prompt.schema))
    return texts + schema + ENVELOPE


def _nano_usd(prices: Prices, asked: int, answered: int) -> int:
    """No prompt token costs more than the dearest of its kinds."""
    dearest = max(prices.input or 0.0, prices.cached or 0.0, prices.cache_write or 0.0)
    paid = asked * dearest + answered * (prices.output or 0.0)
    return math.ceil(paid * NANO / A_MILLION)
