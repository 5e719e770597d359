"""Documents at random that ask a schema's queries for anything, and what came of them, counted."""

from __future__ import annotations

import random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLInterfaceType,
    get_named_type,
    is_composite_type,
    is_required_argument,
)

from tests.support.graphql_schema import BUILT

LEADING = {  # to where there is much
    "Query": "contents",
    "ContentConnection": "edges",
    "ContentEdge": "node",
    "Content": "children",
}


class RandomDocument:
    """One of a seed: its text, and its variables; `ids` are contents that it may name."""

    def __init__(self, seed: int, ids: list[str]) -> None:
        self._random, self._ids = random.Random(seed), ids
        self.variables: dict[str, int] = {}

    def text(self) -> str:
        body = self._selections(BUILT.query_type, 0, most=1)
        declared = ", ".join(f"${name}: Int!" for name in self.variables)
        return (f"query ({declared}) " if declared else "") + body

    def _selections(self, kind: Any, depth: int, most: int = 3) -> str:
        fields = [f for f in kind.fields.items() if depth < 4 or not _composite(f[1])]
        chosen = self._random.sample(fields, min(len(fields), self._random.randint(1, most)))
        chosen += [f for f in fields if f[0] == LEADING.get(kind.name) and depth < 4]
        parts = [self._field(name, field, depth) for name, field in chosen]
        if isinstance(kind, GraphQLInterfaceType) and depth < 4:
            some = self._random.sample(BUILT.get_possible_types(kind), 2)
            parts += [f"... on {one.name} {self._selections(one, depth + 1)}" for one in some]
        return "{ " + " ".join(parts) + " }"

    def _field(self, name: str, field: Any, depth: int) -> str:
        key = f"k{self._random.getrandbits(40)}: {name}"
        given = {n: a for n, a in field.args.items() if n == "first" or is_required_argument(a)}
        arguments = ", ".join(f"{n}: {self._argument(n, a)}" for n, a in given.items())
        below = self._selections(get_named_type(field.type), depth + 1) if _composite(field) else ""
        return f"{key}{f'({arguments})' if arguments else ''} {below}"

    def _argument(self, name: str, argument: GraphQLArgument) -> str:
        if name == "first":
            first = self._random.choice((1, 2, 4, 30))
            if self._random.random() < 0.8:
                return str(first)
            variable = f"v{len(self.variables)}"
            self.variables[variable] = first
            return f"${variable}"
        some = [f'"{one}"' for one in self._random.choices(self._ids, k=8)]
        return f"[{', '.join(some)}]" if "[" in str(argument.type) else some[0]


def _composite(field: Any) -> bool:
    return is_composite_type(get_named_type(field.type))


def objects(value: Any) -> int:
    """How many objects stand in a result."""
    if isinstance(value, list):
        return sum(map(objects, value))
    return 1 + sum(map(objects, value.values())) if isinstance(value, dict) else 0
