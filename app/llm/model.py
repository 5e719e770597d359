"""Model: a model that can be asked for, and what guards it."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.llm.base import Writer
from app.llm.breaker import Breaker, BreakerState
from app.llm.bulkhead import Bulkhead

STORYTELLER = "storyteller"
CONCURRENCY, QUEUE = 200, 400  # calls at once, and waiting, on one model from one process

STATES = {
    BreakerState.CLOSED: "healthy",
    BreakerState.HALF_OPEN: "degraded",
    BreakerState.OPEN: "unhealthy",
}


@dataclass(slots=True)
class Model:
    """A model that can be asked for. Prices are US dollars for a million tokens, None: unknown.

    Without a writer it is known but not reachable from here: no key was configured for it.
    Without a breaker it is always tried: the storyteller cannot be away.
    """

    name: str
    writer: Writer | None
    provider: str = "openai"
    input_price: float | None = None
    output_price: float | None = None
    cached_price: float | None = None
    context_size: int | None = None
    max_tokens: int = 4096
    breaker: Breaker | None = None
    bulkhead: Bulkhead = field(default_factory=lambda: Bulkhead(CONCURRENCY, QUEUE))

    @property
    def breaker_state(self) -> BreakerState:
        return self.breaker.state if self.breaker else BreakerState.CLOSED

    @property
    def state(self) -> str:
        """healthy, degraded or unhealthy, by its circuit breaker."""
        return STATES[self.breaker_state]
