"""Cost: how much a document may make the gateway do, counted before any of it runs.

One object of the answer costs 1 and a scalar nothing; a list costs what it may hold, times what is
asked of each item; a generation costs what its operation declares. What follows from variables is
kept as a formula, so that a document that was read before is counted in microseconds. It is a
bound and no forecast: `@skip` and `@include` are not looked at, and a list counts as full.

After the cost directives of IBM's specification: https://ibm.github.io/graphql-specs/cost-spec.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeNameMetaFieldDef,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    value_from_ast_untyped,
)

from resolvers.complexity import MAX_STEPS, TooComplex
from resolvers.cost_sizes import ABOVE, MEMBERS, ONE_OF, SIZES, WEIGHTS, Argument, is_list
from resolvers.errors import InvalidDocument

Variables: TypeAlias = Mapping[str, Any]
Composite: TypeAlias = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType
Page: TypeAlias = Any  # how many a list below may have, an int or a Size; another measure's state

INTROSPECTION = 1_000  # one `__schema` or `__type`: 105 types with 506 fields and inputs
DEAREST = max(MEMBERS.values())


@dataclass(frozen=True, slots=True)
class Size:
    """How many objects a list may have: as many as a variable says."""

    variable: str
    absent: int
    most: int

    def of(self, variables: Variables) -> int:
        return counted(variables.get(self.variable, Undefined), self.absent, self.most)


@dataclass(frozen=True, slots=True)
class Times:
    """A list whose length, or what is asked of each item, depends on variables."""

    size: int | Size
    each: Cost

    def of(self, variables: Variables) -> int:
        size = self.size if isinstance(self.size, int) else self.size.of(variables)
        return size * self.each.of(variables)


@dataclass(frozen=True, slots=True)
class Largest:
    """What has one of several types."""

    costs: frozenset[Cost]

    def of(self, variables: Variables) -> int:
        return max(cost.of(variables) for cost in self.costs)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The operations that a variable names: one input of exactly one field, or a list of them."""

    variable: str
    absent: int  # what those of its default cost
    most: int

    def of(self, variables: Variables) -> int:
        if self.variable not in variables:
            return self.absent
        return _chosen(variables[self.variable], self.most)


@dataclass(frozen=True, slots=True)
class Cost:
    """A number, and the terms that depend on variables."""

    fixed: int = 0
    moving: tuple[Times | Largest | Chosen, ...] = ()

    def of(self, variables: Variables) -> int:
        """The cost with these variables, as they came: nothing checked them yet."""
        return self.fixed + sum(term.of(variables) for term in self.moving)

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.fixed + other.fixed, self.moving + other.moving)

    def times(self, size: int | Size) -> Cost:
        if not isinstance(size, Size) and (size == 1 or not self.moving):
            return Cost(self.fixed * size, self.moving)
        return Cost(0, (Times(size, self),))


def total(costs: Iterable[Cost]) -> Cost:
    found = list(costs)
    return Cost(sum(c.fixed for c in found), tuple(term for c in found for term in c.moving))


def largest(costs: Iterable[Cost]) -> Cost:
    found = frozenset(costs)
    if len(found) == 1:
        return next(iter(found))
    if any(cost.moving for cost in found):
        return Cost(0, (Largest(found),))
    return Cost(max((cost.fixed for cost in found), default=0))


def counted(value: Any, absent: int, most: int) -> int:
    """The length that a list's argument gives it; what does not fit its type counts as the most."""
    if value is Undefined:
        return absent
    if isinstance(value, list):
        return min(len(value), most)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(min(max(value, 0), most))
    return 1 if isinstance(value, str | dict) else most


def _chosen(given: Any, most: int) -> int:
    """What inputs of exactly one field cost, one or a list of them."""
    return sum(map(_one, (given if isinstance(given, list) else [given])[:most]))


def _one(given: Any) -> int:
    """Where it cannot be told which field is given, the dearest is."""
    named = given.keys() if isinstance(given, Mapping) else ()
    return max((MEMBERS.get(name, 0) for name in named), default=DEAREST)


