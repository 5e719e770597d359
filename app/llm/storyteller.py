"""Storyteller: the model that is always there. It writes and judges without a network.

Prose comes from seeded grammars: a request with a seed gets the same text in every process, one
without gets another each time, and is told the seed that was drawn for it. Analyses come from word
lists and verdicts from rules, which are the same for the same text.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from math import inf
from typing import Any

from app.llm.base import Completion, Failed, Listener, Outcome, Usage, Work
from app.llm.telling import campaign, character, location, npc, story
from app.llm.telling.analysis import Analyst
from app.llm.telling.english import tokens
from app.llm.telling.judging import Judge
from app.llm.telling.packs import Packs, seeded

PACE = 0.02  # s between pieces: 150 words in half a second, as a fast model writes them
PIECES = re.compile(r"(?:\s*\S+){1,6}\s*")
SEEDS = 2**31  # drawn below it, so that every JSON reader and GraphQL's Int hold them
LONG = 4_000  # characters of a prompt; up to there an answer takes under 5 ms of the event loop

Composer = Callable[[Packs, Any], str]


def _character(packs: Packs, request: Any) -> str:
    return character.compose(packs, request, _rng("character", request))


def _story(packs: Packs, request: Any) -> str:
    return story.compose(packs, request, _rng("story", request)).model_dump_json()


def _campaign(packs: Packs, request: Any) -> str:
    return campaign.compose(packs, request, _rng("campaign", request))


def _npc(packs: Packs, request: Any) -> str:
    return npc.compose(packs, request, _rng("npc", request)).model_dump_json()


def _location(packs: Packs, request: Any) -> str:
    return location.compose(packs, request, _rng("location", request)).model_dump_json()


def _theme(packs: Packs, request: Any) -> str:
    return Analyst(packs.lists).analyse(request).model_dump_json()


def _validation(packs: Packs, request: Any) -> str:
    return Judge(packs, request).draft().model_dump_json()


# Adding an operation is its grammar, a function like these, and a row here.
COMPOSERS: dict[str, Composer] = {
    "character": _character,
    "story": _story,
    "campaign": _campaign,
    "npc": _npc,
    "location": _location,
    "theme": _theme,
    "validation": _validation,
}
UNUSED = ("temperature",)  # of the model settings: a grammar is as free as it was written


def _rng(name: str, request: Any) -> Any:
    return seeded(name, request.model_dump(mode="json", exclude={"model": set(UNUSED)}))


def _with_seed(request: Any) -> Any:
    """The request with its own seed, else with one drawn for it."""
    if request.model.seed is not None:
        return request
    drawn = {"seed": secrets.randbelow(SEEDS)}
    return request.model_copy(update={"model": request.model.model_copy(update=drawn)})


class Storyteller:
    """A `Writer` without a provider. It fails only for an operation that it has no composer for."""

    def __init__(self, *, pace: float = PACE) -> None:
        """`pace`: seconds between the pieces of six words that a listener hears."""
        self._packs = Packs()
        self._pace = pace

    async def probe(self, *, until: float) -> None:
        """It cannot be away."""

    async def write(
        self, work: Work, *, until: float = inf, listener: Listener | None = None
    ) -> Completion:
        """The whole answer; at once, unless somebody listens to it being written."""
        compose = COMPOSERS.get(work.operation.name)
        if compose is None:
            raise Failed(Outcome.REFUSED, f"cannot write for {work.operation.name}")
        if sum(len(m["content"]) for m in work.prompt.messages) > LONG:
            found = await asyncio.to_thread(self._complete, compose, work)
        else:
            found = self._complete(compose, work)
        if listener is not None:
            await self._tell(found.text, listener)
        return found

    async def _tell(self, text: str, listener: Listener) -> None:
        pieces = PIECES.findall(text)
        for piece in pieces[:-1]:
            listener.heard(piece)
            await asyncio.sleep(self._pace)
        listener.heard(pieces[-1])

    async def close(self) -> None:
        """Nothing is held open."""

    def _complete(self, compose: Composer, work: Work) -> Completion:
        asked = sum(tokens(message["content"]) for message in work.prompt.messages)
        if not work.operation.caller_chooses:  # it is measured, and the same each time
            text = compose(self._packs, work.request)
            return Completion(text, Usage(asked, tokens(text), counted=True))
        request = _with_seed(work.request)
        text = compose(self._packs, request)
        given = request.model.model_fields_set
        return Completion(
            text,
            Usage(asked, tokens(text), counted=True),
            seed=request.model.seed,
            ignored=tuple(name for name in UNUSED if name in given),
        )
