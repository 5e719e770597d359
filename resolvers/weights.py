"""Weights: how many bytes a document's answer may have, counted before any of it runs.

Each value of the answer weighs its key and what it may hold, a list as many as it may have. Texts
are counted at what models are told to write; an answer that has more is stopped while it is made,
see `pacing`. Introspection is counted by the schema itself. What takes more work than its bytes
say weighs for it: a content that is read from the database, a field that looks for others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    introspection_types,
)

from resolvers.complexity import TooComplex
from resolvers.cost import Cost, Costs, Page, Size, Walk
from resolvers.errors import InvalidDocument
from resolvers.selections import STORED_APART
from resolvers.weight_sizes import (
    CONTENT_READ,
    KEY,
    LISTS,
    LOOK_UP,
    LOOKS_UP,
    OBJECTS,
    SCALARS,
    TEXT,
    TEXTS,
    VALUE,
    schema_sizes,
)

MAX_WEIGHT = 2_000_000  # bytes of an answer


@dataclass(frozen=True, slots=True)
class OfType:
    """What an `ofType` may still unwrap: `[Story!]!` is three types around one."""

    wrappers: int


EACH = "each type of the schema"  # below it lists have what they have on average
OF_EACH = ("__Type.fields", "__Type.inputFields")


def check(weight: int) -> None:
    """Raises `InvalidDocument` for a weight over `MAX_WEIGHT`, naming both."""
    if weight > MAX_WEIGHT:
        raise too_heavy(f"The document's answer may weigh {weight:,} bytes", weight)


def too_heavy(said: str, weight: int) -> InvalidDocument:
    """The refusal of an answer over `MAX_WEIGHT`."""
    said += f", and at most {MAX_WEIGHT:,} are allowed: ask for fewer items, or for less of each"
    return InvalidDocument([TooComplex(said)], "QUERY_TOO_COMPLEX", weight=weight, limit=MAX_WEIGHT)


class Weights(Costs):
    """Weighs documents of one schema."""

    def __init__(self, schema: GraphQLSchema, sizes: Mapping[str, int] | None = None) -> None:
        super().__init__(schema, {**OBJECTS, **(sizes or {})})
        self.average, self.most = schema_sizes(schema)
        self.wrappers = max(
            _wrappers(field.type)
            for kind in schema.type_map.values()
            if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
            for field in kind.fields.values()
        )

    def _check(self, kind: GraphQLObjectType | GraphQLInterfaceType) -> None:
        super()._check(kind)
        for name, field in kind.fields.items():
            if (
                not kind.name.startswith("__")
                and _is_list(field)
                and f"{kind.name}.{name}" not in LISTS
            ):
                self.size(kind, name)

    def scalars(self, kind: str, field: GraphQLField, name: str) -> int:
        """The bytes of a field without fields of its own, its key apart."""
        named, place = get_named_type(field.type), f"{kind}.{name}"
        each = TEXTS.get(place) or SCALARS.get(named.name, TEXT)
        if isinstance(named, GraphQLEnumType):
            each = max(map(len, named.values)) + 2
        return VALUE + each * (LISTS.get(place, 1) if _is_list(field) else 1)


class WeightWalk(Walk):
    """Goes over one operation, and weighs what it comes to."""

    costs: Weights

    def _object(self, node: FieldNode) -> Cost:
        return Cost(VALUE + _key(node))

    def _leaf(self, place: str, field: GraphQLField, node: FieldNode, page: Page) -> Cost:
        kind, _, name = place.partition(".")
        work = LOOK_UP if place in LOOKS_UP else 0
        return Cost(_key(node) + work + self.costs.scalars(kind, field, name))

    def _work(self, place: str, node: FieldNode) -> Cost:
        """What stands in an object's place; what it generates is no weight."""
        _, _, name = place.partition(".")
        return Cost(LOOK_UP if name in LOOKS_UP else 0)

    def _together(self, kind: GraphQLObjectType, fields: Iterable[Sequence[FieldNode]]) -> Cost:
        """A content's answer is read and decoded once, unless none of it is asked for."""
        if not any(one.name == "Content" for one in kind.interfaces):
            return Cost()
        asked = {nodes[0].name.value for nodes in fields}
        return Cost(0 if asked <= STORED_APART else CONTENT_READ)

    # -- introspection
    def _introspection(self, nodes: Sequence[FieldNode]) -> Cost:
        inner = [n.selection_set for n in nodes if n.selection_set]
        name = "__Schema" if nodes[0].name.value == "__schema" else "__Type"
        below = self.below(introspection_types[name], inner, 1)
        return self._object(nodes[0]) + Cost(ceil(below.fixed))  # averages are fractions

    def _size(
        self, kind: GraphQLObjectType, field: GraphQLField, node: FieldNode, page: Page
    ) -> int | Size:
        place = f"{kind.name}.{node.name.value}"
        if not place.startswith("__"):
            return super()._size(kind, field, node, page)
        if place == "__Type.ofType":
            return 1 if isinstance(page, OfType) and page.wrappers else 0
        sizes = self.costs.average if page == EACH else self.costs.most
        found: Any = sizes.get(place, 1)
        return found  # type: ignore[no-any-return]

    def _page(self, place: str, page: Page) -> Page:
        if place in ("__Field.type", "__InputValue.type"):
            return OfType(self.costs.wrappers)
        if place == "__Type.ofType":
            return OfType(max(page.wrappers - 1, 0) if isinstance(page, OfType) else 0)
        if place == "__Schema.types" or (page == EACH and place in OF_EACH):
            return EACH
        return 1


Weights.walk = WeightWalk


def _key(node: FieldNode) -> int:
    return KEY + len((node.alias or node.name).value)


def _is_list(field: GraphQLField) -> bool:
    return isinstance(get_nullable_type(field.type), GraphQLList)


def _wrappers(kind: Any) -> int:
    found = 0
    while isinstance(kind, GraphQLNonNull | GraphQLList):
        kind, found = kind.of_type, found + 1
    return found
