"""Sides: how much of tone, mood, setting and the like a text has, with quotations to show it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from app.operations.theme import ElementAnalysis, ThemeElement
from app.storyteller.concepts import ELEMENT, Sighting
from app.storyteller.english import listed
from app.storyteller.passage import Passage, quoted

QUOTED = 3  # places that are quoted of one side
ABOUT = 2  # words before and behind a word that are quoted with it
STALE = 5  # times after which a word is worn

Seen = Mapping[str, Sighting]


def analysed(element: ThemeElement, table: Mapping[str, Any], passage: Passage) -> ElementAnalysis:
    """One side of a text by the words of its list."""
    seen: Seen = passage.found.seen.get(f"{ELEMENT}{element.value}", {})
    score = _score(seen, passage.found.total)
    return ElementAnalysis(
        element=element,
        score=score,
        description=_described(table["what"], seen, passage),
        suggestions=_advice(table["more"], seen, score, passage),
    )


def quotations(words: Sequence[str]) -> str:
    return listed([f"“{word}”" for word in words])


def _score(seen: Seen, total: int) -> float:
    """It grows with how many different words there are, and how thickly they stand."""
    if not seen:
        return 0.05
    thick = min(1.0, _places(seen) / max(total, 1) / 0.05)  # one word in twenty is thick
    broad = 1 - math.exp(-len(seen) / 4)
    return round(0.1 + 0.85 * broad * (0.4 + 0.6 * thick), 2)


def _places(seen: Seen) -> int:
    return sum(sighting.times for sighting in seen.values())


def _described(what: str, seen: Seen, passage: Passage) -> str:
    if not seen:
        return f"No word of the text was found that carries its {what}."
    first = sorted(seen.values(), key=lambda s: (-s.times, s.places[0]))
    shown = dict.fromkeys(passage.clause(s.places[0], ABOUT) for s in first[:QUOTED])
    places = _places(seen)
    return (
        f"The {what} is carried by {quotations(list(shown))}: "
        f"{len(seen)} such {'words' if len(seen) > 1 else 'word'} "
        f"in {places} {'places' if places > 1 else 'place'}."
    )


def _advice(more: Sequence[str], seen: Seen, score: float, passage: Passage) -> list[str]:
    place = f"“{_thinnest(seen, passage)}”"
    advice = [sentence.format(place=place) for sentence in more]
    worn = [s for s in seen.values() if s.times > STALE]
    said = [
        f"“{passage.words_at(s.places[0])}” stands {s.times} times; let one stay." for s in worn
    ]
    return (said[:1] + advice)[: 1 if score > 0.7 else 2]


def _thinnest(seen: Seen, passage: Passage) -> str:
    """The opening words of the stretch of text in which a side shows least."""
    starts = [place[0] for sighting in seen.values() for place in sighting.places]

    def share(part: tuple[int, int]) -> float:
        return sum(part[0] <= s < part[1] for s in starts) / max(part[1] - part[0], 1)

    start, end = min(passage.parts, key=share)
    return quoted(" ".join(passage.text[start:end][:400].split()[:8]))
