"""Plan: one operation of a document, made ready to be run again and again.

It does what graphql-core would for a caller of whom nothing is to be said but the answer. Where
anything is out of the ordinary, a value that does not fit its type or an error, graphql-core
completes what the root fields gave, so that there is one place where errors are made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import FragmentDefinitionNode, GraphQLField, GraphQLNonNull, OperationType
from graphql.execution.values import VariableValues, get_argument_values

from resolvers.context import Context
from resolvers.plan_source import Fields, Source, Unplannable

MAX_PLANNED_ANSWER = 1_000_000  # bytes; `pacing` weighs an answer at less than twice its bytes


class FieldInfo:
    """What our resolvers look at of graphql-core's own."""

    __slots__ = ("context", "field_nodes", "fragments")

    def __init__(self, context: Context, field_nodes: Any, fragments: Any) -> None:
        self.context, self.field_nodes, self.fragments = context, field_nodes, fragments


@dataclass(slots=True)
class RootField:
    """A root field: its resolver is the schema's own, with its guard around it."""

    key: str
    field: GraphQLField
    nodes: list[Any]
    fragments: dict[str, FragmentDefinitionNode]

    def call(self, context: Context, variables: VariableValues) -> Awaitable[Any]:
        given = get_argument_values(self.field, self.nodes[0], variables)
        info = FieldInfo(context, self.nodes, self.fragments)
        found: Awaitable[Any] = self.field.resolve(None, info, **given)  # type: ignore[misc]  # has one
        return found


class Settled(Exception):
    """What the root fields gave, where it takes graphql-core to say what the answer is."""

    def __init__(self, outcomes: dict[str, Any]) -> None:
        super().__init__()
        self.outcomes = outcomes

    def middleware(self, resolve: Any, source: Any, info: Any, **given: Any) -> Any:
        """Gives graphql-core the outcome of a root field that has run."""
        if info.path.prev is not None:
            return resolve(source, info, **given)
        return _settled(self.outcomes[info.path.key])


async def _settled(outcome: Any) -> Any:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


class Plan:
    """One operation, with certain values of the variables that say what is skipped."""

    def __init__(self, fields: Fields, fragments: dict[str, FragmentDefinitionNode]) -> None:
        """Raises `Unplannable` for what is left to graphql-core."""
        schema, operation = fields.schema, fields.operation
        root: Any = schema.get_root_type(operation.operation)
        self._serial = operation.operation is OperationType.MUTATION
        self._fragments = fragments
        self._roots: list[RootField] = []
        source = Source(fields, partial=operation.operation is OperationType.SUBSCRIPTION)
        body = self._body(root, fields.of_root(root), source)
        source.lines += ["def answer(roots):", f"    return {{'data': {{{body}}}}}"]
        self.size = source.size
        self._answer = source.compiled()["answer"]

    def _body(self, root: Any, grouped: Any, source: Source) -> str:
        found = []
        for key, places in grouped.items():
            name = places[0].node.name.value
            if name == "__typename":
                found.append(f"{key!r}: {root.name!r}")
                continue
            if name.startswith("__"):
                raise Unplannable("introspection")
            field = root.fields[name]
            if self._serial and isinstance(field.type, GraphQLNonNull):
                raise Unplannable("a mutation that empties others")
            found.append(f"{key!r}: {source.value(field.type, f'roots[{key!r}]', places)}")
            nodes = [one.node for one in places]
            self._roots.append(RootField(key, field, nodes, self._fragments))
        return ", ".join(found)

    async def run(self, variables: VariableValues, context: Context) -> bytes:
        """The answer. Raises `Settled` where it takes graphql-core to say what it is."""
        outcomes = await self._outcomes(variables, context)
        try:
            return self._encoded(outcomes)
        except Exception:
            raise Settled(outcomes) from None

    def event(self, event: Any) -> bytes | None:
        """The result of one event of a subscription; None where graphql-core has to say it."""
        try:
            return self._encoded(dict.fromkeys((root.key for root in self._roots), event))
        except Exception:
            return None

    def _encoded(self, outcomes: dict[str, Any]) -> bytes:
        found = orjson.dumps(self._answer(outcomes))
        if len(found) > MAX_PLANNED_ANSWER:
            raise ValueError("too long an answer to be made at once")
        return found

    async def _outcomes(self, variables: VariableValues, context: Context) -> dict[str, Any]:
        """What each root field gave, or the error that it ended in."""
        if self._serial or len(self._roots) == 1:
            return {root.key: await _outcome(root, context, variables) for root in self._roots}
        found = await asyncio.gather(*(_outcome(r, context, variables) for r in self._roots))
        return dict(zip((root.key for root in self._roots), found, strict=True))


async def _outcome(root: RootField, context: Context, variables: VariableValues) -> Any:
    try:
        return await root.call(context, variables)
    except Exception as error:
        return error
