"""What a plan answers, held against what graphql-core answers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from resolvers import pacing
from resolvers.execution import Executor, Reply
from tests.support.plan_cases import Case, RandomResolver, asked_of, executor, random_case
from tests.support.replaced import replaced

EVENTS = 4  # of a subscription


class Oracle:
    """Two executors, and how many documents the one of them planned."""

    def __init__(self) -> None:
        self.compiled, self.plain = executor(compiled=True), executor(compiled=False)
        self.planned = self.events = 0

    async def equal(self, case: Case) -> None:
        """A query or a mutation: run for the second time it is compiled."""
        wanted, asked = await _run(case, self.plain)
        ran = [await _run(case, self.compiled) for _ in range(3)]
        found = [one for one, _ in ran]
        assert [calls for _, calls in ran] == [asked] * 3, (case.seed, case.question)
        said = (case.seed, case.question)
        if not isinstance(wanted, Reply):
            assert found == [wanted] * 3, said
            return
        for one in found:
            assert isinstance(one, Reply), said
            assert one.json() == wanted.json(), said
            assert [str(e) for e in one.errors] == [str(e) for e in wanted.errors], said
            self.planned += one.encoded is not None

    async def equal_events(self, case: Case) -> None:
        """A subscription."""
        wanted, found = case.watch(self.plain), case.watch(self.compiled)
        if isinstance(wanted, str) or isinstance(found, str):
            assert wanted == found, (case.seed, case.question)
            return
        for number in range(EVENTS):
            result = await wanted.result(number)
            assert await found.result(number) == result, (case.seed, case.question)
            self.events += found.group.plan is not None

    async def equal_at_random(self, operation: str, seeds: range) -> None:
        for seed in seeds:
            case = random_case(seed, operation)
            await (self.equal_events if operation == "subscription" else self.equal)(case)

    async def equal_as_written(self, text: str, seed: int) -> None:
        """Each operation of a document, with variables and data at random."""
        for case in asked_of(text, seed):
            subscribes = text_kind(self.plain, case) == "subscription"
            await (self.equal_events if subscribes else self.equal)(case)


async def _run(case: Case, ran: Executor) -> tuple[Reply | str, list[str]]:
    """The reply, and what was asked of the root fields."""
    RandomResolver.calls.clear()
    return await case.run(ran), list(RandomResolver.calls)


def text_kind(ran: Executor, case: Case) -> str:
    document = ran.documents.read(case.question.query)
    return document.operation(case.question.operation_name).kind.value


@contextmanager
def at_leisure() -> Iterator[None]:
    """In one slice, however busy the machine is: with pauses errors come in another order. And what
    the made up data ends in is logged as what nobody foresaw, a page for each case.
    """
    logger = logging.getLogger("resolvers.errors")
    logger.disabled = True
    try:
        with replaced(pacing, SLICE=inf):
            yield
    finally:
        logger.disabled = False
