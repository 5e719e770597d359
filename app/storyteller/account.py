"""Account: a conflict told step by step, as long as was asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from app.storyteller import lengths
from app.storyteller.conflict import Conflict
from app.storyteller.grammar import SENTENCE, Unit
from app.storyteller.lengths import Length, Step
from app.storyteller.lines import Line, line
from app.storyteller.prose import Told
from app.storyteller.telling import Telling

PARTS = {
    "giver": "has a stake in {matter}, and is the one to ask.",
    "third": "knows more of {matter} than {third.they} says.",
}
THREADS = 4  # conflicts beside the first that a text of 1,500 words goes into


class Account:
    """Tells steps of a conflict. The wording of a step is the same in a longer and a shorter text.

    A step is the name of a list of wordings, `hurt`, or of several of which one is taken that was
    not told yet, `hand|secret`; `hurt#2` is that of the second conflict beside the caller's own.
    """

    def __init__(self, conflict: Conflict, rng: Random) -> None:
        self._conflict = conflict
        for number in range(1, 1 + THREADS):
            conflict.begin(number)
        self._seed = rng.getrandbits(64)
        self._telling = Telling(conflict.facts, rng)  # the last one, which knows who was named

    def length(self, usual: int) -> Length:
        """How long it is to be; the caller's words for it need not be told."""
        asked = self._conflict.asked
        said = [(path.partition(".")[2], value) for path, value in asked.values.items()]
        found = lengths.asked(said, usual)
        if found != Length(usual):
            asked.steer(*lengths.KEYS)
        return found

    def tell(self, line: Line) -> str:
        """A line in a telling that is done, after its steps."""
        return self._telling.tell(line)

    def shuffle(self, details: list[Line]) -> None:
        Random(self._seed).shuffle(details)

    def part_of(self, name: str) -> Line | None:
        """What somebody does whom the caller named and who has a part in the conflict."""
        for part, doing in PARTS.items():
            if self._conflict.facts.cast[part].first.endswith(name.partition(",")[0]):
                return line(doing)
        return None

    def tellable(self, steps: Sequence[Step]) -> list[Step]:
        """Those steps for which the piece has words at all; what goes on beside has them."""
        return [step for step in steps if "#" in step.pool or self._has_words(step.pool)]

    def _has_words(self, names: str) -> bool:
        return any(self._conflict.tells(name) for name in names.split("|"))

    def told(self, steps: Sequence[Step]) -> Told:
        """The steps told, without those for which the piece has no words."""
        self._telling = Telling(self._conflict.facts, Random(self._seed))
        seen, made = Counter[tuple[str, str]](), Told([])
        known = {n: {*self._conflict.facts.tags} for n in range(1 + THREADS)}
        about, last, said = _About(), ("", -1), set[str]()
        for step in steps:
            place = (step.field, step.paragraph)
            names, _, number = step.pool.partition("#")
            name = self._drawn(names.split("|"), number, seen)
            able = self._wordings(name, int(number or 0), known[int(number or 0)])
            found = about.first(able[seen[name, number] :], place)
            seen[name, number] += 1
            if found is None:
                continue
            known[int(number or 0)] |= found.gives
            text = ("- " if step.mark == "-" else "") + self._telling.tell(found)
            if said & (sentences := {s.strip(" -\n") for s in SENTENCE.split(text)}):
                continue
            said |= sentences
            joiner = "\n\n" if place != last else "\n" if step.mark else " "
            made.units.append(Unit(joiner, text))
            made.fields.append(step.field)
            last = place
        return made

    def _drawn(self, names: list[str], number: str, seen: Counter[tuple[str, str]]) -> str:
        """One of some steps: of those that were told least, the same for the same seed."""
        least = min(seen[name, number] for name in names)
        able = [name for name in names if seen[name, number] == least]
        return Random(f"{self._seed} {names} {number}").choice(able)

    def _wordings(self, step: str, number: int, known: set[str]) -> list[Line]:
        """The wordings of a step, in an order that only the seed decides."""
        able = list(self._conflict.lines(step, number, known))
        Random(f"{self._seed} {step} {number}").shuffle(able)
        return sorted(able, key=lambda each: -len(each.needs))  # what was set up is paid first


class _About:
    """Sees to it that at least half of the paragraphs speak of the matter."""

    def __init__(self) -> None:
        self._paragraphs: dict[tuple[str, int], bool] = {}

    def first(self, able: Sequence[Line], place: tuple[str, int]) -> Line | None:
        """The first wording for a paragraph, the first with the matter where that is wanting."""
        needs = len(able[0].needs) if able else 0
        speaking = [f for f in able if ("matter", "") in f.slots and len(f.needs) == needs]
        spoken = self._paragraphs.setdefault(place, False)
        wanting = not spoken and 2 * sum(self._paragraphs.values()) < len(self._paragraphs)
        found = next(iter(speaking if wanting and speaking else able), None)
        if found is not None and found in speaking:
            self._paragraphs[place] = True
        return found
