"""Documents: a GraphQL text parsed, bounded and validated, and remembered when it was right."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    KnownDirectivesRule,
    NoSchemaIntrospectionCustomRule,
    NoUndefinedVariablesRule,
    NoUnusedVariablesRule,
    OperationDefinitionNode,
    OperationType,
    UniqueDirectivesPerLocationRule,
    UniqueVariableNamesRule,
    VariableNode,
    VariablesAreInputTypesRule,
    VariablesInAllowedPositionRule,
    Visitor,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql.validation import (
    DeferStreamDirectiveLabel,
    DeferStreamDirectiveOnRootField,
    DeferStreamDirectiveOnValidOperationsRule,
    StreamDirectiveOnListField,
)

from resolvers import complexity
from resolvers.cost import Cost, Costs
from resolvers.errors import InvalidDocument
from resolvers.weights import Weights

MAX_DOCUMENT_LENGTH = (
    65_536  # characters, read in about 10 ms; the longest text of an input has 50,000
)
MAX_DOCUMENT_TOKENS = 1_500  # parsed in about 5 ms
MAX_COMMENTS = 200
MAX_CACHED_DOCUMENTS = 256  # documents; a parsed one takes up to 100 KB
MAX_CACHED_LENGTH = 8_192  # characters
# Of all documents: a full collection of garbage looks at each of their nodes, 0.3 µs each, and took
# 340 ms when all 256 were as long as they may be. That is 30 ms now.
MAX_CACHED_CHARACTERS = 131_072
MAX_ERRORS = 10
READ_AT_ONCE = 128  # characters; they have at most 20 fields and take 2 ms
# Rules that say nothing of a text without a `$`, or without an `@`.
OF_VARIABLES = (
    UniqueVariableNamesRule,
    VariablesAreInputTypesRule,
    NoUndefinedVariablesRule,
    NoUnusedVariablesRule,
    VariablesInAllowedPositionRule,
)
OF_DIRECTIVES = (
    KnownDirectivesRule,
    UniqueDirectivesPerLocationRule,
    DeferStreamDirectiveOnRootField,
    DeferStreamDirectiveOnValidOperationsRule,
    DeferStreamDirectiveLabel,
    StreamDirectiveOnListField,
)
TOO_DEEP = "The document is nested too deeply"
ABORTED = ". Parsing aborted."  # how the parser's message ends when one of its bounds is met


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a document: its kind, and the root fields that it selects."""

    kind: OperationType
    root_fields: list[str]
    cost: Cost
    weight: Cost
    begins: str | None = None  # the variable that says where a subscription begins, and no more


@dataclass(slots=True)
class Document:
    """A valid document and those of its operations that were asked for."""

    node: DocumentNode
    costs: Costs
    weights: Weights
    digest: bytes  # of its text
    trusted: bool = False  # whether somebody listed it
    runs: int = 0  # how often it was run, by who remembered it
    operations: dict[str | None, Operation] = field(default_factory=dict)

    def operation(self, name: str | None) -> Operation:
        """The operation to run. Raises `InvalidDocument` when it cannot be told which."""
        found = self.operations.get(name)
        if found is None:
            node = get_operation_ast(self.node, name)
            if node is None:
                said = (
                    f"The document has no operation {name!r}"
                    if name
                    else "The document has several operations: operationName says which to run"
                )
                raise InvalidDocument([GraphQLError(said)], "BAD_USER_INPUT")
            found = self.operations[name] = Operation(
                node.operation,
                _root_fields(self.node, node),
                self._counted(self.costs, node),
                self._counted(self.weights, node),
                _begins(self.node, node),
            )
        return found

    def _counted(self, measure: Costs, node: OperationDefinitionNode) -> Cost:
        try:
            return measure.of(self.node, node)
        except complexity.TooComplex as error:
            raise InvalidDocument([error], "QUERY_TOO_COMPLEX") from None


@lru_cache(maxsize=4)
def _measures(schema: GraphQLSchema, sizes: frozenset[tuple[str, int]]) -> tuple[Costs, Weights]:
    """Made once for all that read one schema: each walks all of it, in 5 ms."""
    return Costs(schema, dict(sizes)), Weights(schema, dict(sizes))


