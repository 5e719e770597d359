"""The schema, to look at its types and to run documents without a service."""

from __future__ import annotations

from graphql import GraphQLSchema

from resolvers import schema

SCHEMA = schema.build()
BUILT: GraphQLSchema = SCHEMA._schema  # private: strawberry shows graphql-core's in no other way
