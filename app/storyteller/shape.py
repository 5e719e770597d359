"""Shape: how a text is told, apart from its words: talk, questions, person, tense, length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from app.storyteller.passage import SPEECH, Passage

PAST = frozenset({"was", "were", "had", "said", "went", "came", "took", "stood", "looked", "knew"})
PRESENT = frozenset({"is", "are", "has", "says", "goes", "comes", "takes", "stands", "looks"})
PERSONS = {
    "i": frozenset({"i", "my", "me", "i'm", "i've", "i'd", "i'll", "mine"}),
    "we": frozenset({"we", "our", "us", "we're", "we've", "we'd", "we'll"}),
    "you": frozenset({"you", "your", "you're", "you've", "you'd", "you'll"}),
    "she": frozenset({"she", "her", "hers", "he", "his", "him", "she'd", "he'd"}),
    "they": frozenset({"they", "their", "them"}),
}
SMALL = {
    "and": frozenset({"and"}),
    "the": frozenset({"the", "of"}),
    "but": frozenset({"but", "though", "although"}),
    "because": frozenset({"because", "so", "since", "for"}),
}


def measured(passage: Passage) -> dict[str, float]:
    """Each feature by its name, most between 0 and 2; nothing for a text without words."""
    words = Counter({w.replace("’", "'"): n for w, n in passage.counted.items()})
    total = sum(words.values())
    if not total:
        return {}
    text, sentences = passage.text, max(len(passage.sentences), 1)
    shares = {f"says_{n}": 12 * _share(words, group, total) for n, group in PERSONS.items()}
    small = {f"uses_{n}": 12 * _share(words, group, total) for n, group in SMALL.items()}
    past, present = _share(words, PAST, total), _share(words, PRESENT, total)
    spoken = sum(len(m[0]) for m in SPEECH.finditer(text))
    contracted = sum(n for w, n in words.items() if "'" in w and not w.endswith("'s"))
    return {
        **shares,
        **small,
        "long_sentences": min(2.0, total / sentences / 20),
        "long_words": min(2.0, max(0.0, sum(len(w) * n for w, n in words.items()) / total - 3.5)),
        "talk": 2 * spoken / max(len(text), 1),
        "questions": min(2.0, 4 * text.count("?") / sentences),
        "exclamations": min(2.0, 4 * text.count("!") / sentences),
        "semicolons": min(2.0, 4 * (text.count(";") + text.count(":")) / sentences),
        "contractions": min(2.0, 15 * contracted / total),
        "present": present / (past + present) if past + present else 0.5,
    }


def _share(words: Mapping[str, int], group: frozenset[str], total: int) -> float:
    return sum(words[w] for w in group if w in words) / total
