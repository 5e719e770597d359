"""Location: a place of some type, size and purpose, with the people and things that were given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from app.operations.location import LocationDraft, LocationRequest
from app.storyteller import lengths, supplied
from app.storyteller.asked import Asked, canon
from app.storyteller.english import listed, tokens
from app.storyteller.facts import Entity
from app.storyteller.grammar import opening
from app.storyteller.packs import Packs
from app.storyteller.prose import Composed, Told, kept
from app.storyteller.tale import Tale
from app.storyteller.telling import opened

NAME_KEYS = ("name", "location_name")
MAX_NAMED = 4  # given features that the description lists; each is a point of interest besides
MAX_DETAILED = 12  # given things of one list that get a detail; there are so many details
USUAL = 330  # words of all fields together
LISTS = ("points_of_interest", "occupants", "secrets", "hooks")


def compose(packs: Packs, request: LocationRequest, rng: Random) -> Composed:
    """The place, in at most `model.max_tokens` words and marks beside what the caller gave."""
    asked = Asked(context=request.context.given(), theme=request.theme.given())
    kind = packs.places["kind"][request.location_type.value]
    own = {f"kind_{name}": lines for name, lines in kind.items() if isinstance(lines, list)}
    tables = [packs.places["text"], own, packs.tales["line"]]
    tale = Tale(packs, asked, request.theme, rng, tables)
    name = _cast(tale, packs, request, kind)
    plan = [
        step
        for field, paragraphs in packs.places["sheet"].items()
        for step in lengths.steps(paragraphs, field)
    ]
    told = tale.prose.fitted_steps(plan, tale.length(USUAL))
    fields = _Fields(told, request.model.max_tokens)
    description = fields.prose("description")
    lists = {each: fields.items(each) for each in LISTS}
    given = _Given(tale)
    lists["points_of_interest"][:0] = map(opened, given.told(request.features, "about"))
    lists["occupants"][:0] = given.told(request.occupants, "doing")
    listed_texts = (text for found in lists.values() for text in found)
    own_words = "\n".join([name, description, *listed_texts])
    added = "".join(unit.joiner + unit.text for unit in tale.canon(own_words))
    draft = LocationDraft(name=opened(name), description=f"{description}{added}", **lists)
    return Composed(draft, fields.cut, (*tale.lost(f"{own_words}{added}"), *given.lost))


def _cast(tale: Tale, packs: Packs, request: LocationRequest, kind: Any) -> str:
    """The facts that only a place has, and its name."""
    facts, cast = tale.facts, tale.cast
    name = tale.asked.title(*NAME_KEYS) or cast.rng.choice(kind["name"])
    tale.asked.steer(*NAME_KEYS)
    facts.add("place", Entity(name, name))
    for part in ("folk1", "folk2"):
        cast.stranger(part)
    facts.free |= {"head": kind["head"], "about": packs.places["text"]["about"]}
    facts.once |= {"purpose": ["nobody living has been told."]}
    size, noun = supplied.subject(request.size), str(kind["noun"])
    facts.words["size_kind"] = noun
    if size and set(size.lower().replace(",", "").split()) <= {*packs.places["sizes"]}:
        facts.words["size_kind"] = f"{size} {noun}"
    elif said := _said(request.size):
        facts.words["size"] = said
    if purpose := _said(request.purpose):
        facts.words["purpose"] = purpose
    features = [said for f in request.features[:MAX_NAMED] if (said := supplied.subject(f))]
    if features:
        facts.words["features"] = listed(features)
    return name


class _Fields:
    """The fields of a telling within one allowance, each with its first sentence whatever it takes.

    They are read in order; a text takes at most half of what is left.
    """

    def __init__(self, told: Told, limit: int) -> None:
        self._told, self._room = told, limit
        self.cut = False

    def prose(self, field: str) -> str:
        """A field that is one text."""
        units = self._told.of(field)
        limit = max(1, (self._room - self._reserved(field)) // 2)
        text, cut = kept(units, limit)
        if cut and not text.endswith((".", "”", "?", "!")):
            text = opening(units[0].text, limit)
        self.cut = self.cut or cut
        self._room -= tokens(text)
        return text

    def _reserved(self, field: str) -> int:
        """What the first items of the later lists take."""
        later = LISTS[LISTS.index(field) + 1 :] if field in LISTS else LISTS
        return sum(tokens(units[0].text) for each in later if (units := self._told.of(each)))

    def items(self, field: str) -> list[str]:
        """A field that is a list, the first item whatever it takes."""
        found: list[str] = []
        for text in dict.fromkeys(unit.text for unit in self._told.of(field)):
            if found and tokens(text) > self._room - self._reserved(field):
                self.cut = True
                break
            self._room -= tokens(text)
            found.append(text)
        return found


class _Given:
    """The caller's own people and things; `lost`: the lists of which something was left out."""

    def __init__(self, tale: Tale) -> None:
        self._tale = tale
        self.lost: list[str] = []

    def told(self, things: Sequence[str], slot: str) -> Iterator[str]:
        """Each in the caller's words, with a detail where it is a name and not a tale."""
        details = list(self._tale.prose.pool(slot))
        self._tale.rng.shuffle(details)
        for thing in dict.fromkeys(things):
            said, lost = canon(thing)
            if lost:
                self.lost.append("occupants" if slot == "doing" else "features")
            if not said:
                continue
            if supplied.is_talk(thing) or len(details) <= len(self._tale.prose.pool(slot)) - (
                MAX_DETAILED
            ):
                yield " ".join(said)
            else:
                detail = self._tale.prose.telling.tell(details.pop())
                detail = detail[:1].lower() + detail[1:]
                yield supplied.ended(f"{said[0].rstrip('.;:!?… ')}: {detail}")


def _said(value: str) -> str:
    """What stands behind a colon, to the end of its sentence; talk between quotation marks."""
    said = " ".join(canon(value)[0])
    if not said:
        return ""
    if supplied.is_talk(value):
        return f"“{opened(supplied.ended(said))}”"
    return f"{said.rstrip('.;: ')}."
