"""Make schema.py from ../../schema.graphql, and client.py from aio.py, in src/loregate_client.

`python generate.py` writes both, `python generate.py --check` says whether they are current (exit
code 1 when not). Needs graphql-core, which the gateway's environment has.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_required_input_field,
    parse,
    validate,
)

HERE = Path(__file__).parent
SCHEMA = HERE.parents[1] / "schema.graphql"
PACKAGE = HERE / "src" / "loregate_client"
WIDTH = 96  # characters of a line of prose or of a document

# What an answer leaves out of a content: other contents, which a document of one's own may ask for.
OTHERS = {"parent", "children"}
# Any other is sent as a string.
SCALARS = {"Int": "int", "BigInt": "int", "Float": "float", "Boolean": "bool"}
# The names of `write`, `start` and `stream`, as `Generation.operation` and REST have them.
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
# What one asks for by hand, with the variables of its document.
FIELDS = {
    "START": ("mutation ($input: StartGenerationInput!)", "startGeneration(input: $input)"),
    "CANCEL": ("mutation ($id: ID!)", "cancelGeneration(id: $id)"),
    "DELETE": ("mutation ($id: ID!)", "deleteContent(id: $id)"),
    "CONTENT": ("query ($id: ID!)", "content(id: $id)"),
    "RATE_LIMITS": ("query", "rateLimits"),
    "EVENT_CURSOR": ("query", "eventCursor"),
    "EVENTS": (
        "subscription ($types: [EventType!], $all: Boolean! = false, $after: String)",
        "events(types: $types, all: $all, after: $after)",
    ),
    "GENERATION": (
        "subscription ($id: ID!, $after: String)",
        "generation(id: $id, after: $after)",
    ),
}
METHODS = (
    ("write", "Any", "Write it, and wait for it: the payload of the operation's mutation."),
    ("start", "Generation", "Begin to write it: follow it with `generation(id)`."),
    ("stream", "Followed", "Begin to write it, and follow it: what it tells, to its end."),
)
# What makes a function of a coroutine, in this order.
BLOCKING = (
    (
        """AsyncLoregate: the client for asyncio.

client.py, for programs without an event loop, is made of this file by generate.py.
\"""
""",
        """Loregate: the client for programs without an event loop; it may be shared by threads.

Made from aio.py by generate.py. Do not edit.
\"""
# ruff: noqa: UP028
# fmt: off
""",
    ),
    ("            if isawaitable(token):\n                token = await token\n", ""),
    ("from inspect import isawaitable\n", ""),
    ("AsyncGenerator, Awaitable, Callable", "Callable, Generator"),
    ("str | Awaitable[str]", "str"),
    ("import asyncio\nimport re\n", "import re\nimport time\n"),
    ("asyncio.", "time."),
    ("async ", ""),
    ("await ", ""),
    ("Async", ""),
    ("__aiter__", "__iter__"),
    ("__anext__", "__next__"),
    ("__aenter__", "__enter__"),
    ("__aexit__", "__exit__"),
    ("aclosing", "closing"),
    ("aclose", "close"),
    ("aiter(", "iter("),
    ("anext(", "next("),
    ("aread(", "read("),
)
HEAD = '''\
"""The gateway's types and the client's documents, made from schema.graphql by generate.py.

Answers and inputs are dictionaries, as they are sent: the keys are the schema's names. `typename`
says which of several types one is. Moments are RFC 3339, as strings.
"""
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final, Generic, Literal, NotRequired, TypedDict, TypeVar, overload
'''

Composite = GraphQLObjectType | GraphQLInterfaceType


# -- types
def fields(kind: Composite) -> Iterator[tuple[str, GraphQLField]]:
    """The fields that the client asks for."""
    return ((name, field) for name, field in kind.fields.items() if name not in OTHERS)


def python_type(kind: object) -> str:
    if isinstance(kind, GraphQLNonNull):
        return python_type(kind.of_type).removesuffix(" | None")
    if isinstance(kind, GraphQLList):
        return f"list[{python_type(kind.of_type)}] | None"
    return f"{named(get_named_type(kind))} | None"


def named(kind: object) -> str:
    return SCALARS.get(kind.name, "str") if not is_ours(kind) else kind.name


def is_ours(kind: object) -> bool:
    """Whether it gets a name here."""
    composite = (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType, GraphQLEnumType)
    return isinstance(kind, composite)


def docstring(text: str, indent: str) -> Iterator[str]:
    filled = textwrap.wrap(" ".join(text.split()), WIDTH - len(indent))
    if len(filled) == 1:
        yield f'{indent}"""{filled[0]}"""'
        return
    yield f'{indent}"""{filled[0]}'
    yield from (f"{indent}{line}" for line in filled[1:])
    yield f'{indent}"""'


