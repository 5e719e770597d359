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
MAX_LISTED = 64


class Asked:
    """The caller's values under their paths, such as `context.setting`, in their order."""

    def __init__(self, **sources: Mapping[str, Any]) -> None:
        self.values = {
            f"{source}.{key}": value
            for source, given in sources.items()
            for key, value in given.items()
            if value not in (None, "", [])
        }
        self._steering: set[str] = set()

    def get(self, *keys: str) -> Any:
        """The first value under one of the keys, whichever object it stands in; None without."""
        return next((self.values[path] for path in self._paths(keys)), None)

    def steer(self, *keys: str) -> None:
        """These keys have decided something, so that their words need not stand in the text."""
        self._steering.update(self._paths(keys))

    def title(self, *keys: str) -> str:
        """A proper name, or `` when there is none that fits a sentence."""
        return next(filter(None, (supplied.title(self.values[p]) for p in self._paths(keys))), "")

    def thing(self, *keys: str) -> str:
        return next(filter(None, (supplied.thing(self.values[p]) for p in self._paths(keys))), "")

    def unsaid(self, text: str) -> list[str]:
        """The paths of what steers nothing and does not stand in the text."""
        said = frozenset(WORD.findall(text.lower()))
        return [
            path
            for path, value in self.values.items()
            if path not in self._steering and not _told(value, text.lower(), said)
        ]

    def _paths(self, keys: Sequence[str]) -> Iterator[str]:
        for key in keys:
            for path in self.values:
                if path.partition(".")[2] == key:
                    yield path


def canon(value: Any) -> tuple[list[str], bool]:
    """The sentences of a long value, fit to be quoted, and whether any had to be left out."""
    whole = value if isinstance(value, str) else "; ".join(map(str, value))
    kept, words, lost = [], 0, False
    for part in SENTENCE.split(whole):
        said = supplied.verbatim(part, len(part) + 1)
        if not said:
            lost = lost or any(c.isalnum() for c in part)
        elif ORDERS.search(said) or words + len(said.split()) > MAX_CANON_WORDS:
            lost = True
        else:
            words += len(said.split())
            kept.append(supplied.ended(said))
    return kept, lost


def label(path: str) -> str:
    """A key as a sentence has it: `hidden cost` of `parameters.hidden_cost`."""
    return supplied.noun(path.partition(".")[2].replace("_", " "))


def _told(value: Any, lower: str, said: frozenset[str]) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, list):
        return all(_told(item, lower, said) for item in value)
    phrase = " ".join(str(value).lower().split())
    if phrase in lower:
        return True
    words = [w for w in WORD.findall(phrase) if w not in supplied.ARTICLES]
    return bool(words) and len(words) > 2 and _share(words, said) >= KNOWN_WORDS


def _share(words: Iterable[str], said: frozenset[str]) -> float:
    known = [word in said for word in words]
    return sum(known) / len(known)
