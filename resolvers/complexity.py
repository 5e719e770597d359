"""How much a document asks for, bounded before anything else looks at it.

Each fragment is measured once, so that n fragments that spread each other twice cost n steps and
not 2^n. The rules of the specification run afterwards: some of them take quadratic time, which
these bounds keep small.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

DEPTH = 15  # GraphiQL's introspection has 13
ROOT_FIELDS = 50
FIELDS = 3_000  # a page of 50 contents with 50 fields each, and some
NODES = 600  # selections as written; GraphiQL's introspection has 85
PAGE = 20  # items of a list whose `first` is a variable or left out


class TooComplex(GraphQLError):
    """A document over a bound; `QUERY_TOO_COMPLEX`."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a selection holds once its fragments are spread: depth, fields, and own fields."""

    depth: int = 0
    fields: int = 0
    width: int = 0

    def __add__(self, other: Measure) -> Measure:
        return Measure(
            max(self.depth, other.depth), self.fields + other.fields, self.width + other.width
        )


class _Measuring:
    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
        }
        self._measured: dict[str, Measure] = {}
        self._nodes = 0

    def of(self, selections: SelectionSetNode | None, level: int = 0) -> Measure:
        found = Measure()
        if selections is None:
            return found
        if level > 3 * DEPTH:
            raise TooComplex(f"The document is nested deeper than {DEPTH} levels")
        for node in selections.selections:
            self._nodes += 1
            if self._nodes > NODES:
                raise TooComplex(f"The document has more than {NODES} selections")
            if isinstance(node, FieldNode):
                inner = self.of(node.selection_set, level + 1)
                found += Measure(inner.depth + 1, 1 + inner.fields * _items(node), 1)
            elif isinstance(node, InlineFragmentNode):
                found += self.of(node.selection_set, level + 1)
            elif isinstance(node, FragmentSpreadNode):
                found += self._fragment(node.name.value)
        return found

    def _fragment(self, name: str) -> Measure:
        if name not in self._measured:
            # A cycle counts as nothing here; validation refuses it by its own rule.
            self._measured[name] = Measure()
            if name in self._fragments:
                self._measured[name] = self.of(self._fragments[name].selection_set)
        return self._measured[name]


def _items(node: FieldNode) -> int:
    """How often what stands below a field comes: `first` times for a page, else once."""
    if node.name.value != "contents":
        return 1
    for argument in node.arguments or ():
        if argument.name.value == "first" and isinstance(argument.value, IntValueNode):
            return min(100, int(argument.value.value)) if len(argument.value.value) < 4 else 100
    return PAGE


def check(document: DocumentNode) -> None:
    """Raises `TooComplex` when an operation of the document is over a bound."""
    measuring = _Measuring(document)
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode):
            continue
        measure = measuring.of(definition.selection_set)
        if measure.depth > DEPTH:
            raise TooComplex(f"The document is nested deeper than {DEPTH} levels")
        if measure.width > ROOT_FIELDS:
            raise TooComplex(f"The document has more than {ROOT_FIELDS} root fields")
        if measure.fields > FIELDS:
            raise TooComplex(f"The document asks for more than {FIELDS} fields")
