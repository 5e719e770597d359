"""Concepts: what a text speaks of, found by exact words and phrases that are not denied."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
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
MAX_KNOWN = 16_384  # words whose base form is remembered; about 2 MB when full
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
        self.words: dict[str, tuple[str, ...]] = {}
        self.phrases: dict[tuple[str, str], list[tuple[str, ...]]] = {}
        for concept, entries in concepts.items():
            for entry in dict.fromkeys(entries):
                self.words[entry] = (*self.words.get(entry, ()), concept)
        for entry in self.words:
            if len(parts := tuple(entry.split("_"))) > 1:
                self.phrases.setdefault((parts[0], parts[1]), []).append(parts)
        for known in self.phrases.values():
            known.sort(key=len, reverse=True)
        self._starts = frozenset(first for first, _ in self.phrases)
        self.base = lru_cache(MAX_KNOWN)(self._base)

    def _base(self, word: str) -> str | None:
        """The form under which a word is listed."""
        return next((b for b in bases(word) if b in self.words), None)

    def read(self, text: str) -> Findings:
        """The concepts of a text; what is denied is counted apart."""
        lower = text.lower().translate(STRAIGHT)
        tokens = [(m[0], m.start()) for m in TOKEN.finditer(lower)]
        words = [word for word, _ in tokens]
        # A pass over 50,000 characters is 9,000 words: what no list knows is passed over first.
        bases_of = {word: self.base(word) for word in set(words)}
        seen: list[tuple[int, int, str, bool]] = []  # token, how many of them, base, denied
        denied = skip = 0
        for at, word in enumerate(words):
            if at < skip:
                continue
            base, length = bases_of[word], 1
            if word in self._starts and (parts := self._phrase(words, at)):
                base, length = "_".join(parts), len(parts)
                skip = at + length
            if base is not None:
                seen.append((at, length, base, denied > 0))
            if denied or word in DENIALS:
                denied = _denied(words, at, denied)
        return self._found(words, [start for _, start in tokens], seen)

    def _phrase(self, words: Sequence[str], at: int) -> tuple[str, ...] | None:
        if at + 1 == len(words):
            return None
        for parts in self.phrases.get((words[at], words[at + 1]), ()):
            if len(parts) == 2 or tuple(words[at : at + len(parts)]) == parts:
                return parts
        return None

    def _found(
        self,
        words: Sequence[str],
        starts: Sequence[int],
        seen: Iterable[tuple[int, int, str, bool]],
    ) -> Findings:
        found = Findings(total=sum(word not in STOPS for word in words))
        for at, length, base, denied in seen:
            last = at + length - 1
            place = (starts[at], starts[last] + len(words[last]))
            found.add(self.words[base], base, place, denied=denied)
        return found


def _denied(words: Sequence[str], at: int, left: int) -> int:
    """How many of the next words are denied, after the word at `at`."""
    if words[at] in STOPS:
        return 0
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
