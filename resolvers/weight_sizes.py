"""What a document's weight is counted from, in bytes: scalars, texts and lists of an answer.

A list of scalars that does not stand here keeps the executor from being.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, TypeAlias

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
)

from app.caller import PERMISSIONS
from app.operations.fields import MAX_EXTRA_KEYS
from app.operations.rating import SCORES
from resolvers.complexity import DEFAULT_PAGE

KEY = 4  # quotes, a colon and a comma
VALUE = 24  # of any value: what making it takes, 4 µs, as if it were bytes
CONTENT_READ = 2_000  # of a content whose answer is read from the database and decoded
LOOK_UP = 1_000  # of a field that looks for other contents, in a task of its own
LOOKS_UP = frozenset({"parent", "children", "childElements", "content"})
SCALARS = {"Int": 11, "Float": 20, "Boolean": 5, "ID": 66, "DateTime": 34, "Date": 12}
SCALARS |= {"BigInt": 17, "Decimal": 30}
TEXT = 100  # of a String that stands nowhere below
# As models are told (`operations.fields`): Named 80, Line 240, Passage 900, Chapter 4000.
NAMED, LINE, PASSAGE, CHAPTER = 82, 242, 902, 4_002
TEXTS = {
    **dict.fromkeys(("GeneratedContent.text", "Story.text", "Generation.text"), CHAPTER),
    "GenerationDelta.text": CHAPTER,
    **dict.fromkeys(("Npc.description", "Npc.personality", "Location.description"), PASSAGE),
    **dict.fromkeys(("Item.description", "Item.history", "ItemProperty.effect"), PASSAGE),
    **dict.fromkeys(("Item.attunement", "Item.drawback", "Item.found"), LINE),
    **dict.fromkeys(("ItemProperty.recharge", "Relationship.nature"), LINE),
    **dict.fromkeys(("Npc.motivations", "Npc.secrets", "ElementAnalysis.description"), LINE),
    **dict.fromkeys(("Location.pointsOfInterest", "Location.occupants"), LINE),
    **dict.fromkeys(("Location.secrets", "Location.hooks"), LINE),
    **dict.fromkeys(("ThemeCompatibility.conflicts", "ThemeCompatibility.enhancements"), LINE),
    **dict.fromkeys(("ThemeCompatibility.transitionSteps", "ElementAnalysis.suggestions"), LINE),
    **dict.fromkeys(("ValidationIssue.message", "ValidationIssue.suggestions"), LINE),
    **dict.fromkeys(
        (f"{kind}.summary" for kind in ("Story", "ThemeAnalysis", "ContentValidation")), LINE
    ),
    **dict.fromkeys(("Metadata.ignoredParameters", "Viewer.permissions", "Model.fallback"), 24),
}
# How many scalars a list may have, as models are told.
LISTS = {
    "Npc.motivations": 4,
    "Npc.secrets": 3,
    "Location.pointsOfInterest": 6,
    "Location.occupants": MAX_EXTRA_KEYS,
    "Location.secrets": 4,
    "Location.hooks": 4,
    "ThemeAnalysis.secondaryCategories": 3,
    "ElementAnalysis.suggestions": 2,
    "ThemeCompatibility.conflicts": 2,
    "ThemeCompatibility.enhancements": 2,
    "ThemeCompatibility.transitionSteps": 5,
    "ValidationIssue.suggestions": 1,
    "Story.childElements": DEFAULT_PAGE,
    "Metadata.ignoredParameters": 4,
    "Model.fallback": 6,
    "Viewer.permissions": len(PERMISSIONS),
    "RatingGroup.scores": len(SCORES),
    "__Directive.locations": 8,
}
# Lists of objects where a model is told fewer than one may have at the most.
OBJECTS = {
    "RuleResult.issues": 1,  # of twenty rules; three have four each, which is fewer in all
}


Averages: TypeAlias = dict[str, int | Fraction]


def schema_sizes(schema: GraphQLSchema) -> tuple[Averages, dict[str, int]]:
    """The lists of introspection: as many as they have on average, and as they have at the most."""
    kinds = list(schema.type_map.values())
    composite = (GraphQLObjectType, GraphQLInterfaceType)
    fields = [f for k in kinds if isinstance(k, composite) for f in k.fields.values()]
    counts: dict[str, list[int]] = {
        "__Type.fields": _lengths(kinds, composite, "fields"),
        "__Type.interfaces": _lengths(kinds, composite, "interfaces"),
        "__Type.inputFields": _lengths(kinds, GraphQLInputObjectType, "fields"),
        "__Type.enumValues": _lengths(kinds, GraphQLEnumType, "values"),
        "__Type.possibleTypes": [
            len(schema.get_possible_types(k)) if isinstance(k, GraphQLInterfaceType) else 0
            for k in kinds
        ],
        "__Field.args": [len(f.args) for f in fields],
        "__Directive.args": [len(d.args) for d in schema.directives],
    }
    whole = {"__Schema.types": len(kinds), "__Schema.directives": len(schema.directives)}
    average: Averages = {name: Fraction(sum(found), len(found)) for name, found in counts.items()}
    most = {name: max(found) for name, found in counts.items()}
    return {**average, **whole}, most | whole


def _lengths(kinds: Iterable[Any], wanted: Any, attribute: str) -> list[int]:
    return [len(getattr(k, attribute)) if isinstance(k, wanted) else 0 for k in kinds]
