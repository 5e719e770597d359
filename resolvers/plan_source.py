"""Plan source: a selection as Python source, which makes of an object what its JSON says.

Which fields an object of each type has is graphql-core's own word (`collect_fields`): aliases,
merging, fragments, `@skip` and `@include` are its doing, once for a plan. What stands in the source
of a document are its response names alone, as string literals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import CodeType
from typing import Any, TypeAlias

from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationDefinitionNode,
)
from graphql.execution.collect_fields import FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues

MAX_PLANNED_FIELDS = 600  # of all types together; their source is compiled in about 5 ms
MAX_REPEATED = 4  # names under which one field of an object is given: a text may have 1 MB

Write: TypeAlias = Callable[[Any], Any]  # an object as what orjson makes JSON of


class Unplannable(Exception):
    """A document that is left to graphql-core."""


class Unplanned(Exception):
    """A value that a plan does not know what to do with: graphql-core says what it comes to."""


def unplanned(value: Any) -> Any:
    """Stands in the source where a value is not as its type says."""
    raise Unplanned(type(value).__name__)


SCALARS = {
    "String": "{v} if type({v} := {of}) is str else unplanned({v})",
    "ID": "{v} if type({v} := {of}) is str else unplanned({v})",
    "Boolean": "{v} if ({v} := {of}) is True or {v} is False else unplanned({v})",
    "Int": "{v} if type({v} := {of}) is int and -(2**31) <= {v} < 2**31 else unplanned({v})",
    # What is no finite float graphql-core has rules for.
    "Float": "{v} if type({v} := {of}) is float and -INF < {v} < INF else as_float({v})",
}


def as_float(value: Any) -> Any:
    """A whole number as the float that it is, while one holds it exactly."""
    return float(value) if type(value) is int and -(2**53) <= value <= 2**53 else unplanned(value)


@dataclass(slots=True)
class Fields:
    """What graphql-core needs to say which fields an object has."""

    schema: GraphQLSchema
    fragments: dict[str, FragmentDetails]
    variables: VariableValues
    operation: OperationDefinitionNode

    def of_root(self, root: GraphQLObjectType) -> dict[str, Any]:
        """The root fields, by their response names."""
        return collect_fields(
            self.schema, self.fragments, self.variables, root, self.operation
        ).grouped_field_set

    def below(self, kind: GraphQLObjectType, places: Any) -> dict[str, Any]:
        """The fields of an object, by their response names."""
        found = collect_subfields(
            self.schema, self.fragments, self.variables, self.operation, kind, places
        )
        return found.grouped_field_set


@dataclass(slots=True)
class Source:
    """The source of one plan, as it is written."""

    fields: Fields
    partial: bool = False  # whether a type may have fields that are only found out by asking
    names: dict[str, Any] = field(default_factory=dict)  # what the source refers to
    lines: list[str] = field(default_factory=list)
    _known: dict[Any, str] = field(default_factory=dict)
    _values: int = 0
    _count: int = 0

    def __post_init__(self) -> None:
        self.names |= {"unplanned": unplanned, "as_float": as_float, "INF": float("inf")}

    # -- types
    def value(self, kind: Any, of: str, places: Any) -> str:
        """The expression that makes of the expression `of` what stands in the JSON."""
        if isinstance(kind, GraphQLNonNull):
            return self._present(kind.of_type, of, places)
        name = self._variable()
        return f"None if ({name} := {of}) is None else {self._present(kind, name, places)}"

    def _present(self, kind: Any, of: str, places: Any) -> str:
        if isinstance(kind, GraphQLList):
            items, item = self._variable(), self._variable()
            each = self.value(kind.of_type, item, places)
            return (
                f"[{each} for {item} in {items}] if type({items} := {of}) is list "
                f"else unplanned({items})"
            )
        if isinstance(kind, GraphQLObjectType):
            return f"{self._object(kind, places)}({of})"
        if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            name = self._variable()
            return f"{self._kinds(kind, places)}[type({name} := {of})]({name})"
        return f"({self._leaf(kind, of)})"

    def _leaf(self, kind: Any, of: str) -> str:
        name = self._variable()
        if (known := SCALARS.get(kind.name)) is not None:
            return known.format(v=name, of=of)
        if isinstance(kind, GraphQLEnumType):
            python, names = _enum(kind)
            return (
                f"{self._name(kind, names)}[{name}._name_] "
                f"if type({name} := {of}) is {self._name(python, python)} else unplanned({name})"
            )
        return f"{self._name(kind, kind.coerce_output_value)}({of})"

    def _kinds(self, kind: Any, places: Any) -> str:
        """The name of the functions of an abstract type, by the classes of its objects."""
        key = (kind.name, tuple(id(one.node) for one in places))
        if key not in self._known:
            kinds: dict[Any, str] = {
                python_class(one): self._object(one, places)
                for one in self.fields.schema.get_possible_types(kind)
            }
            self._known[key] = name = f"kinds{len(self._known)}"
            listed = ", ".join(f"{self._name(k, k)}: {write}" for k, write in kinds.items())
            self.lines.append(f"{name} = {{{listed}}}")
        return self._known[key]

    def _object(self, kind: GraphQLObjectType, places: Any) -> str:
        """The name of the function that writes an object of this type."""
        key = (kind.name, tuple(id(one.node) for one in places))
        if key not in self._known:
            body = self._members(kind, self.fields.below(kind, places))
            self._known[key] = name = f"write{len(self._known)}"
            python = python_class(kind)
            self.lines += [
                f"def {name}(o):",
                f"    if type(o) is not {self._name(python, python)}: unplanned(o)",
                f"    return {{{body}}}",
            ]
        return self._known[key]

    def _members(self, kind: GraphQLObjectType, grouped: Mapping[str, Any]) -> str:
        self._bound(grouped)
        found = []
        for key, places in grouped.items():
            name = places[0].node.name.value
            if name == "__typename":
                found.append(f"{key!r}: {kind.name!r}")
            else:
                found.append(f"{key!r}: {self._field(kind, name, places)}")
        return ", ".join(found)

    def _field(self, kind: GraphQLObjectType, name: str, places: Any) -> str:
        of = kind.fields[name]
        definition = of.extensions["strawberry-definition"]
        if not definition.is_basic_field:
            if not self.partial:
                raise Unplannable(f"{kind.name}.{name} is found out by asking")
            return "unplanned(o)"
        return self.value(of.type, f"o.{definition.python_name}", places)

    def _bound(self, grouped: Mapping[str, Any]) -> None:
        self._count += len(grouped)
        if self._count > MAX_PLANNED_FIELDS:
            raise Unplannable("too many fields")
        named = [places[0].node.name.value for places in grouped.values()]
        if len(named) > MAX_REPEATED and max(map(named.count, set(named))) > MAX_REPEATED:
            raise Unplannable("a field under too many names")

    # -- names
    def _variable(self) -> str:
        self._values += 1
        return f"v{self._values}"

    def _name(self, key: Any, value: Any) -> str:
        """A name under which the source finds a value."""
        if key not in self._known:
            self._known[key] = f"known{len(self._known)}"
            self.names[self._known[key]] = value
        return self._known[key]

    def compiled(self) -> dict[str, Any]:
        """The source's functions, by their names."""
        code: CodeType = compile("\n".join(self.lines), "<plan>", "exec")
        exec(code, self.names)  # noqa: S102  # our own source, with literals alone of a document
        return self.names

    @property
    def size(self) -> int:
        """Characters of it."""
        return sum(map(len, self.lines))


def python_class(kind: GraphQLObjectType) -> type:
    """The class whose instances are objects of this type."""
    found: type = kind.extensions["strawberry-definition"].origin
    return found


def _enum(kind: GraphQLEnumType) -> tuple[type[Enum], dict[str, str]]:
    """The class of an enum's values, and what GraphQL calls each."""
    python: type[Enum] = kind.extensions["strawberry-definition"].wrapped_cls
    return python, {one._name_: kind.coerce_output_value(one) for one in python}
