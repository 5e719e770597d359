"""Make src/documents.js and src/schema.d.ts from ../../schema.graphql.

`python generate.py` writes both; with `--check` it writes nothing and says, by exit code 1, that
one is not current. Needs graphql-core, which the gateway's environment has.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import TypeVar

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLType,
    build_schema,
    get_named_type,
    is_leaf_type,
    parse,
    validate,
)

HERE = Path(__file__).parent
SCHEMA = HERE.parents[1] / "schema.graphql"
SOURCE = HERE / "src"
MADE = "// Made from schema.graphql by generate.py. Do not edit: `make client-types`.\n"
# What the client never asks for, but a document of one's own may: contents beside the one that is
# wanted, and what nobody has who starts a generation.
LEFT_OUT = {"parent", "children", "Generation.content", "Generation.failure"}
# The names of `write` and `start`, as `Generation.operation` and REST have them, and the field of a
# start that each has.
OPERATIONS = {
    "character": "characterContent",
    "campaign": "campaignContent",
    "story": "story",
    "npc": "npc",
    "location": "location",
    "item": "item",
    "theme": "themeAnalysis",
    "validation": "contentValidation",
}
NUMBERS = dict.fromkeys(("Int", "Float", "BigInt"), "number")
SCALARS = {**NUMBERS, "Boolean": "boolean"}  # all others are strings

Composite = GraphQLObjectType | GraphQLInterfaceType
Fielded = GraphQLObjectType | GraphQLInputObjectType
T = TypeVar("T")


def as_(kind: type[T] | UnionType, found: object) -> T:
    """What was found, which is of that kind. Raises `TypeError` if the schema has it otherwise."""
    if not isinstance(found, kind):
        raise TypeError(f"{found} is no {kind}")
    return found


class Schema:
    """The schema, and what the client asks of it."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema

    def named(self, name: str) -> GraphQLNamedType:
        return self.schema.type_map[name]

    def composite(self, kind: str | GraphQLType) -> Composite:
        found = self.named(kind) if isinstance(kind, str) else get_named_type(kind)
        return as_(Composite, found)

    def root(self, operation: str) -> dict[str, GraphQLField]:
        return dict(self.composite(operation).fields)

    def members(self, kind: GraphQLInterfaceType) -> list[GraphQLObjectType]:
        """The types that an interface stands for."""
        return sorted(self.schema.get_possible_types(kind), key=lambda t: t.name)

    def fields(self, kind: Composite) -> Iterator[tuple[str, GraphQLField]]:
        """The fields that the client asks for."""
        for name, field in kind.fields.items():
            if not {name, f"{kind.name}.{name}"} & LEFT_OUT:
                yield name, field

    def is_one_of_many(self, kind: GraphQLNamedType) -> bool:
        """Whether it is told apart from others by its `__typename`."""
        return isinstance(kind, GraphQLInterfaceType) or (
            isinstance(kind, GraphQLObjectType)
            and any(len(self.members(i)) > 1 for i in kind.interfaces if "Payload" not in i.name)
        )

    def selection(self, kind: Composite, known: frozenset[str] = frozenset()) -> str:
        """All of a type but `known`; of an interface also what each of its types has beside."""
        parts = ["__typename"] if self.is_one_of_many(kind) and not known else []
        for name, field in self.fields(kind):
            inner = get_named_type(field.type)
            if name not in known:
                leaf = is_leaf_type(inner)
                parts.append(name if leaf else f"{name} {self.selection(self.composite(inner))}")
        if isinstance(kind, GraphQLInterfaceType):
            for one in self.members(kind):
                own = self.selection(one, frozenset(kind.fields))
                parts += [f"... on {one.name} {own}"] if own else []
        return f"{{ {' '.join(parts)} }}" if parts else ""

    def operations(self) -> Iterator[tuple[str, str, str, str, GraphQLField]]:
        """Of each: its name, its field of a start, its input's type, its mutation and its field."""
        choices: GraphQLInputObjectType = as_(
            GraphQLInputObjectType, self.named("StartGenerationInput")
        )
        mutations = self.root("Mutation").items()
        for name, choice in OPERATIONS.items():
            wanted = get_named_type(choices.fields[choice].type)
            for mutation, field in mutations:
                if any(get_named_type(a.type) is wanted for a in field.args.values()):
                    yield name, choice, wanted.name, mutation, field

    def document(self, kind: str, variables: str, field: str, arguments: str) -> str:
        """One root field with all that is asked of it. Raises `SystemExit` if it is not valid."""
        wanted = self.selection(self.composite(self.root(kind)[field].type))
        found = f"{kind.lower()} ({variables}) {{ {field}({arguments}) {wanted} }}"
        if errors := validate(self.schema, parse(found)):
            raise SystemExit(f"{errors[0].message}: {found}")
        return found


