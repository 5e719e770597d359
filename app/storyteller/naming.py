"""Naming: a person's second mention in a paragraph as a pronoun, where it can only be that one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from app.storyteller.facts import Entity
from app.storyteller.grammar import Unit

SENTENCE = re.compile(r"(?<=[.!?…])(?<!…)(\s+)(?=[A-Z“])|(?<=”)(\s+)(?=[A-Z])")
# A name between one of these and one of those is a subject.
JOINED = "and|but|when|that|if|because|since|until|as|where|while|so|or|what|how|once|then"
VERB = (
    r"(?:\w+(?:s|ed)|can|could|will|would|may|might|must|had|went|came|took|gave|left|kept|saw|"
    r"did|knew|made|once|never|always|still|also)"
)


def named(units: Sequence[Unit], hero: Entity, others: Sequence[Entity]) -> list[Unit]:
    """The units with `he` or `she` for the hero, where the sentence before was about nobody else.

    Who is `they` keeps the name: a plural verb would be wanted, and the verbs are those of one.
    """
    if hero.pronoun not in ("he", "she"):
        return list(units)
    words = {word for one in others for word in (one.again, one.first.split()[-1])}
    strangers = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(words)))})\b")
    return list(_told(units, hero, strangers))


def _told(units: Sequence[Unit], hero: Entity, strangers: re.Pattern[str]) -> Iterator[Unit]:
    clear = False
    for unit in units:
        clear = clear and unit.joiner == " "
        parts = SENTENCE.split(unit.text)
        said = ""
        for part in parts:
            if not part or part.isspace():
                said += part or ""
                continue
            told, clear = _sentence(part, hero, strangers, clear)
            said += told
        yield replace(unit, text=said)


def _sentence(text: str, hero: Entity, strangers: re.Pattern[str], clear: bool) -> tuple[str, bool]:
    """A sentence with its pronouns, and whether the next one may begin with one."""
    name = re.escape(hero.again)
    they, their = str(hero.field("they")), str(hero.field("their"))
    own, quoted, tail = text.partition("“")
    alone = strangers.search(text) is None
    if clear and hero.first not in text:
        own = re.sub(rf"\A{name}'s\b", their.capitalize(), own)
        own = re.sub(rf"\A{name} ", f"{they.capitalize()} ", own)
        if alone:
            own = _within(own, name, they, their)
    about = re.search(rf"\b(?:{name}|{they}|{their})\b", own, re.I) is not None
    head, found, rest = own.partition(hero.again)
    if found and alone:
        own = head + found + _within(rest, name, they, their)
    return own + quoted + tail, about and alone and not quoted


def _within(text: str, name: str, they: str, their: str) -> str:
    """A pronoun for a subject or an owner inside a sentence; an object keeps its name."""

    def settle(found: re.Match[str]) -> str:
        return f"{found[1]}{they} {found[2]}"

    text = re.sub(rf"((?:\b(?:{JOINED}),? )|[,;:] ){name} ({VERB}\b)", settle, text)
    return re.sub(rf"(?<=\w ){name}'s ", f"{their} ", text)