class Documents:
    """Parses and validates against one schema; right documents are kept, least used go first."""

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        introspection: bool,
        suggestions: bool = False,
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        """`sizes`: of lists whose length the settings say, see `Costs`."""
        self._schema, self._suggestions = schema, suggestions
        self._costs, self._weights = _measures(schema, frozenset((sizes or {}).items()))
        hidden = () if introspection else (NoSchemaIntrospectionCustomRule,)
        self._rules = (*specified_rules, *hidden)
        self.known: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0  # of the known ones
        self._thread = ThreadPoolExecutor(1, "document-reader")

    def read(self, text: str) -> Document:
        """The text as a valid document. Raises `InvalidDocument` with every error found."""
        return self.remembered(text) or self.remember(text, self.parsed(text))

    async def read_aside(self, text: str, operation_name: str | None) -> Document:
        """As `read`, a longer text in a thread: the most that is read takes 50 ms.

        Raises `InvalidDocument` also where its operation cannot be told, or counted.
        """
        document = self.remembered(text)
        if document is not None and operation_name in document.operations:
            return document
        if len(text) <= READ_AT_ONCE:
            return self.read(text)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._thread, self._counted, document, text, operation_name
        )
        return document or self.remember(text, found)

    def _counted(
        self, document: Document | None, text: str, operation_name: str | None
    ) -> Document:
        document = document or self.parsed(text)
        document.operation(operation_name)  # which counts it
        return document

    def remembered(self, text: str) -> Document | None:
        if (document := self.known.get(text)) is not None:
            self.known.move_to_end(text)
        return document

    def remember(self, text: str, document: Document) -> Document:
        if len(text) > MAX_CACHED_LENGTH:
            return document
        if text not in self.known:
            self._characters += len(text)
        self.known[text] = document
        while len(self.known) > MAX_CACHED_DOCUMENTS or self._characters > MAX_CACHED_CHARACTERS:
            gone, _ = self.known.popitem(last=False)
            self._characters -= len(gone)
        return document

    def parsed(self, text: str) -> Document:
        """As `read`, and nothing is remembered."""
        try:
            node = _node(text)
            _untie(node)
            complexity.check(node)
            errors = validate(
                self._schema,
                node,
                _needed(self._rules, text),
                max_errors=MAX_ERRORS,
                hide_suggestions=not self._suggestions,
            )
        except (complexity.TooComplex, RecursionError) as error:
            told = error if isinstance(error, GraphQLError) else GraphQLError(TOO_DEEP)
            raise InvalidDocument([told], "QUERY_TOO_COMPLEX") from None
        except GraphQLSyntaxError as error:
            raise InvalidDocument([error], "GRAPHQL_PARSE_FAILED") from None
        if errors:
            raise InvalidDocument(errors, "GRAPHQL_VALIDATION_FAILED")
        digest = hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()
        return Document(node, self._costs, self._weights, digest)


def _needed(rules: tuple[Any, ...], text: str) -> list[Any]:
    """The rules that a text could break: a third of their time is for what most have none of."""
    idle = (() if "$" in text else OF_VARIABLES) + (() if "@" in text else OF_DIRECTIVES)
    return [rule for rule in rules if rule not in idle]


def _node(text: str) -> DocumentNode:
    """The parsed text. Raises `GraphQLSyntaxError`, and `TooComplex` for a text over a bound."""
    if len(text) > MAX_DOCUMENT_LENGTH:
        more = f"more than {MAX_DOCUMENT_LENGTH} characters"
        said = f"The document has {more}; send long texts as variables"
        raise complexity.TooComplex(said)
    try:
        return parse(text, max_lexical_tokens=MAX_DOCUMENT_TOKENS, max_comments=MAX_COMMENTS)
    except GraphQLSyntaxError as error:
        if error.message.endswith(ABORTED):
            said = error.message.removeprefix("Syntax Error: ").removesuffix(ABORTED)
            raise complexity.TooComplex(said) from None
        raise


def _untie(document: DocumentNode) -> None:
    """Its tokens no longer know each other: a document that is let go is no garbage to collect."""
    token = document.loc.start_token if document.loc else None
    while token is not None:
        following, token.prev, token.next = token.next, None, None
        token = following


def _begins(document: DocumentNode, operation: OperationDefinitionNode) -> str | None:
    """The variable of a subscription's `after`, where it stands nowhere else."""
    selections = operation.selection_set.selections
    if operation.operation is not OperationType.SUBSCRIPTION or len(selections) != 1:
        return None
    [field] = selections
    for argument in (field.arguments or ()) if isinstance(field, FieldNode) else ():
        if argument.name.value == "after" and isinstance(argument.value, VariableNode):
            name = argument.value.name.value
            # Where it is defined, and here.
            return name if _uses(document, name) == 2 else None
    return None


def _uses(document: DocumentNode, name: str) -> int:
    found = 0

    class Uses(Visitor):
        def enter_variable(self, node: VariableNode, *_: Any) -> None:
            nonlocal found
            found += node.name.value == name

    visit(document, Uses())
    return found


def _root_fields(document: DocumentNode, operation: OperationDefinitionNode) -> list[str]:
    """The names of the root fields, once for each key of the answer, fragments spread."""
    fragments = {
        d.name.value: d.selection_set.selections
        for d in document.definitions
        if isinstance(d, FragmentDefinitionNode)
    }
    names: dict[str, str] = {}
    waiting = list(operation.selection_set.selections)
    while waiting:
        node = waiting.pop()
        if isinstance(node, FieldNode):
            names[(node.alias or node.name).value] = node.name.value
        elif isinstance(node, InlineFragmentNode):
            waiting += node.selection_set.selections
        elif isinstance(node, FragmentSpreadNode):
            waiting += fragments.pop(node.name.value, ())  # each once: they may be spread often
    return list(names.values())