def enum(kind: GraphQLEnumType) -> Iterator[str]:
    yield f"{kind.name} = Literal["
    yield from (f'    "{value}",' for value in kind.values)
    yield "]"
    yield from docstring(kind.description, "")


def typed_dict(kind: GraphQLObjectType | GraphQLInputObjectType) -> Iterator[str]:
    yield f"class {kind.name}(TypedDict):"
    yield from docstring(kind.description, "    ")
    if isinstance(kind, GraphQLInputObjectType):
        shown = kind.fields.items()
    else:
        shown = fields(kind)
        yield from discriminator(kind)
    for name, field in shown:
        yield ""
        yield f"    {name}: {optional(field)}"
        yield from docstring(field.description, "    ")
    if "Event" in [i.name for i in getattr(kind, "interfaces", ())]:
        yield from ("", "    errors: NotRequired[list[dict[str, Any]]]")
        yield from docstring(
            "Why its content could not be loaded, where it is null for that.", "    "
        )


def discriminator(kind: GraphQLObjectType) -> Iterator[str]:
    """What tells the types of an interface apart."""
    interfaces = {i.name for i in kind.interfaces}
    if "GenerationEvent" in interfaces:
        yield from ("", f'    type: Literal["{kind.name.removeprefix("Generation").lower()}"]')
    elif interfaces & {"Content", "Event"}:
        yield from ("", f'    typename: Literal["{kind.name}"]')


def optional(field: GraphQLField | GraphQLInputField) -> str:
    found = python_type(field.type)
    if not isinstance(field, GraphQLInputField):
        return found
    return found if is_required_input_field(field) else f"NotRequired[{found}]"


def reached(schema: GraphQLSchema) -> set[str]:
    """The names of what the client's documents take and give."""
    found: set[str] = set()

    def reach(kind: object) -> None:
        if not is_ours(kind) or kind.name in found:
            return
        found.add(kind.name)
        if isinstance(kind, GraphQLInterfaceType):
            for one in schema.get_possible_types(kind):
                reach(one)
        elif isinstance(kind, GraphQLInputObjectType):
            for field in kind.fields.values():
                reach(get_named_type(field.type))
        elif isinstance(kind, GraphQLObjectType):
            for _, field in fields(kind):
                reach(get_named_type(field.type))

    for root in (schema.query_type, schema.mutation_type, schema.subscription_type):
        for field in root.fields.values():
            reach(get_named_type(field.type))
            for argument in field.args.values():
                reach(get_named_type(argument.type))
    return found - {"Node", "ContentConnection", "ContentEdge", "PageInfo"}


def types(schema: GraphQLSchema) -> Iterator[str]:
    """Enums first, then dictionaries, then the unions that interfaces are."""
    kinds = [schema.type_map[name] for name in sorted(reached(schema))]
    for kind in kinds:
        if isinstance(kind, GraphQLEnumType):
            yield from ("", *enum(kind))
    for kind in kinds:
        if isinstance(kind, GraphQLObjectType | GraphQLInputObjectType):
            yield from ("", "", *typed_dict(kind))
    yield ""
    for kind in kinds:
        if isinstance(kind, GraphQLInterfaceType):
            names = sorted(t.name for t in schema.get_possible_types(kind))
            yield from ("", f"{kind.name} = (", *lines_of(names), ")")
            yield from docstring(kind.description, "")


def lines_of(names: list[str]) -> Iterator[str]:
    yield f"    {names[0]}"
    yield from (f"    | {name}" for name in names[1:])


# -- documents
def selection(schema: GraphQLSchema, kind: Composite, known: frozenset[str] = frozenset()) -> str:
    """All of the type, and of an interface all that each of its types has beside."""
    parts = []
    for name, field in fields(kind):
        inner = get_named_type(field.type)
        if name not in known:
            parts.append(name if is_leaf_type(inner) else f"{name} {selection(schema, inner)}")
    if isinstance(kind, GraphQLInterfaceType):
        parts += possible(schema, kind)
    if not known and ({"Content", "Event", "GenerationEvent"} & names_of(kind)):
        parts.insert(0, "typename: __typename")
    return f"{{ {' '.join(parts)} }}" if parts else ""


def possible(schema: GraphQLSchema, kind: GraphQLInterfaceType) -> Iterator[str]:
    """What each type of the interface has beside it."""
    for one in sorted(schema.get_possible_types(kind), key=lambda t: t.name):
        if own := selection(schema, one, frozenset(kind.fields)):
            yield f"... on {one.name} {own}"


def names_of(kind: Composite) -> set[str]:
    return {kind.name, *(i.name for i in kind.interfaces)}


