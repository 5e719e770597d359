"""Bounds: the parameters of a rule that can be measured exactly, whatever its category."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from app.storyteller.issues import Findings, error
from app.storyteller.passage import Passage, quoted

REQUIRED = ("required", "must_include", "required_words", "required_elements", "keywords")
FORBIDDEN = ("forbidden", "must_not_include", "forbidden_words", "banned", "prohibited")
SIZES: tuple[tuple[str, str, Callable[[Passage], int]], ...] = (
    ("words", "words", lambda p: len(p.words)),
    ("length", "characters", lambda p: len(p.text)),
    ("characters", "characters", lambda p: len(p.text)),
    ("sentences", "sentences", lambda p: len(p.sentences)),
)
FELT = ("tone", "genre", "style", "mood", "theme")  # judged by the word lists
MAX_TERMS = 20  # words looked for under one parameter
MAX_TERM = 100  # characters of such a word
MEASURED = frozenset(
    {f"{side}_{name}" for side in ("min", "max") for name, *_ in SIZES} | {*REQUIRED, *FORBIDDEN}
)
KNOWN = MEASURED | frozenset(FELT)


def judged(passage: Passage, parameters: Mapping[str, Any]) -> Findings:
    yield from _sizes(passage, parameters)
    for term in terms(parameters, REQUIRED):
        if not found(passage, term):
            yield error(f"“{term}” is required and is not in the text.", None, f"Work in “{term}”.")
    for term in terms(parameters, FORBIDDEN):
        if place := found(passage, term):
            where = passage.around(*place.span())
            yield error(f"“{term}” is forbidden and stands in the text.", where, f"Drop “{term}”.")


def _sizes(passage: Passage, parameters: Mapping[str, Any]) -> Findings:
    for name, unit, measure in SIZES:
        least, most = (number(parameters.get(f"{side}_{name}")) for side in ("min", "max"))
        if least is None and most is None:
            continue
        size = measure(passage)
        if least is not None and size < least:
            yield _size_error(passage, f"{size} {unit}, fewer than the {least:g} wanted", "Add")
        if most is not None and size > most:
            yield _size_error(passage, f"{size} {unit}, more than the {most:g} allowed", "Cut")


def _size_error(passage: Passage, fact: str, verb: str) -> Any:
    sentence = quoted(passage.sentences[-1]) if passage.sentences else None
    advice = f"{verb} {'detail' if verb == 'Add' else 'what repeats'}, for instance at the end."
    return error(f"The text has {fact}.", sentence, advice)


def terms(parameters: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    """The words that parameters list: a list, or a string with commas."""
    listed: list[str] = []
    for name in names:
        value = parameters.get(name)
        items = value.split(",") if isinstance(value, str) else value
        if isinstance(items, list):
            listed += [str(i).strip()[:MAX_TERM] for i in items if isinstance(i, str | int)]
    return [t for t in dict.fromkeys(listed) if t][:MAX_TERMS]


def found(passage: Passage, term: str) -> re.Match[str] | None:
    """The first place at which a word or phrase stands as a whole, in any case of letters."""
    return passage.first(term.lower())


def number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
