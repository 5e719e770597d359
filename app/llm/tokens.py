"""Tokens of an answer: as the provider says, or counted where it does not; and their price."""

from __future__ import annotations

import string
from typing import Any

from app.llm.base import Usage

MOST = 2**53  # tokens; what every JSON reader behind us holds exactly
A_MILLION = 1_000_000  # prices are for as many tokens
ASCII = bytes(range(128))


def _marking(members: str) -> bytes:
    """A table for `bytes.translate`: these characters become x, all others a space."""
    return bytes(ord("x") if chr(b) in members and b < 128 else ord(" ") for b in range(256))


# Each run of these is a token, and so is every further piece of that length in it.
RUNS = tuple(
    (_marking(members), b"x" * longest)
    for members, longest in ((string.ascii_letters, 7), (string.digits, 4), (string.punctuation, 3))
)


def count(text: str) -> int:
    """About how many tokens a text has; 0 only for no text.

    A real vocabulary is exact for one model, and a download for each. This finds about 1.3 tokens
    a word in English prose, in 0.2 ms for 20,000 characters: it stays on the event loop.
    """
    if not text:
        return 0
    data = b" " + text.encode(errors="replace")
    found = data.count(b"\n") - data.count(b"\n\n")
    found += len(data.translate(None, ASCII)) // 3  # a Chinese character: three bytes, one token
    for table, further in RUNS:
        marked = data.translate(table)
        found += marked.count(b" x") + marked.count(further)
    return max(1, found)


def said(usage: Any) -> Usage | None:
    """A provider's usage object; None when it says nothing of the prompt nor of the answer.

    A missing part, null, or what is no number counts as 0. `total_tokens` is not read: some
    providers add to it what is in neither part. `cached` and `reasoning` never exceed the parts
    that they belong to.
    """
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not _is_number(prompt) and not _is_number(completion):
        return None
    asked, written = _number(prompt), _number(completion)
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
    reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    return Usage(asked, written, min(cached, asked), min(reasoning, written))


def _detail(usage: dict[str, Any], part: str, name: str) -> int:
    details = usage.get(part)
    return _number(details.get(name)) if isinstance(details, dict) else 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> int:
    # The comparison also refuses the infinity that 1e999 is read as.
    return int(value) if _is_number(value) and 0 <= value <= MOST else 0


def cost(
    usage: Usage,
    input_price: float | None,
    output_price: float | None,
    cached_price: float | None = None,
) -> float | None:
    """US dollars, from prices per million tokens; None when a price of input or output is unknown.

    Cached tokens cost `cached_price`, or as much as others where it is None. Reasoning tokens are
    among the completion's, and are paid for there.
    """
    if input_price is None or output_price is None:
        return None
    if cached_price is None:
        cached_price = input_price
    fresh = usage.prompt_tokens - usage.cached
    paid = fresh * input_price + usage.cached * cached_price
    return (paid + usage.completion_tokens * output_price) / A_MILLION