# -- documents.js
def documents(schema: Schema) -> str:
    given = "$input: StartGenerationInput!"
    all_events = "$types: [EventType!], $all: Boolean! = false, $after: String"
    told = "types: $types, all: $all, after: $after"
    constants = {
        "START": schema.document("Mutation", given, "startGeneration", "input: $input"),
        "CANCEL": schema.document("Mutation", "$id: ID!", "cancelGeneration", "id: $id"),
        "EVENTS": schema.document("Subscription", all_events, "events", told),
        "GENERATION": schema.document(
            "Subscription", "$id: ID!, $after: String", "generation", "id: $id, after: $after"
        ),
    }
    lines = [MADE]
    for name, document in constants.items():
        lines += [f"export const {name} =", f"  '{document}';"]
    lines += [
        "",
        "// By the operation's name: its field of a start, its mutation, and the document.",
    ]
    lines.append("export const OPERATIONS = {")
    for name, choice, input_type, mutation, _ in schema.operations():
        document = schema.document("Mutation", f"$input: {input_type}!", mutation, "input: $input")
        lines += [f"  {name}: {{", f"    choice: '{choice}',", f"    field: '{mutation}',"]
        lines += ["    document:", f"      '{document}',", "  },"]
    return "\n".join([*lines, "};", ""])


# -- schema.d.ts
class Declarations:
    """The types that the client takes and gives, each once, in the order in which they are met."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._made: dict[str, str] = {}

    def text(self) -> str:
        writes = []
        for name, _, input_type, _, field in self.schema.operations():
            payload = get_named_type(field.type)
            self.declare(self.schema.named(input_type))
            self.declare(payload)
            writes.append(f"  {name}: {{ input: {input_type}; payload: {payload.name} }};")
        for name in ("Generation", "EventType", "Event", "GenerationEvent"):
            self.declare(self.schema.named(name))
        table = ["/** What `write` and `start` take, and `write` gives. */"]
        table += ["export interface Operations {", *writes, "}"]
        return "\n".join([MADE, *self._made.values(), *table, ""])

    def declare(self, kind: GraphQLNamedType) -> None:
        if kind.name in self._made or (
            is_leaf_type(kind) and not isinstance(kind, GraphQLEnumType)
        ):
            return
        self._made[kind.name] = ""  # its place, also when one of its fields leads back to it
        if isinstance(kind, GraphQLEnumType):
            body = " | ".join(f"'{value}'" for value in kind.values)
            found = f"export type {kind.name} = {body};\n"
        elif isinstance(kind, GraphQLInterfaceType):
            found = f"export type {kind.name} = {' | '.join(self._members(kind))};\n"
        else:
            found = f"export interface {kind.name} {{\n{self._body(as_(Fielded, kind))}\n}}\n"
        self._made[kind.name] = f"{comment(kind.description, '')}{found}"

    def _members(self, kind: GraphQLInterfaceType) -> list[str]:
        members = self.schema.members(kind)
        for member in members:
            self.declare(member)
        return [member.name for member in members]

    def _body(self, kind: Fielded) -> str:
        lines, own = [], discriminators(kind, self.schema)
        for name, value in own.items():
            lines.append(f"  {name}: {value};")
        given = kind.fields.items()
        fields = given if isinstance(kind, GraphQLInputObjectType) else self.schema.fields(kind)
        for name, field in fields:
            if name not in own:
                self.declare(get_named_type(field.type))
                mark = "?" if is_optional(field) else ""
                shown = comment(field.description, "  ")
                lines.append(f"{shown}  {name}{mark}: {typescript(field.type)};")
        return "\n".join(lines)


def discriminators(
    kind: GraphQLObjectType | GraphQLInputObjectType, schema: Schema
) -> dict[str, str]:
    """By which fields a type is told apart, and their values."""
    if isinstance(kind, GraphQLInputObjectType) or not schema.is_one_of_many(kind):
        return {}
    interfaces = {i.name for i in kind.interfaces}
    if "GenerationEvent" in interfaces:  # the client says it in a word
        return {"type": f"'{kind.name.removeprefix('Generation').lower()}'"}
    if "Event" in interfaces:
        words = re.findall("[A-Z][a-z]+", kind.name.removesuffix("Event"))
        return {"__typename": f"'{kind.name}'", "type": f"'{'_'.join(words).upper()}'"}
    return {"__typename": f"'{kind.name}'"}


def is_optional(field: GraphQLField | GraphQLInputField) -> bool:
    if isinstance(field, GraphQLField):
        return False
    return not isinstance(field.type, GraphQLNonNull) or field.default is not None


def typescript(kind: GraphQLType) -> str:
    """The type as TypeScript has it; what may be null says so."""
    if isinstance(kind, GraphQLNonNull):
        return typescript(kind.of_type).removesuffix(" | null")
    if isinstance(kind, GraphQLList):
        inner = typescript(kind.of_type)
        return f"({inner})[] | null" if " | " in inner else f"{inner}[] | null"
    name = as_(GraphQLNamedType, kind).name
    if isinstance(kind, GraphQLScalarType):
        name = SCALARS.get(name, "string")
    return f"{name} | null"


def comment(description: str | None, indent: str) -> str:
    return f"{indent}/** {' '.join(description.split())} */\n" if description else ""


def main() -> None:
    schema = Schema(build_schema(SCHEMA.read_text()))
    made = {
        SOURCE / "documents.js": documents(schema),
        SOURCE / "schema.d.ts": Declarations(schema).text(),
    }
    stale = [p for p, text in made.items() if not p.exists() or p.read_text() != text]
    if "--check" in sys.argv and stale:
        sys.exit(f"not current, run `make client-types`: {', '.join(p.name for p in stale)}")
    for path in stale:
        path.write_text(made[path])


if __name__ == "__main__":
    main()
