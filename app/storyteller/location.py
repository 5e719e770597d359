"""Location: a place of some type, size and purpose, and its part in the caller's matter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from app.operations.location import LocationDraft, LocationRequest
from app.storyteller import extent, leftover, lengths, supplied
from app.storyteller.account import Account
from app.storyteller.asked import Asked, canon
from app.storyteller.conflict import Conflict
from app.storyteller.english import listed, tokens
from app.storyteller.facts import Entity
from app.storyteller.grammar import Unit
from app.storyteller.lines import lines
from app.storyteller.packs import Packs
from app.storyteller.prose import Composed, Told, kept
from app.storyteller.telling import opened

NAME_KEYS = ("name", "location_name")
MAX_NAMED = 4  # given features that the description lists; each is a point of interest besides
USUAL = 520  # words of all fields together
LISTS = ("points_of_interest", "occupants", "secrets", "hooks")
ENDED = re.compile(r"[.?!…]”?\Z")
DETAILS = ("about", "about_small", "about_large", "doing")  # of a thing or somebody, as slots
ORDER = ("description", *LISTS)
SHARE = 0.45  # of the allowance is for the description, where there is not enough for all


def compose(packs: Packs, request: LocationRequest, rng: Random) -> Composed:
    """The place, in at most `model.max_tokens` words and marks beside what the caller gave."""
    people = {"people": named} if (named := _named(request.occupants)) else {}
    asked = Asked(context=request.context.given(), theme=request.theme.given(), given=people)
    paragraphs = rng.choice(packs.places["description"])
    conflict = _placed(packs, asked, request, rng, named_first=paragraphs[0][0] == "arrive")
    account = Account(conflict, rng)
    name = conflict.facts.cast["place"].again
    sheet = packs.places["sheet"] | {"description": paragraphs}
    plan = [s for field in ORDER for s in lengths.steps(sheet[field], field)]
    told = lengths.fitted(account.tellable(plan), account.length(USUAL), account.told)
    fields = _Fields(told, request.model.max_tokens - tokens(name))
    description = fields.prose("description")
    lists = {each: fields.items(each) for each in LISTS}
    given = _Given(account, packs.places["text"])
    lists["points_of_interest"][:0] = map(opened, given.told(request.features, "about"))
    lists["occupants"][:0] = given.told(request.occupants, "doing")
    listed_texts = [text for found in lists.values() for text in found]
    own_words = "\n".join([name, description, *listed_texts])
    added = "".join(unit.joiner + unit.text for unit in leftover.told(packs, asked, own_words))
    draft = LocationDraft(name=opened(name), description=f"{description}{added}", **lists)
    return Composed(draft, fields.cut, (*leftover.lost(asked, f"{own_words}{added}"), *given.lost))


def _named(occupants: Sequence[str]) -> list[str]:
    """Those of the caller's people who have a name, and so a part in what goes on."""
    return [o for o in occupants if o[:1].isupper() and not supplied.is_talk(o)][:2]


def _placed(
    packs: Packs, asked: Asked, request: LocationRequest, rng: Random, *, named_first: bool
) -> Conflict:
    """The conflict, at home in the place; `named_first`: before the town that it stands in."""
    name = request.location_type.value
    kind = packs.place(name)
    own = kind.get("ground")
    settled = name == "town" and asked.get("setting")  # then it is the setting's own town
    grounds = () if settled else kind["grounds"]
    conflict = Conflict(packs, asked, request.theme, rng, None, own, grounds)
    text = packs.places["text"]
    conflict.more = [kind, text, *conflict.more]
    facts, town = conflict.facts, conflict.facts.cast["town"]
    facts.free |= packs.places["part"] | kind["part"] | {n: text[n] for n in DETAILS}
    called = asked.title(*NAME_KEYS)
    asked.steer(*NAME_KEYS)
    if not called and settled and not town.again.startswith("the "):
        called = town.again
    names = kind["names"] or kind["wild"][conflict.ground]
    called = called or rng.choice(names)
    facts.add("place", Entity(called, called))
    if called == town.again and not named_first:
        facts.add("place", Entity(f"{called} itself", called))
    facts.words |= {k: v for k, v in _words(packs, request, str(kind["noun"])) if v}
    return conflict


def _words(packs: Packs, request: LocationRequest, noun: str) -> Iterator[tuple[str, str]]:
    """What the caller said of size, purpose and features, as it stands in a sentence."""
    fits = extent.before_noun(request.size, packs.places["sizes"])
    yield "size_kind", f"{fits} {noun}" if fits else noun
    if not fits:
        yield extent.size(request.size, packs.places["rooms"])
    yield extent.use(request.purpose, packs.places["activities"])
    features = [said for f in request.features[:MAX_NAMED] if (said := supplied.subject(f))]
    yield "features", listed(features)


class _Fields:
    """The fields of a telling within one allowance.

    There is a description and a point of interest whatever the allowance; the other lists may be
    left empty by a small one.
    """

    def __init__(self, told: Told, limit: int) -> None:
        self._told, self._room = told, max(limit, 2)
        self._whole = sum(tokens(unit.text) for unit in told.units) <= limit
        self.cut = not self._whole

    def prose(self, field: str) -> str:
        """A field that is one text."""
        limit = self._room if self._whole else max(1, int(self._room * SHARE))
        text, _ = kept(self._told.of(field), limit)
        text = _ended(text, limit)
        self._room -= tokens(text)
        return text

    def items(self, field: str) -> list[str]:
        """A field that is a list; a list takes at most half of what is left where not all fits."""
        room = self._room if self._whole or field == LISTS[-1] else (self._room + 1) // 2
        found: list[str] = []
        for text in dict.fromkeys(unit.text for unit in self._told.of(field)):
            if tokens(text) > room:
                if field == LISTS[0] and not found:
                    found.append(_ended(kept([Unit("", text)], room)[0], room))
                    self._room -= tokens(found[0])
                break
            room -= tokens(text)
            self._room -= tokens(text)
            found.append(text)
        return found


class _Given:
    """The caller's own people and things; `lost`: the lists of which something was left out."""

    def __init__(self, account: Account, table: Mapping[str, Any]) -> None:
        self._account, self._table = account, table
        self.lost: list[str] = []

    def told(self, things: Sequence[str], slot: str) -> Iterator[str]:
        """Each in the caller's words, with a detail where it is a name and not a tale."""
        details = list(lines(self._table[slot]))
        self._account.shuffle(details)
        for thing in dict.fromkeys(things):
            said, lost = canon(thing)
            if lost:
                self.lost.append("occupants" if slot == "doing" else "features")
            if not said:
                continue
            part = self._account.part_of(thing)
            if supplied.is_talk(thing) or not details:
                yield " ".join(said)
            else:
                detail = self._account.tell(part or details.pop())
                detail = detail[:1].lower() + detail[1:]
                yield supplied.ended(f"{said[0].rstrip('.;:!?… ')}: {detail}")


def _ended(text: str, limit: int) -> str:
    """A text that breaks off in the middle of a sentence, with the sign for that."""
    text = _unquoted(text)
    if ENDED.search(text):
        return text
    while text and tokens(text) >= limit and " " in text:
        text = _unquoted(text.rpartition(" ")[0])
    return f"{text.rstrip(' ,;:–-“(')}…"


def _unquoted(text: str) -> str:
    """A text without a quotation that is left open at its end."""
    return text.rpartition("“")[0] if text.count("“") > text.count("”") else text
