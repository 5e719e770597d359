"""Concepts: what a text speaks of, found by exact words and phrases that are not denied."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from app.storyteller.grammar import read
from app.storyteller.inflection import bases

LEXICON = Path(__file__).parent / "lexicon"
TOKEN = re.compile(r"[a-z]+(?:['-][a-z]+)*|[.,;:!?—()\"\n]")
STRAIGHT = str.maketrans("’‘“”", "''\"\"")
STOPS = frozenset('.,;:!?—()"\n')
REACH = 3  # words after a denial that it denies, up to the next stop
DENIALS = frozenset({"no", "not", "never", "without", "nor", "neither", "nothing", "nobody",
                     "cannot", "hardly", "wasn't", "weren't", "isn't", "aren't", "didn't",
                     "doesn't", "don't", "hadn't", "hasn't", "haven't"})  # fmt: skip
AFFIRMED = frozenset({"but", "only", "more", "less", "longer", "just", "sooner", "even"})
MAX_PLACES = 40  # of one word in a text; quoting and comparing stretches needs no more
ELEMENT = "element:"  # before the names of the sides of a text, which are read along with concepts
IDIOM = "idiom"  # the concept of phrases whose words mean nothing of their own

Place = tuple[int, int]  # of characters in the text


@dataclass(slots=True)
class Sighting:
    """One word or phrase of a concept in a text: each place of it, up to `MAX_PLACES`."""

    times: int
    places: list[Place]


@dataclass(slots=True)
class Findings:
    """What a text has of each concept, and how many words it has at all."""

    total: int = 0
    seen: dict[str, dict[str, Sighting]] = field(default_factory=dict)
    denied: Counter[str] = field(default_factory=Counter)  # concepts, as in “there was no blood”

    def add(self, carried: Iterable[str], base: str, place: Place, *, denied: bool) -> None:
        if denied:
            self.denied.update(carried)
            return
        for concept in carried:
            if concept != IDIOM:
                self._note(concept, base, place)

    def _note(self, concept: str, base: str, place: Place) -> None:
        found = self.seen.setdefault(concept, {})
        sighting = found.setdefault(base, Sighting(0, []))
        sighting.times += 1
        if sighting.times <= MAX_PLACES:
            sighting.places.append(place)


class Lexicon:
    """Words and phrases, each with the concepts it carries."""

    def __init__(self, concepts: Mapping[str, Sequence[str]]) -> None:
        """`concepts`: base forms by concept; a phrase has `_` for its spaces."""
        self.words: dict[str, list[str]] = {}
        self.phrases: dict[str, list[tuple[tuple[str, ...], list[str]]]] = {}
        grouped: dict[str, list[str]] = {}
        for concept, entries in concepts.items():
            for entry in dict.fromkeys(entries):
                grouped.setdefault(entry, []).append(concept)
        for entry, carried in grouped.items():
            parts = tuple(entry.split("_"))
            if len(parts) == 1:
                self.words[entry] = carried
            else:
                self.phrases.setdefault(parts[0], []).append((parts, carried))
        for known in self.phrases.values():
            known.sort(key=lambda p: -len(p[0]))

    def carried(self, word: str) -> tuple[str, tuple[str, ...]] | None:
        """The base form under which a word is listed, and the concepts of it."""
        base = next((b for b in bases(word) if b in self.words), None)
        return None if base is None else (base, tuple(self.words[base]))

    def read(self, text: str) -> Findings:
        """The concepts of a text; what is denied is left out."""
        found = Findings()
        tokens = [(m[0], m.span()) for m in TOKEN.finditer(text.lower().translate(STRAIGHT))]
        words = [token for token, _ in tokens]
        found.total = sum(word not in STOPS for word in words)
        memory: dict[str, tuple[str, tuple[str, ...]] | None] = {}
        denied = at = 0
        while at < len(words):
            word = words[at]
            length = 1
            if word in STOPS:
                denied = 0
            elif matched := self._phrase(words, at):
                parts, concepts = matched
                place = (tokens[at][1][0], tokens[at + len(parts) - 1][1][1])
                found.add(concepts, "_".join(parts), place, denied=denied > 0)
                length = len(parts)
            else:
                if word not in memory:
                    memory[word] = self.carried(word)
                if hit := memory[word]:
                    found.add(hit[1], hit[0], tokens[at][1], denied=denied > 0)
            denied = _denied(words, at, denied)
            at += length
        return found

    def _phrase(self, words: Sequence[str], at: int) -> tuple[tuple[str, ...], list[str]] | None:
        for parts, concepts in self.phrases.get(words[at], ()):
            if words[at : at + len(parts)] == list(parts):
                return parts, concepts
        return None


def _denied(words: Sequence[str], at: int, left: int) -> int:
    """How many of the next words are denied, after the word at `at`."""
    following = words[at + 1] if at + 1 < len(words) else ""
    if words[at] in DENIALS and following not in AFFIRMED:
        return REACH
    if left and words[at] in ("or", "and"):
        return left + 1
    return max(0, left - 1)


@cache
def table() -> dict[str, dict[str, object]]:
    """The concepts of the lexicon as they stand in its file. Reading them takes some 3 ms, once."""
    return tomllib.loads((LEXICON / "concepts.toml").read_text(encoding="utf-8"))


@cache
def lexicon() -> Lexicon:
    """All concepts, and the words that carry each side of a text."""
    listed = {name: str(row["words"]).split() for name, row in table().items()}
    sides = read("themes")["element"]
    return Lexicon(listed | {f"{ELEMENT}{name}": row["words"] for name, row in sides.items()})
