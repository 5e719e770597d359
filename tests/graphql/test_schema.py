"""The schema: printed as it stands in the repository, and described to the last value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
)

from app.operations import OPERATIONS
from resolvers import schema
from resolvers.guard import Access, Guard
from tests.support.graphql_schema import BUILT

PRINTED = Path(__file__).parents[2] / "schema.graphql"


def everything() -> Iterator[tuple[str, Any]]:
    """Each part of the schema that can have a description, by its name."""
    for name, kind in BUILT.type_map.items():
        if name.startswith("__"):
            continue
        yield name, kind
        if isinstance(kind, GraphQLEnumType):
            yield from ((f"{name}.{v}", value) for v, value in kind.values.items())
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field_name, field in kind.fields.items():
                yield f"{name}.{field_name}", field
                for argument, found in getattr(field, "args", {}).items():
                    yield f"{name}.{field_name}({argument})", found


def test_the_printed_schema_is_the_codes_schema() -> None:
    assert PRINTED.read_text() == schema.build().as_str() + "\n"


def test_everything_has_a_description() -> None:
    named = dict(everything())
    assert len(named) > 200
    assert [name for name, part in named.items() if not (part.description or "").strip()] == []


def test_every_mutation_is_nullable_and_named_by_the_rule() -> None:
    """One refusal does not empty the others; inputs and payloads are named after the field."""
    others = {"generateBatch": {"requests": "[BatchRequest!]!"}, "deleteContent": {"id": "ID!"}}
    others["cancelGeneration"] = {"id": "ID!"}
    mutation = BUILT.mutation_type
    assert mutation is not None
    for name, field in mutation.fields.items():
        title = name[0].upper() + name[1:]
        assert str(field.type) == f"{title}Payload"
        expected = others.get(name, {"input": f"{title}Input!"})
        assert {a: str(x.type) for a, x in field.args.items()} == expected


# Inputs of mutations that run no operation by themselves.
NO_OPERATION = {"StartGenerationInput", "RateContentInput"}


def test_a_batch_takes_each_operation_and_one_of_them_at_a_time() -> None:
    request = BUILT.type_map["BatchRequest"]
    assert isinstance(request, GraphQLInputObjectType)
    assert request.is_one_of
    assert "input BatchRequest @oneOf {" in PRINTED.read_text()
    mutation = BUILT.mutation_type
    assert mutation is not None
    inputs = {str(f.args["input"].type) for f in mutation.fields.values() if "input" in f.args}
    inputs -= {f"{kind}!" for kind in NO_OPERATION}
    started = BUILT.type_map["StartGenerationInput"]
    assert isinstance(started, GraphQLInputObjectType)
    assert started.is_one_of
    for kind in (request, started):
        assert {f"{f.type}!" for f in kind.fields.values()} == inputs


def test_every_operations_input_says_how_it_wants_to_be_answered() -> None:
    for name, kind in BUILT.type_map.items():
        if name in NO_OPERATION or f"{name[:-5]}Payload" not in BUILT.type_map:
            continue
        if isinstance(kind, GraphQLInputObjectType):
            wished = {"cache", "similar", "idempotencyKey", "allowDegraded", "onDisconnect"}
            assert wished <= kind.fields.keys(), name


def test_every_result_and_payload_has_what_all_have() -> None:
    expected = {
        "Content": len({o.answer_type for o in OPERATIONS.values()}),
        "Payload": len(OPERATIONS) + 5,
        "OperationPayload": len(OPERATIONS),
        "Event": 6,
        "GenerationEvent": 6,
    }
    for interface, count in expected.items():
        kind = BUILT.type_map[interface]
        assert isinstance(kind, GraphQLInterfaceType)
        assert len(BUILT.get_possible_types(kind)) == count


def test_a_root_field_without_a_rule_keeps_the_schema_from_being() -> None:
    @strawberry.type
    class Root:
        @strawberry.field
        def open(self) -> str:
            return "open"

        @strawberry.field
        def forgotten(self) -> str:
            return "forgotten"

    with pytest.raises(LookupError, match=r"Root\.forgotten has no rule"):
        schema.guarded(Root, {"open": Access.PUBLIC})


def test_building_again_guards_each_field_once() -> None:
    for root, rules in schema.ACCESS.items():
        definition: Any = schema.guarded(root, rules).__strawberry_definition__  # type: ignore[attr-defined]
        for field in definition.fields:
            assert [type(e) for e in field.extensions if isinstance(e, Guard)] == [Guard]
            assert isinstance(field.extensions[-1], Guard)
