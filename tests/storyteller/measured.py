"""How right the analysis and the validation are: `python -m tests.storyteller.measured`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from app.operations.fields import KINDS_OF_TALE
from app.operations.theme import ThemeDraft
from app.operations.validation import WrittenResult
from app.storyteller.packs import Packs
from app.storyteller.theme import compose
from app.storyteller.validation import compose as judge
from tests.storyteller import labelled
from tests.storyteller.labelled import Labelled
from tests.support.operations import THEME, VALIDATION

PACKS = Packs()
BUCKETS = (0.0, 0.3, 0.5, 0.7, 1.0)
# A theme that is neither the category's own nor its opposite, and one that is its opposite.
OTHERS = {
    "fantasy": ("drama", "dark"),
    "horror": ("adventure", "comedy"),
    "mystery": ("fantasy", "comedy"),
    "adventure": ("drama", "horror"),
    "drama": ("adventure", "comedy"),
    "comedy": ("adventure", "horror"),
    "heroic": ("drama", "horror"),
    "dark": ("adventure", "comedy"),
    "epic": ("mystery", "comedy"),
}


def analysed(text: str, **more: Any) -> ThemeDraft:
    request = THEME.read({"content": text, "elements": ["tone"], **more})
    return compose(PACKS, request)


def ranked(text: str) -> list[str]:
    """The answered category and those that are named besides, best first."""
    draft = analysed(text)
    return [draft.primary_category.value, *draft.secondary_categories]


def second_best(text: str) -> list[str]:
    """The best two categories, as a caller learns them by leaving the first out of the filter."""
    first = analysed(text).primary_category.value
    if first == "undecided":
        return [first]
    rest = [c for c in KINDS_OF_TALE if c != first]
    return [first, analysed(text, category_filter=rest).primary_category.value]


def fits(text: str, *themes: str) -> list[float | None]:
    found = []
    for theme in themes:
        compared = analysed(text, target_theme={"tone": theme}).compatibility
        assert compared
        found.append(compared.score)
    return found


@dataclass
class Figures:
    """Shares of the passages, 0..1; `sure`: the mean confidence where right and where wrong."""

    passages: int
    first: float = 0.0
    first_two: float = 0.0
    ordered: float = 0.0
    undecided: float = 0.0
    sure: tuple[float, float] = (0.0, 0.0)
    claims: list[tuple[float, bool]] = field(default_factory=list)  # confidence, and whether right
    wrong: list[tuple[str, str]] = field(default_factory=list)


def figures(passages: Sequence[Labelled]) -> Figures:
    total = len(passages)
    found = Figures(total)
    sure: dict[bool, list[float]] = {True: [], False: []}
    for passage in passages:
        best = second_best(passage.text)
        right = best[0] == passage.category
        found.first += right / total
        found.first_two += (passage.category in best) / total
        found.undecided += (best[0] == "undecided") / total
        found.ordered += _in_order(passage) / total
        found.claims.append((analysed(passage.text).category_confidence, right))
        sure[right].append(found.claims[-1][0])
        if not right:
            found.wrong.append((passage.category, best[0]))
    found.sure = (_mean(sure[True]), _mean(sure[False]))
    return found


def _in_order(passage: Labelled) -> bool:
    neutral, opposite = OTHERS[passage.category]
    match, between, least = fits(passage.text, passage.category, neutral, opposite)
    return match is not None and between is not None and least is not None and (
        match > between > least
    )  # fmt: skip


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def baseline(passages: Sequence[Labelled]) -> float:
    """What always answering the most frequent category would score."""
    counted = Counter(p.category for p in passages)
    return max(counted.values()) / len(passages)


def blurbs_right() -> tuple[float, float]:
    """Shares of the ordinary blurbs: answered as a careful reader would, and undecided."""
    rows = [(ranked(b["text"])[0], b["as"]) for b in labelled.blurbs()]
    return (
        sum(found in accepted for found, accepted in rows) / len(rows),
        sum(found == "undecided" for found, _ in rows) / len(rows),
    )


def fallen_for() -> Iterator[tuple[dict[str, Any], str]]:
    """The traps that the analysis steps into, with what it says."""
    for trap in labelled.traps():
        found = ranked(trap["text"])[0]
        if found in trap.get("never", ()) or (trap.get("undecided") and found != "undecided"):
            yield trap, found


def verdict(case: dict[str, Any]) -> WrittenResult:
    """What the storyteller says of a case's one rule."""
    known = {k: case[k] for k in ("theme", "context") if k in case}
    asked = {"content": case["text"], "content_type": "story", "rules": [case["rule"]], **known}
    (result,) = judge(PACKS, VALIDATION.read(asked)).results
    return result


def misjudged() -> Iterator[tuple[dict[str, Any], WrittenResult]]:
    """The cases whose verdict is not a careful reader's."""
    for case in labelled.cases():
        wanted = None if case.get("unjudged") else case["passes"]
        if (found := verdict(case)).passed is not wanted:
            yield case, found


def _line(name: str, found: Figures) -> str:
    return (
        f"{name} ({found.passages}): first {found.first:.0%}, first two {found.first_two:.0%}, "
        f"match > neutral > opposite {found.ordered:.0%}, undecided {found.undecided:.0%}, "
        f"confidence {found.sure[0]:.2f} where right, {found.sure[1]:.2f} where wrong"
    )


def reliability(claims: Sequence[tuple[float, bool]]) -> Iterator[str]:
    """How sure the analysis was, and how right, where its confidence was between two bounds."""
    for low, high in pairwise(BUCKETS):
        here = [(sure, right) for sure, right in claims if low <= sure < high]
        if here:
            told, right = _mean([s for s, _ in here]), _mean([float(r) for _, r in here])
            yield f"  told {low:.1f} to {high:.1f}: {told:.0%}, right {right:.0%}, of {len(here)}"


def lines() -> Iterator[str]:
    aside = labelled.kept_aside()
    untrained = [figures(aside), figures(labelled.fresh())]
    yield _line("kept aside", untrained[0])
    yield _line("fresh", untrained[1])
    yield from reliability([claim for found in untrained for claim in found.claims])
    yield _line("tuned on", figures(labelled.tuned_on()))
    yield f"always the same answer: {baseline(aside):.0%}"
    right, undecided = blurbs_right()
    yield f"ordinary blurbs ({len(labelled.blurbs())}): {right:.0%}, undecided {undecided:.0%}"
    fallen = list(fallen_for())
    yield f"traps stepped into: {len(fallen)} of {len(labelled.traps())}"
    for trap, found in fallen:
        yield f"  {trap['what']}: {found}: {trap['text'][:60]}"
    wrong = list(misjudged())
    failed = sum(case["passes"] and found.passed is False for case, found in wrong)
    cases = labelled.cases()
    right = 1 - len(wrong) / len(cases)
    yield f"validation cases ({len(cases)}): {right:.0%} right, good ones failed: {failed}"
    for case, found in wrong:
        said = "; ".join(issue.message for issue in found.issues)
        yield f"  {case['what']}: {found.passed}: {said}"


if __name__ == "__main__":
    for line in lines():
        sys.stdout.write(f"{line}\n")
