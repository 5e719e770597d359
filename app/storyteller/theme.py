"""Theme: what kind of tale a text is, by the words that stand in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from app.operations.fields import Category
from app.operations.theme import (
    Compatibility,
    ElementAnalysis,
    ThemeDraft,
    ThemeElement,
    ThemeRequest,
)
from app.storyteller.english import listed
from app.storyteller.packs import Packs
from app.storyteller.passage import Passage, quoted
from app.storyteller.wordlists import Profile, WordCount, WordLists, sharpened, theme_texts

SECONDARY = 0.45  # of the leading category's weight: what reaches it is named as well
ENOUGH = 6.0  # weight of a leading category at which two thirds of the doubt are gone
NAMED = 4  # words that are quoted in one place


def compose(packs: Packs, request: ThemeRequest) -> ThemeDraft:
    """The analysis, the same each time."""
    return Analyst(packs.lists).analyse(request)


class Analyst:
    """Reads a text against the word lists. It measures words; it does not understand them."""

    def __init__(self, lists: WordLists) -> None:
        self._lists = lists

    def analyse(self, request: ThemeRequest) -> ThemeDraft:
        passage = Passage(request.content)
        profile = self._lists.measured(passage.count)
        allowed = {c: profile[c] for c in request.categories}
        primary = max(allowed, key=lambda c: allowed[c])
        confidence = _confidence(allowed, primary)
        elements = [self._element(e, passage) for e in request.elements]
        shown = self._evidence(primary, passage)
        return ThemeDraft(
            primary_category=primary,
            secondary_categories=_secondary(allowed, primary),
            category_confidence=confidence,
            elements=elements,
            compatibility=self._compatibility(request, passage, profile),
            overall_score=_overall(elements, confidence),
            summary=_summary(primary, shown, confidence, passage.count.total),
        )

    def _evidence(self, category: str, passage: Passage) -> list[str]:
        return list(passage.count.hits(self._lists.weights[category]))[:NAMED]

    def _element(self, element: ThemeElement, passage: Passage) -> ElementAnalysis:
        table = self._lists.tables["element"][element.value]
        stems = self._lists.elements[element.value]
        hits = passage.count.hits(stems)
        score = _saturated(hits, passage.count.total)
        return ElementAnalysis(
            element=element,
            score=score,
            description=_described(table["what"], hits),
            suggestions=_advice(table, hits, score, _thinnest(stems, passage)),
        )

    def _compatibility(
        self, request: ThemeRequest, passage: Passage, profile: Profile
    ) -> Compatibility | None:
        if request.target_theme is None:
            return None
        wanted = self._lists.wanted(theme_texts(request.target_theme))
        if not any(wanted.values()):
            return _unknown_target()
        return self._compared(request, passage, profile, wanted)

    def _compared(
        self, request: ThemeRequest, passage: Passage, profile: Profile, wanted: Profile
    ) -> Compatibility:
        target = max(wanted, key=lambda c: wanted[c])
        score = self.fit(profile, wanted)
        conflicts = self._conflicts(target, wanted, passage)
        return Compatibility(
            score=score,
            conflicts=conflicts,
            enhancements=self._enhancements(target, passage),
            transition_steps=self._steps(request, target, profile, score, passage),
        )

    def fit(self, profile: Profile, wanted: Profile) -> float:
        """How well a text's profile fits a wanted one; near a half when the text says little."""
        evidence = 1 - math.exp(-max(profile.values()) / 2)
        return round(0.5 + (self._lists.likeness(profile, wanted) - 0.5) * evidence, 2)

    def conflicting(self, wanted: Profile, passage: Passage) -> dict[str, list[str]]:
        """Categories that fight the wanted ones, with the words of the text that speak for them."""
        asked = sharpened(wanted)
        profile = self._lists.measured(passage.count)
        least = SECONDARY * max(profile.values())
        found = {}
        for category in self._lists.categories:
            nearness = sum(self._lists.affinity(category, a) * share for a, share in asked.items())
            if nearness < 0.4 and profile[category] >= max(least, 1.0):
                found[category] = self._evidence(category, passage)
        return found

    def _conflicts(self, target: str, wanted: Profile, passage: Passage) -> list[str]:
        return [
            f"{_words(words)} {'read' if len(words) > 1 else 'reads'} as {category}, "
            f"which works against a {target} theme."
            for category, words in self.conflicting(wanted, passage).items()
        ]

    def _enhancements(self, target: str, passage: Passage) -> list[str]:
        aims = self._lists.tables["category"][target]["aim"]
        shown = self._evidence(target, passage)
        kept = [f"Keep {_words(shown)}: the {target} is already there."] if shown else []
        return [*kept, f"Add {aims[0]}.", f"Add {aims[1]}."]

    def _steps(
        self, request: ThemeRequest, target: str, profile: Profile, score: float, passage: Passage
    ) -> list[str]:
        source = self._source(request, profile)
        if source == target:
            return [f"The text is {target} already; sharpen it with {self._aim(target, 2)}."]
        against = self._evidence(source, passage) if source else []
        steps = [f"Begin with {self._aim(target, 0)}, before anything else changes."]
        if against:
            steps.append(f"Then reword or drop {_words(against)}, which carry the {source}.")
        if score < 0.4:
            steps.append("Change the narrator's tone scene by scene, not at once.")
        return [*steps, f"End on {self._aim(target, 2)}, so that the last note is {target}."]

    def _source(self, request: ThemeRequest, profile: Profile) -> str:
        """Where the text stands now: what it shows, else what `current_theme` says of it."""
        stated = self._lists.wanted(theme_texts(request.current_theme))
        best = profile if any(profile.values()) else stated
        return max(best, key=lambda c: best[c]) if any(best.values()) else ""

    def _aim(self, category: str, place: int) -> str:
        aim: str = self._lists.tables["category"][category]["aim"][place]
        return aim


