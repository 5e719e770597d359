"""Subject: whom a text is about, and what its sentences say of this one and of nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.storyteller import rules
from app.storyteller.packs import known
from app.storyteller.passage import MAX_SENTENCE, Passage

NAME_KEYS = ("name", "character_name", "hero_name", "hero", "protagonist", "npc_name")
CLASS_KEYS = ("character_class", "class")
RACE_KEYS = ("character_race", "race", "species")
LEVEL_KEYS = ("character_level", "level")
OPENING = 2  # sentences in which “the dwarf” without a name is taken for the subject
# Nouns before which a kind is another person's: “a human father”, “her elven mentor”.
OTHERS = (
    "father|mother|parent|parents|brother|sister|uncle|aunt|cousin|grandfather|grandmother|wife"
    "|husband|friend|friends|companion|mentor|master|teacher|enemy|foe|rival|lover|ally|captain"
    "|king|queen|lord|blood|blade|steel|bow|sword|axe|city|town|village|kingdom|realm|tongue|song"
    "|language|name|clan|hold|stone|ale|wine|bread|smith|caravan|army|guard|guards|merchant|folk"
)
# Words of a name that many have.
TITLES = frozenset(
    """sir lady lord dame king queen prince princess duke duchess count countess baron baroness
    captain master mistress brother sister father mother saint the of von van der den del doctor
    dr mr mrs miss madam uncle aunt old young sergeant general""".split()  # noqa: SIM905 - read as prose
)
QUOTES = re.compile(r"[“”\"‘`()]|(?<!\w)'|'(?!\w)")
CAPITAL = re.compile(r"\b[A-Z][a-z]{2,10}\b")
ANOTHER = re.compile(
    r"\b(?:father|mother|parents?|brother|sister|uncle|aunt|cousin|grand(?:father|mother)|wife"
    r"|husband|daughter|son|friend|companion|mentor|master|teacher|enemy|foe|rival|lover|man|woman"
    r"|boy|girl|captain|king|queen|stranger|priest|widow)\b", re.I
)  # fmt: skip
PRONOUNS = frozenset({"she", "he", "they"})


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of the subject beside the text; None for what is not."""

    name: str | None
    cls: str | None
    race: str | None
    level: int | None


def subject_of(context: Mapping[str, Any], classes: Mapping[str, Any], races: Mapping[str, Any]
               ) -> Subject:  # fmt: skip
    name = first(context, NAME_KEYS)
    level = str(first(context, LEVEL_KEYS) or "")
    return Subject(
        name=str(name).strip()[:60] if isinstance(name, str) and name.strip() else None,
        cls=known(first(context, CLASS_KEYS), classes),
        race=known(first(context, RACE_KEYS), races),
        level=int(level) if level.isdigit() and 1 <= int(level) <= rules.LEVELS[-1] else None,
    )


def first(context: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((context[k] for k in keys if context.get(k) not in (None, "")), None)


def named(passage: Passage, name: str) -> bool:
    """Whether a name stands in the text: whole, by a part that is no title, or shortened."""
    parts = name_parts(name)
    written = {form for part in parts for form in (part, part.replace("'", "’"))}
    if any(passage.first(form) for form in sorted(written)):
        return True
    short = (m[0].lower() for m in CAPITAL.finditer(passage.text))
    return any(part.startswith(s) for s in short for part in parts)


def name_parts(name: str) -> list[str]:
    """The words of a name in small letters, without titles, quotation marks and particles."""
    plain = QUOTES.sub(" ", name.lower().replace("’", "'"))
    parts = [p for p in re.split(r"[\s,]+", plain) if p.strip(".'")]
    return [p for p in parts if len(p) > 2 and p.strip(".") not in TITLES] or parts


def said_of(passage: Passage, subject: Subject, kind: str) -> Iterator[re.Match[str]]:
    """Each place at which a sentence says that the subject is of a kind, such as `half_elf`."""
    word = rf"{kind.replace('_', '[- ]')}"
    who = _who(subject)
    is_one = re.compile(
        rf"\b(?:{who})(?:,)? (?:(?:is|was|am|are|were|'m|'s|being|born) )?(?:only |just |still )?"
        rf"(?:as )?(?:a|an|the)(?: [\w'-]+){{0,3}} ({word})\b(?![- ](?:{OTHERS})\b)", re.I
    )  # fmt: skip
    opens = re.compile(
        rf"\A\W{{0,3}}(?:the|this|our|an?) (?:[\w'-]+ ){{0,2}}({word})\b(?![- ](?:{OTHERS})\b)",
        re.I,
    )
    lead = not passage.counted["i"] and not (subject.name and named(passage, subject.name))
    before = ""
    for at, sentence in enumerate(passage.narrated):
        short = sentence[:MAX_SENTENCE].replace("’", "'")
        found = is_one.search(short) or (opens.search(short) if lead and at < OPENING else None)
        told = f"{before} {short[: found.start()]}" if found else ""
        before = short
        if found and _of_another(found, told):
            continue
        if found and not re.search(r"\b(?:not|never|no longer|unlike|than|like)\b", found[0]):
            yield found


def _of_another(found: re.Match[str], before: str) -> bool:
    """Whether a pronoun may mean somebody who was spoken of just before."""
    return found[0].split()[0].strip(",").lower() in PRONOUNS and meant_by(before)


def meant_by(before: str) -> bool:
    """Whether words before a pronoun speak of another person than the subject."""
    return ANOTHER.search(before) is not None


def _who(subject: Subject) -> str:
    """The words for the subject: `I`, its name; pronouns, when nobody else can be meant."""
    names = [r"i", r"i'm"]
    if subject.name:
        names += [re.escape(subject.name), *map(re.escape, name_parts(subject.name))]
    return "|".join([*names, "she", "he", "they"])
