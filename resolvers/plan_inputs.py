"""Plan inputs: readers of JSON values, made once for each input type of the schema.

A reader gives what graphql-core's coercion and Strawberry's conversion make of a value, in one go.
What does not fit, or is taken only by leave of a rule (an `Int` for an `ID`, a value for a list of
one), is `Unfit`: graphql-core coerces that, and says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    is_required_input_field,
)
from graphql.utilities import coerce_input_literal
from graphql.utilities.coerce_input_value import coerce_default_value

Read: TypeAlias = Callable[[Any], Any]
Variables: TypeAlias = Mapping[str, Any]  # as they were read; what was not given is absent
Evaluate: TypeAlias = Callable[[Variables], Any]
Arguments: TypeAlias = Callable[[Variables], dict[str, Any]]


class Unfit(Exception):
    """A value that graphql-core has to look at."""


class Readers:
    """The readers of one schema."""

    def __init__(self) -> None:
        self._known: dict[str, Read] = {}

    def of(self, kind: Any) -> Read:
        """What reads a value of this type."""
        name = str(kind)
        if (found := self._known.get(name)) is None:
            found = self._known[name] = self._made(kind)
        return found

    def _made(self, kind: Any) -> Read:
        if isinstance(kind, GraphQLNonNull):
            return _required(self._present(kind.of_type))
        read = self._present(kind)
        return lambda value: None if value is None else read(value)

    def _present(self, kind: Any) -> Read:
        if isinstance(kind, GraphQLList):
            return _list(self.of(kind.of_type))
        if isinstance(kind, GraphQLInputObjectType):
            return self._object(kind)
        if isinstance(kind, GraphQLScalarType) and kind.name in EXACT:
            return _exact(EXACT[kind.name])
        if isinstance(kind, GraphQLEnumType):
            return _enum(kind)
        return _leaf(kind)

    def _object(self, kind: GraphQLInputObjectType) -> Read:
        fields = {name: (python_name(f), self.of(f.type)) for name, f in kind.fields.items()}
        construct = _constructor(kind)

        def read(value: Any) -> Any:
            if type(value) is not dict:
                raise Unfit
            found = {}
            for name, given in value.items():
                if (field := fields.get(name)) is None:
                    raise Unfit
                found[field[0]] = field[1](given)
            return construct(found)

        return read

    # -- arguments
    def arguments(self, field: GraphQLField, node: FieldNode) -> Arguments:
        """What gives a field's arguments. Raises `Unfit` for what graphql-core has to look at."""
        given = {a.name.value: a.value for a in node.arguments or ()}
        found = []
        for name, argument in field.args.items():
            default = coerce_default_value(argument)
            value = given.get(name)
            evaluate = _constant(Undefined)
            if value is not None:
                evaluate = self._entry(value, argument)
            elif default is Undefined and isinstance(argument.type, GraphQLNonNull):
                raise Unfit
            found.append((python_name(argument), evaluate, default))
        return lambda variables: _given(found, variables)

    def default(self, node: ValueNode, kind: Any) -> Evaluate:
        """What gives the default of a variable, in which no other stands."""
        try:
            return self.literal(node, kind)
        except Unfit:
            return _unfit

    def literal(self, node: ValueNode, kind: Any) -> Evaluate:
        """What gives the value of an argument that is written down, with the variables in it."""
        if isinstance(node, VariableNode):
            return _variable(node.name.value, required=isinstance(kind, GraphQLNonNull))
        if isinstance(node, NullValueNode):
            return _constant(None)
        bare = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
        if isinstance(node, ListValueNode) and isinstance(bare, GraphQLList):
            each = [self.literal(one, bare.of_type) for one in node.values]
            return lambda variables: [value(variables) for value in each]
        if isinstance(node, ObjectValueNode) and isinstance(bare, GraphQLInputObjectType):
            return self._written(node, bare)
        found = coerce_input_literal(node, bare)
        if found is Undefined or isinstance(bare, GraphQLList | GraphQLInputObjectType):
            raise Unfit
        return _constant(found)

    def _written(self, node: ObjectValueNode, kind: GraphQLInputObjectType) -> Evaluate:
        given = [
            (
                python_name(kind.fields[f.name.value]),
                self._entry(f.value, kind.fields[f.name.value]),
            )
            for f in node.fields
        ]
        construct = _constructor(kind)

        def evaluate(variables: Variables) -> Any:
            found = {name: value(variables) for name, value in given}
            return construct({k: v for k, v in found.items() if v is not Undefined})

        return evaluate

    def _entry(self, node: ValueNode, field: Any) -> Evaluate:
        """A variable that was not given leaves its field out, or at its default."""
        if isinstance(node, VariableNode):
            required = isinstance(field.type, GraphQLNonNull)
            return _variable(node.name.value, required=required, field=field)
        return self.literal(node, field.type)


EXACT = {"String": str, "ID": str, "Boolean": bool}


def python_name(field: Any) -> str:
    """What a field of an input is called in Python."""
    name: str = field.extensions["strawberry-definition"].python_name
    return name


def _required(read: Read) -> Read:
    def present(value: Any) -> Any:
        if value is None:
            raise Unfit
        return read(value)

    return present


def _list(read: Read) -> Read:
    def each(value: Any) -> Any:
        if type(value) is not list:
            raise Unfit
        return [read(item) for item in value]

    return each


def _exact(python: type) -> Read:
    def read(value: Any) -> Any:
        if type(value) is not python:
            raise Unfit
        return value

    return read


def _enum(kind: GraphQLEnumType) -> Read:
    members = {name: kind.coerce_input_value(name) for name in kind.values}

    def read(value: Any) -> Any:
        if type(value) is not str or value not in members:
            raise Unfit
        return members[value]

    return read


def _leaf(kind: Any) -> Read:
    coerce = kind.coerce_input_value

    def read(value: Any) -> Any:
        found = coerce(value)
        if found is Undefined:
            raise Unfit
        return found

    return read


def _constructor(kind: GraphQLInputObjectType) -> Callable[[dict[str, Any]], Any]:
    """What makes an input of its fields' values, as Strawberry would."""
    definition = kind.extensions["strawberry-definition"]
    python, one_of = definition.origin, kind.is_one_of
    implicit = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }
    required = {
        python_name(field) for field in kind.fields.values() if is_required_input_field(field)
    }

    def construct(found: dict[str, Any]) -> Any:
        if not found.keys() >= required:
            raise Unfit
        if one_of and (len(found) != 1 or None in found.values()):
            raise Unfit
        return python(**{**implicit, **found})

    return construct


def _unfit(_: Variables) -> Any:
    raise Unfit


def _constant(value: Any) -> Evaluate:
    return lambda _: value


def _variable(name: str, *, required: bool, field: Any = None) -> Evaluate:
    """A variable's value; `Undefined` where it was not given."""
    optional = field is not None and coerce_default_value(field) is not Undefined

    def evaluate(variables: Variables) -> Any:
        found = variables.get(name, Undefined)
        if required and (found is None or (found is Undefined and not optional)):
            raise Unfit
        return found

    return evaluate


def _given(found: list[tuple[str, Evaluate, Any]], variables: Variables) -> dict[str, Any]:
    arguments = {}
    for name, evaluate, default in found:
        value = evaluate(variables)
        if value is Undefined:
            value = default
        if value is not Undefined:
            arguments[name] = value
    return arguments
