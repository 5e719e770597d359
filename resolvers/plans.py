"""Plans: documents that come again, compiled; those least used go first.

A document is compiled when it is run for the second time, one of the list of trusted documents with
the first. What cannot be compiled, or asks for much, graphql-core runs as it always has.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLNonNull,
    GraphQLSchema,
    OperationType,
    Undefined,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    get_operation_ast,
    get_variable_values,
    type_from_ast,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails

from resolvers.documents import Document
from resolvers.plan import Plan
from resolvers.plan_inputs import Evaluate, Read, Readers, Unfit, Variables
from resolvers.plan_source import Fields, Unplannable
from resolvers.questions import Question

MAX_PLANS = 512  # operations
MAX_SOURCE = 4_000_000  # characters of all plans' source; one comes to ten bytes of memory
MAX_SWITCHED = 8  # plans of one operation, for other values of what its @skip and @include ask
MAX_PLANNED_WEIGHT = 300_000  # bytes an answer may have that is made without a pause, in 3 ms
RUNS = 2  # of a document, from when on it is worth its 2 ms


class PlannedOperation:
    """One operation of a document, and its plans."""

    def __init__(
        self, schema: GraphQLSchema, readers: Readers, document: DocumentNode, name: str | None
    ) -> None:
        operation = get_operation_ast(document, name)
        assert operation is not None  # noqa: S101  # it was read before
        self._schema, self._readers, self._operation = schema, readers, operation
        found = [d for d in document.definitions if isinstance(d, FragmentDefinitionNode)]
        self._fragments = {d.name.value: d for d in found}
        self._switches = _switches(document)
        definitions = operation.variable_definitions or ()
        self._variables = [_declared(schema, readers, one) for one in definitions]
        self.plans: dict[tuple[Any, ...], Plan | None] = {}
        self.size = 0

    def variables(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """The variables as resolvers take them; None where graphql-core has to look at them."""
        found = {}
        try:
            for name, read, default in self._variables:
                value = read(given[name]) if name in given else default({})
                if value is not Undefined:
                    found[name] = value
        except Exception:  # whatever a scalar's own coercion raises
            return None
        return found

    def plan(self, variables: Mapping[str, Any], given: Mapping[str, Any]) -> Plan | None:
        """What runs it with these variables; None where graphql-core does."""
        switched = tuple([variables.get(name) for name in self._switches])
        if switched not in self.plans:
            if len(self.plans) >= MAX_SWITCHED:
                return None
            self.plans[switched] = plan = self._made(given)
            self.size += plan.size if plan else 0
        return self.plans[switched]

    def _made(self, given: Mapping[str, Any]) -> Plan | None:
        details = {name: FragmentDetails(one) for name, one in self._fragments.items()}
        definitions = self._operation.variable_definitions or ()
        coerced = get_variable_values(self._schema, definitions, dict(given))
        if isinstance(coerced, list):
            return None
        fields = Fields(self._schema, details, coerced, self._operation)
        try:
            return Plan(fields, self._fragments, self._readers)
        except (Unplannable, Unfit, GraphQLError):
            return None


def _declared(
    schema: GraphQLSchema, readers: Readers, node: VariableDefinitionNode
) -> tuple[str, Read, Evaluate]:
    """A variable's name, what reads it, and what stands for it where it is not given."""
    kind = type_from_ast(schema, node.type)
    name = node.variable.name.value
    if node.default_value is not None:
        return name, readers.of(kind), readers.default(node.default_value, kind)
    return name, readers.of(kind), _missing if isinstance(kind, GraphQLNonNull) else _absent


def _missing(_: Any) -> Any:
    raise Unfit


def _absent(_: Any) -> Any:
    return Undefined


def _switches(document: DocumentNode) -> list[str]:
    """The variables that say what is skipped, or included."""
    found: dict[str, None] = {}

    class Switches(Visitor):
        def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
            values = (argument.value for argument in node.arguments or ())
            found.update({v.name.value: None for v in values if isinstance(v, VariableNode)})

    visit(document, Switches())
    return list(found)


class Plans:
    """The plans of a process."""

    def __init__(self, schema: GraphQLSchema, *, enabled: bool = True) -> None:
        self._schema, self._enabled, self._readers = schema, enabled, Readers()
        self.known: OrderedDict[tuple[bytes, str | None], PlannedOperation] = OrderedDict()
        self.size = 0  # characters of source

    def find(self, document: Document, question: Question) -> tuple[Plan, Variables] | None:
        """What runs a document, and with which variables; None where graphql-core does."""
        name = question.operation_name
        operation, given = document.operation(name), question.variables or {}
        watched = operation.kind is OperationType.SUBSCRIPTION
        document.runs += 1
        if not self._enabled or not (watched or document.trusted or document.runs >= RUNS):
            return None
        if not watched and operation.weight.of(given) > MAX_PLANNED_WEIGHT:
            return None
        planned = self._planned(document, name)
        variables = planned.variables(given)
        if variables is None:
            return None
        before = planned.size
        plan = planned.plan(variables, given)
        self._keep(planned.size - before)
        return (plan, variables) if plan is not None else None

    def _planned(self, document: Document, name: str | None) -> PlannedOperation:
        key = (document.digest, name)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = PlannedOperation(
                self._schema, self._readers, document.node, name
            )
        self.known.move_to_end(key)
        return found

    def _keep(self, more: int) -> None:
        self.size += more
        while len(self.known) > MAX_PLANS or (self.size > MAX_SOURCE and len(self.known) > 1):
            _, gone = self.known.popitem(last=False)
            self.size -= gone.size
