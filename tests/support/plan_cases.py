"""Documents and data at random, run as a plan and by graphql-core: one case for each seed."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from inspect import isawaitable
from types import SimpleNamespace
from typing import Any, ClassVar

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    OperationDefinitionNode,
    get_named_type,
    is_composite_type,
    is_required_argument,
    parse,
    type_from_ast,
)

from app.errors import InvalidRequest, NotFound, RateLimited
from resolvers import schema
from resolvers.context import Context
from resolvers.documents import Document
from resolvers.errors import InvalidDocument
from resolvers.execution import Executor, Reply
from resolvers.guard import Access, Guard
from resolvers.plan_source import python_class
from resolvers.questions import Question
from resolvers.response_streams import SubscriptionGroup

SCHEMA: Any = schema.build.__wrapped__()  # another one, whose root fields give random data
BUILT: Any = SCHEMA._schema  # private: strawberry shows graphql-core's in no other way
ROOTS = {"query": BUILT.query_type, "mutation": BUILT.mutation_type}
SELECTED_ROOTS = ("Query", "Mutation", "Subscription")
NO_GATEWAY: Any = None
CONTEXT = Context(NO_GATEWAY, "r-1", None)
WRONG: list[Callable[[], Any]] = [
    lambda: None,
    lambda: 7,
    lambda: "seven",
    lambda: [],
    lambda: 2**40,
    lambda: float("nan"),
    lambda: "half a pair \ud800",
    lambda: True,
    lambda: 2.0,
    lambda: NotFound("content"),
    lambda: KeyError("nobody foresaw it"),
]
RAISED: list[Callable[[], Exception]] = [
    lambda: NotFound("content"),
    lambda: InvalidRequest.at(("context", "setting"), "too short"),
    lambda: RateLimited(scope="user", limit=5, retry_after=1.0, reset_at=1_800_000_000.0),
    lambda: KeyError("nobody foresaw it"),
]


class Data:
    """Values of the schema's types; now and then one that does not fit."""

    def __init__(self, rng: random.Random, wrong: float) -> None:
        self._rng, self._wrong = rng, wrong

    def of(self, kind: Any, depth: int = 0) -> Any:
        rng = self._rng
        if rng.random() < self._wrong:
            return rng.choice(WRONG)()
        if isinstance(kind, GraphQLNonNull):
            return self._some(kind.of_type, depth)
        return None if rng.random() < 0.2 else self._some(kind, depth)

    def _some(self, kind: Any, depth: int) -> Any:
        rng = self._rng
        if isinstance(kind, GraphQLList):
            return [self.of(kind.of_type, depth + 1) for _ in range(rng.randint(0, 3))]
        if isinstance(kind, GraphQLEnumType):
            return rng.choice(list(kind.extensions["strawberry-definition"].wrapped_cls))
        if isinstance(kind, GraphQLInterfaceType):
            return self._some(rng.choice(BUILT.get_possible_types(kind)), depth)
        if isinstance(kind, GraphQLObjectType):
            return self._object(kind, depth)
        return self._scalar(kind.name)

    def _object(self, kind: GraphQLObjectType, depth: int) -> Any:
        python = python_class(kind)
        found = python.__new__(python)
        for field in kind.fields.values():
            definition = field.extensions["strawberry-definition"]
            if definition.is_basic_field and depth < 6:
                setattr(found, definition.python_name, self.of(field.type, depth + 1))
        return found

    def _scalar(self, name: str) -> Any:
        rng = self._rng
        moment = datetime.fromtimestamp(rng.randint(0, 2_000_000_000), UTC)
        return {
            "String": lambda: rng.choice(["", "a text", 'quoted "é" \u2028 \x01', "x" * 300]),
            "ID": lambda: f"id-{rng.randint(0, 99)}",
            "Int": lambda: rng.choice([0, -1, 2**31 - 1, -(2**31), rng.randint(0, 9999)]),
            "Float": lambda: rng.choice([0.0, -1.5, 1e300, 3, rng.random()]),
            "Boolean": lambda: rng.random() < 0.5,
            "DateTime": lambda: moment,
            "Date": lambda: date(2026, 11, rng.randint(1, 30)),
            "Decimal": lambda: Decimal(rng.randint(0, 10**9)) / 10**9,
            "BigInt": lambda: rng.randint(0, 2**52),
        }[name]()


