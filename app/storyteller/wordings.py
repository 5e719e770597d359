"""Wordings: small expressions of a sentence that may stand for one another, such as `someone`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

# A check as grammars write it, and the other ways in which a table of the game would.
CHECK = re.compile(r"\(([A-Z][a-z]+(?: [a-z]+)? ?[A-Z]?[a-z]*), DC (\{dc\w*\})\)")
CHECKS = ("({0}, DC {1})", "(DC {1} {0})", "({0} check, DC {1})")


class Wordings:
    """Rewords what an author wrote. `groups`: the written expression first, then its equals."""

    def __init__(self, groups: Sequence[Sequence[str]]) -> None:
        self._same = {group[0]: group for group in groups}
        longest = sorted(self._same, key=len, reverse=True)
        told = "|".join(re.escape(each) for each in longest)
        self._pattern = re.compile(rf"(?<![\w{{.])(?:{told})(?![\w}}])", re.I)

    def reworded(self, text: str, rng: Random) -> str:
        """The text with some of its expressions put in another way."""
        text = CHECK.sub(lambda m: rng.choice(CHECKS).format(m[1], m[2]), text)
        return self._pattern.sub(lambda m: self._other(m[0], rng), text)

    def _other(self, said: str, rng: Random) -> str:
        chosen = rng.choice(self._same[said.lower()])
        return chosen[:1].upper() + chosen[1:] if said[:1].isupper() else chosen
