"""Demands: what a rule's own words ask for, as far as it can be measured."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from app.operations.validation import Rule
from app.storyteller import bounds
from app.storyteller.inflection import bases
from app.storyteller.subject import CLASS_KEYS, LEVEL_KEYS, NAME_KEYS, RACE_KEYS

UNITS = r"(words?|characters?|letters?|sentences?)"
SMALL = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "twenty": 20, "thirty": 30,
    "forty": 40, "fifty": 50, "sixty": 60, "eighty": 80, "hundred": 100,
}  # fmt: skip
NUMBER = rf"(\d[\d,]{{0,6}}|(?:(?:a|one|two|three|four|five) )?(?:{'|'.join(SMALL)}))"
MOST = re.compile(
    rf"(?:at most|no more than|not more than|up to|max(?:imum)?(?: of)?|fewer than|less than|under"
    rf"|within|not exceed|never exceed|no longer than|not longer than|below|limit(?:ed)? (?:of|to)"
    rf"|not be longer than)"
    rf" {NUMBER} {UNITS}"
)
LEAST = re.compile(
    rf"(?:at least|no fewer than|not fewer than|no less than|min(?:imum)?(?: of)?|more than|over"
    rf"|longer than|no shorter than) {NUMBER} {UNITS}"
)
ABOVE = re.compile(rf"{NUMBER} {UNITS} (?:or (?:more|longer)|at least|minimum)")
BELOW = re.compile(rf"{NUMBER} {UNITS} (?:or (?:less|fewer|shorter)|at most|maximum|limit)")
BETWEEN = re.compile(
    rf"(?:between|from) {NUMBER} (?:and|to) {NUMBER} {UNITS}|{NUMBER} ?(?:-|–|to) ?{NUMBER} {UNITS}"
)
LIMIT = re.compile(
    rf"{NUMBER}[ -](words?|characters?|sentences?) (?:limit|maximum|max|cap)\b"
    rf"|(words?|characters?|sentences?) (?:limit|maximum|cap)(?: is| of|:)? {NUMBER}\b"
)
EXACTLY = re.compile(rf"(?:exactly|precisely) {NUMBER} {UNITS}")
QUOTED = re.compile(r"“([^”]{1,100})”|\"([^\"]{1,100})\"|(?<!\w)[‘'`]([^'’`]{1,100})[’'`](?!\w)")
ASKS = r"(?:mention|include|contain|name|use|feature|refer to|say|state|speak of|have)"
NOUN = r"((?:(?:the|a|an|any|its|his|her) )?[\w’'-]+(?: [A-Z][\w’'-]+){0,3})"
WANTS = re.compile(rf"\b(?:must|should|has to|have to|needs to)? ?(?:always )?{ASKS}s? ")
FORBID = re.compile(
    rf"\b(?:must not|mustn't|may not|should not|shouldn't|do not|don't|does not|doesn't|never"
    rf"|cannot|can't) (?:ever )?{ASKS} {NOUN}", re.I
)  # fmt: skip
REQUIRE = re.compile(
    rf"(?:\b(?:must|should|has to|have to|needs to)(?: also)? {ASKS}|(?:^|[.;:] )(?:(?:It|The \w+)"
    r" )?(?:[Mm]ention|[Ii]nclude|[Cc]ontain|[Nn]ame)s?)"
    rf" ((?:the )?[A-Z][\w’'-]+(?: (?:of|the|de|van|[A-Z][\w’'-]+)){{0,4}})"
)
PERSON = re.compile(r"\b(first|second|third)[ -]person\b")
TENSE = re.compile(r"\b(past|present)[ -]tense\b")
PROFANITY = re.compile(
    r"\b(?:profan\w+|swear(?:ing|s| words?)?|curs(?:e|ing)[ -]?words?|cursing|foul language"
    r"|bad language|strong language|obscen\w+|vulgar\w*|family[- ]friendly|child[- ]friendly"
    r"|suitable for children|kid[- ]friendly|clean language|language is clean|rude words?)\b"
)
AGE = re.compile(
    r"\b(?:anachronis\w+|out of (?:time|period)|modern (?:\w+ )?(?:words?|technology|items?|things?"
    r"|objects?|slang|language|speech|terms?|devices?|references?|inventions?)|nothing modern"
    r"|period[- ](?:appropriate|accurate)|true to (?:its|the) (?:period|age)|medieval|no modern\w*"
    r"|modernity|no technology|without technology)\b"
)
HERO = re.compile(
    r"\b(?:hero(?:ine)?|character|protagonist|subject|npc)(?:['’]s)?\b.{0,20}\bnam(?:e|ed)\b"
    r"|\bnam(?:e|es|ing) (?:of )?(?:the |its |each |every |our )?(?:hero|heroine|character"
    r"|protagonist)s?\b|\b(?:correct|right|given) names?\b|\bby name\b"
)
PERSONS_NAMED = r"(?:hero|heroine|character|protagonist|subject|npc)"
NAMELESS = re.compile(
    rf"\b{PERSONS_NAMED}(?:'s name)?\b[^.;]{{0,25}}\b(?:not|never|n't)\b[^.;]{{0,20}}\b(?:named"
    rf"|by name|appear|given|told|mentioned)\b|\b(?:not|never|n't|without|avoid)\b[^.;]{{0,12}}"
    rf"\bnam(?:e|ing) (?:the |its )?{PERSONS_NAMED}|\b(?:unnamed|nameless) {PERSONS_NAMED}"
)
NO_NAMES = re.compile(r"\b(?:not|never|n't|without|avoid|no)\b[^.;]{0,30}\bnam(?:e|es|ed|ing)\b")
QUESTION = re.compile(r"\bend(?:s|ing)? (?:with|on|in) a question\b")
BEGINS = re.compile(r"\b(?:begin|start|open)s? with (?:the )?(?:words? |phrase )?$")
CALLED = re.compile(
    r"\b(?i:hero|heroine|character|protagonist|subject|npc)(?:['’]s name)?"
    r" (?:is|must be|should be|has to be) (?:always )?(?:called|named)? ?"
    r"([A-Z][\w'’-]+(?: [A-Z][\w'’-]+){0,3})"
)
TALK = re.compile(r"\b(?:dialogue|direct speech|spoken line|conversation)\b")
LEVEL = re.compile(r"\b(?:level|spells?|training|proficien\w+|class features?|armou?r|weapons?)\b")
DENIED = re.compile(r"\b(?:no|not|never|without|avoid|free of|forbid\w*|n't)\b")
MAX_READ = 2000  # characters of a rule's words
PERSONS, TENSES = ("first", "second", "third"), ("past", "present")
LIMITS = {"word_limit": "max_words", "words_max": "max_words", "character_limit": "max_characters",
          "maximum_words": "max_words", "minimum_words": "min_words"}  # fmt: skip
FLAGS = {
    "profanity": ("profanity", "allow_profanity", "no_profanity", "profanity_allowed"),
    "age": ("anachronisms", "allow_anachronisms", "no_anachronisms", "anachronism"),
}


@dataclass(slots=True)
class Demands:
    """`parameters`: as `bounds` knows them; the flags: what is to be looked for in the text."""

    parameters: dict[str, Any] = field(default_factory=dict)
    person: str | None = None
    tense: str | None = None
    profanity: bool = False
    age: bool = False
    hero: bool = False
    name: str | None = None  # which the rule's own words give to the hero
    nameless: bool = False  # the hero's name must not stand in the text
    opening: str | None = None  # the words with which the text has to begin
    question: bool = False  # it has to end with one
    talk: bool = False
    level: bool = False

    @property
    def looks(self) -> bool:
        """Whether the text is looked through for anything that can be found or missed."""
        told = self.person in PERSONS or self.tense in TENSES
        framed = self.opening is not None or self.question
        return told or framed or self.profanity or self.age or self.talk


def demanded(rule: Rule) -> Demands:
    said = f"{rule.name}. {rule.description or ''}"[:MAX_READ].replace("’", "'")
    text = said.lower()
    given = {LIMITS[k]: v for k, v in rule.parameters.items() if k in LIMITS}
    found = Demands(_sizes(text) | _terms(said) | given)
    found.person = _kind(rule, "person", PERSON.search(text))
    found.tense = _kind(rule, "tense", TENSE.search(text))
    found.profanity = bool(PROFANITY.search(text)) or _flag(rule, "profanity")
    found.age = bool(AGE.search(text)) or _flag(rule, "age")
    found.hero = bool(HERO.search(text)) or any(key in rule.parameters for key in NAME_KEYS)
    found.nameless = bool(NAMELESS.search(text))
    found.hero = found.hero and not found.nameless and not NO_NAMES.search(text)
    found.opening = _opening(said)
    found.question = bool(QUESTION.search(text)) and not DENIED.search(text)
    found.name = next((m[1] for m in CALLED.finditer(said)), None)
    found.talk = bool(TALK.search(text)) and not DENIED.search(text)
    found.level = bool(LEVEL.search(text))
    return found


def _sizes(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for m in BETWEEN.finditer(text):
        least, most, unit = (m[1], m[2], m[3]) if m[1] else (m[4], m[5], m[6])
        found |= {f"min_{_unit(unit)}": _number(least), f"max_{_unit(unit)}": _number(most)}
    if found:
        return found
    for m in LIMIT.finditer(text):
        found[f"max_{_unit(m[2] or m[3])}"] = _number(m[1] or m[4])
    for m in EXACTLY.finditer(text):
        found |= {f"{side}_{_unit(m[2])}": _number(m[1]) for side in ("min", "max")}
    for side, patterns in (("max", (MOST, BELOW)), ("min", (LEAST, ABOVE))):
        for m in (m for pattern in patterns for m in pattern.finditer(text)):
            negated = side == "min" and re.search(r"\b(?:no|not|never) $", text[: m.start()])
            if not negated:
                found.setdefault(f"{side}_{_unit(m[2])}", _number(m[1]))
    return found


def _unit(said: str) -> str:
    return {"word": "words", "sentence": "sentences"}.get(said.removesuffix("s"), "characters")


def _number(said: str) -> int:
    if said[0].isdigit():
        return int(said.replace(",", ""))
    first, _, last = said.rpartition(" ")
    return SMALL[last] * SMALL.get(first, 1)


def _terms(said: str) -> dict[str, Any]:
    """Words in quotation marks, and proper names after “must mention”."""
    wanted: list[str] = []
    refused: list[str] = []
    for m in QUOTED.finditer(said):
        term = next(t for t in m.groups() if t).strip(" .,")
        before = re.split(r"[.;]|\bbut\b", said[: m.start()])[-1].lower()
        if DENIED.search(before):
            refused.append(term)
        elif WANTS.search(f"{before} "):
            wanted.append(term)
    refused += [f for m in FORBID.finditer(said) if not _vague(m[1]) for f in _forms(_bare(m[1]))]
    wanted += [_bare(m[1]) for m in REQUIRE.finditer(said)]
    terms = {"must_include": wanted, "must_not_include": refused}
    return {k: list(dict.fromkeys(v)) for k, v in terms.items() if v}


def _opening(said: str) -> str | None:
    places = (m for m in QUOTED.finditer(said) if BEGINS.search(said[: m.start()].lower()))
    return next((term for m in places for term in m.groups() if term), None)


def _bare(noun: str) -> str:
    return re.sub(r"^(?:the|a|an|any|its|his|her) ", "", noun, flags=re.I).strip("'\"“”.,")


def _forms(noun: str) -> list[str]:
    """One and many of it: whoever forbids dragons forbids the dragon."""
    if " " in noun:
        return [noun]
    return list(dict.fromkeys([*bases(noun.lower()), f"{noun.lower()}s"]))


def _vague(noun: str) -> bool:
    """Nouns that stand for a kind of thing, which no search for the word itself would find."""
    return _bare(noun).lower() in VAGUE


VAGUE = frozenset({
    "profanity", "anachronisms", "anachronism", "modern", "any", "things", "words", "more", "fewer",
    "less", "violence", "names", "spells", "swear", "swearing", "level", "levels", "features",
    "first", "second", "third", "past", "present", "it", "them", "anything", "that", "this",
    "slang", "technology", "language", "curse", "foul", "vulgar", "other", "unearned",
})  # fmt: skip


def _kind(rule: Rule, name: str, place: re.Match[str] | None) -> str | None:
    given = rule.parameters.get(name)
    if isinstance(given, str) and given.strip():
        return given.lower().split()[0].removesuffix("-person").removesuffix("_person")
    return place[1] if place else None


def _flag(rule: Rule, name: str) -> bool:
    """`profanity: false`, `allow_profanity: false` and `no_profanity: true` ask for the same."""
    for key in FLAGS[name]:
        given = rule.parameters.get(key)
        if isinstance(given, bool):
            return given is key.startswith("no_")
        if isinstance(given, str) and given.lower() in (
            "forbidden",
            "none",
            "no",
            "false",
            "never",
        ):
            return True
    return False


KNOWN = bounds.KNOWN | {
    *(key for keys in (NAME_KEYS, CLASS_KEYS, RACE_KEYS, LEVEL_KEYS) for key in keys),
    "person",
    "tense",
    *LIMITS,
    *FLAGS["profanity"],
    *FLAGS["age"],
}
