"""What GraphQL calls an operation's parts, and says of them, declared where the parts stand.

A field's description is a `typing_extensions.Doc` in its annotation (PEP 727), a value's stands
beside it in a `Described` enum, a type's is its docstring unless `graphql` says another. The
GraphQL edge derives its types from these; REST's document is pydantic's and reads none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self, TypeVar

from pydantic import BaseModel
from typing_extensions import Doc

C = TypeVar("C", bound=type)


class Described(StrEnum):
    """A closed set of strings, each with what it means: `BARD = "bard", "Sings."`."""

    doc: str

    def __new__(cls, value: str, doc: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_, member.doc = value, doc
        return member


@dataclass(frozen=True, slots=True)
class Shown:
    """How GraphQL shows a type. `first`: the fields that stand before the others there."""

    name: str
    doc: str
    first: tuple[str, ...] = ()


def graphql(name: str = "", doc: str = "", *, first: tuple[str, ...] = ()) -> Callable[[C], C]:
    """Names and describes a type for GraphQL where its own name and docstring will not do."""

    def declare(kind: C) -> C:
        own = shown(kind)
        kind.__graphql__ = Shown(name or own.name, doc or own.doc, first)  # type: ignore[attr-defined]  # what `shown` looks for
        return kind

    return declare


def shown(kind: type) -> Shown:
    """What `graphql` said of this very type, else its name without `Answer`, and its docstring."""
    own = Shown(kind.__name__.removesuffix("Answer"), (kind.__doc__ or "").strip())
    found: Shown = vars(kind).get("__graphql__", own)
    return found


@dataclass(frozen=True, slots=True)
class Mutation:
    """An operation as a field of GraphQL's Mutation; names are in snake_case.

    The field's name makes those of its input and its payload. `input` and `payload` describe
    these, `argument` the field's one argument. `result` is the payload's field, `member` that of
    a batch's request; each a name and its description.
    """

    name: str
    doc: str
    input: str
    payload: str
    result: tuple[str, str]
    member: tuple[str, str]
    argument: str = "What to generate."


@dataclass(frozen=True, slots=True)
class Example:
    """A request that works when it is sent, and the fields of an answer to it that are the
    operation's own; both as JSON has them."""

    request: dict[str, Any]
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """Marks an answer's mapping: GraphQL lists it, key and value as the two fields of `pair`."""

    pair: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Children:
    """Marks an answer's list of ids: GraphQL tells which contents of its type continue it now."""


@dataclass(frozen=True, slots=True)
class Part:
    """A field of a request or of an answer. `kind`: its Python type; `default`: if not required."""

    name: str
    kind: Any
    doc: str
    required: bool
    default: Any
    mark: Listed | Children | None


def parts(model: type[BaseModel]) -> list[Part]:
    """The model's fields in the order in which GraphQL shows them."""
    first = shown(model).first
    names = sorted(model.model_fields, key=lambda name: name not in first)
    return [_part(name, model) for name in names]


def _part(name: str, model: type[BaseModel]) -> Part:
    field = model.model_fields[name]
    docs = [m.documentation for m in field.metadata if isinstance(m, Doc)]
    marks = [m for m in field.metadata if isinstance(m, Listed | Children)]
    doc = docs[-1] if docs else field.description or ""  # the outermost speaks of this very field
    mark = marks[0] if marks else None
    return Part(name, field.annotation, doc, field.is_required(), field.default, mark)
