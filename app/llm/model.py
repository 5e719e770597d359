"""Model: a model that can be asked for, and what guards it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

from app.llm.breaker import Breaker, BreakerState
from app.llm.bulkhead import Bulkhead
from app.llm.completion import Writer
from app.llm.prices import Prices
from app.llm.unsupported import UnsupportedParameters

STORYTELLER = "storyteller"
CONCURRENCY, QUEUE = 200, 400  # calls at once, and waiting, on one model from one process

STATES = {
    BreakerState.CLOSED: "healthy",
    BreakerState.HALF_OPEN: "unhealthy",  # nobody but its prober is let in
    BreakerState.OPEN: "unhealthy",
}


@dataclass(slots=True)
class Model:
    """A name of ours, and the model that writes for it.

    Without a writer it is known but not reachable from here: no key was configured for it.
    Without a breaker it is always tried: the storyteller cannot be away. headroom: tokens for
    thinking, beside `max_tokens`. timeout: seconds for a whole call. unsupported: what the upstream
    was found not to take. retires_at: when its provider shuts it down. gone: whether it did, or no
    longer has it. stands_for: the model that was asked for, where a canary has this one called in
    its place.
    """

    name: str
    writer: Writer | None
    provider: str = "openai"
    upstream: str | None = None
    prices: Prices = field(default_factory=Prices)
    context_size: int | None = None
    max_tokens: int = 4096
    headroom: int = 0
    timeout: float = 60.0
    breaker: Breaker | None = None
    bulkhead: Bulkhead = field(default_factory=lambda: Bulkhead(CONCURRENCY, QUEUE))
    unsupported: UnsupportedParameters | None = None
    retires_at: date | None = None
    gone: bool = False
    stands_for: str | None = None

    def standing_for(self, name: str) -> Model:
        """This model in another's place: the same breaker, places and prices."""
        return replace(self, stands_for=name)

    @property
    def asked_name(self) -> str:
        """The name that a caller asked for when this model was called for it."""
        return self.stands_for or self.name

    @property
    def target(self) -> str:
        """What limits call it."""
        return f"model:{self.asked_name}"

    @property
    def breaker_state(self) -> BreakerState:
        return self.breaker.state if self.breaker else BreakerState.CLOSED

    @property
    def state(self) -> str:
        """healthy, degraded or unhealthy, by its circuit breaker; unhealthy once it is gone."""
        return "unhealthy" if self.gone else STATES[self.breaker_state]
