"""Lengths: how long a text was asked to be, and the steps that make it so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

WORDS = re.compile(
    r"(?:(?P<about>about|around|roughly|some|circa|ca\.?|approximately)\s+)?"
    r"(?:(?P<first>\d[\d,.]*)\s*(?:-|–|to|or)\s*)?(?P<number>\d[\d,.]*)[\s-]*words?\b",
    re.I,
)
SPELLED = re.compile(
    r"\b(fifty|hundred|thousand|two hundred|three hundred|five hundred) words\b", re.I
)
NUMBERS = {"fifty": 50, "hundred": 100, "thousand": 1000, "two hundred": 200,
           "three hundred": 300, "five hundred": 500}  # fmt: skip
SHORT = re.compile(r"\b(?:short|brief|briefly|one.?shot|quick|tiny|concise|terse|succinct)\b", re.I)
LONG = re.compile(r"\b(?:long|extended|detailed|full|epic|lengthy|in.?depth|elaborate)\b", re.I)
VERY = re.compile(r"\bvery\b", re.I)
LEAST, MOST = 15, 1_500  # words that can be asked for
SHORTER, LONGER = 0.5, 2.2  # times the usual length, for `short` and `long`
LEAST_STEPS = 2
MARKS = "-:>"  # before a step's name; `Step.mark` says what they mean
MAX_FITS = 7  # tellings until the length is met
MAX_MORE = 16  # further steps that are tried, where it was not met
LEAST_SHARE, MOST_SHARE = 0.75, 1.25  # of the usual words, where no number was asked for
NEAR = 0.94  # of the asked words are enough
PER_STEP = 24  # words that one step takes, before any was told

KEYS = ("length", "duration", "word_count", "words", "word_limit", "max_words", "size_of_text")
LOOKED_AT = 4_000


@dataclass(frozen=True, slots=True)
class Length:
    """`words`: to come near and not to pass; exact: the caller named the number."""

    words: int
    exact: bool = False

    def holds(self, words: int) -> bool:
        """Whether a text of so many words is what was asked for."""
        if self.exact:
            return self.words * NEAR <= words <= self.words
        return self.words * LEAST_SHARE <= words <= self.words * MOST_SHARE


def asked(values: Iterable[tuple[str, Any]], usual: int) -> Length:
    """What the caller's values, by their keys, say of the length; `usual` words otherwise."""
    said = Length(usual)
    for key, value in values:
        if isinstance(value, bool):
            continue
        number = _number(key, value)
        if number:
            return Length(min(MOST, max(LEAST, number)), exact=True)
        if key in KEYS and isinstance(value, str):
            said = _by_word(value[:100], usual, said)
    return said


def _number(key: str, value: Any) -> int:
    if isinstance(value, int | float):
        return int(value) if key in ("word_count", "words", "word_limit", "max_words") else 0
    if not isinstance(value, str):
        return 0
    if found := WORDS.search(value[:LOOKED_AT]):
        return int(float(found["number"].replace(",", "").rstrip(".") or 0))
    if spelled := SPELLED.search(value[:LOOKED_AT]):
        return NUMBERS[spelled[1].lower()]
    if key in ("word_count", "words", "word_limit", "max_words") and value.strip().isdigit():
        return int(value)
    return 0


def _by_word(value: str, usual: int, otherwise: Length) -> Length:
    more = 1.5 if VERY.search(value) else 1.0
    if SHORT.search(value):
        return Length(int(usual * SHORTER / more))
    if LONG.search(value):
        return Length(min(MOST, int(usual * LONGER * more)))
    return otherwise


def words(text: str) -> int:
    return len(text.split())


@dataclass(frozen=True, slots=True)
class Step:
    """A place in a plan. need: 0 for what no text of the kind can be without, 1 for what the usual
    one has, more for what only longer ones have. field: of an answer
    that has several.
    """

    pool: str
    need: int
    # `-` a line of a list, `:` a line of its own, `>` what leads to the rest of its paragraph and
    # is not told without it, `` a sentence of its paragraph
    mark: str
    paragraph: int
    field: str = ""


def steps(plan: Sequence[Sequence[str]], field: str = "") -> list[Step]:
    """A grammar's plan: a paragraph's steps are `name`, behind a mark or not, `@2` for need."""
    found = []
    for number, paragraph in enumerate(plan):
        for said in paragraph:
            name, _, need = said.strip(MARKS).partition("@")
            mark = said[0] if said[0] in MARKS else ""
            found.append(Step(name, int(need or 0), mark, number, field))
    return found


def fitted(plan: Sequence[Step], length: Length, tell: Callable[[Sequence[Step]], Any]) -> Any:
    """What `tell` makes of as many steps as come nearest to the length without passing it.

    `tell` gives something with `words`. Steps come in by their need, then by their order.
    """
    core = [at for at, step in enumerate(plan) if step.need == 0]
    first = {*core[:2], *core[-1:]}  # a beginning and an end, before there is a middle
    order = sorted(range(len(plan)), key=lambda at: (at not in first, plan[at].need, at))
    least = min(LEAST_STEPS, len(plan))
    usual = sum(step.need <= 1 for step in plan)
    count, under = usual if not length.exact else length.words // PER_STEP, least
    best: Any = None
    tried: set[int] = set()
    for _ in range(MAX_FITS):
        count = max(least, min(len(plan), count))
        if count in tried:
            break
        tried.add(count)
        told = tell([plan[at] for at in sorted(order[:count])])
        best = told if best is None else _nearer(best, told, length.words)
        under = max(under, count if told.words <= length.words else 0)
        if length.holds(told.words):
            best = told
            break
        count = _next(count, told.words, length.words)
    if not length.exact or best.words >= length.words * NEAR:
        return best
    for at in order[under : under + MAX_MORE]:  # one step more, if one of them is short enough
        told = tell([plan[each] for each in sorted([*order[:under], at])])
        best = _nearer(best, told, length.words)
        if length.holds(told.words):
            break
    return best


def _next(count: int, had: int, wanted: int) -> int:
    step = round(count * (wanted - had) / max(1, had))
    return count + (step or (1 if had < wanted else -1))


def _nearer(one: Any, other: Any, wanted: int) -> Any:
    """The longer one that does not pass what is wanted, else the shorter."""
    if one.words <= wanted and other.words <= wanted:
        return max(one, other, key=lambda told: told.words)
    return min(one, other, key=lambda told: told.words)
