"""Spending: what one request spent on each model, however its calls ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from app.llm.completion import Usage
from app.llm.prices import Prices

NANO = 1_000_000_000  # parts of a US dollar: sums of whole numbers are exact, and a token's price
# of $0.01 a million is 10 of them


@dataclass(slots=True)
class Spent:
    """On one model. calls: that were really made. nano_usd: billionths of a US dollar.

    priced: whether everything in `nano_usd` had a known price.
    """

    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    estimated: int = 0  # tokens that the gateway counted itself, of the usage's
    nano_usd: int = 0
    priced: bool = True


class Spending:
    """Of one request, by the model's name, from the first call on."""

    def __init__(self) -> None:
        self._by_model: dict[str, Spent] = {}

    def __contains__(self, model: str) -> bool:
        """Whether the model was called."""
        return model in self._by_model

    def __iter__(self) -> Iterator[tuple[str, Spent]]:
        return iter(self._by_model.items())

    def called(self, model: str) -> None:
        """The model is called now."""
        self._of(model).calls += 1

    def add(self, model: str, usage: Usage, prices: Prices) -> int:
        """A call of the model took so much. Its billionths of a US dollar, where they are known."""
        spent = self._of(model)
        spent.usage += usage
        spent.estimated += usage.total if usage.counted else 0
        cost = prices.cost(usage)
        nano_usd = round((cost or 0.0) * NANO)
        spent.nano_usd += nano_usd
        spent.priced = spent.priced and cost is not None
        return nano_usd

    def tokens(self, model: str | None = None) -> int:
        """Tokens of the model, or of all."""
        found = self._by_model.items()
        return sum(spent.usage.total for name, spent in found if model in (None, name))

    def _of(self, model: str) -> Spent:
        return self._by_model.setdefault(model, Spent())
