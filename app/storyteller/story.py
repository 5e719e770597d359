"""Story: a plot, quest, scene, dialogue, description or event, with its summary."""

from __future__ import annotations

from random import Random

from app.operations.story import StoryDraft, StoryRequest
from app.storyteller import continuation
from app.storyteller.asked import Asked
from app.storyteller.casting import MATTERS
from app.storyteller.lengths import MARKS
from app.storyteller.packs import Packs
from app.storyteller.prose import Composed, kept_text
from app.storyteller.scenario import laid
from app.storyteller.tale import Tale, room

USUAL = {"plot": 340, "quest": 330, "scene": 270, "dialogue": 250, "description": 140, "event": 240}

TRIES = 3  # tellings, until one keeps to what was asked for


def compose(
    packs: Packs, request: StoryRequest, rng: Random, continues: str | None = None
) -> Composed:
    """The element and its summary, together at most `model.max_tokens` words and marks.

    Of a few tellings it is the first that keeps to its subject.
    """
    parent = continuation.read(continues)
    for _ in range(TRIES):
        tale, composed = _told(packs, request, rng, parent)
        if keeps_to(tale, composed.draft.content):
            break
    return composed


def _told(
    packs: Packs, request: StoryRequest, rng: Random, parent: continuation.Parent
) -> tuple[Tale, Composed]:
    element, limit = request.element_type.value, request.model.max_tokens
    asked = Asked(
        context=request.context.given(), parameters=request.parameters, theme=request.theme.given()
    )
    tale = Tale(packs, asked, request.theme, rng, [], parent)
    tale.facts.words["element"] = element
    case, frames = laid(tale, packs, rng), packs.stories
    tale.tell_by([case, frames["line"], packs.turns["line"], packs.canon["line"]])
    summary = " ".join(_summary(tale, packs, element, rng))
    summary, short = kept_text(summary, max(1, limit // 2))
    plan = [*frames["plan"][element][:-1], *_more(packs, element), frames["plan"][element][-1]]
    text = tale.written(plan, USUAL[element], room(limit, summary), summary)
    draft = StoryDraft(content=text, summary=summary)
    return tale, Composed(draft, tale.cut or short, tale.unused)


def keeps_to(tale: Tale, text: str) -> bool:
    """Whether the first paragraph, and half of all, speak of what the caller asked for."""
    subjects = {_head(tale.facts.cast[part].again) for part in ("obj", "m")}
    if not tale.asked.get(*MATTERS):
        return True
    told = [any(s in paragraph.lower() for s in subjects) for paragraph in text.split("\n\n")]
    return told[0] and sum(told) * 2 >= len(told)


def _head(name: str) -> str:
    """`seal` of `the Duke's seal`: the last word of a name, as it is looked for."""
    return name.split(" of ")[0].split()[-1].lower()


def _more(packs: Packs, element: str) -> list[list[str]]:
    """What a longer text of this element has besides: the parts that the others are made of."""
    plan = packs.stories["plan"][element]
    told = {step.strip(MARKS).partition("@")[0] for paragraph in plan for step in paragraph}
    return [
        some
        for paragraph in packs.stories["plan"]["more"]
        if (some := [s for s in paragraph if s.strip(MARKS).partition("@")[0] not in told])
    ]


def _summary(tale: Tale, packs: Packs, element: str, rng: Random) -> list[str]:
    said = [rng.choice(packs.stories["summary"][element])]
    known = {"flavour", "matter"} & tale.facts.words.keys()
    if known:
        name = "flavour" if len(known) == 2 else f"{known.pop()}_alone"
        said.append(rng.choice(packs.stories["summary"][name]))
    return [tale.told(template) for template in said]
