"""What follows from an operation's declaration: nothing that it declares is missing in GraphQL."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLObjectType,
    is_required_input_field,
)

from app.operations import OPERATIONS, Operation
from app.operations.fields import Answer
from resolvers import schema
from resolvers.errors import camel
from resolvers.guard import Charges
from resolvers.inputs import INPUTS, Asking, KeyValue, raw
from resolvers.results import RESULTS
from tests.support.graphql_schema import BUILT

EVERY = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda o: o.name)


def graphql_type(kind: Any) -> Any:
    return BUILT.type_map[kind.__strawberry_definition__.name]


@EVERY
def test_an_input_has_the_requests_fields_and_wants_those_that_it_wants(
    operation: Operation[Any, Any],
) -> None:
    kind = graphql_type(INPUTS[operation.name])
    assert isinstance(kind, GraphQLInputObjectType)
    declared = operation.request_type.model_fields
    own = {camel(name): field.is_required() for name, field in declared.items()}
    wanted = {name: is_required_input_field(field) for name, field in kind.fields.items()}
    asking = {camel(field.name) for field in fields(Asking)}
    assert kind.fields.keys() == own.keys() | asking
    assert {name: wanted[name] for name in own} == own


@EVERY
def test_a_result_has_the_answers_fields(operation: Operation[Any, Any]) -> None:
    kind = graphql_type(RESULTS[operation.name])
    assert isinstance(kind, GraphQLObjectType)
    own = operation.answer_type.model_fields.keys() - Answer.model_fields.keys()
    assert {camel("text" if name == "content" else name) for name in own} < kind.fields.keys()


@EVERY
def test_its_field_wants_its_permission(operation: Operation[Any, Any]) -> None:
    rules = {name: rule for rules in schema.ACCESS.values() for name, rule in rules.items()}
    assert rules[operation.mutation.name] == Charges(operation.permission)


def test_pairs_are_an_object_also_when_there_are_none_and_a_list_stays_one() -> None:
    given = {"role": "ally", "traits": [], "relationships": [KeyValue(key="a", value="b")]}
    person = INPUTS["npc"](context=None, **given)
    assert raw(person) == {"role": "ally", "traits": {}, "relationships": {"a": "b"}}
    given = {"location_type": "shop", "size": "", "purpose": "", "occupants": []}
    assert raw(INPUTS["location"](context=None, **given)) == given


def test_a_further_key_never_hides_a_known_one() -> None:
    further = [KeyValue(key="genre", value="comedy"), KeyValue(key="mood", value="wry")]
    theme_input = get_args(INPUTS["npc"].__annotations__["theme"])[0]
    theme = theme_input(genre="gothic", extra=further)
    assert raw(theme) == {"genre": "gothic", "mood": "wry"}
