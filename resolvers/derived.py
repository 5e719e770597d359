"""Derived: GraphQL types that follow from the fields which an operation declares.

Inputs, results, payloads, a batch's request and the mutations are made with these, once, when
their modules are imported. What an operation calls its parts stands in its own file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

import strawberry

from app.operations.descriptions import Described
from resolvers.enums import enum

SCALARS: dict[Any, Any] = {str: str, int: int, float: float, bool: bool, UUID: strawberry.ID}


def titled(name: str, suffix: str) -> str:
    """`generate_npc` and `Input` as the type's name `GenerateNpcInput`."""
    return "".join(part.capitalize() for part in name.split("_")) + suffix


def bare(kind: Any) -> Any:
    """A Python type without its bounds."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def optional_of(kind: Any) -> Any:
    """`X` of `X | None`; None for what is not optional."""
    if get_origin(kind) not in (Union, UnionType):
        return None
    [found] = (one for one in get_args(kind) if one is not NoneType)
    return found


def typed(kind: Any, composed: Callable[[Any], Any]) -> Any:
    """The GraphQL type of a Python type; `composed` gives that of an object or a mapping."""
    kind = bare(kind)
    if inner := optional_of(kind):
        return typed(inner, composed) | None
    if get_origin(kind) is list:
        return list[typed(get_args(kind)[0], composed)]  # type: ignore[misc]  # a type made at run time
    if kind in SCALARS:
        return SCALARS[kind]
    if isinstance(kind, type) and issubclass(kind, Described):
        return enum(kind)
    return composed(kind)


def made(name: str, members: Mapping[str, tuple[Any, Any]], *bases: type) -> type:
    """A class as if it had been written down: each field's type, and its value."""
    annotations = {field: kind for field, (kind, _) in members.items()}
    values = {field: value for field, (_, value) in members.items()}
    return type(name, bases, {"__annotations__": annotations, "__module__": __name__, **values})
