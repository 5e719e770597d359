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
    GraphQLSchema,
    OperationType,
    VariableNode,
    Visitor,
    get_operation_ast,
    get_variable_values,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import VariableValues

from resolvers.documents import Document
from resolvers.plan import Plan
from resolvers.plan_source import Fields, Unplannable
from resolvers.questions import Question

MAX_PLANS = 512  # operations
MAX_SOURCE = 4_000_000  # characters of all plans' source; compiled, one takes about ten bytes
MAX_SWITCHED = 8  # plans of one operation, for other values of what its @skip and @include ask
MAX_PLANNED_WEIGHT = 300_000  # bytes an answer may have that is made without a pause, in 3 ms
RUNS = 2  # of a document, from when on it is worth its 2 ms


class PlannedOperation:
    """One operation of a document, and its plans."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, name: str | None) -> None:
        operation = get_operation_ast(document, name)
        assert operation is not None  # noqa: S101  # it was read before
        self._schema, self._operation = schema, operation
        found = [d for d in document.definitions if isinstance(d, FragmentDefinitionNode)]
        self._fragments = {d.name.value: d for d in found}
        self._switches = _switches(document)
        self.plans: dict[tuple[Any, ...], Plan | None] = {}
        self.size = 0

    def variables(self, given: Mapping[str, Any]) -> VariableValues | None:
        """The variables as their types have them; None where graphql-core has to say more."""
        definitions = self._operation.variable_definitions or ()
        found = get_variable_values(self._schema, definitions, dict(given), max_errors=1)
        return None if isinstance(found, list) else found

    def plan(self, variables: VariableValues) -> Plan | None:
        """What runs it with these variables; None where graphql-core does."""
        switched = tuple(variables.coerced.get(name) for name in self._switches)
        if switched not in self.plans:
            if len(self.plans) >= MAX_SWITCHED:
                return None
            self.plans[switched] = plan = self._made(variables)
            self.size += plan.size if plan else 0
        return self.plans[switched]

    def _made(self, variables: VariableValues) -> Plan | None:
        details = {name: FragmentDetails(one) for name, one in self._fragments.items()}
        fields = Fields(self._schema, details, variables, self._operation)
        try:
            return Plan(fields, self._fragments)
        except (Unplannable, GraphQLError):
            return None


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
        self._schema, self._enabled = schema, enabled
        self.known: OrderedDict[tuple[bytes, str | None], PlannedOperation] = OrderedDict()
        self.size = 0  # characters of source

    def find(self, document: Document, question: Question) -> tuple[Plan, VariableValues] | None:
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
        plan = planned.plan(variables)
        self._keep(planned.size - before)
        return (plan, variables) if plan is not None else None

    def _planned(self, document: Document, name: str | None) -> PlannedOperation:
        key = (document.digest, name)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = PlannedOperation(self._schema, document.node, name)
        self.known.move_to_end(key)
        return found

    def _keep(self, more: int) -> None:
        self.size += more
        while len(self.known) > MAX_PLANS or (self.size > MAX_SOURCE and len(self.known) > 1):
            _, gone = self.known.popitem(last=False)
            self.size -= gone.size