def check(cost: int, limit: int) -> None:
    """Raises `InvalidDocument` for a cost over the limit, naming both."""
    if cost > limit:
        said = f"The document costs {cost}, and at most {limit} is allowed; ask for less at once"
        raise InvalidDocument([TooComplex(said)], "QUERY_TOO_COMPLEX", cost=cost, limit=limit)


class Costs:
    """Counts documents of one schema."""

    walk: ClassVar[type[Walk]]  # behind it

    def __init__(self, schema: GraphQLSchema, sizes: Mapping[str, int] | None = None) -> None:
        """`sizes` are those of lists that only the settings know, as `SIZES` has the others.

        Raises:
            LookupError: a list of objects has no size.
        """
        self.schema = schema
        self.sizes: dict[str, int | Argument] = {**SIZES, **(sizes or {})}
        for kind in schema.type_map.values():
            if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
                self._check(kind)

    def _check(self, kind: GraphQLObjectType | GraphQLInterfaceType) -> None:
        for name, field in kind.fields.items():
            if not kind.name.startswith("__") and is_list(field):
                self.size(kind, name)

    def size(self, kind: Composite, name: str) -> int | Argument:
        """The size of a list, declared for its type or for an interface of it."""
        interfaces = () if isinstance(kind, GraphQLUnionType) else kind.interfaces
        for one in (kind, *interfaces):
            if (found := self.sizes.get(f"{one.name}.{name}")) is not None:
                return found
        raise LookupError(f"{kind.name}.{name} is a list without a size in cost_sizes")

    def of(self, document: DocumentNode, operation: OperationDefinitionNode) -> Cost:
        """What the operation of a valid document costs. Raises `TooComplex`."""
        root = self.schema.get_root_type(operation.operation)
        if root is None:
            raise LookupError(f"the schema has no {operation.operation.value}")
        return self.walk(self, document, operation).below(root, [operation.selection_set], 1)


