"""Story: a plot, quest, scene, dialogue, description or event, with its summary."""

from __future__ import annotations

from random import Random

from app.operations.story import StoryDraft, StoryRequest
from app.storyteller import continuation
from app.storyteller.asked import Asked
from app.storyteller.packs import Packs
from app.storyteller.prose import Composed, kept_text
from app.storyteller.tale import Tale, room

USUAL = {"plot": 250, "quest": 240, "scene": 210, "dialogue": 200, "description": 150, "event": 230}


def compose(
    packs: Packs, request: StoryRequest, rng: Random, continues: str | None = None
) -> Composed:
    """The element and its summary, together at most `model.max_tokens` words and marks."""
    element, limit = request.element_type.value, request.model.max_tokens
    asked = Asked(
        context=request.context.given(), parameters=request.parameters, theme=request.theme.given()
    )
    parent = continuation.read(continues)
    tale = Tale(packs, asked, request.theme, rng, [packs.tales["line"]], parent)
    tale.facts.words["element"] = element
    summary = " ".join(_summary(tale, packs, element, rng))
    summary, short = kept_text(summary, max(1, limit // 2))
    text = tale.written(packs.tales["plan"][element], USUAL[element], room(limit, summary), summary)
    return Composed(StoryDraft(content=text, summary=summary), tale.cut or short, tale.unused)


def _summary(tale: Tale, packs: Packs, element: str, rng: Random) -> list[str]:
    said = [rng.choice(packs.tales["summary"][element])]
    known = {"flavour", "matter"} & tale.facts.words.keys()
    if known:
        name = "flavour" if len(known) == 2 else f"{known.pop()}_alone"
        said.append(rng.choice(packs.tales["summary"][name]))
    return [tale.told(template) for template in said]
