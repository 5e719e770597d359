"""Sheet: what is told in fields rather than as one text, within one allowance of words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.storyteller import lengths
from app.storyteller.english import tokens
from app.storyteller.grammar import Unit
from app.storyteller.lengths import Length, Step
from app.storyteller.prose import kept

LEAST = 4  # tokens of a field in the narrowest allowance; a field that must be there is never empty

Fields = Mapping[str, Sequence[Unit]]


def fitted(steps: Sequence[Step], length: Length, tell: Callable[[Sequence[Step]], Any]) -> Any:
    """What `tell` makes of the steps that no sheet can be without, and of as many others as fit."""
    order = {step: at for at, step in enumerate(steps)}
    core = [step for step in steps if not step.need]

    def told(chosen: Sequence[Step]) -> Any:
        return tell(sorted({*core, *chosen}, key=order.__getitem__))

    found = lengths.fitted([step for step in steps if step.need], length, told)
    if length.exact and found.words > length.words:
        return min(found, told(()), key=lambda each: each.words)
    return found


def within(fields: Fields, limit: int) -> tuple[dict[str, list[Unit]], bool]:
    """The fields in at most `limit` tokens, and whether something had to be left out.

    Each has its first sentences; then all have their second ones, and so on, as there is room.
    Where not even the first ones fit, they are cut between words.
    """
    first = {name: tokens(units[0].text) for name, units in fields.items() if units}
    room = limit - sum(first.values())
    if room < 0:
        whole = max(1, sum(first.values()))
        shares = {name: max(LEAST, limit * size // whole) for name, size in first.items()}
        return {
            name: [_shorter(fields[name][0], shares[name])] if name in first else []
            for name in fields
        }, True
    found = {name: list(units[:1]) for name, units in fields.items()}
    open_ = set(first)
    for at in range(1, max(map(len, fields.values()), default=0)):
        for name in [n for n in fields if n in open_ and at < len(fields[n])]:
            size = tokens(fields[name][at].text)
            if size > room:
                open_.discard(name)
                continue
            found[name].append(fields[name][at])
            room -= size
    return found, any(len(found[name]) < len(units) for name, units in fields.items())


def _shorter(unit: Unit, limit: int) -> Unit:
    text, cut = kept([unit], limit)
    return replace(unit, text=f"{text.rstrip('.,;:…“ ')}…" if cut else text)


def text(units: Sequence[Unit]) -> str:
    """Units of one field as its text."""
    return "".join((unit.joiner if at else "") + unit.text for at, unit in enumerate(units))
