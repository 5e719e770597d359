"""Location: a place of some type, size and purpose, with the people and things that were given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from app.operations.location import LocationDraft, LocationRequest
from app.storyteller import supplied
from app.storyteller.brief import Brief
from app.storyteller.english import listed
from app.storyteller.grammar import Expander, scope
from app.storyteller.packs import Packs
from app.storyteller.sheet import Sheet

NAME_KEYS = ("name", "location_name")
MAX_NAMED = 4  # given features that the description lists; each is a point of interest besides
MAX_DETAILED = 12  # given things of one list that get a detail; there are so many details


def compose(packs: Packs, request: LocationRequest, rng: Random) -> LocationDraft:
    """The place, in at most `model.max_tokens` words and marks beside what the caller gave."""
    brief = Brief(packs, request.context, request.theme, rng, used=frozenset(NAME_KEYS))
    kind = packs.location["kind"][request.location_type.value]
    texts = packs.location["text"]
    words = brief.words | _words(packs, request, kind, brief, rng)
    free = {n: o for n, o in texts.items() if n not in ("size_told", "use_features")}
    free |= {n: texts[n] for n, slot in OPTIONAL.items() if slot in words}
    expander = Expander(rng, words, brief.scopes(scope("kind", kind), free), brief.once)
    sheet = Sheet(brief, expander, packs.location["sheet"], texts, request.model.max_tokens)
    description = sheet.prose("description")
    return LocationDraft(
        name=words["place"][:1].upper() + words["place"][1:],
        description=f"{description}{sheet.missing}",
        points_of_interest=[
            *(_capital(p) for p in _given(request.features, expander, "about")),
            *sheet.items("points_of_interest"),
        ],
        occupants=[*_given(request.occupants, expander, "doing"), *sheet.items("occupants")],
        secrets=sheet.items("secrets"),
        hooks=sheet.items("hooks"),
    )


OPTIONAL = {"size_told": "size", "use_features": "features"}


def _words(
    packs: Packs, request: LocationRequest, kind: Any, brief: Brief, rng: Random
) -> dict[str, str]:
    """The fixed slots that only a place has."""
    named = (supplied.title(brief.given.get(key)) for key in NAME_KEYS)
    words = {"place": next(filter(None, named), "") or rng.choice(kind["name"])}
    size, noun = supplied.subject(request.size), kind["noun"]
    words["size_kind"] = noun
    if size and set(size.lower().replace(",", "").split()) <= {*packs.location["sizes"]}:
        words["size_kind"] = f"{size} {noun}"
    elif said := _said(request.size):
        words["size"] = said
    words["purpose"] = _said(request.purpose) or "nobody living has been told."
    features = [said for f in request.features[:MAX_NAMED] if (said := supplied.subject(f))]
    if features:
        words["features"] = listed(features)
    return words


def _said(value: str) -> str:
    """What stands behind a colon, to the end of its sentence; talk between quotation marks."""
    said = supplied.verbatim(value)
    if not said:
        return ""
    return (
        f"“{_capital(supplied.ended(said))}”"
        if supplied.is_talk(value)
        else f"{said.rstrip('.;: ')}."
    )


def _given(things: Sequence[str], expander: Expander, slot: str) -> Iterator[str]:
    """Each given thing in the caller's words, with a detail where it is a name and not a tale."""
    detailed = 0
    for thing in dict.fromkeys(things):
        said = supplied.verbatim(thing)
        if not said:
            continue
        if supplied.is_talk(thing) or detailed == MAX_DETAILED:
            yield supplied.ended(said)
            continue
        detailed += 1
        yield supplied.ended(f"{said.rstrip('.;: ')}: {expander.draw(slot)}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
