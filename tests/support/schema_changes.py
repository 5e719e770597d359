"""What differs between two GraphQL schemas, by schema coordinates, and what breaks clients."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from graphql import GraphQLSchema, build_schema, find_breaking_changes, print_ast


@lru_cache(4)
def built(text: str) -> GraphQLSchema:
    return build_schema(text)


def coordinates(schema: GraphQLSchema) -> dict[str, str]:
    """Each coordinate (`Type`, `Type.field`, `Type.field(argument:)`, `Enum.VALUE`, as the RFC of
    schema coordinates writes them) with what it is."""
    return dict(_coordinates(schema))


def _coordinates(schema: GraphQLSchema) -> Iterator[tuple[str, str]]:
    for name, kind in schema.type_map.items():
        if name.startswith("__"):
            continue
        found: Any = kind
        yield name, f"{type(kind).__name__} {sorted(map(str, getattr(found, 'interfaces', ())))}"
        for value, told in getattr(found, "values", {}).items():
            yield f"{name}.{value}", _reason(told)
        for field, told in getattr(found, "fields", {}).items():
            yield f"{name}.{field}", f"{told.type} {_default(told)} {_reason(told)}"
            for argument, given in getattr(told, "args", {}).items():
                yield f"{name}.{field}({argument}:)", f"{given.type} {_default(given)}"


def _reason(told: Any) -> str:
    return str(told.deprecation_reason or "")


def _default(told: Any) -> str:
    literal = getattr(getattr(told, "default", None), "literal", None)
    return print_ast(literal) if literal else ""


def changed(before: str, after: str) -> set[str]:
    """The coordinates that are new, gone or another thing; descriptions are no difference."""
    old, new = coordinates(built(before)), coordinates(built(after))
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def breaking(before: str, after: str) -> list[str]:
    """What breaks clients, in graphql-core's words."""
    found = find_breaking_changes(built(before), built(after))
    return [change.description for change in found]


def unnamed(changelog: str, before: str, after: str) -> list[str]:
    """The differences that the changelog's Unreleased section does not name."""
    [section] = re.findall(r"^## Unreleased\n(.*?)(?=^## )", changelog, re.M | re.S)
    named = set(re.findall(r"`([^`]+)`", section))
    missing = sorted(changed(before, after) - named)
    told = section.partition("### Breaking")[2]
    return [*missing, *(b for b in breaking(before, after) if not _names(told, b))]


def _names(section: str, description: str) -> bool:
    """Whether one of the section's names stands in the description of a breaking change."""
    return any(name in description for name in re.findall(r"`([^`]+)`", section))
