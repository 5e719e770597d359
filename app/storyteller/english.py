"""English: articles, ordinals, lists and the last look over a finished sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

TOKEN = re.compile(r"\w+|[^\w\s]")
ARTICLE = re.compile(r"\b([Aa])n?(?= +[“‘(]?(\w[\w'’-]*))")
# After a question or a cry the sentence may go on with who it was: “Who is there?” asks the king.
SAYS = r"(?:asks?|says?|calls?|cries|cry|repeats?|answers?|whispers?|shouts?|wants? to know)\b"
WHO = rf"{SAYS}|and\b|(?:he|she|they|it|some(?:one|body)) (?:asks\b|{SAYS}[.,;:])"
SENTENCE_END = re.compile(rf"([.?!] +|\.” +|[?!]” +(?!{WHO})|\A|\n(?:- )?|: (?=“))([“‘(]?)([a-z])")
DOUBLED = re.compile(r"\b([A-Za-z]?[a-z]+)( \1)+\b")
DOUBLED_THE = re.compile(r"\b([Tt]he|[Aa]n?) (?:the|an?)\b")
SPACES = re.compile(r"[ \t]{2,}")
LOOSE = re.compile(r" +([,.;:!?])")

SILENT_H = ("hour", "honest", "honor", "honour", "heir")
# "you" and "won" sounds: they are written with a vowel and spoken with a consonant.
CONSONANT_SOUND = re.compile(
    r"(?:uni(?!d|m|n)|us[aeu]|ut[ei]|ub[io]|ur[ai]n|eu|ewe|once\b|one)", re.I
)
EIGHTS = re.compile(r"(?:8\d*|11|18)(?!\d)")
SPELLED = re.compile(r"[AEFHILMNORSX][B-DF-HJ-NP-TV-Z]{1,3}\b")  # letters said one by one: an NPC

SHORT = 4_000  # characters

NUMBERS = (
    "no", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip


def tokens(text: str) -> int:
    """How many words and marks a text has; what the storyteller calls tokens."""
    if len(text) < SHORT:
        return len(TOKEN.findall(text))
    # One by one: a single call over 50,000 characters would hold the interpreter for 8 ms.
    return sum(1 for _ in TOKEN.finditer(text))


def article(word: str) -> str:
    """`a` or `an`, by how the word is spoken: an hour, a unicorn, an 8th-level, a half-orc."""
    if word[0].isdigit():
        return "an" if EIGHTS.match(word) else "a"
    if CONSONANT_SOUND.match(word):
        return "a"
    if SPELLED.match(word) or word.lower().startswith(SILENT_H):
        return "an"
    return "an" if word[0].lower() in "aeiouàáâäèéêëìíîïòóôöùúûü" else "a"


def ordinal(number: int) -> str:
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"


def counted(number: int) -> str:
    """A number as prose has it: in words up to twelve."""
    return NUMBERS[number] if 0 <= number < len(NUMBERS) else f"{number:,}"


IRREGULAR = {"man": "men", "woman": "women", "wolf": "wolves", "thief": "thieves", "mouse": "mice",
             "elf": "elves", "ox": "oxen", "lich": "liches"}  # fmt: skip


def many(noun: str) -> str:
    """The plural of a noun, which is its last word unless an `of` stands behind it."""
    head, of, rest = noun.partition(" of ")
    before, space, last = head.rpartition(" ")
    for one, several in IRREGULAR.items():
        if last.endswith(one):
            return f"{before}{space}{last.removesuffix(one)}{several}{of}{rest}"
    if last.endswith(("s", "x", "ch", "sh", "z")):
        last += "es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = f"{last[:-1]}ies"
    else:
        last += "s"
    return f"{before}{space}{last}{of}{rest}"


def listed(items: Sequence[str], joiner: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {joiner} {items[-1]}"


def polished(text: str) -> str:
    """The text with its articles, capitals and spaces put right, and no word said twice running."""
    text = SPACES.sub(" ", LOOSE.sub(r"\1", text)).strip()
    text = DOUBLED_THE.sub(r"\1", DOUBLED.sub(r"\1", text))
    text = ARTICLE.sub(lambda m: _like(m[1], article(m[2])), text)
    return SENTENCE_END.sub(lambda m: m[1] + m[2] + m[3].upper(), text)


def _like(given: str, found: str) -> str:
    return found.capitalize() if given == "A" else found
