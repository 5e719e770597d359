"""Continuation: cast, place and open threads of the text that another one continues."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

SENTENCE = re.compile(r"(?<=[.!?…])[”\"]?\s+")
NAME = re.compile(r"\b(?:[A-Z][\w’'-]+)(?: (?:of the |of |the )?[A-Z][\w’'-]+)*")
AT = re.compile(r"\b(?:in|at|to|from|of|near|outside|into|through)\s+\Z")
THREAD = re.compile(
    r"\?|\b(?:if nobody|until|has not|have not|still|missing|unless|never learned|left over|"
    r"before (?:the|he|she|it|they)|nobody knows|unanswered|not yet|waits?|is waiting)\b",
    re.I,
)
TITLES = re.compile(
    r"\b(?:King|Queen|Lord|Lady|Baron|Baroness|Captain|Sir|Dame|Father|Mother|Brother|Sister|Doctor|"
    r"Count|Countess|Duke|Duchess|Prince|Princess|Master|Abbess|General|Sergeant)\b"
)
# Words that begin a sentence, or stand in capitals, and name nobody.
NO_NAMES = frozenset((
    "A", "An", "The", "It", "He", "She", "They", "We", "You", "I", "In", "On", "At", "By",
    "For", "From", "If", "When", "While", "And", "But", "Or", "So", "Then", "There", "This",
    "That", "These", "Those", "What", "Who", "Why", "How", "Where", "Read", "First", "Second",
    "Third", "One", "Two", "Three", "Nobody", "Somebody", "Everyone", "Insight", "Persuasion",
    "Perception", "Investigation", "Arcana", "Religion", "History", "Nature", "Survival",
    "Deception", "Intimidation", "Athletics", "Stealth", "Act", "Left", "Rumour", "After",
    "Before", "Behind", "Under", "Not", "No", "Yes", "With", "Without", "His", "Her", "Their",
    "Its", "To", "Of", "As", "Only", "Now", "Here", "All", "Each", "Every", "Some", "Any",
    "Somewhere", "Nothing", "Something", "Half", "Until", "Once", "Dexterity", "Strength",
    "Wisdom", "Stay", "Let", "Ask",
))  # fmt: skip
MAX_PEOPLE = 4
MAX_THREAD = 220  # characters of a thread that is taken up


@dataclass(frozen=True, slots=True)
class Parent:
    """people: by how often they are named; enemy: who is spoken of by a title, where there is one;
    thread: a sentence that leaves something open, as it stood.
    """

    people: tuple[str, ...] = ()
    enemy: str = ""
    place: str = ""
    thread: str = ""


def read(text: str | None) -> Parent:
    """What a text leaves to the one that goes on from it; nothing of a text without names."""
    if not text:
        return Parent()
    people: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for found in NAME.finditer(text):
        name = _name(found[0])
        if not name:
            continue
        at = AT.search(text[max(0, found.start() - 10) : found.start()]) is not None
        (places if at and " " not in name else people)[name] += 1
    place = max(places, key=lambda name: places[name] - people[name], default="")
    short = {n: sum(c for m, c in people.items() if m == n.split()[0]) + people[n] for n in people}
    ranked = [n for n in sorted(short, key=lambda n: -short[n]) if n != place]
    full = [n for n in ranked if " " in n] or ranked
    titled = next((n for n in full if TITLES.match(n)), "")
    cast = tuple(n for n in full if n != titled)[:MAX_PEOPLE]
    return Parent(cast, titled, place, _thread(text))


def _name(found: str) -> str:
    words = re.sub(r"['’]s\Z", "", found).split()
    while words and words[0] in NO_NAMES:
        words.pop(0)
    name = " ".join(words).removeprefix("of the ").removeprefix("of ").removeprefix("the ")
    return name if len(name) > 2 and name[0].isupper() else ""


def _thread(text: str) -> str:
    """The last sentence that leaves something open, without its quotation marks."""
    for sentence in reversed(SENTENCE.split(text)):
        bare = " ".join(sentence.replace("“", "").replace("”", "").split()).lstrip("- ")
        if THREAD.search(bare) and 20 < len(bare) <= MAX_THREAD:
            return bare if bare.endswith((".", "!", "?")) else f"{bare}."
    return ""
