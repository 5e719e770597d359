"""Storyteller: the model that is always there. It writes and judges without a network.

Prose comes from seeded grammars: a request with a seed gets the same text in every process, one
without gets another each time, and is told the seed that was drawn for it. Analyses come from word
lists and verdicts from rules, which are the same for the same text. Which seed is drawn depends on
what the user got lately (`seeds.Draws`); what a seed tells does not.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from math import inf
from random import Random
from typing import Any

from app.llm.completion import Completion, CompletionRequest, Listener, Usage
from app.llm.failure import AttemptFailed
from app.operations import OPERATIONS
from app.operations.metadata import AttemptOutcome, FinishReason
from app.storyteller.english import tokens
from app.storyteller.marks import Marks
from app.storyteller.packs import Packs, seeded
from app.storyteller.prose import Composed
from app.storyteller.seeds import Draws, drawn, with_seed

PACE = 0.02  # s between pieces: 150 words in half a second, as a fast model writes them
PIECES = re.compile(r"(?:\s*\S+){1,6}\s*")
# Characters of a prompt up to which a judgement takes under 5 ms of the event loop: 2 µs for each.
LONG = 2_000

UNUSED = ("temperature",)  # of the model settings: a grammar is as free as it was written

Composer = Callable[..., Any]


def _composers() -> dict[str, Composer]:
    """What drafts each operation's answer: `compose` of the module here that bears its name."""
    modules = {name: f"{__package__}.{name}" for name in OPERATIONS}
    return {n: import_module(m).compose for n, m in modules.items() if find_spec(m) is not None}


COMPOSERS = _composers()
# Those that read the text which theirs goes on from.
CONTINUING = frozenset(n for n, f in COMPOSERS.items() if "continues" in signature(f).parameters)


def _rng(work: CompletionRequest, request: Any) -> Random:
    """What decides a text: the request and its seed. An allowance only ends it sooner."""
    asked = request.model_dump(mode="json", exclude={"model"})
    return seeded(work.operation.name, asked, request.model.seed)


class Storyteller:
    """A `Writer` without a provider. It fails only for an operation that it has no composer for."""

    def __init__(self, *, pace: float = PACE, draw: Callable[[], int] = drawn) -> None:
        """`pace`: seconds between the pieces of six words that a listener hears. `draw`: a seed."""
        self.packs = Packs()
        self._marks = Marks(self.packs)
        self._pace, self._draw = pace, draw
        self._loaded: set[str] = set()  # operations whose grammars were read

    async def probe(self, *, deadline: float) -> None:
        """It cannot be away."""

    async def write(
        self, work: CompletionRequest, *, deadline: float = inf, listener: Listener | None = None
    ) -> Completion:
        """The whole answer; at once, unless somebody listens to it being written."""
        compose = COMPOSERS.get(work.operation.name)
        if compose is None:
            raise AttemptFailed(AttemptOutcome.REFUSED, f"cannot write for {work.operation.name}")
        found = await self._another(compose, work)
        if listener is not None:
            await self._stream(found.text, listener)
        return found

    async def _another(self, compose: Composer, work: CompletionRequest) -> Completion:
        """The answer; of several, where the caller gave no seed and got too much of it lately."""
        draws, found = Draws(work.lately), await self._told(compose, work)
        while not draws.settled(found):
            found = await self._told(compose, work)
        return draws.best

    async def _told(self, compose: Composer, work: CompletionRequest) -> Completion:
        if self._is_long(work):
            return await asyncio.to_thread(self._complete, compose, work)
        return self._complete(compose, work)

    def _is_long(self, work: CompletionRequest) -> bool:
        """Whether it would hold the loop: a text of its own, which takes 3 to 12 ms, much to read,
        or grammars to load."""
        name = work.operation.name
        if work.operation.caller_chooses or name not in self._loaded:
            self._loaded.add(name)
            return True
        return sum(len(message["content"]) for message in work.prompt.messages) > LONG

    async def _stream(self, text: str, listener: Listener) -> None:
        pieces = PIECES.findall(text)
        for piece in pieces[:-1]:
            listener.on_text(piece)
            await asyncio.sleep(self._pace)
        listener.on_text(pieces[-1])

    async def close(self) -> None:
        """Nothing is held open."""

    def _complete(self, compose: Composer, work: CompletionRequest) -> Completion:
        said = "\n".join(message["content"] for message in work.prompt.messages)
        asked = tokens(said)
        if not work.operation.caller_chooses:  # it is measured, and the same each time
            text = _written(compose(self.packs, work.request))
            return Completion(text, Usage(asked, tokens(text), counted=True))
        request = with_seed(work.request, self._draw)
        more = (work.continues,) if work.operation.name in CONTINUING else ()
        made = compose(self.packs, request, _rng(work, request), *more)
        if not isinstance(made, Composed):
            made = Composed(made)
        text = _written(made.draft)
        given = request.model.model_fields_set
        return Completion(
            text,
            Usage(asked, tokens(text), counted=True),
            finish=FinishReason.LENGTH if made.cut else FinishReason.STOP,
            seed=request.model.seed,
            ignored=(*(name for name in UNUSED if name in given), *made.unused),
            marks=self._marks.of(made.draft, text, said),
        )


def _written(draft: Any) -> str:
    """The draft as a model writes it: prose as it is, else JSON."""
    return draft if isinstance(draft, str) else draft.model_dump_json()
