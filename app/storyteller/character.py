"""Character: backstory, personality, way of fighting and pack of a player's character."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from app.operations.character import CharacterContentType, CharacterRequest
from app.storyteller import continuation
from app.storyteller.hero import Hero
from app.storyteller.packs import Packs
from app.storyteller.portrait import Portrait
from app.storyteller.prose import Composed
from app.storyteller.tale import Plan

USUAL = {  # words
    CharacterContentType.BACKSTORY: 270,
    CharacterContentType.PERSONALITY: 190,
    CharacterContentType.COMBAT: 190,
    CharacterContentType.EQUIPMENT: 170,
}


def compose(
    packs: Packs, request: CharacterRequest, rng: Random, continues: str | None = None
) -> Composed:
    """The text that was asked for, of at most `model.max_tokens` words and marks."""
    given, parent = request.character_context.given(), continuation.read(continues)
    hero = Hero(packs, given, request.theme, request.model.seed, parent)
    portrait = Portrait(packs, hero.asked, hero.facts, hero.tables, rng)
    plan = _plan(packs.character["plan"][request.type.value], hero, rng)
    text = portrait.written(plan, USUAL[request.type], request.model.max_tokens)
    return Composed(text, portrait.cut, portrait.unused)


def _plan(plans: Sequence[Plan], hero: Hero, rng: Random) -> Plan:
    """One of a type's plans, with a sentence about the god of who has one to speak of."""
    chosen = rng.choice(plans)
    if "open_thread" in hero.facts.words:
        chosen = [["goes_on@0"], *chosen]
    if not hero.devout:
        return chosen
    return [[step.replace("faith@2", "faith@1") for step in paragraph] for paragraph in chosen]
