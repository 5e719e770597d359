"""Word lists: which categories the words of a theme ask for, and how near these are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from app.storyteller.inflection import bases

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
MAX_THEME = 400  # characters of one of a theme's values that are read
MAX_SHOWN = 60  # characters of a value that is named as unknown

Profile = dict[str, float]


class WordLists:
    """The categories of themes.toml, by the words that ask for them."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self.tables = tables
        self.categories = tuple(tables["category"])
        self._asked: dict[str, list[str]] = {}
        for category in self.categories:
            for word in (category, *tables["category"][category]["says"]):
                kept = self._asked.setdefault(word, [])
                if category not in kept:
                    kept.append(category)

    def wanted(self, texts: Iterable[str]) -> Profile:
        """Which categories the words of a theme ask for; the earlier texts weigh more."""
        profile = dict.fromkeys(self.categories, 0.0)
        for place, text in enumerate(texts):
            for categories in {w: self._categories(w) for w in theme_words(text)}.values():
                for category in categories:
                    profile[category] += 1 / (1 + place)
        return profile

    def unknown(self, texts: Iterable[str]) -> list[str]:
        """Those of a theme's values in which no word asks for a category that is known here."""
        given = [text.strip()[:MAX_SHOWN] for text in texts]
        return [t for t in given if t and not any(map(self._categories, theme_words(t)))]

    def _categories(self, word: str) -> list[str]:
        return next((self._asked[b] for b in _forms(word) if b in self._asked), [])

    def affinity(self, one: str, other: str) -> float:
        if one == other:
            return 1.0
        table: Mapping[str, float] = self.tables["affinity"]
        return table.get(f"{one}_{other}", table.get(f"{other}_{one}", 0.5))

    def likeness(self, one: Profile, other: Profile) -> float:
        """How near two profiles are, 0..1; their leading categories decide."""
        mine, theirs = sharpened(one), sharpened(other)
        return sum(m * t * self.affinity(a, b) for a, m in mine.items() for b, t in theirs.items())


def theme_words(text: str) -> list[str]:
    """The words of a theme's value; one with hyphens counts as a whole and in its parts."""
    found = WORD.findall(text[:MAX_THEME].lower().replace("’", "'"))
    return [part for word in found for part in dict.fromkeys([word, *word.split("-")])]


def _forms(word: str) -> Iterable[str]:
    """A word, what it is an inflection of, and what an adverb of it comes from."""
    yield from bases(word)
    if word.endswith("ly") and len(word) > 4:
        yield word[:-2]
    if word.endswith("ish") and len(word) > 5:
        yield word[:-3]


def sharpened(profile: Profile) -> Profile:
    """The profile as shares of one, the strong ones stronger; empty when nothing was found."""
    total = sum(v**2 for v in profile.values())
    return {k: v**2 / total for k, v in profile.items() if v} if total else {}


def theme_texts(theme: Any) -> list[str]:
    """A theme's words, tone first, since it says the most about how a text should feel."""
    given = theme.given() if theme is not None else {}
    known = [str(given.pop(key)) for key in ("tone", "genre", "style") if key in given]
    return known + [str(value) for value in list(given.values())[:16]]


def felt_texts(theme: Any) -> list[str]:
    """Only what a theme says of how the text should feel: words that ought to be known here."""
    given = theme.given() if theme is not None else {}
    return [str(given[key]) for key in ("tone", "genre", "style") if key in given]