class Text:
    """A document at random, and its variables."""

    def __init__(self, rng: random.Random, operation: str) -> None:
        self._rng, self._operation = rng, operation
        self.variables: dict[str, Any] = {}
        self._declared: list[str] = []
        self._fragments: list[str] = []

    def text(self) -> str:
        kind = getattr(BUILT, f"{self._operation}_type")
        most = 1 if self._operation == "subscription" else 3
        body = self._selections(kind, 0, most)
        declared = f"({', '.join(self._declared)})" if self._declared else ""
        return "\n".join([f"{self._operation} {declared} {body}", *self._fragments])

    def _selections(self, kind: Any, depth: int, most: int = 4) -> str:
        rng = self._rng
        fields = [one for one in kind.fields.items() if depth < 3 or not _composite(one[1])]
        chosen = rng.choices(fields, k=min(len(fields), rng.randint(1, most)))
        parts = [self._field(name, field, depth) for name, field in chosen]
        if most > 1 and rng.random() < 0.4:
            parts.append(f"{self._alias('type')}__typename{self._switch()}")
        if depth and depth < 3:
            parts += [self._spread(kind, depth) for _ in range(rng.choice((0, 0, 1, 2)))]
        rng.shuffle(parts)
        return "{ " + " ".join(parts) + " }"

    def _spread(self, kind: Any, depth: int) -> str:
        rng = self._rng
        on = kind
        if isinstance(kind, GraphQLInterfaceType):
            on = rng.choice([kind, *BUILT.get_possible_types(kind)])
        elif isinstance(kind, GraphQLObjectType):
            on = rng.choice([kind, *kind.interfaces])
        body = self._selections(on, depth + 1)
        if rng.random() < 0.5:
            return f"... on {on.name}{self._switch()} {body}"
        name = f"F{len(self._fragments)}"
        self._fragments.append(f"fragment {name} on {on.name} {body}")
        return f"...{name}{self._switch()}"

    def _alias(self, name: str) -> str:
        """The same for the same field, so that they are merged."""
        return f"{self._rng.choice(['_', 'data', 'o'])}_{name}: "

    def _field(self, name: str, field: Any, depth: int) -> str:
        rng = self._rng
        alias = self._alias(name) if rng.random() < 0.4 else ""
        given = {
            n: a for n, a in field.args.items() if is_required_argument(a) or rng.random() < 0.3
        }
        arguments = ", ".join(f"{n}: {self._argument(a)}" for n, a in given.items())
        if given:  # what has other arguments cannot be merged
            alias = f"k{len(self._declared)}: "
        below = self._selections(get_named_type(field.type), depth + 1) if _composite(field) else ""
        switch = "" if self._operation == "subscription" and not depth else self._switch()
        return f"{alias}{name}{f'({arguments})' if arguments else ''}{switch} {below}"

    def _switch(self) -> str:
        rng = self._rng
        if rng.random() < 0.8:
            return ""
        word, value = rng.choice(["skip", "include"]), rng.random() < 0.5
        if rng.random() < 0.5:
            return f" @{word}(if: {str(value).lower()})"
        return f" @{word}(if: ${self._variable('Boolean!', value)})"

    def _argument(self, argument: Any) -> str:
        name = self._variable(str(argument.type), self._input(argument.type))
        if self._rng.random() < 0.1:
            del self.variables[name]
        return f"${name}"

    def _variable(self, kind: str, value: Any) -> str:
        name = f"v{len(self._declared)}"
        self._declared.append(f"${name}: {kind}")
        self.variables[name] = value
        return name

    def given(self, kind: Any) -> Any:
        """A value for a variable of this type."""
        return self._input(kind)

    def _input(self, kind: Any) -> Any:
        """A value for an argument; one in some places does not fit."""
        rng = self._rng
        if rng.random() < 0.02:
            return rng.choice([None, 7, "seven", [], {}, 1.5, True, {"unknown": 1}])
        if isinstance(kind, GraphQLNonNull):
            kind = kind.of_type
        elif rng.random() < 0.2:
            return None
        if isinstance(kind, GraphQLList):
            return [self._input(kind.of_type) for _ in range(rng.randint(0, 3))]
        if isinstance(kind, GraphQLEnumType):
            return rng.choice(list(kind.values))
        if isinstance(kind, GraphQLInputObjectType):
            return self._fields(kind)
        return {
            "Int": rng.randint(0, 50),
            "Float": 0.5,
            "Boolean": True,
            "DateTime": "2026-11-26T01:02:03Z",
        }.get(kind.name, "a text")

    def _fields(self, kind: GraphQLInputObjectType) -> dict[str, Any]:
        if kind.is_one_of:
            name = self._rng.choice(list(kind.fields))
            return {name: self._input(GraphQLNonNull(kind.fields[name].type))}
        return {
            name: self._input(field.type)
            for name, field in kind.fields.items()
            if isinstance(field.type, GraphQLNonNull) or self._rng.random() < 0.3
        }


def _composite(field: Any) -> bool:
    return is_composite_type(get_named_type(field.type))


def executor(*, compiled: bool) -> Executor:
    """One without a service: what it runs is made up."""
    gateway: Any = SimpleNamespace(
        models=(),
        limiter=SimpleNamespace(count=9),
        quotas=SimpleNamespace(count=2),
        metrics=SimpleNamespace(unlisted_document=lambda: None),
    )
    return Executor(SCHEMA, gateway, introspection=True, max_cost=10**9, compiled=compiled)


