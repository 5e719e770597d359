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
OWN = ENGLISH - SHARED
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
        marinate grate eggs egg milk cream chocolate tin pan grams sift fold melt melted beat cool
        tray lemon juice yeast vanilla cinnamon parsley carrots potatoes chicken beef slice sliced
        cut squares paper rack gently until""",
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
        policy chapter described species classification section figure table hall booking hire
        deposit payable pounds dollars fee fees damage liability terms conditions permitted
        responsible returned available parking premises tenant customer customers company shall
        clause""",
    "a weather report": """rain cloud clouds cloudy sunny spells showers scattered outbreaks winds
        wind gusts gales gale fog patches forecast temperatures temperature degrees highs lows
        morning afternoon evening tonight tomorrow northern southern western eastern north south
        east west coast coastal inland heavy light dry mild cold front pressure thunderstorms
        snow sleet frost drizzle breezy spread""",
    "an instruction": """install package command server configuration port file files directory
        click software email password website download database api error version default log logged
        button select menu settings update run restart user data code fixed added removed
        deprecated upgraded support dependencies crash bug readme release default option line
        client process version link changed unchanged""",
}
WORDS = {kind: frozenset(words.split()) for kind, words in KINDS.items()}
LIST_SHARE, LIST_WORDS = 0.14, 4  # of a kind's words: how thickly, and how many different ones
WEATHER_SHARE = 0.3  # the same of the weather, which tales have as well
SIGNS = re.compile(r"[{}<>\[\]=_`\\|]|\w\(|\w\.\w|;\n")  # what programs have and prose does not
PLAIN_SIGNS = "={}<>_\\|"  # without one of them no text is looked through for the others
SIGNS_MOST = 0.03  # share of characters
STATS = re.compile(r"\b(?:armou?r class|hit points|challenge \d|melee weapon attack|to hit,)", re.I)


def obstacle(passage: Passage) -> str | None:
    """Why the text cannot be told to be of a category; None where it can be tried."""
    start = passage.text[:MAX_LETTERS]
    letters = [] if start.isascii() else [c for c in start if c.isalpha()]
    if sum(not c.isascii() for c in letters) > FOREIGN_LETTERS * len(letters):
        return "the text is not in English, the only language that is read here"
    words = passage.words
    if sum(any(map(str.isalpha, w)) for w in words[: SHORT * 2]) < SHORT:
        return "the text is too short"
    if kind := _kind(passage):
        return f"the text is {kind} rather than a tale"
    if _times(passage, OWN) < OWN_LEAST * len(words):
        return "the text is not in English, the only language that is read here"
    return None


def _kind(passage: Passage) -> str | None:
    text = passage.text[:20_000]
    if len(STATS.findall(text)) >= 2:
        return "a stat block"
    if any(sign in text for sign in PLAIN_SIGNS) and (
        len(SIGNS.findall(text)) > SIGNS_MOST * len(text)
    ):
        return "a program"
    total = len(passage.words)
    if _times(passage, TOLD) > TOLD_LEAST * total:
        return None
    for kind, known in WORDS.items():
        least = WEATHER_SHARE if kind == "a weather report" else LIST_SHARE
        different = len(known & passage.counted.keys())
        if different >= LIST_WORDS and _times(passage, known) >= least * total:
            return kind
    return None


def _times(passage: Passage, known: frozenset[str]) -> int:
    return sum(passage.counted[word] for word in known & passage.counted.keys())
