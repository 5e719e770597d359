"""Campaign: a plot, a location, a quest, a dialogue or an event, for campaigns of some length."""

from __future__ import annotations

from random import Random

from app.operations.campaign import CampaignRequest
from app.storyteller import story
from app.storyteller.brief import Brief
from app.storyteller.grammar import Expander, finished
from app.storyteller.packs import Packs


def compose(packs: Packs, request: CampaignRequest, rng: Random) -> str:
    """The text that was asked for, of at most `model.max_tokens` words and marks."""
    brief = Brief(packs, request.campaign_context, request.theme, rng)
    scopes = brief.scopes(packs.campaign["free"])
    expander = Expander(rng, brief.words, scopes, brief.once)
    units = story.narrated(brief, expander, packs.campaign, request.type.value)
    return finished(units, request.model.max_tokens)
