"""Theme: what kind of tale a text is, by what stands in it, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.operations.fields import Category
from app.operations.theme import ElementAnalysis, ThemeDraft, ThemeElement, ThemeRequest
from app.storyteller.comparison import compatibility
from app.storyteller.packs import Packs
from app.storyteller.passage import Passage
from app.storyteller.reading import Analyst, Reading
from app.storyteller.sides import analysed, quotations

SECONDARY = 0.4  # of the leading category's likelihood: what reaches it is named as well
SURELY, PROBABLY = 0.7, 0.45  # likelihoods from which the summary says so
FOREIGN = 0.1  # the most that is claimed of a text which cannot be told


def compose(packs: Packs, request: ThemeRequest) -> ThemeDraft:
    """The analysis, the same each time."""
    analyst = Analyst(packs.lists)
    reading = analyst.read(Passage(request.content))
    allowed = {c: reading.shares[c] for c in request.categories}
    primary = max(allowed, key=lambda c: allowed[c])
    sides = [_side(packs, e, reading.passage) for e in request.elements]
    confidence = _confidence(reading, allowed[primary])
    return ThemeDraft(
        primary_category=Category.UNDECIDED if reading.obstacle else primary,
        secondary_categories=[] if reading.obstacle else _secondary(allowed, primary),
        category_confidence=confidence,
        elements=sides,
        compatibility=compatibility(analyst, request, reading),
        overall_score=_overall(sides, confidence),
        summary=_summary(analyst, reading, primary, confidence),
        undecided=reading.obstacle is not None,
    )


def _side(packs: Packs, element: ThemeElement, passage: Passage) -> ElementAnalysis:
    return analysed(element, packs.lists.tables["element"][element.value], passage)


def _confidence(reading: Reading, share: float) -> float:
    return round(min(share, FOREIGN) if reading.obstacle else min(share, 0.97), 2)


def _secondary(allowed: dict[Category, float], primary: Category) -> list[Category]:
    least = SECONDARY * allowed[primary]
    others = [c for c in allowed if c != primary and allowed[c] >= least]
    return sorted(others, key=lambda c: -allowed[c])[:3]


def _overall(sides: Sequence[ElementAnalysis], confidence: float) -> float:
    mean = sum(e.score for e in sides) / len(sides)
    return round(0.7 * mean + 0.3 * confidence, 2)


def _summary(analyst: Analyst, reading: Reading, primary: str, confidence: float) -> str:
    if reading.obstacle:
        return f"Undecided: {reading.obstacle}."
    shown: Any = analyst.evidence(primary, reading)
    sure = "clearly" if confidence > SURELY else "probably" if confidence > PROBABLY else "perhaps"
    rests = f"it rests on {quotations(shown)}" if shown else "no single word of it decides that"
    return f"By its words this is {sure} {primary}: {rests}."
