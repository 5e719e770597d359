"""Extent: a place's size and its purpose as a caller put them, and what a sentence makes of each.

`small` stands before the noun; `three rooms and a yard` is what a tavern has, and what is built of
a town; `40 by 30 feet` is what it measures. `to guard the pass` stands behind “built”, `smuggling`
behind “used for”, `a market for relics` behind “serves as”. What is talk is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from app.storyteller import supplied
from app.storyteller.asked import canon
from app.storyteller.english import article
from app.storyteller.telling import opened

MEASURE = re.compile(
    r"\b(?:feet|foot|ft|yards? (?:by|wide|long|across)|miles?|leagues?|acres?|hectares?|paces|"
    r"metres|meters|square|hexes)\b|\d\s*(?:x|by)\s*\d",
    re.I,
)
WORD = re.compile(r"[^\W\d_]+")
ACTIVITY = re.compile(r"(?:ing|tion|ment|ship|ery|ence|ance)\Z")
QUALITY = re.compile(
    r"(?:ous|ial|ual|onal|ive|ic|ful|able|ible|ical|military|holy|secret|sacred)\Z"
)
ARTICLE = re.compile(
    r"(?:the|an?|one|some|\d+|two|three|four|five|six|seven|eight|nine|ten)\b", re.I
)
AFTER_DOING = frozenset(("the", "a", "an", "and", "or", "of", "in", "on", "for", "with", "to"))
JOINS = frozenset(("and", "or", "of", "for", "to", "where", "when", "that", "which", "who", "with"))


def before_noun(value: str, known: Collection[str]) -> str:
    """A size that stands before the noun, `` where it does not."""
    said = supplied.subject(value)
    return said if said and set(said.lower().replace(",", "").split()) <= {*known} else ""


def size(value: str, rooms: Collection[str]) -> tuple[str, str]:
    """The slot of a size and the words in it: what it has, what it measures, or what was said."""
    said = told(value)
    if said and not supplied.is_talk(value) and _whole(value):
        if MEASURE.search(said):
            return "size_measure", said
        if ARTICLE.match(said) and {word.lower() for word in WORD.findall(said)} & {*rooms}:
            return "size_rooms", said
    return "size", _ended(said)


def use(purpose: str, activities: Collection[str]) -> tuple[str, str]:
    """The slot of a purpose and the words in it: what it is for, serves as, does, or was said."""
    said = told(purpose)
    words = [word.lower() for word in WORD.findall(said)]
    if not words or supplied.is_talk(purpose) or not _whole(purpose):
        return "purpose", _ended(said)
    if words[0] == "to":
        return "purpose_to", said
    if ARTICLE.match(said) and words[0] in supplied.ARTICLES:
        return "purpose_as", said
    doing = words[0].endswith("ing") and (len(words) == 1 or words[1] in AFTER_DOING)
    if doing or words[-1] in activities or ACTIVITY.search(words[-1]):
        return "purpose_for", said
    single = not words[-1].endswith("s") and not QUALITY.search(words[-1])
    if single and said == said.lower() and not JOINS & {*words}:
        return "purpose_as", f"{article(said)} {said}"
    return "purpose", _ended(said)


def told(value: str) -> str:
    """The value as it stands in a sentence, talk between quotation marks."""
    said = " ".join(canon(value)[0])
    if said and supplied.is_talk(value):
        return f"“{opened(supplied.ended(said))}”"
    bare = said.rstrip(".;: ")
    return bare[:1].lower() + bare[1:] if bare[1:] == bare[1:].lower() else bare


def _ended(said: str) -> str:
    return said if not said or said.endswith("”") else f"{said}."


def _whole(value: str) -> bool:
    """Whether the value is a phrase of which no mark has to be left out."""
    said = value.strip().rstrip(".")
    return bool(said) and supplied.phrase(said) == " ".join(said.split()) and len(said) > 1
