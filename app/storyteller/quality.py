"""Quality: how well a text is written, as far as counting can tell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from app.storyteller.issues import Findings, error, warning
from app.storyteller.passage import Passage, quoted

THIN = 20  # words; a text with fewer can hardly be judged
LONG_SENTENCE = 45  # words; nobody reads it aloud in one breath
SAME_START = 4  # sentences that begin alike, one after another
VARIETY_FROM, VARIETY = 80, 0.35  # distinct words for all words, in texts of 80 words or more
WORN = 0.03  # share of a text above which one content word is worn out
WINDOW = 400  # words over which variety is measured; it falls with length by itself

TWICE = re.compile(r"\b([a-z]{2,20})\s{1,5}\1\b", re.I)
SHOUT = re.compile(r"\b[A-Z]{4,20}(?:[ ,!]{1,2}[A-Z]{2,20}){2,10}\b")
BRACKETED = re.compile(r"\[[A-Za-z][^\[\]\n]{1,40}\]|\{[A-Za-z_]{2,40}\}|<[A-Za-z_ ]{2,40}>")


def judged(passage: Passage, wording: Mapping[str, Any]) -> Findings:
    if not passage.words:
        yield error("The text has no words.", None, "Write the text first.")
        return
    yield from _unfinished(passage, wording["unfinished"])
    yield from _repeated_sentences(passage.sentences)
    yield from _repeated_words(passage, wording["twice"])
    yield from _shape(passage)
    yield from _sentences(passage.sentences)
    yield from _vocabulary(passage, wording["common"])


def _unfinished(passage: Passage, marks: Sequence[str]) -> Findings:
    advice = "Replace it with the text that is meant."
    for mark in marks:
        if place := passage.first(mark):
            yield error(f"Unfinished text: “{mark}”.", passage.around(*place.span()), advice)
    if place := BRACKETED.search(passage.text):
        yield error("An unfilled slot stands in the text.", place[0], advice)


def _repeated_sentences(sentences: Sequence[str]) -> Findings:
    counted = Counter(s.lower() for s in sentences if s.count(" ") >= 2)
    for sentence, times in counted.most_common(3):
        if times > 1:
            yield error(
                f"A sentence stands {times} times.", quoted(_as_written(sentence, sentences)),
                "Keep it once, where it is strongest.",
            )  # fmt: skip


def _as_written(lowered: str, sentences: Sequence[str]) -> str:
    return next(s for s in sentences if s.lower() == lowered)


def _repeated_words(passage: Passage, allowed: Collection[str]) -> Findings:
    words = passage.words
    if not any(map(str.__eq__, words, words[1:])):
        return
    for place in TWICE.finditer(passage.text):
        if place[1].lower() not in allowed:
            yield warning(
                f"“{place[1]}” is said twice running.", passage.around(*place.span()), "Drop one."
            )
            return


def _shape(passage: Passage) -> Findings:
    if len(passage.words) < THIN:
        yield warning(
            f"The text has only {len(passage.words)} words.", quoted(passage.text),
            "Add a detail that can be seen, and what somebody wants.",
        )  # fmt: skip
    if place := SHOUT.search(passage.text):
        yield warning(
            "Words in capitals shout.", quoted(place[0]), "Use small letters and a stronger verb."
        )
    last = passage.text.rstrip()
    if last and last[-1] not in ".!?”\"’')…*":
        yield warning(
            "The text does not end with the end of a sentence.", last[-60:].split("\n")[-1],
            "Finish the last sentence.",
        )  # fmt: skip


def _sentences(sentences: Sequence[str]) -> Findings:
    longest = max(sentences, key=lambda s: s.count(" "), default="")
    if (words := len(longest.split())) > LONG_SENTENCE:
        yield warning(
            f"A sentence has {words} words.", quoted(longest), "Break it where it takes breath."
        )
    starts = [s.split()[0].lower().strip("“\"'") for s in sentences]
    for at in range(len(starts) - SAME_START + 1):
        if len(set(starts[at : at + SAME_START])) == 1:
            yield warning(
                f"{SAME_START} sentences running begin with “{starts[at]}”.", quoted(sentences[at]),
                "Begin one of them with a place, a time or a thing.",
            )  # fmt: skip
            return


def _vocabulary(passage: Passage, common: Collection[str]) -> Findings:
    words = passage.words
    if len(words) < VARIETY_FROM:
        return
    window = words[:WINDOW]
    if (share := len(set(window)) / len(window)) < VARIETY:
        yield warning(
            f"Only {share:.0%} of the words differ from one another.", None,
            "Name things by their own names; vary the verbs.",
        )  # fmt: skip
    content = {w: n for w, n in passage.counted.items() if len(w) > 4 and w not in common}
    word, times = max(content.items(), key=lambda said: said[1], default=("", 0))
    if times > max(4, WORN * len(words)) and (place := passage.first(word)):
        yield warning(
            f"“{word}” stands {times} times.", passage.around(*place.span()),
            f"Replace some of them, or leave “{word}” unsaid.",
        )  # fmt: skip
