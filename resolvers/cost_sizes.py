"""What a document's cost is counted from: the sizes of lists, and what fields do beside them.

A list of objects that does not stand here keeps the executor from being.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphql import GraphQLField, GraphQLList, GraphQLNonNull, is_composite_type

from app.operations import OPERATIONS
from app.operations.fields import MAX_EXTRA_KEYS
from app.operations.theme import ThemeElement
from app.pipeline.gateway import MAX_BATCH
from resolvers.complexity import DEFAULT_PAGE, DEFAULT_USAGE, MAX_NODES, MAX_PAGE, MAX_USAGE
from resolvers.errors import camel


@dataclass(frozen=True, slots=True)
class Argument:
    """A field's argument that says how long a list is: a number, or a list of as many."""

    name: str
    absent: int  # how long it is without the argument
    most: int  # what the field takes; it refuses more by itself


FIRST = Argument("first", DEFAULT_PAGE, MAX_PAGE)

# Fields whose argument says how long the list below them is.
ABOVE = {
    "Query.contents": FIRST,
    "Query.usage": Argument("first", DEFAULT_USAGE, MAX_USAGE),
    "Mutation.generateBatch": Argument("requests", MAX_BATCH, MAX_BATCH),
}
# How many objects a list may have; 0 is as many as the field above says.
SIZES: dict[str, int | Argument] = {
    "Content.children": FIRST,
    "Query.nodes": Argument("ids", MAX_NODES, MAX_NODES),
    "ContentConnection.edges": 0,
    "UsageReport.rows": 0,
    "GenerateBatchPayload.results": 0,
    # Five models, three times each, and the storyteller: the model asked for, the request's own
    # fallback, and the default chain behind them.
    "Metadata.attempts": 16,
    "GenerationFailed.attempts": 16,
    "Npc.relationships": MAX_EXTRA_KEYS,
    "Item.properties": 5,  # as models are told; so are the next two
    "ThemeAnalysis.elements": len(ThemeElement),
    "ContentValidation.results": 20,  # rules of a request
    "RuleResult.issues": 12,  # the storyteller keeps so many, a model is told fewer
    # What the settings say, where nothing says it.
    "Query.models": 50,
    "Query.rateLimits": 50,
    "Query.budgets": 50,
    "RatingReport.groups": 50,  # of 200 at most: operations, models, versions, canaries
}
# What a field does, in objects.
WEIGHTS = {
    "Story.childElements": DEFAULT_PAGE,  # reads as many as `children` would
    **{f"Mutation.{camel(o.mutation.name)}": o.cost for o in OPERATIONS.values()},
}
# The same by an input's member, as batches and generations name it.
MEMBERS = {camel(o.mutation.member[0]): o.cost for o in OPERATIONS.values()}
# Fields whose argument names operations: one, or at most so many.
ONE_OF = {
    "Mutation.startGeneration": ("input", 1),
    "Mutation.generateBatch": ("requests", MAX_BATCH),
}


def is_list(field: GraphQLField) -> bool:
    """Whether a field is a list of objects."""
    kind = field.type
    if isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    if not isinstance(kind, GraphQLList):
        return False
    item = kind.of_type
    return is_composite_type(item.of_type if isinstance(item, GraphQLNonNull) else item)
