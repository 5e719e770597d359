"""Model: a model that can be asked for, and what guards it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from app.llm.base import Usage, Writer
from app.llm.breaker import Breaker, BreakerState
from app.llm.bulkhead import Bulkhead
from app.llm.refusals import Refusals
from app.llm.tokens import cost

STORYTELLER = "storyteller"
CONCURRENCY, QUEUE = 200, 400  # calls at once, and waiting, on one model from one process

STATES = {
    BreakerState.CLOSED: "healthy",
    BreakerState.HALF_OPEN: "unhealthy",  # nobody but its prober is let in
    BreakerState.OPEN: "unhealthy",
}


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens; None: unknown."""

    input: float | None = None
    cached: float | None = None
    cache_write: float | None = None
    output: float | None = None

    def cost(self, usage: Usage) -> float | None:
        """US dollars for an answer's own tokens; None when a price is not known."""
        return cost(usage, self.input, self.output, self.cached, self.cache_write)


@dataclass(slots=True)
class Model:
    """A name of ours, and the model that writes for it.

    Without a writer it is known but not reachable from here: no key was configured for it.
    Without a breaker it is always tried: the storyteller cannot be away. timeout: seconds for a
    whole call. refusals: what the upstream was found not to take. retires_at: when its provider
    shuts it down. gone: whether it did, or no longer has it.
    """

    name: str
    writer: Writer | None
    provider: str = "openai"
    upstream: str | None = None
    prices: Prices = Prices()
    context_size: int | None = None
    max_tokens: int = 4096
    timeout: float = 60.0
    breaker: Breaker | None = None
    bulkhead: Bulkhead = field(default_factory=lambda: Bulkhead(CONCURRENCY, QUEUE))
    refusals: Refusals | None = None
    retires_at: date | None = None
    gone: bool = False

    @property
    def breaker_state(self) -> BreakerState:
        return self.breaker.state if self.breaker else BreakerState.CLOSED

    @property
    def state(self) -> str:
        """healthy, degraded or unhealthy, by its circuit breaker; unhealthy once it is gone."""
        return "unhealthy" if self.gone else STATES[self.breaker_state]
