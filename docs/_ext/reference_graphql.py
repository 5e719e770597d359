"""The GraphQL reference: every root field with its example, then every type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
)

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "reference" / "graphql-examples.md"
EXAMPLE = re.compile(r"^## (\w+) (\w+)\n(.*?)(?=^## |\Z)", re.M | re.S)
BUILT_IN = {"String", "Int", "Float", "Boolean", "ID"}


@cache
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema.graphql").read_text())


def root_fields() -> Iterator[tuple[str, str]]:
    """Each root field: `query`, `mutation` or `subscription`, and its name."""
    for kind in ("query", "mutation", "subscription"):
        root: Any = getattr(schema(), f"{kind}_type")
        yield from ((kind, name) for name in root.fields)


def examples() -> dict[tuple[str, str], str]:
    """The Markdown of each example of the page, by its root field."""
    return {(kind, name): text for kind, name, text in EXAMPLE.findall(EXAMPLES.read_text())}


def graphql() -> str:
    said = [_roots(), *_types()]
    return "\n".join(said)


def _roots() -> str:
    said = []
    for kind in ("query", "mutation", "subscription"):
        root: Any = getattr(schema(), f"{kind}_type")
        said.append(f"## {root.name}\n")
        for name, field in root.fields.items():
            said.append(f"(field-{kind}-{name.lower()})=\n\n### {kind} {name}\n")
            said.append(f"{field.description}\n\n{_signature(field)}")
            said.append(examples()[kind, name].strip() + "\n")
    return "\n".join(said)


def _signature(field: GraphQLField) -> str:
    given = [f"- `{n}`: {_type(a.type)}. {_line(a.description)}" for n, a in field.args.items()]
    return "\n".join((*given, f"- answers {_type(field.type)}", ""))


def _type(kind: Any) -> str:
    """The type as GraphQL writes it, with a link to what it is of."""
    written = str(kind)
    [name] = re.findall(r"\w+", written)
    if name in BUILT_IN:
        return f"`{written}`"
    return f"[`{written}`](#type-{name.lower()})"


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def _types() -> Iterator[str]:
    roots = {"Query", "Mutation", "Subscription"}
    titles: dict[type[GraphQLNamedType], str] = {
        GraphQLInterfaceType: "Interfaces",
        GraphQLUnionType: "Unions",
        GraphQLObjectType: "Objects",
        GraphQLInputObjectType: "Inputs",
        GraphQLEnumType: "Enums",
        GraphQLScalarType: "Scalars",
    }
    for kind, title in titles.items():
        named = [
            t
            for name, t in sorted(schema().type_map.items())
            if isinstance(t, kind) and not name.startswith("__") and name not in BUILT_IN | roots
        ]
        if named:
            yield f"## {title}\n"
            yield from map(_described, named)


def _described(kind: Any) -> str:
    said = f"(type-{kind.name.lower()})=\n\n### {kind.name}\n\n{_line(kind.description)}\n"
    if interfaces := getattr(kind, "interfaces", ()):
        said += "\nImplements " + ", ".join(map(_type, interfaces)) + ".\n"
    if isinstance(kind, GraphQLEnumType):
        rows = [f"- `{n}`: {_line(v.description)}" for n, v in kind.values.items()]
    elif isinstance(kind, GraphQLUnionType):
        rows = [f"- {_type(t)}" for t in kind.types]
    else:
        rows = list(_fields(getattr(kind, "fields", {}).items()))
    return "\n".join((said, *rows, ""))


def _fields(fields: Iterable[tuple[str, GraphQLField | GraphQLInputField]]) -> Iterator[str]:
    for name, field in fields:
        gone = f" **Deprecated:** {field.deprecation_reason}" if field.deprecation_reason else ""
        yield f"- `{name}`: {_type(field.type)}. {_line(field.description)}{gone}"