def _thinnest(stems: frozenset[str], passage: Passage) -> str:
    """The opening words of the stretch of text in which an element shows least."""

    def share(part: tuple[str, WordCount]) -> float:
        counts = part[1].stems
        return sum(counts[s] for s in stems if s in counts) / max(part[1].total, 1)

    start, _ = min(passage.parts, key=share)
    return quoted(" ".join(start[:400].split()[:8]))


def _confidence(profile: dict[Category, float], primary: Category) -> float:
    """High when much speaks for the first category and little for the next."""
    first = profile[primary]
    if not first:
        return 0.05
    others = [v for c, v in profile.items() if c != primary]
    margin = 1 - max(others, default=0.0) / first
    evidence = 1 - math.exp(-first / ENOUGH)
    return round(min(0.97, 0.1 + evidence * (0.45 + 0.45 * margin)), 2)


def _secondary(profile: Any, primary: Category) -> list[Category]:
    least = max(SECONDARY * profile[primary], 1.0)
    others = [c for c in profile if c != primary and profile[c] >= least]
    return sorted(others, key=lambda c: -profile[c])[:3]


def _saturated(hits: dict[str, int], total: int) -> float:
    """A score that grows with how many different words there are, and how thickly they stand."""
    if not hits:
        return 0.05
    thick = min(1.0, sum(hits.values()) / max(total, 1) / 0.05)  # one word in twenty is thick
    broad = 1 - math.exp(-len(hits) / 4)
    return round(0.1 + 0.85 * broad * (0.4 + 0.6 * thick), 2)


def _described(what: str, hits: dict[str, int]) -> str:
    if not hits:
        return f"No word of the text was found that carries its {what}."
    places = sum(hits.values())
    return (
        f"The {what} is carried by {_words(list(hits)[:NAMED])}: "
        f"{len(hits)} such {'words' if len(hits) > 1 else 'word'} "
        f"in {places} {'places' if places > 1 else 'place'}."
    )


def _advice(table: dict[str, Any], hits: dict[str, int], score: float, thin: str) -> list[str]:
    place = f"“{thin}”"
    advice = [more.format(place=place) for more in table["more"]]
    worn = next((f"“{w}” stands {n} times; let one stay." for w, n in hits.items() if n > 5), None)
    return ([worn] if worn else []) + advice[: 1 if score > 0.7 else 2]


def _words(words: Sequence[str]) -> str:
    return listed([f"“{word}”" for word in words])


def _overall(elements: Sequence[ElementAnalysis], confidence: float) -> float:
    mean = sum(e.score for e in elements) / len(elements)
    return round(0.7 * mean + 0.3 * confidence, 2)


def _summary(primary: str, shown: Sequence[str], confidence: float, total: int) -> str:
    if not shown:
        return f"Nothing in these {total} words speaks for a category; “{primary}” is only a guess."
    sure = "clearly" if confidence > 0.6 else "probably" if confidence > 0.35 else "perhaps"
    return f"By its words this is {sure} {primary}: it rests on {_words(shown)}."


def _unknown_target() -> Compatibility:
    return Compatibility(
        score=0.5,
        conflicts=[],
        enhancements=["Name the target's tone or genre in a plain word, such as horror or heroic."],
        transition_steps=["The target theme has no word that could be held against the text."],
    )
