"""Campaign: a plot, a location, a quest, a dialogue or an event, for campaigns of some length."""

from __future__ import annotations

from random import Random

from app.llm.telling import story
from app.llm.telling.brief import Brief
from app.llm.telling.grammar import Telling, finished
from app.llm.telling.packs import Packs
from app.operations.campaign import CampaignRequest


def compose(packs: Packs, request: CampaignRequest, rng: Random) -> str:
    """The text that was asked for, of at most `model.max_tokens` words and marks."""
    brief = Brief(packs, request.campaign_context, request.theme, rng)
    scopes = brief.scopes(packs.campaign["free"])
    telling = Telling(rng, brief.words, scopes, brief.once)
    units = story.told(brief, telling, packs.campaign, request.type.value)
    return finished(units, request.model.max_tokens)
