"""Word lists: which words speak for which category of tale, and how much of them a text has."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any

WORD = re.compile(r"[a-z]+(?:['’-][a-z]+)*")
MAX_WORD = 24  # letters; what is longer is no word of the lists
ENDINGS = ("ings", "ing", "edly", "ed", "es", "ly", "s", "e", "y")

Profile = dict[str, float]


@lru_cache(maxsize=16_384)  # of words seen; about 2 MB when full
def stem(word: str) -> str:
    """The word without its ending, so that `screamed` and `screams` count for `scream`."""
    if len(word) > MAX_WORD:
        return word
    word = word.removesuffix("'s").removesuffix("’s")
    if len(word) > 4 and word.endswith(("ied", "ies")):
        word = f"{word[:-3]}y"
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    # `scarred` and `running` lose the letter that their ending had doubled.
    return word[:-1] if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "lsz" else word


class WordCount:
    """How often each stem occurs among counted words, and the words that stood for it."""

    def __init__(self, counted: Counter[str]) -> None:
        self.total = sum(counted.values())
        self.stems: Counter[str] = Counter()
        self.shown: dict[str, str] = {}
        for word, times in counted.items():
            found = stem(word)
            self.stems[found] += times
            self.shown.setdefault(found, word)

    def hits(self, stems: Iterable[str]) -> dict[str, int]:
        """The words of the text that a list names, with their counts, the most frequent first."""
        found = [(self.stems[s], self.shown[s]) for s in stems if s in self.stems]
        return {word: times for times, word in sorted(found, key=lambda f: (-f[0], f[1]))}


class WordLists:
    """The categories' lists from themes.toml, stemmed once."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self.tables = tables
        self.categories = tuple(tables["category"])
        self.weights = {c: self._weights(tables["category"][c]) for c in self.categories}
        self._says = {
            c: {stem(w) for w in tables["category"][c]["says"]} | {stem(c)} for c in self.categories
        }
        self.elements = {
            name: frozenset(map(stem, table["words"])) for name, table in tables["element"].items()
        }

    @staticmethod
    def _weights(table: Mapping[str, list[str]]) -> dict[str, float]:
        weak = dict.fromkeys(map(stem, table["words"]), 1.0)
        return weak | dict.fromkeys(map(stem, table["strong"]), 2.0)

    @cached_property
    def shared(self) -> Counter[str]:
        """How many categories a stem speaks for: what speaks for many says little of each."""
        return Counter(s for weights in self.weights.values() for s in weights)

    def measured(self, count: WordCount) -> Profile:
        """Each category's weight in a text; a word said often counts less each time."""
        return {
            category: sum(
                weight / self.shared[s] ** 0.5 * (1 + math.log(count.stems[s]))
                for s, weight in weights.items()
                if s in count.stems
            )
            for category, weights in self.weights.items()
        }

    def wanted(self, texts: Iterable[str]) -> Profile:
        """Which categories the words of a theme ask for; the earlier texts weigh more."""
        profile = dict.fromkeys(self.categories, 0.0)
        for place, text in enumerate(texts):
            for found in {stem(w) for w in WORD.findall(text[:400].lower())}:
                for category, says in self._says.items():
                    if found in says:
                        profile[category] += 1 / (1 + place)
        return profile

    def affinity(self, one: str, other: str) -> float:
        if one == other:
            return 1.0
        table: Mapping[str, float] = self.tables["affinity"]
        return table.get(f"{one}_{other}", table.get(f"{other}_{one}", 0.5))

    def likeness(self, one: Profile, other: Profile) -> float:
        """How near two profiles are, 0..1; their leading categories decide."""
        mine, theirs = sharpened(one), sharpened(other)
        return sum(m * t * self.affinity(a, b) for a, m in mine.items() for b, t in theirs.items())


def sharpened(profile: Profile) -> Profile:
    """The profile as shares of one, the strong ones stronger; empty when nothing was found."""
    total = sum(v**2 for v in profile.values())
    return {k: v**2 / total for k, v in profile.items() if v} if total else {}


def theme_texts(theme: Any) -> list[str]:
    """A theme's words, tone first, since it says the most about how a text should feel."""
    given = theme.given() if theme is not None else {}
    known = [str(given.pop(key)) for key in ("tone", "genre", "style") if key in given]
    return known + [str(value) for value in list(given.values())[:16]]
