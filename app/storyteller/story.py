"""Story: a plot, quest, scene, dialogue, description or event, with its summary."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from app.operations.story import StoryDraft, StoryRequest
from app.storyteller.brief import Brief
from app.storyteller.english import polished, tokens
from app.storyteller.grammar import Expander, Unit, finished, introduced
from app.storyteller.packs import Packs

SHORT = re.compile(r"\b(?:short|brief|one.?shot|quick|tiny)\b", re.I)
LONG = re.compile(r"\b(?:long|extended|detailed|full|epic)\b", re.I)


def compose(packs: Packs, request: StoryRequest, rng: Random) -> StoryDraft:
    """The element and its summary, together at most `model.max_tokens` words and marks."""
    brief = Brief(packs, request.context, request.theme, rng, more=request.parameters)
    element = request.element_type.value
    summaries = {f"summary_{k}": v for k, v in packs.story["summary"].items()}
    words = brief.words | {"element": element}
    expander = Expander(rng, words, brief.scopes(summaries), brief.once)
    units = narrated(brief, expander, packs.story, element)
    summary = polished(" ".join(_summary(expander, element, words)))
    room = request.model.max_tokens - tokens(summary)
    return StoryDraft(content=finished(units, room), summary=summary)


def narrated(brief: Brief, expander: Expander, grammar: Mapping[str, Any], kind: str) -> list[Unit]:
    """The units of one kind of a grammar's texts, with all that the caller named."""
    units = expander.units(plan(grammar, kind, brief.length))
    if missing := brief.missing(" ".join(unit.text for unit in units), grammar["free"]):
        units.append(Unit(" ", polished(missing)))
    return introduced(units, brief.people(expander))


def plan(grammar: Mapping[str, Any], kind: str, length: str) -> Sequence[Sequence[str]]:
    """The paragraphs of a kind of text, fewer or more of them as the length asks."""
    if SHORT.search(length[:100]):
        short: Sequence[Sequence[str]] = grammar["short"][kind]
        return short
    usual: list[list[str]] = grammar["plan"][kind]
    return [*usual, *grammar["long"][kind]] if LONG.search(length[:100]) else usual


def _summary(expander: Expander, element: str, words: Mapping[str, str]) -> list[str]:
    said = [expander.draw(f"summary_{element}")]
    known = {"flavour", "matter"} & words.keys()
    if known:
        name = "flavour" if len(known) == 2 else f"{known.pop()}_alone"
        said.append(expander.draw(f"summary_{name}"))
    return said
