"""Plan: one operation of a document, made ready to be run again and again.

It does what graphql-core would for a caller of whom nothing is to be said but the answer. Where
anything is out of the ordinary, a value that does not fit its type or an error, graphql-core
completes what the root fields gave, so that there is one place where errors are made.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from graphql import FragmentDefinitionNode, GraphQLField, GraphQLNonNull, OperationType
from strawberry.types import Info as StrawberryInfo

from resolvers.context import Context
from resolvers.guard import guard_of
from resolvers.plan_inputs import Readers, Unfit, Variables
from resolvers.plan_source import Fields, Source, Unplannable

MAX_PLANNED_ANSWER = 1_000_000  # bytes; `pacing` weighs an answer at less than twice its bytes


class FieldInfo:
    """What our resolvers look at of graphql-core's own."""

    __slots__ = ("context", "field_nodes", "fragments")

    def __init__(self, context: Context, field_nodes: Any, fragments: Any) -> None:
        self.context, self.field_nodes, self.fragments = context, field_nodes, fragments


class RootField:
    """A root field: its guard, and the resolver that the guard lets run."""

    __slots__ = ("_arguments", "_definition", "_fragments", "_guard", "_nodes", "_own", "key")

    def __init__(
        self,
        key: str,
        field: GraphQLField,
        nodes: list[Any],
        fragments: dict[str, FragmentDefinitionNode],
        readers: Readers,
    ) -> None:
        """Raises `Unplannable` for a field that is called in another way than ours are."""
        self.key, self._nodes, self._fragments = key, nodes, fragments
        self._definition = definition = field.extensions["strawberry-definition"]
        resolver = definition.base_resolver
        self._guard, others = guard_of(definition)
        unknown = resolver.parent_parameter or resolver.root_parameter
        if others or unknown or resolver.info_parameter is None:
            raise Unplannable(f"{definition.python_name} is called in another way")
        self._own = (None,) if resolver.self_parameter else ()
        self._arguments = readers.arguments(field, nodes[0])

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Raises `Unfit` where graphql-core has to look at them."""
        return self._arguments(variables)

    async def call(self, context: Context, given: dict[str, Any]) -> Any:
        """What the field gives, once its guard has let it."""
        await self._guard.admit(context)
        raw: Any = FieldInfo(context, self._nodes, self._fragments)
        info: Any = StrawberryInfo(_raw_info=raw, _field=self._definition)
        return await self._definition.base_resolver(*self._own, info=info, **given)


class Settled(Exception):
    """What the root fields gave, where it takes graphql-core to say what the answer is."""

    def __init__(self, outcomes: dict[str, Any]) -> None:
        super().__init__()
        self.outcomes = outcomes

    def resolve(self, resolve: Any, source: Any, info: Any, **given: Any) -> Any:
        """A middleware of graphql-core's: gives it the outcome of a root field that has run."""
        if info.path.prev is not None or info.path.key not in self.outcomes:  # `__typename`
            return resolve(source, info, **given)
        return _settled(self.outcomes[info.path.key])


async def _settled(outcome: Any) -> Any:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


class Plan:
    """One operation, with certain values of the variables that say what is skipped."""

    def __init__(
        self, fields: Fields, fragments: dict[str, FragmentDefinitionNode], readers: Readers
    ) -> None:
        """Raises `Unplannable` for what is left to graphql-core."""
        schema, operation = fields.schema, fields.operation
        root: Any = schema.get_root_type(operation.operation)
        self._serial = operation.operation is OperationType.MUTATION
        self._fragments, self._readers = fragments, readers
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
            root_field = RootField(key, field, nodes, self._fragments, self._readers)
            self._roots.append(root_field)
        return ", ".join(found)

    async def run(self, variables: Variables, context: Context) -> bytes | None:
        """The answer; None where graphql-core has to look at the arguments first.

        Raises:
            Settled: it takes graphql-core to say what the answer is.
        """
        try:
            given = [root.arguments(variables) for root in self._roots]
        except Unfit:
            return None
        outcomes = await self._outcomes(given, context)
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

    async def _outcomes(self, given: list[dict[str, Any]], context: Context) -> dict[str, Any]:
        """What each root field gave, or the error that it ended in."""
        calls = [_outcome(root, context, own) for root, own in zip(self._roots, given, strict=True)]
        if self._serial or len(calls) == 1:
            found = [await call for call in calls]
        else:
            found = await asyncio.gather(*calls)
        return dict(zip((root.key for root in self._roots), found, strict=True))


async def _outcome(root: RootField, context: Context, given: dict[str, Any]) -> Any:
    try:
        return await root.call(context, given)
    except Exception as error:
        return error
