"""Make src/documents.js and src/loregate.d.ts from ../../schema.graphql.

`python generate.py` writes both, `python generate.py --check` says whether they are current (exit
code 1 when not). Needs graphql-core, which the gateway's environment has.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_leaf_type,
    parse,
    validate,
)

HERE = Path(__file__).parent
SCHEMA = HERE.parents[1] / "schema.graphql"
SOURCE = HERE / "src"
# What an answer leaves out of a content: other contents, which a document of one's own may ask for.
OTHERS = {"parent", "children"}
# The names of `write` and `start`, as `Generation.operation` and REST have them.
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

Composite = GraphQLObjectType | GraphQLInterfaceType


def fields(kind: Composite) -> Iterator[tuple[str, GraphQLField]]:
    """The fields that the client asks for."""
    for name, field in kind.fields.items():
        if name not in OTHERS:
            yield name, field


def selection(schema: GraphQLSchema, kind: Composite, known: frozenset[str] = frozenset()) -> str:
    """All of the type, and of an interface all that each of its types has beside; on one line."""
    parts = []
    for name, field in fields(kind):
        inner = get_named_type(field.type)
        if name not in known:
            parts.append(name if is_leaf_type(inner) else f"{name} {selection(schema, inner)}")
    if isinstance(kind, GraphQLInterfaceType):
        parts.insert(0, "__typename")
        for one in sorted(schema.get_possible_types(kind), key=lambda t: t.name):
            own = selection(schema, one, frozenset(kind.fields))
            if own != "{ }":
                parts.append(f"... on {one.name} {own}")
    return f"{{ {' '.join(parts)} }}".replace("{  }", "{ }")


def mutations(schema: GraphQLSchema) -> dict[str, str]:
    """The mutation of each operation, by its input's type."""
    found = {}
    for name, field in schema.mutation_type.fields.items():
        if "input" in field.args:
            found[get_named_type(field.args["input"].type).name] = name
    return found


def documents(schema: GraphQLSchema) -> dict[str, str]:
    """The client's documents by the names of their constants."""
    subscription = schema.subscription_type.fields
    event = selection(schema, get_named_type(subscription["events"].type))
    piece = selection(schema, get_named_type(subscription["generation"].type))
    start = selection(schema, schema.type_map["StartGenerationPayload"])
    cancel = selection(schema, schema.type_map["CancelGenerationPayload"])
    return {
        "START": "mutation ($input: StartGenerationInput!) "
        f"{{ startGeneration(input: $input) {start} }}",
        "CANCEL": f"mutation ($id: ID!) {{ cancelGeneration(id: $id) {cancel} }}",
        "EVENTS": "subscription ($types: [EventType!], $all: Boolean! = false, $after: String) "
        f"{{ events(types: $types, all: $all, after: $after) {event} }}",
        "GENERATION": "subscription ($id: ID!, $after: String) "
        f"{{ generation(id: $id, after: $after) {piece} }}",
    }


def operations(schema: GraphQLSchema) -> Iterator[tuple[str, str, str, str]]:
    """Each operation's name, its field in a batch or a start, its mutation and the document."""
    known, choices = mutations(schema), schema.type_map["StartGenerationInput"].fields
    for name, choice in OPERATIONS.items():
        input_type = get_named_type(choices[choice].type).name
        field = known[input_type]
        payload = selection(schema, get_named_type(schema.mutation_type.fields[field].type))
        yield (
            name,
            choice,
            field,
            f"mutation ($input: {input_type}!) {{ {field}(input: $input) {payload} }}",
        )


def checked(schema: GraphQLSchema, document: str) -> str:
    errors = validate(schema, parse(document))
    if errors:
        raise SystemExit(f"{errors[0].message}: {document}")
    return document


def javascript(schema: GraphQLSchema) -> str:
    lines = ["// Made from schema.graphql by generate.py. Do not edit: `make client-types`.", ""]
    for constant, document in documents(schema).items():
        lines += [f"export const {constant} =", f"  '{checked(schema, document)}';"]
    lines += [
        "",
        "// By the operation's name: its field of a start, its mutation, and the document.",
    ]
    lines.append("export const OPERATIONS = {")
    for name, choice, field, document in operations(schema):
        lines += [f"  {name}: {{", f"    choice: '{choice}',", f"    field: '{field}',"]
        lines += ["    document:", f"      '{checked(schema, document)}',", "  },"]
    return "\n".join([*lines, "};", ""])


def main() -> None:
    schema = build_schema(SCHEMA.read_text())
    made = {SOURCE / "documents.js": javascript(schema)}
    stale = [p for p, text in made.items() if not p.exists() or p.read_text() != text]
    if "--check" in sys.argv:
        if stale:
            sys.exit(f"not current, run `make client-types`: {', '.join(p.name for p in stale)}")
        return
    for path in stale:
        path.write_text(made[path])


if __name__ == "__main__":
    main()
