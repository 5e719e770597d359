"""Campaign: a plot, a location, a quest, a dialogue or an event, for campaigns of some length."""

from __future__ import annotations

from random import Random

from app.operations.campaign import CampaignRequest
from app.storyteller import continuation
from app.storyteller.asked import Asked
from app.storyteller.packs import Packs
from app.storyteller.prose import Composed
from app.storyteller.tale import Tale

USUAL = {"plot": 290, "location": 210, "quest": 240, "dialogue": 210, "event": 230}  # words


def compose(
    packs: Packs, request: CampaignRequest, rng: Random, continues: str | None = None
) -> Composed:
    """The text that was asked for, of at most `model.max_tokens` words and marks."""
    asked = Asked(campaign_context=request.campaign_context.given(), theme=request.theme.given())
    tables = [packs.campaigns["line"], packs.tales["line"]]
    tale = Tale(packs, asked, request.theme, rng, tables, continuation.read(continues), 1)
    kind = request.type.value
    text = tale.written(packs.campaigns["plan"][kind], USUAL[kind], request.model.max_tokens)
    return Composed(text, tale.cut, tale.unused)
