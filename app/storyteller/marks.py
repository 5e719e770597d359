"""Marks: by what a reader knows a text again: its opening and the people who are named in it.

They are read from the finished text, whatever made it, and are hashes: who keeps them keeps no
word of it. A name from the request is no mark, for every text about it has that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from app.llm.completion import MARK_BYTES, MAX_MARKS
from app.storyteller.packs import Packs

OPENING = 8  # words

# Words with a capital, one after the other, or with `of` or `the` between them.
TITLED = re.compile(r"[A-Z][\w-]+(?:['’][A-Z]\w+)?(?:(?: of| the)? [A-Z][\w-]+(?:['’][A-Z]\w+)?)+")
CAPITAL = re.compile(r"[A-Z][\w-]+(?:['’][A-Z]\w+)?")
NAME = re.compile(r"(?<![.!?“:] )(?<!^)\b[A-Z][\w’'-]*")
NUMBER = re.compile(r"\b\d[\d,.]*\b|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven)\b")
WORD = re.compile(r"[\w#’']+")


class Marks:
    """Of texts that are told with these grammars."""

    def __init__(self, packs: Packs) -> None:
        self._packs = packs
        self._names: frozenset[str] = frozenset()  # words of which people's names are made

    def of(self, draft: Any, text: str, asked: str) -> tuple[bytes, ...]:
        """The request's own mark, the opening's, and one for each of the people.

        `text`: the draft as a model writes it; `asked`: the request's words. Some 0.1 ms for 250
        words.
        """
        said = asked.lower()
        people = (name for name in self.people(text) if name.lower() not in said)
        found = dict.fromkeys([asked, opening(prose(draft)), *people])
        return tuple(map(digest, found))[:MAX_MARKS]

    def people(self, text: str) -> Iterator[str]:
        """Each name of two words or more, as its first two, from the first that people bear."""
        names = self._names or self._known()
        for run in TITLED.findall(text):
            words = CAPITAL.findall(run)
            while len(words) > 1 and words[0] not in names:
                del words[0]
            if len(words) > 1:
                yield " ".join(words[:2])

    def _known(self) -> frozenset[str]:
        drawn = [self._packs.names, *self._packs.people["race"].values()]
        lists = [table.get(kind, ()) for table in drawn for kind in ("she", "he", "family")]
        lists += [enemy.get("names", ()) for enemy in self._packs.enemies.get("enemy", ())]
        words = (word for some in lists for name in some for word in CAPITAL.findall(name))
        self._names = frozenset(words)
        return self._names


def prose(draft: Any) -> str:
    """What is read first of a draft."""
    if isinstance(draft, str):
        return draft
    return str(getattr(draft, "content", None) or getattr(draft, "description", ""))


def opening(prose: str) -> str:
    """How a text begins, with `#` for each name and number."""
    head = " ".join(prose[:200].split())
    masked = NUMBER.sub("#", NAME.sub("#", head)).lower()
    return " ".join(WORD.findall(masked)[:OPENING])


def digest(said: str) -> bytes:
    return hashlib.blake2b(said.encode(), digest_size=MARK_BYTES).digest()
