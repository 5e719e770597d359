"""Comparison: how well a text would fit a target theme, and by which steps it would come there."""

from __future__ import annotations

from app.operations.theme import Compatibility, ThemeRequest
from app.storyteller.reading import Analyst, Reading
from app.storyteller.sides import quotations
from app.storyteller.wordlists import Profile, felt_texts, theme_texts

FAR = 0.4  # a fit below it asks for more than new words
MOST = 2  # lines of a kind that an answer has


def compatibility(
    analyst: Analyst, request: ThemeRequest, reading: Reading
) -> Compatibility | None:
    """None without a target; without a score where text or target cannot be judged."""
    if request.target_theme is None:
        return None
    wanted = analyst.lists.wanted(theme_texts(request.target_theme))
    unknown = analyst.lists.unknown(felt_texts(request.target_theme))
    if not any(wanted.values()):
        return _unknown_target(unknown)
    if reading.obstacle and not reading.legible:
        return _unread(reading.obstacle)
    found = _compared(analyst, reading, wanted)
    told = [*_left_out(unknown), *found.enhancements]
    return found.model_copy(update={"enhancements": told[:MOST]})


def _compared(analyst: Analyst, reading: Reading, wanted: Profile) -> Compatibility:
    target = max(wanted, key=lambda c: wanted[c])
    score = analyst.fit(reading, wanted)
    return Compatibility(
        score=score,
        conflicts=_conflicts(analyst, target, wanted, reading),
        enhancements=_enhancements(analyst, target, reading),
        transition_steps=_steps(analyst, target, score, reading),
    )


def _conflicts(analyst: Analyst, target: str, wanted: Profile, reading: Reading) -> list[str]:
    told = [
        f"{quotations(words)} {'read' if len(words) > 1 else 'reads'} as {category}, "
        f"which works against a {target} theme."
        for category, words in analyst.conflicting(wanted, reading).items()
    ]
    return told[:MOST]


def _enhancements(analyst: Analyst, target: str, reading: Reading) -> list[str]:
    shown = analyst.evidence(target, reading)
    kept = [f"Keep {quotations(shown)}: the {target} is already there."] if shown else []
    return [*kept, *(f"Add {_aim(analyst, target, place)}." for place in (0, 1))][:MOST]


def _steps(analyst: Analyst, target: str, score: float, reading: Reading) -> list[str]:
    source = max(reading.shares, key=lambda c: reading.shares[c])
    if source == target:
        return [f"The text is {target} already; sharpen it with {_aim(analyst, target, 2)}."]
    steps = [f"Begin with {_aim(analyst, target, 0)}, before anything else changes."]
    if against := analyst.evidence(source, reading):
        steps.append(f"Then reword or drop {quotations(against)}, which carry the {source}.")
    if score < FAR:
        steps.append("Change the narrator's tone scene by scene, not at once.")
    return [*steps, f"End on {_aim(analyst, target, 2)}, so that the last note is {target}."]


def _aim(analyst: Analyst, category: str, place: int) -> str:
    aim: str = analyst.lists.tables["category"][category]["aim"][place]
    return aim


def _left_out(unknown: list[str]) -> list[str]:
    if not unknown:
        return []
    return [f"{quotations(unknown)} is not known here and was left out of the comparison."]


def _unknown_target(unknown: list[str]) -> Compatibility:
    named = f"{quotations(unknown)} is not known here" if unknown else "It names no tone or genre"
    return Compatibility(
        score=None,
        conflicts=[f"{named}, so that the text was not compared with the target theme."],
        enhancements=["Name the target's tone or genre in a plain word, such as horror or heroic."],
        transition_steps=[],
    )


def _unread(obstacle: str) -> Compatibility:
    return Compatibility(
        score=None,
        conflicts=[f"The text was not compared with the target theme: {obstacle}."],
        enhancements=["Give the tale itself, in English and with at least a few sentences."],
        transition_steps=[],
    )
