"""Reading: a text as the theme analysis understood it, and what of it speaks for a category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.storyteller import classifier, concepts
from app.storyteller.legibility import obstacle
from app.storyteller.passage import Passage
from app.storyteller.wordlists import Profile, WordLists, sharpened

LEAST_SIGNS = 2  # words of any concept; a text with fewer says too little
LEAST_SHARE = 0.19  # of the leading category; two in nine is chance
# Power of a likelihood at best, and signs at which half of it is left. Of passages that were not
# trained on, four in five are then right where the confidence is 0.8.
SURENESS, DOUBT = 1.0, 0.5
NAMED = 4  # words that are quoted in one place
OPPOSED = 0.4  # nearness of two categories below which one works against the other
KIN = 0.9  # what the nearness of another category is worth, so that none passes the text's own
LEADING = 1.5  # power of a likelihood in a fit: the leading categories decide
LOUD = 0.2  # likelihood from which a category that works against the wanted one is named


@dataclass(frozen=True, slots=True)
class Reading:
    """`shares`: each category's likelihood. `obstacle`: why none of them may be claimed.

    `legible`: whether it is a tale at all, which can be compared even where it says little.
    """

    passage: Passage
    shares: Profile
    obstacle: str | None
    legible: bool


class Analyst:
    """Reads texts with the trained weights. It knows words and shapes; it does not understand."""

    def __init__(self, lists: WordLists) -> None:
        self.lists = lists

    def read(self, passage: Passage) -> Reading:
        measured = classifier.features(passage, passage.found)
        signs = _signs(passage)
        shares = _tempered(classifier.likelihoods(measured, classifier.trained()), signs)
        bar = obstacle(passage)
        return Reading(passage, shares, bar or _silence(signs, shares), legible=bar is None)

    def evidence(self, category: str, reading: Reading) -> list[str]:
        """The words and phrases of the text that speak most for a category, as they stand in it."""
        weights = classifier.trained()
        worth: dict[str, float] = {}
        places: dict[str, concepts.Place] = {}
        for concept, seen in reading.passage.found.seen.items():
            weight = weights.get(concept, {}).get(category, 0.0)
            for base, sighting in seen.items() if weight > 0 else ():
                worth[base] = worth.get(base, 0.0) + weight * min(sighting.times, 3) ** 0.5
                places[base] = sighting.places[0]
        best = sorted(worth, key=lambda b: (-worth[b], places[b]))[:NAMED]
        return [reading.passage.words_at(places[base]) for base in best]

    def fit(self, reading: Reading, wanted: Profile) -> float:
        """How well a text fits a wanted profile, 0..1: by nearness, most of all by being it."""
        asked = sharpened(wanted)
        near = sum(
            share
            * weight
            * (1.0 if category == other else KIN * self.lists.affinity(category, other))
            for category, share in powered(reading.shares, LEADING).items()
            for other, weight in asked.items()
        )
        return round(0.02 + 0.96 * near, 2)

    def conflicting(self, wanted: Profile, reading: Reading) -> dict[str, list[str]]:
        """Categories that fight the wanted ones, with the words of the text that speak for them."""
        asked = sharpened(wanted)
        found = {}
        for category, share in reading.shares.items():
            nearness = sum(self.lists.affinity(category, a) * w for a, w in asked.items())
            if nearness < OPPOSED and share >= LOUD and (words := self.evidence(category, reading)):
                found[category] = words
        return found


def _signs(passage: Passage) -> int:
    """How many different words and phrases of the text were known to the classifier."""
    known = [n for n in passage.found.seen if not n.startswith(concepts.ELEMENT)]
    return len({base for name in known for base in passage.found.seen[name]})


def _tempered(shares: Profile, signs: int) -> Profile:
    """The shares nearer to one another where few signs speak, as little proves little."""
    return powered(shares, SURENESS * signs / (signs + DOUBT))


def powered(shares: Profile, power: float) -> Profile:
    """The shares further from one another, or nearer with a power below one; together one."""
    raised = {c: share**power for c, share in shares.items()}
    total = sum(raised.values())
    return {c: share / total for c, share in raised.items()}


def _silence(signs: int, shares: Mapping[str, float]) -> str | None:
    if signs < LEAST_SIGNS or max(shares.values()) < LEAST_SHARE:
        return "too little in the text speaks for any category"
    return None