def document(schema: GraphQLSchema, head: str, field: str) -> Iterator[str]:
    """Raises `SystemExit` where the schema does not admit it."""
    kind = head.split(maxsplit=1)[0]
    roots = {"query": schema.query_type, "mutation": schema.mutation_type}
    root = roots.get(kind, schema.subscription_type)
    inner = get_named_type(root.fields[field.partition("(")[0]].type)
    body = "" if is_leaf_type(inner) else selection(schema, inner)
    text = f"{head} {{ {field} {body} }}"
    if errors := validate(schema, parse(text)):
        raise SystemExit(f"{errors[0].message}: {text}")
    yield from textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def constants(schema: GraphQLSchema) -> Iterator[str]:
    for name, (head, field) in FIELDS.items():
        yield from ("", f'{name}: Final = """\\', *document(schema, head, field), '"""')


def operations(schema: GraphQLSchema) -> Iterator[tuple[str, str, str, GraphQLField]]:
    """Each operation's name, its field in a start, its mutation and that one's field."""
    choices = schema.type_map["StartGenerationInput"].fields
    by_input = {
        get_named_type(field.args["input"].type).name: (name, field)
        for name, field in schema.mutation_type.fields.items()
        if "input" in field.args
    }
    for name, choice in OPERATIONS.items():
        mutation, field = by_input[get_named_type(choices[choice].type).name]
        yield name, choice, mutation, field


def table(schema: GraphQLSchema) -> Iterator[str]:
    yield from ("", "OPERATIONS: Final = {")
    for name, choice, mutation, field in operations(schema):
        head = f"mutation ($input: {get_named_type(field.args['input'].type).name}!)"
        yield f'    "{name}": ('
        yield from (f'        "{choice}",', f'        "{mutation}",', '        """\\')
        yield from document(schema, head, f"{mutation}(input: $input)")
        yield from ('""",', "    ),")
    yield "}"
    yield from docstring("By name: its field of a start, its mutation, and the document.", "")


# -- the client's methods that are typed by the operation's name
def base_class(schema: GraphQLSchema, name: str, coroutine: str) -> Iterator[str]:
    """`coroutine` begins the methods that ask the gateway before they return."""
    yield from ("", "", f"class {name}(ABC, Generic[Followed]):")
    yield from docstring("What is typed by the operation's name.", "    ")
    for method, result, told in METHODS:
        begins = "" if method == "stream" else coroutine
        yield from method_lines(schema, begins, method, result, told)


def method_lines(
    schema: GraphQLSchema, begins: str, method: str, result: str, told: str
) -> Iterator[str]:
    key = "idempotency_key: str | None = None"
    for one, _, _, field in operations(schema):
        input_type = get_named_type(field.args["input"].type).name
        returned = get_named_type(field.type).name if method == "write" else result
        yield from ("", "    @overload", f"    {begins}def {method}(")
        yield f'        self, operation: Literal["{one}"], input: {input_type}, *, {key}'
        yield f"    ) -> {returned}: ..."
    given = "self, operation: str, input: Any"
    yield from ("", f"    {begins}def {method}({given}, *, {key}) -> {result}:")
    yield from docstring(told, "        ")
    called = f"self._{method}(operation, input, idempotency_key)"
    yield f"        return {'await ' if begins else ''}{called}"
    yield from ("", "    @abstractmethod")
    yield f"    {begins}def _{method}({given}, key: str | None) -> {result}: ..."


def schema_module() -> str:
    schema = build_schema(SCHEMA.read_text())
    lines = [HEAD.rstrip("\n"), *types(schema), *constants(schema), *table(schema)]
    lines += ["", 'Followed = TypeVar("Followed", covariant=True)']
    lines += base_class(schema, "Operations", "")
    lines += base_class(schema, "AsyncOperations", "async ")
    return "\n".join([*lines, ""])


# -- the client without an event loop
def client_module() -> str:
    """aio.py with every coroutine a function. Raises `SystemExit` where a word is left."""
    text = (PACKAGE / "aio.py").read_text()
    for there, here in BLOCKING:
        if there not in text:
            raise SystemExit(f"aio.py has no {there!r}")
        text = text.replace(there, here)
    if left := re.search(r".*(?i:async|await|\ba(?:iter|next|read|close)\b).*", text):
        raise SystemExit(f"not translated: {left[0]}")
    return text


def main() -> None:
    made = {"schema.py": schema_module(), "client.py": client_module()}
    files = {PACKAGE / name: text for name, text in made.items()}
    stale = [p for p, text in files.items() if not p.exists() or p.read_text() != text]
    if stale and "--check" in sys.argv:
        names = ", ".join(path.name for path in stale)
        sys.exit(f"not current, run `make client-types`: {names}")
    for path in stale:
        path.write_text(files[path])


if __name__ == "__main__":
    main()
