"""Campaign: a plot, a location, a quest, a dialogue or an event, about the caller's own matter."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from app.operations.campaign import CampaignRequest
from app.storyteller import continuation, leftover, lengths
from app.storyteller.account import THREADS, Account
from app.storyteller.asked import Asked
from app.storyteller.conflict import Conflict
from app.storyteller.grammar import Unit
from app.storyteller.lengths import Length, Step
from app.storyteller.packs import Packs
from app.storyteller.prose import Composed, Told, kept

USUAL = {"plot": 330, "location": 260, "quest": 280, "dialogue": 250, "event": 280}  # words


def compose(
    packs: Packs, request: CampaignRequest, rng: Random, continues: str | None = None
) -> Composed:
    """The text that was asked for, of at most `model.max_tokens` words and marks."""
    asked = Asked(campaign_context=request.campaign_context.given(), theme=request.theme.given())
    conflict = Conflict(packs, asked, request.theme, rng, continuation.read(continues))
    account = Account(conflict, rng)
    kind = request.type.value
    length = account.length(USUAL[kind])
    steps = account.tellable(_steps(packs, kind))
    told: Told = lengths.fitted(steps, length, account.told)
    if added := leftover.told(packs, asked, told.text):
        told = _shorter(account, steps, length, sum(lengths.words(unit.text) for unit in added))
        added = leftover.told(packs, asked, told.text)
        told = Told(_before_the_last(told.units, added))
    text, cut = kept(told.units, request.model.max_tokens)
    return Composed(text, cut, leftover.lost(asked, text))


def _steps(packs: Packs, kind: str) -> list[Step]:
    """The steps of a text, and those of the threads that only longer ones have before its end."""
    own = lengths.steps(packs.campaigns["plan"][kind])
    thread = packs.campaigns["threads"]["beside"]
    last = max(step.paragraph for step in own)
    beside = [
        Step(f"{step.pool}#{n}", 3 + n, step.mark, n * len(thread) + last + step.paragraph, "")
        for n in range(1, 1 + THREADS)
        for step in lengths.steps(thread)
    ]
    end = [step for step in own if step.paragraph == last]
    return [*own[: -len(end)], *beside, *end]


def _shorter(account: Account, steps: Sequence[Step], length: Length, extra: int) -> Told:
    """The telling again, shorter by what the caller's own words take."""
    room = max(lengths.LEAST, length.words - extra) if length.exact else length.words
    told: Told = lengths.fitted(steps, Length(room, length.exact), account.told)
    return told


def _before_the_last(units: Sequence[Unit], added: Sequence[Unit]) -> list[Unit]:
    """The units with those that were added before the last paragraph."""
    starts = [at for at, unit in enumerate(units) if unit.joiner == "\n\n"]
    at = starts[-1] if len(starts) > 1 else len(units)
    return [*units[:at], *added, *units[at:]]
