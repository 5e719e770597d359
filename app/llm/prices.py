"""Prices: what a model's tokens cost."""

from __future__ import annotations

from dataclasses import dataclass

from app.llm.completion import Usage

A_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens; None: unknown."""

    input: float | None = None
    cached: float | None = None
    cache_write: float | None = None
    output: float | None = None

    def cost(self, usage: Usage) -> float | None:
        """US dollars for an answer's own tokens; None where input or output has no known price.

        Cached tokens, and those that are kept in the cache, cost as much as others where theirs is
        not known. Reasoning tokens are among the completion's, and are paid for there.
        """
        if self.input is None or self.output is None:
            return None
        cached = self.input if self.cached is None else self.cached
        cache_write = self.input if self.cache_write is None else self.cache_write
        fresh = usage.prompt_tokens - usage.cached - usage.cache_write
        paid = fresh * self.input + usage.cached * cached
        paid += usage.cache_write * cache_write + usage.completion_tokens * self.output
        return paid / A_MILLION
