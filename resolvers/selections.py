"""Selections: what a document asks of contents, looked at before they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionSetNode,
)

# A content's own columns in the database, and what is found by them.
STORED_APART = frozenset(
    {
        "id",
        "contentId",
        "contentType",
        "createdAt",
        "__typename",
        "parent",
        "children",
        "childElements",
        "parentContentId",
        "parentElementId",
    }
)


def asks_for_answers(info: Any, *path: str) -> bool:
    """Whether more is asked of contents than their columns. They stand `path` below the field.

    A document that asks it of a thousand parents' children is looked at once.
    """
    raw = (
        info._raw_info
    )  # graphql-core's; Strawberry's own spreads a fragment as often as it stands
    known: dict[Any, bool] = info.context.selections
    key = (path, *map(id, raw.field_nodes))
    if (found := known.get(key)) is None:
        places = [n.selection_set for n in raw.field_nodes if n.selection_set]
        for name in path:
            fields = _fields(places, raw.fragments)
            places = [f.selection_set for f in fields if f.name.value == name and f.selection_set]
        names = {f.name.value for f in _fields(places, raw.fragments)}
        found = known[key] = not names <= STORED_APART
    return found


def _fields(
    places: Iterable[SelectionSetNode], fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[FieldNode]:
    """The fields that stand in these places, of whatever type they are."""
    spread: set[str] = set()
    waiting = list(places)
    while waiting:
        for node in waiting.pop().selections:
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                waiting.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                spread.add(node.name.value)
                waiting.append(fragments[node.name.value].selection_set)
