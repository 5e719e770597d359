"""Grammatical: the person and the tense in which a text is told, where a rule asks for one."""

from __future__ import annotations

from app.storyteller.inflection import bases
from app.storyteller.issues import Findings, error
from app.storyteller.passage import Passage, quoted
from app.storyteller.shape import PAST, PERSONS, PRESENT

NARRATORS = {
    "first": PERSONS["i"] | PERSONS["we"],
    "second": PERSONS["you"],
    "third": PERSONS["she"] | PERSONS["they"],
}
AUXILIARY = {"past": PAST | {"did", "could", "would"}, "present": PRESENT | {"does", "am", "do"}}
NOUNS = frozenset({"red", "bed", "need", "seed", "indeed", "hundred", "sacred", "wicked", "naked"})
SLIP = 0.2  # share of sentences in another person or tense up to which it is a slip
FEW = 2  # sentences in which it must show before it is held against a text


def judged(passage: Passage, person: str | None, tense: str | None) -> Findings:
    if person in NARRATORS:
        yield from _person(passage, person)
    if tense in AUXILIARY:
        yield from _tense(passage, tense)


def _person(passage: Passage, wanted: str) -> Findings:
    told = passage.told
    own = [s for s, words in told if words & NARRATORS[wanted]]
    if wanted == "third":  # a tale of `I` has `he` as well; a tale of `he` has no `I`
        other = [s for s, words in told if words & (NARRATORS["first"] | NARRATORS["second"])]
        broken = len(other) > SLIP * len(told)
    else:
        other = [s for s, words in told if not words & NARRATORS[wanted]]
        broken = not own and bool(told)
    if broken and other:
        yield error(
            f"The text is not told in the {wanted} person.", quoted(other[0]),
            f"Tell it in the {wanted} person throughout.",
        )  # fmt: skip


def _tense(passage: Passage, wanted: str) -> Findings:
    unwanted = "present" if wanted == "past" else "past"
    own = [s for s, words in passage.told if _in(words, wanted)]
    other = [s for s, words in passage.told if _in(words, unwanted) and not _in(words, wanted)]
    if len(other) > len(own) or (len(other) >= FEW and len(other) > SLIP * (len(own) + len(other))):
        yield error(
            f"The text is not told in the {wanted} tense.", quoted(other[0]),
            f"Put its verbs into the {wanted} tense.",
        )  # fmt: skip


def _in(words: frozenset[str], tense: str) -> bool:
    return bool(words & AUXILIARY[tense]) or (tense == "past" and any(map(_is_past, words)))


def _is_past(word: str) -> bool:
    """A regular past form: it ends in `ed` and is an inflection of something."""
    return word.endswith("ed") and len(word) > 4 and word not in NOUNS and len(bases(word)) > 1
