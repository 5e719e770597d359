"""Asked: all that the caller said, by path, and what of it a text has not brought in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.storyteller import supplied

# What is aimed at a model rather than said of a world: it is no canon, and is named as unused.
ORDERS = re.compile(
    r"system prompt|(?:ignore|disregard|forget)\b.{0,30}\b(?:above|previous|prior|instructions?)",
    re.I,
)
SENTENCE = re.compile(r"(?<=[.!?…])\s+|\s*\n\s*")
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
KNOWN_WORDS = 0.7  # of a value's words that a text must have for it to be told there
MAX_CANON_WORDS = 400  # of one value that are quoted
BRIEF_WORDS = 2  # that stand in many a text by chance
MAX_WORD = 60  # characters of one word; longer is no word


class Asked:
    """The caller's values under their paths, such as `context.setting`, in their order."""

    def __init__(self, **sources: Mapping[str, Any]) -> None:
        self.values = {
            f"{source}.{key}": value
            for source, given in sources.items()
            for key, value in given.items()
            if value not in (None, "", [])
        }
        self._at: dict[str, list[str]] = {}  # the paths of each key
        for path in self.values:
            self._at.setdefault(path.partition(".")[2], []).append(path)
        self._steering: set[str] = set()
        self._embodied: dict[str, str] = {}
        self._known: frozenset[str] = frozenset()

    def get(self, *keys: str) -> Any:
        """The first value under one of the keys, whichever object it stands in; None without."""
        return next((self.values[path] for path in self._paths(keys)), None)

    def steer(self, *keys: str) -> None:
        """These keys have decided something, so that their words need not stand in the text."""
        self._steering.update(self._paths(keys))

    def understand(self, keys: Iterable[str]) -> None:
        """Keys whose values become words of sentences. Others are told as `weather, fog`."""
        self._known = self._known.union(keys)

    def embody(self, key: str, phrase: str) -> None:
        """A text that speaks of `phrase` has told what stands under this key."""
        if phrase:
            self._embodied.update((path, phrase.lower()) for path in self._paths((key,)))

    def title(self, *keys: str) -> str:
        """A proper name, or `` when there is none that fits a sentence."""
        return next(filter(None, (supplied.title(self.values[p]) for p in self._paths(keys))), "")

    def named(self, *keys: str) -> str:
        """A proper name, or a kind of being as it is spoken of: Strahd, the wolves of the fell."""
        thing = self.thing(*keys)
        return thing if thing.startswith("the ") else self.title(*keys)

    def thing(self, *keys: str) -> str:
        return next(filter(None, (supplied.thing(self.values[p]) for p in self._paths(keys))), "")

    def unsaid(self, text: str, beside: str = "") -> list[str]:
        """The paths of what steers nothing and does not stand in the text.

        `beside`: a text in which what is said of the theme may stand as well.
        """
        text = text.lower()
        both = f"{text}\n{beside.lower()}"
        words_of = {where: frozenset(WORD.findall(where)) for where in (text, both)}
        found = []
        for path, value in self.values.items():
            where = both if path.startswith("theme.") else text
            if path in self._steering or self._bodily(path, value, where):
                continue
            if not self._found(path, value, where, words_of[where]):
                found.append(path)
        return found

    def _found(self, path: str, value: Any, where: str, words: frozenset[str]) -> bool:
        """Whether a value stands in a text; a word or two of it may stand there by chance."""
        source, _, key = path.partition(".")
        if key not in self._known and source != "theme" and _brief(value):
            return f"{label(path)}, {supplied.phrase(value).lower()}" in where
        return _told(value, where, words)

    def _bodily(self, path: str, value: Any, lower: str) -> bool:
        """Whether a phrase of a short value is what the text is about."""
        phrase = self._embodied.get(path)
        return phrase is not None and phrase in lower and not supplied.is_talk(value)

    def _paths(self, keys: Sequence[str]) -> Iterator[str]:
        for key in keys:
            yield from self._at.get(key, ())


def canon(value: Any) -> tuple[list[str], bool]:
    """The sentences of a long value, fit to be quoted, and whether any had to be left out."""
    whole = value if isinstance(value, str) else "; ".join(map(str, value))
    kept, words, lost = [], 0, False
    for part in SENTENCE.split(whole):
        said = supplied.verbatim(part, len(part) + 1)
        if not said:
            lost = lost or any(c.isalnum() for c in part)
        elif supplied.ended(said) in kept:
            continue
        elif not _quotable(said) or words + len(said.split()) > MAX_CANON_WORDS:
            lost = True
        else:
            words += len(said.split())
            kept.append(supplied.ended(said))
    return kept, lost


def _quotable(said: str) -> bool:
    return not ORDERS.search(said) and max(map(len, said.split())) <= MAX_WORD


def _brief(value: Any) -> bool:
    return not isinstance(value, list) and len(str(value).split()) <= BRIEF_WORDS


def label(path: str) -> str:
    """A key as a sentence has it: `hidden cost` of `parameters.hidden_cost`."""
    return supplied.noun(path.partition(".")[2].replace("_", " "))


def _told(value: Any, lower: str, said: frozenset[str]) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, list):
        return all(_told(item, lower, said) for item in value)
    phrase = supplied.LEADING.sub("", " ".join(str(value).lower().split()))
    if phrase in lower:
        return True
    words = [w for w in WORD.findall(phrase) if w not in supplied.ARTICLES]
    return bool(words) and len(words) > 2 and _share(words, said) >= KNOWN_WORDS


def _share(words: Iterable[str], said: frozenset[str]) -> float:
    known = [word in said for word in words]
    return sum(known) / len(known)
