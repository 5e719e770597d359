"""Legibility: whether a text is an English tale at all, which is what the analysis can judge."""

from __future__ import annotations

import re

from app.storyteller.passage import Passage

SHORT = 6  # words; fewer are a scrap
ENGLISH = frozenset({
    "the", "and", "to", "that", "with", "his", "her", "she", "they", "from", "which", "was", "were",
    "had", "have", "has", "of", "is", "are", "it", "its", "by", "for", "not", "but", "you", "your",
    "this", "there", "their", "them", "would", "could", "into", "been", "who", "what", "when",
    "where", "i", "my", "be", "as", "at", "he", "him", "we", "our", "all", "one", "no", "out",
    "up", "then", "than", "if", "or", "an", "a", "in", "on",
})  # fmt: skip
# Of those, what other languages have as well: Spanish `a`, German `in` and `was`, Dutch `of`.
SHARED = frozenset({"a", "as", "no", "me", "he", "i", "in", "on", "or", "an", "of", "is", "was",
                    "we", "be", "up", "all", "one", "by", "at", "has", "had"})  # fmt: skip
OWN_LEAST = 0.08  # share of words that only English has; English prose has 0.2 and more
FOREIGN_LETTERS = 0.3  # share of letters beyond ASCII above which no word need be counted
MAX_LETTERS = 1000  # characters of a text by which its letters are told
TOLD = frozenset({"he", "she", "him", "his", "her", "said", "was", "were", "had", "i", "they",
                  "my", "me", "we", "who"})  # fmt: skip
TOLD_LEAST = 0.05  # share of a tale's words that tell of persons and of what was

KINDS = {
    "a recipe": """preheat oven teaspoon teaspoons tablespoon tablespoons tbsp tsp cup cups bake
        simmer stir whisk season chop chopped dough flour butter sugar salt pepper garlic onion
        onions serve serves drain boil dice grams ml pint icing skewer saucepan fry sauté
        knead tomatoes minutes ingredients degrees baking powder oil stock mix chill recipe
        marinate grate""",
    "a stat block": """str dex con int wis cha ac hp xp ft armor hit points speed
        senses passive perception challenge melee ranged weapon attack reach damage slashing
        piercing bludgeoning multiattack saving throws darkvision humanoid undead unaligned
        languages immunities resistances target cr proficiency medium""",
    "a rules text": """saving throw spell slot level target creature range duration casting bonus
        action reaction turn turns proficiency modifier advantage disadvantage rest succeed failed
        dc d4 d6 d8 d10 d12 d20 attack attacks damage hit check checks feature uses expended regain
        prone frightened charmed restrained effect effects equal feet ability score""",
    "a report": """committee minutes agenda treasurer budget meeting meetings quarter quarterly
        report contract contracts accounts department photocopier approved agreed members annual
        policy chapter described species classification section figure table""",
    "an instruction": """install package command server configuration port file files directory
        click software email password website download database api error version default log logged
        button select menu settings update run restart user data code""",
}
WORDS = {kind: frozenset(words.split()) for kind, words in KINDS.items()}
LIST_SHARE, LIST_WORDS = 0.14, 4  # of a kind's words: how thickly, and how many different ones
STATS = re.compile(r"\b(?:armou?r class|hit points|challenge \d|melee weapon attack|to hit,)", re.I)


def obstacle(passage: Passage) -> str | None:
    """Why the text cannot be told to be of a category; None where it can be tried."""
    letters = [c for c in passage.text[:MAX_LETTERS] if c.isalpha()]
    if sum(not c.isascii() for c in letters) > FOREIGN_LETTERS * len(letters):
        return "the text is not in English, the only language that is read here"
    words = passage.words
    if sum(any(map(str.isalpha, w)) for w in words[: SHORT * 2]) < SHORT:
        return "the text is too short"
    if kind := _kind(passage):
        return f"the text is {kind} rather than a tale"
    own = sum(n for w, n in passage.counted.items() if w in ENGLISH and w not in SHARED)
    if own < OWN_LEAST * len(words):
        return "the text is not in English, the only language that is read here"
    return None


def _kind(passage: Passage) -> str | None:
    if len(STATS.findall(passage.text[:20_000])) >= 2:
        return "a stat block"
    total = len(passage.words)
    if sum(n for w, n in passage.counted.items() if w in TOLD) > TOLD_LEAST * total:
        return None
    for kind, known in WORDS.items():
        found = {w: n for w, n in passage.counted.items() if w in known}
        if len(found) >= LIST_WORDS and sum(found.values()) >= LIST_SHARE * total:
            return kind
    return None
