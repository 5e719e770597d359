"""Dice: expressions such as 2d4 + 2 as a text has them, and what they come to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

EXPRESSION = re.compile(
    r"(?<![\w.])(?P<count>\d{0,3})d(?P<sides>\d{1,4})"
    r"(?:\s*(?P<sign>[+\N{MINUS SIGN}-])\s*(?P<plus>\d{1,3}))?(?!\w)"
)
SIDES = frozenset({2, 3, 4, 6, 8, 10, 12, 20, 100})  # d2 and d3 are rolled on larger ones


@dataclass(frozen=True, slots=True)
class Dice:
    """`count` dice of `sides`, and `plus` on top of their sum."""

    count: int
    sides: int
    plus: int = 0

    @property
    def average(self) -> float:
        return self.count * (self.sides + 1) / 2 + self.plus

    @property
    def most(self) -> int:
        return self.count * self.sides + self.plus

    def __str__(self) -> str:
        plus = f" {'+' if self.plus > 0 else '-'} {abs(self.plus)}" if self.plus else ""
        return f"{self.count}d{self.sides}{plus}"


def dice_in(text: str) -> Iterator[Dice]:
    """Every dice expression of a text, in its order; a d6 without a number is one die."""
    for found in EXPRESSION.finditer(text):
        plus = int(found["plus"] or 0)
        yield Dice(
            count=int(found["count"] or 1),
            sides=int(found["sides"]),
            plus=plus if found["sign"] == "+" else -plus,
        )


def without_dice(text: str) -> str:
    """The text with every dice expression left out, so that a `+` which stays is a bonus."""
    return EXPRESSION.sub(" ", text)
