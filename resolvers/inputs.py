"""The GraphQL inputs: a type for each operation's request, made of the request's own fields.

REST's fields in camelCase, closed sets as enums, mappings and further keys as lists of pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, get_origin

import strawberry

from app.errors import InvalidRequest
from app.operations import OPERATIONS, Operation
from app.operations.descriptions import Part, parts, shown
from app.operations.fields import OpenObject, Request, idempotency_key
from app.pipeline.directives import CacheUse, Directives
from resolvers.derived import bare, made, titled, typed
from resolvers.enums import OnDisconnect
from resolvers.node import named_content
from resolvers.types import described


def optional(text: str) -> Any:
    """A field that may be left out."""
    return strawberry.field(description=text, default=strawberry.UNSET)


@strawberry.input(description="How a request wants to be answered.")
class Asking:
    cache: CacheUse | None = optional(
        "Whether an earlier answer will do; analyses and validations USE it unless told otherwise."
    )
    similar: float | None = optional(
        "Take an earlier answer to a request that is so alike, 0 to 1; off unless given."
    )
    idempotency_key: str | None = optional(
        "1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer."
    )
    allow_degraded: bool = strawberry.field(
        description="Whether a simpler model than the one asked for will do.", default=True
    )
    on_disconnect: OnDisconnect = strawberry.field(
        description="What becomes of it when you leave.", default=OnDisconnect.CONTINUE
    )


@strawberry.input(description="A further key with its value.")
class KeyValue:
    key: str = described("The key; 1 to 100 characters.")
    value: str = described("The value; at most 4,000 characters.")


def directives(given: Asking) -> Directives:
    """How an input wants to be answered. Raises `InvalidRequest` for what is out of bounds."""
    key = idempotency_key(_given(given.idempotency_key), "idempotency_key")
    similar = given.similar or None
    if similar is not None and not 0 < similar <= 1:
        raise InvalidRequest.at(("similar",), "a number from 0 to 1 is wanted")
    use = given.cache or (CacheUse.USE if similar else None)
    return Directives(
        use,
        similar=similar,
        idempotency_key=key,
        allow_degraded=given.allow_degraded,
        detached=given.on_disconnect is OnDisconnect.CONTINUE,
    )


def _given(value: str | None) -> str | None:
    return None if value is strawberry.UNSET else value


# Fields that name a content: by its `id`, or as REST by its `contentId`.
PARENTS = frozenset(operation.parent_field for operation in OPERATIONS.values())

# The fields of each input beside `Asking`, and how REST writes their values.
_FIELDS: dict[type, list[tuple[str, Callable[[Any], Any]]]] = {}


def raw(given: Any) -> dict[str, Any]:
    """An input as the REST request that means the same; what was left out stays out."""
    found: dict[str, Any] = {}
    for name, written in _FIELDS[type(given)]:
        value = getattr(given, name)
        if value is not strawberry.UNSET and value is not None:
            found[name] = written(value)
    for pair in getattr(given, "extra", None) or ():
        found.setdefault(pair.key, pair.value)
    return found


def _writer(part: Part) -> Callable[[Any], Any]:
    if part.name in PARENTS:
        return lambda given: named_content(str(given))
    return _pairs if _is_mapping(part.kind) else _plain


def _pairs(value: list[KeyValue]) -> dict[str, str]:
    return {pair.key: pair.value for pair in value}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str | int | float):  # enums of ours are strings too
        return value.value if isinstance(value, Enum) else value
    return raw(value)


def _derived(model: type[Request], name: str, description: str, *bases: type) -> type:
    """The input type of a request or of an object within one."""
    own = parts(model)
    members = {part.name: _member(part) for part in own}
    if issubclass(model, OpenObject):
        further = optional("Further keys, passed on to the prompt.")
        members["extra"] = list[KeyValue] | None, further
    kind = strawberry.input(made(name, members, *bases), description=description)
    _FIELDS[kind] = [(part.name, _writer(part)) for part in own]
    return kind


def _member(part: Part) -> tuple[Any, Any]:
    """A field's type and description; of defaults the schema tells those of switches alone."""
    kind = typed(part.kind, _composed)
    if part.required:
        return kind, described(part.doc)
    if kind is bool:
        return kind, strawberry.field(description=part.doc, default=part.default)
    return kind | None, optional(part.doc)


def _is_mapping(kind: Any) -> bool:
    return get_origin(bare(kind)) is dict


def _composed(kind: Any) -> Any:
    return list[KeyValue] if _is_mapping(kind) else _object(kind)


@cache
def _object(model: type[Request]) -> type:
    said = shown(model)
    return _derived(model, f"{said.name}Input", said.doc)


def _input(operation: Operation[Any, Any]) -> Any:
    name, doc = titled(operation.mutation.name, "Input"), operation.mutation.input
    return _derived(operation.request_type, name, doc, Asking)


# The type of each operation's input, by the operation's name.
INPUTS = {name: _input(operation) for name, operation in OPERATIONS.items()}
