"""Public documents: whether one without a token selects public fields alone.

It is told by a scan of the text's tokens, and nothing is parsed: a parser that anybody may
feed is a parser that anybody may keep busy. What the scan does not know is not public: mutations,
subscriptions, inline fragments at the root, block strings, an operation that cannot be told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_PUBLIC_LENGTH = 1_024  # characters; a document with all of `health` has 160
MAX_INTROSPECTION_LENGTH = 4_096  # characters; graphql-js writes 1,900 with every option

LEXEME = re.compile(
    r"#[^\n\r]*+|[\s,\ufeff]++"  # what means nothing
    r'|([A-Za-z_]\w*+|\.\.\.|"(?:[^"\\\n\r]|\\.)*+"|.)',  # an unknown character is a token, too
    re.ASCII,
)
OPENING, CLOSING = frozenset("({["), frozenset(")}]")


class NotPublic(Exception):
    """The scan came to what is not public, or what it does not know."""


def is_public(
    text: str, operation_name: str | None, fields: frozenset[str], *, most: int = MAX_PUBLIC_LENGTH
) -> bool:
    """Whether the operation's root fields are among `fields`. A longer text than `most` is not.

    It is no promise that the document is valid, only that nothing else runs where it is.
    """
    if len(text) > most or '"""' in text:
        return False
    try:
        selected = _selected(_definitions(text), operation_name)
    except (NotPublic, StopIteration):
        return False
    return bool(selected) and fields.issuperset(selected)


class _Definition:
    """An operation or a fragment: what stands in its first level."""

    def __init__(self, kind: str, name: str | None) -> None:
        self.kind, self.name = kind, name
        self.fields: list[str] = []
        self.spreads: list[str] = []


def _lexemes(text: str) -> Iterator[str]:
    return filter(None, LEXEME.findall(text))


def _definitions(text: str) -> list[_Definition]:
    lexemes = _lexemes(text)
    found = []
    for lexeme in lexemes:
        definition = _head(lexeme, lexemes)
        _selections(definition, lexemes)
        found.append(definition)
    return found


def _head(lexeme: str, lexemes: Iterator[str]) -> _Definition:
    """A definition's beginning, its `{` included."""
    if lexeme == "{":
        return _Definition("query", None)
    if lexeme not in ("query", "fragment"):
        raise NotPublic
    kind, lexeme = lexeme, next(lexemes)
    name = lexeme if lexeme.isidentifier() else None
    while lexeme != "{":
        if lexeme == "(":
            _skip(lexemes)
        lexeme = next(lexemes)
    return _Definition(kind, name)


def _selections(definition: _Definition, lexemes: Iterator[str]) -> None:
    """What stands between a definition's `{` and its `}`, without what is nested."""
    while (lexeme := next(lexemes)) != "}":
        if lexeme == "...":
            name = next(lexemes)
            if name == "on" or not name.isidentifier():
                raise NotPublic
            definition.spreads.append(name)
        elif lexeme == ":":
            definition.fields[-1:] = [next(lexemes)]  # what stood before it was an alias
        elif lexeme == "@":
            next(lexemes)
        elif lexeme in OPENING:
            _skip(lexemes)
        else:
            definition.fields.append(lexeme)


def _skip(lexemes: Iterator[str]) -> None:
    """What is nested, its closing token included."""
    depth = 1
    while depth:
        lexeme = next(lexemes)
        depth += (lexeme in OPENING) - (lexeme in CLOSING)


def _selected(definitions: list[_Definition], operation_name: str | None) -> set[str]:
    """The root fields of the one operation that is meant, fragments spread."""
    operations = [d for d in definitions if d.kind == "query"]
    fragments = {d.name: d for d in definitions if d.kind == "fragment"}
    meant = [d for d in operations if operation_name in (None, d.name)]
    if len(meant) != 1:
        raise NotPublic
    found: set[str] = set()
    waiting = meant
    while waiting:
        definition = waiting.pop()
        found.update(definition.fields)
        waiting += [fragments.pop(s) for s in definition.spreads if s in fragments]
    return found
