"""Supplied: the caller's words, made fit to stand in a sentence and unable to break one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import Any

from app.storyteller.english import DOUBLED, listed

MAX_PHRASE = 60  # characters; a longer value is talk, not a name
MAX_WORDS = 8
MAX_QUOTATION = 120  # characters of talk that are quoted
MAX_VERBATIM = 120  # characters of a value that is carried over as the caller wrote it
MAX_LOOKED_AT = 400  # characters of a value that are looked at; more cannot change a phrase of 60

MARKUP = re.compile(r"<[^<>]{0,80}>")
# What could be taken for a slot, for markup, or for the end of a sentence or of a quotation.
UNFIT = re.compile(r"[^\w\s'’,&/+()°-]|_")
SENTENCE = re.compile(r"[.!?;:]\s|\n")
# What has no place in a value that is carried over: slots, markup, and marks that come in pairs.
UNSAID = re.compile(r"[^\w\s'’,&/+()°.;:!?…\"-]|_")
EDGES = " ,'’&/+-°"
ARTICLES = frozenset({"the", "a", "an"})
OWNERS = frozenset(
    {"my", "our", "your", "its", "his", "her", "their"}
)  # `its temple`: whose, no text can say
# Not of `Her Majesty`, which is a name.
LEADING = re.compile(r"\A(?:(?i:the|an?|my|some)\s+|(?i:our|your|its|his|her|their)\s+(?=[a-z]))")


def phrase(value: Any) -> str:
    """A value as plain words: at most 60 characters, cut between words; `` when none are left."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return shortened(listed([p for p in map(phrase, value[:4]) if p]))
    text = shortened(plain(value))
    return text if set(text.lower().split()) - ARTICLES else ""


def plain(value: Any) -> str:
    """A value's first words without markup, control characters, quotation marks or full stops."""
    text = unicodedata.normalize("NFC", str(value)[:MAX_LOOKED_AT])
    text = MARKUP.sub(" ", text).replace("\N{HYPHEN}", "-")
    text = UNFIT.sub(" ", "".join(c if c.isprintable() else " " for c in text))
    return " ".join(text.split()).strip(EDGES)


def shortened(text: str, limit: int = MAX_PHRASE) -> str:
    if len(text) > limit:
        text = text[: limit + 1].rsplit(" ", 1)[0][:limit]
    if text.count("(") != text.count(")"):
        text = text.replace("(", "").replace(")", "")
    return text.strip(EDGES)


def is_talk(value: Any) -> bool:
    """True for a value that is a sentence or more: it may be quoted, never built in or obeyed."""
    text = str(value)[:MAX_LOOKED_AT].strip()
    return (
        len(text) > MAX_PHRASE or len(text.split()) > MAX_WORDS or SENTENCE.search(text) is not None
    )


def noun(value: Any) -> str:
    """A kind of thing, lower-cased and without an article; `` when the value does not fit."""
    if value is None or is_talk(value):
        return ""
    text = LEADING.sub("", phrase(value)).strip().lower()
    return text if len(text) > 1 else ""


def title(value: Any) -> str:
    """A proper name, capitalised when the caller wrote it all small; `` when it does not fit."""
    if value is None or is_talk(value):
        return ""
    text = phrase(value)
    if text == text.lower():
        text = " ".join(word[:1].upper() + word[1:] for word in text.split())
    return text if len(text) > 1 else ""


def place(value: Any, common: Mapping[str, str]) -> str:
    """A place as it stands after a preposition: Waterdeep, the Sword Coast, the haunted forest.

    `common` holds words for kinds of place, and for each what it reads as when it stands alone.
    """
    if value is None or is_talk(value):
        return ""
    text = phrase(value)
    bare = LEADING.sub("", text).strip()
    if len(bare) < 2:
        return ""
    if found := common.get(bare.lower()):
        return found
    if bare != text or bare.split()[-1].lower() in common:
        return f"the {bare}"
    return title(bare)


def subject(value: Any) -> str:
    """A matter as it stands after `of`: revenge, political intrigue, the fall of a king."""
    if value is None or is_talk(value):
        return ""
    text = phrase(value)
    if text[1:] == text[1:].lower():
        text = text.lower()  # `Political intrigue`, but not `Fall of Myth Drannor`
    return text if len(text) > 1 else ""


def quotation(value: Any) -> str:
    """Talk, cut to what can stand between quotation marks, with the mark at its end."""
    whole = plain(value)
    text = shortened(whole, MAX_QUOTATION)
    if text == whole:
        return f"{text[:1].upper()}{text[1:]}."
    return f"{text[:1].upper()}{text[1:]} …"


def verbatim(value: Any, limit: int = MAX_VERBATIM) -> str:
    """A value as the caller wrote it, in one line without markup; `` when no word is left."""
    text = MARKUP.sub(" ", unicodedata.normalize("NFC", str(value)[:MAX_LOOKED_AT]))
    text = UNSAID.sub(" ", "".join(c if c.isprintable() else " " for c in text))
    text = DOUBLED.sub(r"\1", " ".join(text.split()))
    if not any(c.isalnum() for c in text):
        return ""
    cut = shortened(text, limit)
    return f"{cut.rstrip('.;:!?… ')} …" if len(text) > limit else cut


def ended(text: str) -> str:
    """A saying with the mark that ends a sentence."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text.rstrip(';: ')}."


def thing(value: Any) -> str:
    """A thing as the caller named it, spoken of as known; `` when it does not fit."""
    if value is None or is_talk(value):
        return ""
    text = phrase(value)
    found = LEADING.match(text)
    return f"the {text[found.end() :]}" if found else text


def details(given: Mapping[str, Any], used: Collection[str], limit: int) -> str:
    """Further keys of the caller, as `hair, red; familiar, an owl`; `` when there are none."""
    told = []
    for key, value in given.items():
        if key in used or value is None:
            continue
        what = noun(key.replace("_", " "))
        said = "" if is_talk(value) else subject(value)
        if what and said:
            told.append(f"{what}, {said}")
        if len(told) == limit:
            break
    return "; ".join(told)
