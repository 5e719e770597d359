"""The schema, assembled with a guard on every root field."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import strawberry
from graphql import GraphQLInputObjectType
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.types.base_scalars import (
    DateDefinition,
    DateTimeDefinition,
    DecimalDefinition,
)

from app.operations import OPERATIONS
from resolvers.generations import EVENTS as GENERATION_EVENTS
from resolvers.guard import Access, Charges, Guard, Rule
from resolvers.mutations import Mutation
from resolvers.queries import Query
from resolvers.results import RESULTS
from resolvers.subscriptions import EVENTS, Subscription
from resolvers.usage import BIG_INT, BigInt

# Who may select which root field. A field that does not stand here keeps the schema from being.
ACCESS: dict[type, dict[str, Rule]] = {
    Query: {
        "content": "content:read",
        "contents": "content:read",
        "node": "content:read",
        "nodes": "content:read",
        "viewer": Access.AUTHENTICATED,
        "rate_limits": Access.AUTHENTICATED,
        "budgets": Access.AUTHENTICATED,
        "generation": Access.AUTHENTICATED,
        "models": Access.AUTHENTICATED,
        "health": Access.PUBLIC,
        "usage": Access.AUTHENTICATED,
        "event_cursor": "events:subscribe",
        "ratings": "gateway:admin",
    },
    Mutation: {
        **{
            operation.mutation.name: Charges(operation.permission)
            for operation in OPERATIONS.values()
        },
        "generate_batch": Charges(),
        "start_generation": Charges(),
        "cancel_generation": Charges(),
        "delete_content": Charges("content:write"),
        "rate_content": Charges("content:write"),
    },
    Subscription: {
        "content_generated": Charges("events:subscribe"),
        "story_generated": Charges("events:subscribe"),
        "theme_analyzed": Charges("events:subscribe"),
        "validation_completed": Charges("events:subscribe"),
        "events": Charges("events:subscribe"),
        "generation": Charges(),
    },
}

RFC3339 = "https://datatracker.ietf.org/doc/html/rfc3339"
SCALARS: dict[object, Any] = {
    datetime: replace(
        DateTimeDefinition,
        description="A moment as RFC 3339 has it, such as `2026-11-26T01:02:03.456789+00:00`.",
        specified_by_url=RFC3339,
    ),
    date: replace(
        DateDefinition,
        description="A day as RFC 3339 has it (`full-date`), such as `2026-11-26`.",
        specified_by_url=RFC3339,
    ),
    Decimal: replace(
        DecimalDefinition,
        description="An exact decimal, as a string such as `0.001600000`.",
        serialize="{:f}".format,  # never 1E-9
    ),
    BigInt: BIG_INT,
}

# Selected without a token: these, and introspection in development.
PUBLIC_FIELDS = frozenset({"health", "__typename"})
INTROSPECTION_FIELDS = frozenset({"__schema", "__type"})


def guarded(root: type, rules: dict[str, Rule]) -> type:
    """The root type with a guard on each field. Raises `LookupError` for a field without rule."""
    definition: Any = root.__strawberry_definition__  # type: ignore[attr-defined]
    for field in definition.fields:
        if field.python_name not in rules:
            raise LookupError(f"{root.__name__}.{field.python_name} has no rule of access")
        if not any(isinstance(e, Guard) for e in field.extensions):
            # The first extension is the outermost: nothing of the field runs before the guard.
            field.extensions = [*field.extensions, Guard(rules[field.python_name])]
    return root


@cache
def build() -> strawberry.Schema:
    """The one schema of the process."""
    query, mutation, subscription = (guarded(root, rules) for root, rules in ACCESS.items())
    schema = strawberry.Schema(
        query=query,
        mutation=mutation,
        subscription=subscription,
        types=[*RESULTS.values(), *EVENTS, *GENERATION_EVENTS],
        config=StrawberryConfig(disable_field_suggestions=True, scalar_map=SCALARS),
    )
    _mark_one_of(schema)
    return schema


def _mark_one_of(schema: strawberry.Schema) -> None:
    """Tell graphql-core which inputs are `@oneOf`; Strawberry tells its own validation alone."""
    kinds: Any = schema._schema.type_map.values()
    for kind in kinds:
        definition = kind.extensions.get("strawberry-definition")
        if isinstance(kind, GraphQLInputObjectType) and definition is not None:
            kind.is_one_of = definition.is_one_of
