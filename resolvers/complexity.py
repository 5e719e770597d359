"""How much a document asks for, bounded before anything else looks at it.

The bounds hold what reading a document costs. On the slower of today's cloud processors a
selection takes about 40 µs to validate, a literal value 60 µs when it is wrong, and fields of one
key in one place are compared pair by pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graphql import (
    DefinitionNode,
    DocumentNode,
    ExecutableDefinitionNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    Node,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
)

MAX_DEPTH = 15  # GraphiQL's introspection has 13
MAX_ROOT_FIELDS = 50
MAX_FIELDS = 3_000  # a page of 50 contents with 50 fields each, and some
MAX_REPEATS = 10  # of one key in one place
DEFAULT_PAGE = 20  # items of a list whose `first` is left out
MAX_PAGE = 50  # items of a list, whatever `first` says
MAX_NODES = 100  # ids of `nodes`
DEFAULT_USAGE, MAX_USAGE = 100, 500  # rows of `usage`
MAX_CHILDREN = 100  # ids of `childElements`
PAGES = frozenset({"contents", "children"})  # lists that take `first`
MAX_STEPS = 6_000  # selections looked at, fragments spread; about 3 ms

# Of a document as it is written; GraphiQL's introspection has 85 selections.
WRITTEN: dict[type[Node], tuple[int, str]] = {
    SelectionNode: (400, "selections"),
    ValueNode: (200, "values"),
    DefinitionNode: (50, "operations and fragments"),
}


class TooComplex(GraphQLError):
    """A document over a bound; `QUERY_TOO_COMPLEX`."""


def check(document: DocumentNode) -> None:
    """Raises `TooComplex` when the document, or an operation or fragment of it, is over a bound."""
    _check_written(document)
    walk = _Walk(document)
    for definition in document.definitions:
        if isinstance(definition, ExecutableDefinitionNode):
            walk.over(definition)


def _check_written(document: DocumentNode) -> None:
    counts = dict.fromkeys(WRITTEN, 0)
    waiting: list[Node] = [document]
    while waiting:
        node = waiting.pop()
        for kind, (most, name) in WRITTEN.items():
            if isinstance(node, kind):
                counts[kind] += 1
                if counts[kind] > most:
                    raise TooComplex(f"The document has more than {most} {name}")
        waiting += _children(node)


def _children(node: Node) -> Iterator[Node]:
    for key in node.keys:
        child = getattr(node, key, None)
        if isinstance(child, Node):
            yield child
        elif isinstance(child, list | tuple):
            yield from (c for c in child if isinstance(c, Node))


class _Walk:
    """Goes over definitions as execution would: fields of one key and place are one field."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
        }
        self._steps = 0
        self._fields = 0

    def over(self, definition: ExecutableDefinitionNode) -> None:
        self._fields = 0
        groups = self._grouped([definition.selection_set])
        if isinstance(definition, OperationDefinitionNode) and len(groups) > MAX_ROOT_FIELDS:
            raise TooComplex(f"The document has more than {MAX_ROOT_FIELDS} root fields")
        self._below(groups.values(), depth=1, times=1)

    def _below(self, groups: Iterable[list[FieldNode]], depth: int, times: int) -> None:
        if depth > MAX_DEPTH:
            raise TooComplex(f"The document is nested deeper than {MAX_DEPTH} levels")
        for nodes in groups:
            self._fields += times * max(map(_values, nodes))
            if self._fields > MAX_FIELDS:
                raise TooComplex(f"The document asks for more than {MAX_FIELDS} fields")
            inner = [n.selection_set for n in nodes if n.selection_set]
            if inner:
                below = self._grouped(inner)
                self._below(below.values(), depth + 1, times * max(map(_items, nodes)))

    def _grouped(self, places: Iterable[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """The fields that stand in one place, by their keys; each fragment is spread there once."""
        groups: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        waiting = list(places)
        while waiting:
            for node in waiting.pop().selections:
                self._step()
                if isinstance(node, FieldNode):
                    _join(groups, node)
                elif isinstance(node, InlineFragmentNode):
                    waiting.append(node.selection_set)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                    spread.add(node.name.value)
                    if node.name.value in self._fragments:
                        waiting.append(self._fragments[node.name.value].selection_set)
        return groups

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise TooComplex("The document's fragments are spread too often")


def _join(groups: dict[str, list[FieldNode]], node: FieldNode) -> None:
    key = (node.alias or node.name).value
    group = groups.setdefault(key, [])
    group.append(node)
    if len(group) > MAX_REPEATS:
        raise TooComplex(f"The document has {key[:100]} in one place more than {MAX_REPEATS} times")


def _values(node: FieldNode) -> int:
    """How many values a field has: a page of ids, else one."""
    return DEFAULT_PAGE if node.name.value == "childElements" else 1


def _items(node: FieldNode) -> int:
    """How often what stands below a field comes: `first` times for a page, else once.

    `first` of a variable may be anything, so it counts as the most; so do `ids` of `nodes`.
    """
    if node.name.value == "nodes":
        return max((_named(a.value) for a in node.arguments or ()), default=1)
    if node.name.value not in PAGES:
        return 1
    for argument in node.arguments or ():
        if argument.name.value == "first":
            return _first(argument.value)
    return DEFAULT_PAGE


def _named(value: ValueNode) -> int:
    if isinstance(value, ListValueNode):
        return max(1, min(MAX_NODES, len(value.values)))
    return MAX_NODES


def _first(value: ValueNode) -> int:
    if isinstance(value, IntValueNode) and len(value.value) < 3:
        return max(1, min(MAX_PAGE, int(value.value)))
    return MAX_PAGE
