"""Agreement: the plural verbs behind somebody or something that is more than one.

The grammars have their verbs in the third person. Whoever is named in a line stands between marks
when it is told, by which this knows who is one and who is many: `{enemy} knows, and offers bread`
is `the wolves know, and offer bread`. The verb behind a name agrees, that of a clause with `who`,
and each that is joined on by a comma or by `and`, unless another subject came between.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from app.storyteller.concepts import LEXICON
from app.storyteller.inflection import bases

NAME, ONE, MANY = "\x02", "\x03", "\x01"  # before a name, and behind it
TOKEN = re.compile(rf"{NAME}[^{ONE}{MANY}]*[{ONE}{MANY}]|\w+(?:['’-]\w+)*|[^\w\s]")
MARKS = re.compile(f"[{NAME}{ONE}{MANY}]")
PARENTHESIS = re.compile(r" ?\([^()]*\)")
STOP = frozenset(".!?;:“”—()")

IRREGULAR = {
    "is": "are",
    "has": "have",
    "was": "were",
    "does": "do",
    "goes": "go",
    "isn't": "aren't",
    "hasn't": "haven't",
    "doesn't": "don't",
    "wasn't": "weren't",
}
IN_IE = {"unties": "untie", "belies": "belie", "underlies": "underlie"}
PAIRED = frozenset(("at once", "at last", "no longer", "in turn", "at least"))
JOINERS = frozenset(("and", "but", "or", "nor"))
RELATIVE = frozenset(("who", "which", "that"))
FREE = frozenset(("what", "whatever", "whoever"))  # `what is under it` is a subject
EITHER = frozenset(("before", "after", "as", "once", "than", "until", "since"))  # or prepositions
# Where a name is surely the subject of what comes behind it.
FIRST = frozenset((
    "", ",", *JOINERS, "if", "when", "where", "while", "because", "though", "although", "since",
    "that", "whether", "so",
))  # fmt: skip
OF = frozenset(("of", "on", "about", "in"))  # what stands before them is meant
INVERTED = frozenset((
    "so", "nor", "neither", "where", "how", "why", "what", "when", "whom",
))  # fmt: skip
SMALL = frozenset((
    "the", "a", "an", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "all", "both", "some", "most", "other", "these", "those",
))  # fmt: skip


@cache
def _words() -> dict[str, frozenset[str]]:
    table = tomllib.loads((LEXICON / "agreement.toml").read_text(encoding="utf-8"))
    return {name: frozenset(said.split()) for name, said in table.items()}


def plural(verb: str) -> str:
    """A verb of the third person singular in the plural; any other word as it is."""
    if found := IRREGULAR.get(verb) or IN_IE.get(verb):
        return found
    if verb in _words()["no_verbs"] or not verb.endswith("s") or verb.endswith("ss"):
        return verb
    if verb.endswith("ies") and len(verb) > 4:
        return f"{verb[:-3]}y"
    if re.search(r"(?:ch|sh|ss|x|zz|o)es\Z", verb):
        return verb[:-2]
    return verb[:-1]


def marked(name: str, *, many: bool) -> str:
    """A name as it stands in a line that is still to be agreed."""
    return f"{NAME}{name}{MANY if many else ONE}"


def bare(text: str) -> str:
    """A text without the marks."""
    return MARKS.sub("", text)


def agreed(text: str) -> str:
    """The text with a plural verb for each subject that is many, and without the marks."""
    if MANY in text:
        text = "".join(_settled(text))
    return re.sub(r"s's\b", "s'", bare(text))


def _settled(text: str) -> Iterator[str]:
    hidden = PARENTHESIS.sub(lambda found: " " * len(found[0]), text)
    at, clause = 0, list[_Word]()
    changes: dict[int, tuple[int, str]] = {}
    for found in [*TOKEN.finditer(hidden), None]:
        if found is not None and found[0] not in STOP:
            clause.append(_Word(found[0], found.start(), found.end(), text[found.end() :][:1]))
            continue
        changes |= _Clause(clause).changes() if any(w.many for w in clause) else {}
        clause = []
    for start, (end, word) in sorted(changes.items()):
        yield text[at:start] + word
        at = end
    yield text[at:]


@dataclass(frozen=True, slots=True)
class _Word:
    said: str
    start: int
    end: int
    after: str

    @property
    def low(self) -> str:
        return self.said.lower()

    @property
    def name(self) -> bool:
        return self.said[0] == NAME

    @property
    def many(self) -> bool:
        return self.said[-1] == MANY

    @property
    def owner(self) -> bool:
        """Whether what stands behind it is its own: `the wolves' den`."""
        return self.name and self.after in "'’" and self.after != ""

    @property
    def pronoun(self) -> bool:
        return self.name and bare(self.said).lower() in ("they", "he", "she", "it")


class _Clause:
    """What stands between two full stops, colons or semicolons."""

    def __init__(self, words: Sequence[_Word]) -> None:
        self.words = words
        self.found: dict[int, tuple[int, str]] = {}
        # Whether the subject is many, of the sentence and of the clause within it.
        self.main: bool | None = None
        self.inner: bool | None = None
        self.inside = False
        self.full = False  # whether `, and` has ended the list of its verbs

    def changes(self) -> dict[int, tuple[int, str]]:
        at = 0
        while at < len(self.words):
            at = self._word(at)
        return self.found

    def _word(self, at: int) -> int:
        """Settle what begins at a word; where to go on."""
        word = self.words[at]
        if word.name:
            return self._name(at)
        if word.low in JOINERS or word.said == ",":
            return self._joined(at)
        if word.low in _words()["openers"] and self._opens(at):
            self.inside, self.inner = True, None
        elif self._is_verb(at) and not self._is_name(at - 1):
            if not self._inverts(at):
                self._other()
        elif word.low in _words()["persons"] and self._is_verb(self._behind(at + 1)):
            self._other()
        return at + 1

    def _other(self) -> None:
        """From here on the subject is one that no mark is about."""
        if self.inside:
            self.inner = False
        else:
            self.main = False

    def _opens(self, at: int) -> bool:
        """Whether a clause follows, which behind `before` or `as` may be a mere noun."""
        if self._at(at + 1) in (",", *JOINERS):
            return False
        near = range(at + 1, at + 6)
        return self._at(at) not in EITHER or any(self._is_verb(n) for n in near)

    # -- names
    def _name(self, at: int) -> int:
        """A name as the subject of what comes behind it, or as none."""
        word = self.words[at]
        if word.owner:
            return at + 1
        subject = word.pronoun or self._may_be_subject(at)
        first = subject and self._before(at) in FIRST
        relative = at + 1 + (self._at(at + 1) == ",")
        if self._at(relative) in RELATIVE:
            return self._relative(relative, at, first=first)
        verb = self._behind(at + 1)
        if first and self._at(verb) in _words()["prepositions"]:  # `the wolves of the fell know`
            verb = next((n for n in range(verb + 1, verb + 4) if self._is_verb(n)), verb)
        if first and self._at(at + 1) == ",":  # `the wolves, at last, know`
            self._becomes(at)
        elif subject and self._is_finite(verb, at):
            self._becomes(at)
            self._change(verb, at)
            return verb + 1
        elif subject and self._inverts(at - 1):
            self._change(at - 1, at)
        return at + 1

    def _relative(self, at: int, name: int, *, first: bool) -> int:
        """`who sells`: of the name itself, where nobody else can be meant."""
        if first:
            self._becomes(name)
        verb = self._behind(at + 1)
        apart = at > name + 1
        if self._at(at) == "which" and (self._at(verb) == "is" or self._before(name) in OF):
            apart = False  # `which is well` is about the sentence, `the neck of` about the neck
        sure = first or self._before(name) in ("is", "was") or apart
        if plural(self._at(verb)) == self._at(verb) or not sure:
            return at
        self.inside, self.inner = True, self.words[name].many
        self._change(verb, name)
        return verb + 1

    def _becomes(self, at: int) -> None:
        """The name is the subject from here on, of the sentence or of a clause in it."""
        before, many, self.full = self._before(at), self.words[at].many, False
        if before == "," and self.main is None:
            self.inside = False  # `if it rains, the wolves know`
        if self.inside and (before not in JOINERS or self.main is None):
            self.inner = many
        else:
            self.main, self.inside = many, False

    def _may_be_subject(self, at: int) -> bool:
        start = at
        while start and self._at(start - 1) in SMALL:
            start -= 1
        before, earlier = self._at(start - 1), self._at(start - 2)
        if self._at(0) in FREE and self._is_verb(start - 1):
            return False  # `whoever has the wolves has the fell`
        if before == "for":
            return earlier == ","
        if before == "before":  # `the dust before the wolves`
            first = self._at(0) in SMALL and start > 1
            return not first or any(self._is_verb(n) for n in range(1, start))
        return before not in _words()["prepositions"] or earlier in ("from", "is", "was", "are")

    def _inverts(self, at: int) -> bool:
        """Whether a verb stands before its subject: `so is he`."""
        before = self._at(at - 1)
        begins = before in ("there", "here") and self._at(at - 2) in ("", ",", *JOINERS)
        return self._at(at) in IRREGULAR and (at == 0 or before in INVERTED or begins)

    # -- what is joined on
    def _joined(self, at: int) -> int:
        """A verb behind a comma or an `and`, which has the subject of the one before."""
        comma, first = self.words[at].said == ",", at + 1
        alone = comma and self._at(first) in JOINERS  # no noun stands behind `, and`
        first += alone
        if self._at(first) in FREE and self._opens(first):  # `and what is under it thanks them`
            self.main, self.inside, self.inner = False, False, None
            return first + 1
        verb = self._behind(first)
        if not self._is_verb(verb, alone=alone) or self._inverts(verb):
            self.full = self.full or alone
            return first
        if comma and self.main is not None:
            self.inside = False
        if self._joined_to() and (alone or not comma or not self.full):
            self._plural(verb)
        return verb + 1

    def _joined_to(self) -> bool:
        """Whether the subject that a further verb has is many."""
        if self.main is None and self._at(0) in FREE:
            return False  # `what the wolves say, laughing, is this`
        if self.inside and (self.inner is not None or self.main is None):
            return bool(self.inner)
        return bool(self.main) and not self.inside

    # -- words
    def _at(self, at: int) -> str:
        return self.words[at].low if 0 <= at < len(self.words) else ""

    def _before(self, at: int) -> str:
        """The word before a name, a number or an article aside."""
        at -= 1
        while at >= 0 and self._at(at) in SMALL:
            at -= 1
        return self._at(at)

    def _is_name(self, at: int) -> bool:
        return 0 <= at < len(self.words) and self.words[at].name

    def _behind(self, at: int) -> int:
        """The first word from here that is no adverb."""
        while at < len(self.words):
            word = self._at(at)
            if f"{word} {self._at(at + 1)}" in PAIRED:
                at += 2
            elif word in _words()["adverbs"] or (
                word.endswith("ly") and len(word) > 4 and word not in ("rely", "reply")
            ):
                at += 1
            else:
                break
        return at

    def _is_verb(self, at: int, *, alone: bool = False) -> bool:
        """Whether a word is a verb of the third person.

        What may be a noun is one before an object only, or where no noun can stand (`alone`).
        """
        word = self._at(at)
        if word in IRREGULAR:
            return True
        found = {*_bases(word)}
        if found & _words()["verbs"]:
            return True
        return bool(found & _words()["nouns_too"]) and (alone or self._sure(at))

    def _sure(self, at: int) -> bool:
        after = self._at(at + 1)
        return (
            self._is_name(at + 1) or after in _words()["behind_verbs"] or self._at(at) in IRREGULAR
        )

    def _is_finite(self, at: int, name: int) -> bool:
        """Whether the word behind a name is its verb."""
        word, before = self._at(at), self._before(name)
        found = {*_bases(word)}
        if word in _words()["auxiliaries"] or found & _words()["verbs"]:
            return True
        if found & _words()["nouns_too"] and before not in _words()["verbs"]:
            return True
        begins = before in ("", ",", *JOINERS, *_words()["openers"], *INVERTED)
        known = _words()["verbs"] | _words()["nouns_too"]
        return (begins or self.words[name].pronoun) and (
            plural(word) != word or any(b != word and b in known for b in bases(word))
        )

    def _change(self, at: int, name: int) -> None:
        if self.words[name].many:
            self._plural(at)

    def _plural(self, at: int) -> None:
        if at < len(self.words):
            word = self.words[at]
            self.found[word.start] = (word.end, plural(word.said))


def _bases(word: str) -> tuple[str, ...]:
    """Base forms of a word in s that may be a verb of the third person."""
    if not word.endswith("s") or word in _words()["no_verbs"] or word.endswith("ss"):
        return ()
    return tuple(base for base in bases(word) if base != word)