def asked_of(text: str, seed: int) -> list[Case]:
    """A case for each operation of a document that is written down somewhere."""
    found = []
    for node in parse(text).definitions:
        if isinstance(node, OperationDefinitionNode):
            name = node.name.value if node.name else None
            inputs = Text(random.Random(seed), node.operation.value)
            given = {
                v.variable.name.value: inputs.given(type_from_ast(BUILT, v.type))
                for v in node.variable_definitions or ()
            }
            found.append(Case(seed, text, given, name))
    return found


def random_case(seed: int, operation: str) -> Case:
    rng = random.Random(seed)
    text = Text(rng, operation)
    return Case(seed, text.text(), text.variables)


class Case:
    """A seed's document, its variables, and what its root fields give."""

    def __init__(
        self, seed: int, text: str, variables: dict[str, Any], name: str | None = None
    ) -> None:
        self.seed = seed
        self.question = Question(text, variables, name)
        self.wrong = random.Random(seed).choice([0.0, 0.0, 0.0, 0.01, 0.05])

    def outcome(self, key: str, kind: Any) -> Any:
        """What a root field gives, or raises: the same each time."""
        rng = random.Random(f"{self.seed} {key}")
        if self.wrong and rng.random() < 0.2:
            return rng.choice(RAISED)()
        return Data(rng, self.wrong).of(kind)

    async def run(self, ran: Executor) -> Reply | str:
        """The reply, or why the document is none."""
        RandomResolver.case = self
        try:
            document = self._document(ran)
            return await ran.run(document, self.question, CONTEXT)
        except InvalidDocument as error:
            return error.code

    def watch(self, ran: Executor) -> Watched | str:
        """What makes the results of a subscription's events, or why the document is none."""
        try:
            document = self._document(ran)
        except InvalidDocument as error:
            return error.code
        built = ran._built(document, self.question, CONTEXT)  # private: without a source
        planned = ran.plans.find(document, self.question)
        if isinstance(built, list):
            return "variables"
        group = SubscriptionGroup("u", (), built, "r-1", planned[0] if planned else None)
        kind = document.operation(self.question.operation_name).root_fields[0]
        return Watched(self, group, BUILT.subscription_type.fields[kind].type)

    def _document(self, ran: Executor) -> Document:
        document = ran.documents.read(self.question.query)
        document.operation(self.question.operation_name)
        return document


@dataclass
class Watched:
    """A subscription without a source."""

    case: Case
    group: SubscriptionGroup
    kind: Any

    async def result(self, number: int) -> Any:
        """That of an event of this number."""
        RandomResolver.case = self.case
        event = Data(random.Random(f"{self.case.seed} {number}"), self.case.wrong).of(
            self.kind
        )  # private: its own
        found = self.group.execute("cursor", event)
        return await found if isawaitable(found) else found


class RandomResolver:
    """Stands in a field's place of the resolver: it gives what the case of the moment says."""

    info_parameter, self_parameter = SimpleNamespace(name="info"), None
    parent_parameter = root_parameter = None
    case: Case
    calls: ClassVar[list[str]] = []  # what was asked of root fields, as Strawberry's types

    def __init__(self, field: Any) -> None:
        self._kind = field.type
        self.arguments = field.extensions["strawberry-definition"].arguments

    def given(self, info: Any) -> Any:
        node = info._raw_info.field_nodes[0]  # private: strawberry's has no name for it
        found = RandomResolver.case.outcome((node.alias or node.name).value, self._kind)
        if isinstance(found, Exception):
            raise found
        return found


class RootResolver(RandomResolver):
    is_async = True

    async def __call__(self, info: Any, **given: Any) -> Any:
        self.calls.append(repr(given))
        return self.given(info)


class InnerResolver(RandomResolver):
    is_async = False

    def __call__(self, info: Any, **given: Any) -> Any:
        return self.given(info)


def _replace(field: Any, resolver: RandomResolver, extensions: list[Any]) -> None:
    definition = copy.copy(field.extensions["strawberry-definition"])
    definition.base_resolver, definition.extensions = resolver, extensions
    field.extensions = {**field.extensions, "strawberry-definition": definition}
    field.resolve = SCHEMA.schema_converter.from_resolver(definition)


for root in ROOTS.values():
    for own in root.fields.values():
        _replace(own, RootResolver(own), [Guard(Access.PUBLIC)])
for each in BUILT.type_map.values():
    if isinstance(each, GraphQLObjectType) and each.name not in SELECTED_ROOTS:
        for own in each.fields.values():
            made = own.extensions.get("strawberry-definition")
            if made is not None and not made.is_basic_field:
                _replace(own, InnerResolver(own), [])
