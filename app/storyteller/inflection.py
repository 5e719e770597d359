"""Inflection: from a word as it stands to the base forms that it can be an inflection of.

Exact, not stemming: `runs` and `running` are of `run`, `rune` is not; `parties` is of `party`,
`party` is not of `part`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

MAX_WORD = 24  # letters; what is longer is no word of the lists
VOWELS = frozenset("aeiou")
SIBILANTS = ("s", "x", "z", "ch", "sh", "o")

IRREGULAR = {
    form: base
    for base, forms in (
        ("arise", "arose arisen"), ("bear", "bore borne"), ("beat", "beaten"),
        ("begin", "began begun"), ("bend", "bent"), ("bind", "bound"), ("bite", "bit bitten"),
        ("bleed", "bled"), ("blow", "blew blown"), ("break", "broke broken"),
        ("breed", "bred"), ("bring", "brought"), ("build", "built"), ("burn", "burnt"),
        ("buy", "bought"), ("carry", "carried"), ("catch", "caught"), ("child", "children"),
        ("choose", "chose chosen"), ("cling", "clung"), ("come", "came"), ("creep", "crept"),
        ("deal", "dealt"), ("die", "dying"), ("dig", "dug"), ("dive", "dove"),
        ("draw", "drew drawn"), ("dream", "dreamt"), ("drink", "drank drunk"),
        ("drive", "drove driven"), ("dwarf", "dwarves"), ("eat", "ate eaten"), ("elf", "elves"),
        ("fall", "fell fallen"), ("feed", "fed"), ("feel", "felt"), ("fight", "fought"),
        ("find", "found"), ("flee", "fled"), ("fling", "flung"), ("fly", "flew flown flies"),
        ("foot", "feet"), ("forget", "forgot forgotten"), ("forgive", "forgave forgiven"),
        ("forsake", "forsook forsaken"), ("freeze", "froze frozen"), ("give", "gave given"),
        ("go", "went gone goes"), ("goose", "geese"), ("grind", "ground"),
        ("grow", "grew grown"), ("hang", "hung"), ("hear", "heard"), ("hide", "hid hidden"),
        ("hold", "held"), ("keep", "kept"), ("kneel", "knelt"), ("knife", "knives"),
        ("know", "knew known"), ("lead", "led"), ("leaf", "leaves"), ("lean", "leant"),
        ("leap", "leapt"), ("learn", "learnt"), ("leave", "left"), ("lie", "lying lain"),
        ("life", "lives"), ("light", "lit"), ("lose", "lost"), ("louse", "lice"),
        ("man", "men"), ("mean", "meant"), ("meet", "met"), ("mislay", "mislaid"),
        ("mistake", "mistook mistaken"), ("mouse", "mice"), ("pay", "paid"),
        ("panic", "panicked panicking"), ("ride", "rode ridden"), ("ring", "rang rung"),
        ("rise", "rose risen"), ("run", "ran"), ("see", "saw seen"), ("seek", "sought"),
        ("sell", "sold"), ("send", "sent"), ("sew", "sewn"), ("shake", "shook shaken"),
        ("shine", "shone"), ("shoot", "shot"), ("shrink", "shrank shrunk"),
        ("sing", "sang sung"), ("sink", "sank sunk"), ("sit", "sat"), ("slay", "slew slain"),
        ("sleep", "slept"), ("slide", "slid"), ("sling", "slung"), ("speak", "spoke spoken"),
        ("spell", "spelt"), ("spill", "spilt"), ("spin", "spun"), ("spit", "spat"),
        ("spring", "sprang sprung"), ("stand", "stood"), ("steal", "stole stolen"),
        ("stick", "stuck"), ("stink", "stank stunk"), ("strike", "struck stricken"),
        ("strive", "strove striven"), ("swear", "swore sworn"), ("sweep", "swept"),
        ("swell", "swollen"), ("swim", "swam swum"), ("swing", "swung"), ("take", "took taken"),
        ("tear", "tore torn"), ("thief", "thieves"), ("think", "thought"),
        ("throw", "threw thrown"), ("tie", "tying"), ("tooth", "teeth"),
        ("tread", "trod trodden"), ("understand", "understood"), ("wake", "woke woken"),
        ("weave", "wove woven"), ("weep", "wept"), ("wife", "wives"), ("win", "won"),
        ("withdraw", "withdrew withdrawn"), ("wolf", "wolves"), ("woman", "women"),
        ("write", "wrote written"), ("wring", "wrung"),
    )
    for form in forms.split()
}  # fmt: skip


@lru_cache(maxsize=16_384)  # of words seen; about 3 MB when full
def bases(word: str) -> tuple[str, ...]:
    """The word itself, then each base form that it would be an inflection of; not all are words.

    `word`: small letters, with a straight apostrophe.
    """
    if len(word) > MAX_WORD:
        return (word,)
    owner = word.removesuffix("'s").removesuffix("'")
    return tuple(dict.fromkeys([word, owner, *_regular(owner), *_irregular(owner)]))


def _irregular(word: str) -> Iterator[str]:
    if word in IRREGULAR:
        yield IRREGULAR[word]


def _regular(word: str) -> Iterator[str]:
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        yield from _singular(word)
    for ending in ("ed", "ing"):
        if word.endswith(ending) and len(word) - len(ending) >= 2:
            yield from _plain(word.removesuffix(ending), ending)


def _singular(word: str) -> Iterator[str]:
    if word.endswith("ies"):
        yield f"{word[:-3]}y" if len(word) > 4 else word[:-1]
        return
    if word.endswith("es") and word[:-2].endswith(SIBILANTS):
        yield word[:-2]
    yield word[:-1]


def _plain(stem: str, ending: str) -> Iterator[str]:
    """What `stem` was before `ed` or `ing` was added to it."""
    if not VOWELS.intersection(stem) and "y" not in stem:
        return  # `king`, `string`: no ending at all
    if ending == "ed" and stem.endswith("i"):
        yield f"{stem[:-1]}y"
        return
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in VOWELS:
        yield stem[:-1]
    yield f"{stem}e"
    if not _would_double(stem):
        yield stem


def _would_double(stem: str) -> bool:
    """A short word of one vowel between consonants doubles its last letter: `star`, `starred`."""
    if len(stem) < 3 or stem[-1] in VOWELS or stem[-1] in "wxy":
        return False
    vowels = [letter for letter in stem if letter in VOWELS]
    return len(vowels) == 1 and stem[-2] in VOWELS
