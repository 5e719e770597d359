"""Variety: how much of what the storyteller writes it has written before.

`python -m tests.storyteller.variety` asks for 50 varied texts of each type and prints, for each,
how many openings are distinct, how large a share of the sentences has a sibling in another text,
and the name that is met most often. `--count 20 --only story` does less.

A sentence is a sibling of another when, with names and numbers masked, more than half of the two's
runs of three words are the same. An opening is the first eight words, masked likewise.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.support.careful_reader import sentences
from tests.support.storyteller_requests import written
from tests.support.varied_requests import VARIED, Varied

NAME = re.compile(r"(?<![.!?“:] )(?<!^)\b[A-Z][\w’'-]*")
NUMBER = re.compile(r"\b\d[\d,.]*\b|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven)\b")
WORD = re.compile(r"[\w#’']+")
FULL_NAME = re.compile(r"\b[A-Z][a-z]{2,} [A-Z][a-z]{2,}\b")
OPENING = 8  # words
RUN = 3  # words
SHORT = 5  # words; a shorter sentence is everybody's
ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class Variety:
    """Of some texts of one type. alike: the share of sentences that have a sibling elsewhere; met:
    the share of the texts in which the name that is met most often stands.
    """

    texts: int
    openings: int
    alike: float
    name: str
    met: float

    def __str__(self) -> str:
        return (
            f"{self.openings} of {self.texts} openings, {self.alike:.0%} alike, "
            f"{self.name or 'nobody'} in {self.met:.0%}"
        )


def masked(sentence: str) -> str:
    """A sentence with `#` for each name and number."""
    return NUMBER.sub("#", NAME.sub("#", sentence)).lower()


def runs(sentence: str) -> frozenset[tuple[str, ...]]:
    words = WORD.findall(masked(sentence))
    if len(words) < SHORT:
        return frozenset()
    return frozenset(tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1))


def measured(texts: Sequence[str]) -> Variety:
    """What a reader of all these texts meets twice."""
    told = [[r for s in sentences(text) if (r := runs(s))] for text in texts]
    where: dict[tuple[str, ...], set[tuple[int, int]]] = defaultdict(set)
    for at, found in enumerate(told):
        for number, sentence in enumerate(found):
            for run in sentence:
                where[run].add((at, number))
    alike = [
        any(_like(told[a][n], told[other][m]) for other, m in _near(told[a][n], where, a))
        for a, found in enumerate(told)
        for n in range(len(found))
    ]
    names = Counter(name for text in texts for name in set(FULL_NAME.findall(text)))
    name, met = names.most_common(1)[0] if names else ("", 0)
    openings = {tuple(WORD.findall(masked(text))[:OPENING]) for text in texts}
    share = sum(alike) / max(1, len(alike))
    return Variety(len(texts), len(openings), share, name, met / max(1, len(texts)))


def _near(
    sentence: frozenset[tuple[str, ...]],
    where: dict[tuple[str, ...], set[tuple[int, int]]],
    text: int,
) -> set[tuple[int, int]]:
    return {place for run in sentence for place in where[run] if place[0] != text}


def _like(one: frozenset[Any], other: frozenset[Any]) -> bool:
    return len(one & other) > ALIKE * len(one | other)


async def texts_of(varied: Varied, count: int) -> list[str]:
    """So many texts of a type, each for a request that differs from the others."""
    rng, found = Random(f"variety {varied.name}"), []
    for _ in range(count):
        done = await written(varied.operation, varied.request(rng))
        found.append(prose(done.text))
    return found


def prose(text: str) -> str:
    """All that is to be read in an answer, a line for each of its fields and their items."""
    if not text.startswith("{"):
        return text
    lines: list[str] = []
    for name, value in json.loads(text).items():
        if name not in NO_PROSE:
            lines += _lines(value)
    return "\n".join(lines)


NO_PROSE = ("summary", "name", "attunement", "relationships", "kind", "rarity")


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in (
        [said for name, said in value.items() if name not in NO_PROSE]
        if isinstance(value, dict)
        else value
        if isinstance(value, list)
        else ()
    ):
        yield from _lines(item)


async def measure(count: int, only: str, tell: Callable[[str], None]) -> None:
    for varied in VARIED:
        if varied.name.startswith(only):
            tell(f"{varied.name:24} {measured(await texts_of(varied, count))}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=50)
    options.add_argument("--only", default="")
    given = options.parse_args()
    asyncio.run(measure(given.count, given.only, print))
