"""Leftover: what the caller laid down and no sentence of a text has brought in."""

from __future__ import annotations

from random import Random
from typing import Any

from app.storyteller import asked as said_by
from app.storyteller import supplied
from app.storyteller.asked import Asked, label
from app.storyteller.casting import PERSONS
from app.storyteller.english import listed, polished
from app.storyteller.grammar import Unit
from app.storyteller.lengths import KEYS
from app.storyteller.packs import Packs

NAMING = frozenset(key for keys in PERSONS.values() for key in keys)
STEERING = ("word_count", "words", "word_limit", "max_words", "enemy_pronouns")
TIMES = ("duration", "length")  # of play; a sentence tells them as they are
PER_LIST = 6  # of the caller's further values that one sentence lists


def told(packs: Packs, asked: Asked, text: str) -> list[Unit]:
    """Sentences for what the caller gave and `text` does not have, as a paragraph."""
    pairs: list[str] = []
    said: list[str] = []
    for path in _once(asked, _open(asked, text)):
        value = asked.values[path]
        if isinstance(value, str) and supplied.is_talk(value):
            whole = " ".join(said_by.canon(value)[0])
            if whole and whole.lower() not in text.lower():
                said.append(_put(packs, "quoted", given=whole, what=label(path) or "brief"))
        elif path.partition(".")[2] not in KEYS and (found := pair(path, value)):
            pairs.append(found)
    lists = [pairs[at : at + PER_LIST] for at in range(0, len(pairs), PER_LIST)]
    said += [_put(packs, "listed", given="; ".join(some)) for some in lists]
    return [Unit(" " if at else "\n\n", each) for at, each in enumerate(said)]


def lost(asked: Asked, text: str) -> tuple[str, ...]:
    """The paths of what no text could take, and of what it took only in part."""
    found = _open(asked, text)
    for path, value in asked.values.items():
        talk = isinstance(value, str) and supplied.is_talk(value)
        if talk and path not in found and said_by.canon(value)[1]:
            found.append(path)
    return tuple(found)


def _open(asked: Asked, text: str) -> list[str]:
    asked.steer(*STEERING)
    asked.understand(TIMES)
    return asked.unsaid(text)


def _once(asked: Asked, paths: list[str]) -> list[str]:
    """One path for each of the values under these, the first that it stands under."""
    found = {str(asked.values[path]): path for path in reversed(paths)}
    return list(found.values())[::-1]


def _put(packs: Packs, name: str, **words: str) -> str:
    """A line about the caller's words, which are put in after it was drawn."""
    text = Random(f"{name}{words}").choice(packs.campaigns["laid_down"][name])
    for word, said in words.items():
        text = text.replace(f"{{{word}}}", said)
    return polished(text)


def pair(path: str, value: Any) -> str:
    """`weather, fog`; `` for what cannot be said so, or gives orders."""
    what = label(path)
    if said_by.ORDERS.search(str(value)):
        return ""
    if path.partition(".")[2] in NAMING:
        said = supplied.thing(value)
        return f"{what}, {said if said.startswith('the ') else supplied.title(value)}"
    said = (
        listed([v for v in map(supplied.phrase, value) if v])
        if isinstance(value, list)
        else supplied.phrase(value)
    )
    return f"{what}, {said}" if what and said and said != "no" else ""