class Walk:
    """Goes over one operation as execution would, for each type that an object may have.

    What an object, a scalar, introspection and a type's fields together cost is `_object`, `_leaf`,
    `_introspection` and `_together`, which another measure overrides.
    """

    def __init__(
        self, costs: Costs, document: DocumentNode, operation: OperationDefinitionNode
    ) -> None:
        self.costs = costs
        self._fragments = {
            d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
        }
        self._defaults = {
            v.variable.name.value: value_from_ast_untyped(v.default_value)
            for v in operation.variable_definitions or ()
            if v.default_value is not None
        }
        self._known: dict[tuple[Any, ...], Cost] = {}
        self._steps = 0

    def below(self, kind: GraphQLNamedType, places: Sequence[SelectionSetNode], page: Page) -> Cost:
        """What is selected in an object; `page` is how many the object's own list may have."""
        key = (kind.name, page, *map(id, places))
        if (found := self._known.get(key)) is None:
            if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
                kinds: Iterable[GraphQLObjectType] = self.costs.schema.get_possible_types(kind)
                found = largest(self.below(one, places, page) for one in kinds)
            elif isinstance(kind, GraphQLObjectType):
                fields = self._grouped(kind, places).values()
                found = total(self._field(kind, nodes, page) for nodes in fields)
                found += self._together(kind, fields)
            else:
                raise LookupError(f"{kind.name} has no fields")
            self._known[key] = found
        return found

    def _grouped(
        self, kind: GraphQLObjectType, places: Sequence[SelectionSetNode]
    ) -> dict[str, list[FieldNode]]:
        """The fields that an object of this type has, by their keys."""
        groups: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        waiting = list(places)
        while waiting:
            for node in waiting.pop().selections:
                self._step()
                if isinstance(node, FieldNode):
                    groups.setdefault((node.alias or node.name).value, []).append(node)
                elif isinstance(node, InlineFragmentNode):
                    if self._has(kind, node):
                        waiting.append(node.selection_set)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                    spread.add(node.name.value)
                    fragment = self._fragments[node.name.value]
                    if self._has(kind, fragment):
                        waiting.append(fragment.selection_set)
        return groups

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise TooComplex("The document's fragments are spread too often")

    def _has(
        self, kind: GraphQLObjectType, fragment: InlineFragmentNode | FragmentDefinitionNode
    ) -> bool:
        if fragment.type_condition is None:
            return True
        name, schema = fragment.type_condition.name.value, self.costs.schema
        wanted = schema.type_map[name]
        return name == kind.name or (
            isinstance(wanted, GraphQLInterfaceType | GraphQLUnionType)
            and schema.is_sub_type(wanted, kind)
        )

    def _field(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode], page: Page) -> Cost:
        node, name = nodes[0], nodes[0].name.value
        if name == "__typename":
            return self._leaf("__typename", TypeNameMetaFieldDef, node, page)
        if name.startswith("__"):
            return self._introspection(nodes)
        field, place = kind.fields[name], f"{kind.name}.{name}"
        work = self._work(place, node)
        inner = [n.selection_set for n in nodes if n.selection_set]
        if not inner:
            return work + self._leaf(place, field, node, page)
        size, named = self._size(kind, field, node, page), get_named_type(field.type)
        if place in ABOVE:  # it says how long the list below it is
            return work + self._object(node) + self.below(named, inner, size)
        each = self._object(node) + self.below(named, inner, self._page(place, page))
        return work + each.times(size)

    def _object(self, node: FieldNode) -> Cost:
        """What one object costs beside its fields."""
        return Cost(1)

    def _leaf(self, place: str, field: GraphQLField, node: FieldNode, page: Page) -> Cost:
        """What a field without fields of its own costs."""
        return Cost()

    def _introspection(self, nodes: Sequence[FieldNode]) -> Cost:
        """What one `__schema` or `__type` costs, and all below it."""
        return Cost(INTROSPECTION)

    def _together(self, kind: GraphQLObjectType, fields: Iterable[Sequence[FieldNode]]) -> Cost:
        """What these fields of a type cost once, however many they are."""
        return Cost()

    def _page(self, place: str, page: Page) -> Page:
        """The page below a field that says of none; `page` is the one above it."""
        return 1

    def _work(self, place: str, node: FieldNode) -> Cost:
        """What a field costs beside its objects."""
        if place not in ONE_OF:
            return Cost(WEIGHTS.get(place, 0))
        argument, most = ONE_OF[place]
        value = _value(node, argument)
        if isinstance(value, VariableNode):
            return self._chosen(value, most)
        items = value.values if isinstance(value, ListValueNode) else (value,)
        return total(
            self._chosen(item, 1) if isinstance(item, VariableNode) else Cost(_one(_named(item)))
            for item in items[:most]
        )

    def _chosen(self, variable: VariableNode, most: int) -> Cost:
        name = variable.name.value
        return Cost(0, (Chosen(name, _chosen(self._defaults.get(name), most), most),))

    def _size(
        self, kind: GraphQLObjectType, field: GraphQLField, node: FieldNode, page: Page
    ) -> int | Size:
        place = f"{kind.name}.{node.name.value}"
        if place not in ABOVE and not is_list(field):
            return 1
        found = ABOVE.get(place) or self.costs.size(kind, node.name.value)
        if isinstance(found, int):
            return found or page  # 0: as many as were asked for above it
        return self._given(_value(node, found.name), found)

    def _given(self, value: ValueNode | None, argument: Argument) -> int | Size:
        if isinstance(value, VariableNode):
            name = value.name.value
            default = self._defaults.get(name, Undefined)
            absent = counted(default, argument.absent, argument.most)
            return Size(name, absent, argument.most)
        if isinstance(value, ListValueNode):
            return min(len(value.values), argument.most)
        if isinstance(value, IntValueNode):
            return max(0, min(int(value.value[:12]), argument.most))
        return argument.absent if value is None else 1


Costs.walk = Walk


def _named(value: ValueNode | None) -> Any:
    """The fields of an object, by their names."""
    return {f.name.value: f for f in value.fields} if isinstance(value, ObjectValueNode) else None


def _value(node: FieldNode, name: str) -> ValueNode | None:
    return next((a.value for a in node.arguments or () if a.name.value == name), None)
