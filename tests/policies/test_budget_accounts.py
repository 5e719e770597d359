"""Accounts of budgets on a real server: never more than the budget, in the end what was taken."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.budget_model import LEASE, AccountModel
from tests.support.limit_model import ClockedRedis

MANY = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LIMIT = 100
whiches, amounts = st.integers(0, 20), st.integers(0, 60)
deeds = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.just(0), amounts),
        st.tuples(st.sampled_from(["raise", "over", "over"]), whiches, amounts),
        st.tuples(st.sampled_from(["tell", "write", "doubt", "die"]), whiches, st.integers(1, 2)),
        st.tuples(st.sampled_from(["renew", "read", "lose"]), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.just(0), st.sampled_from([1, 2, 4, 6, 20, 70, 200])),
    ),
    max_size=60,
)


@pytest.fixture
async def clocked(redis_url: str) -> AsyncIterator[ClockedRedis]:
    redis = ClockedRedis(redis_url)
    yield redis
    await redis.close()


@pytest.fixture
def model(clocked: ClockedRedis) -> AccountModel:
    return AccountModel(clocked, LIMIT)


async def done(model: AccountModel, deed: tuple[str, int, int]) -> None:
    """One deed; who is asked to do what nobody can does nothing."""
    what, which, amount = deed
    of = {"raise": model.held, "over": model.held, "die": model.held, "write": model.unwritten}
    among = list(of.get(what, model.untold))
    request = among[which % len(among)] if among else ""
    if what == "reserve":
        await claimed(model, model.name(), amount)
    elif what == "wait":
        await model.pass_time(amount)
    elif what == "renew":
        await model.renew()
    elif what == "read":
        await model.read_again()
    elif what == "lose":
        await model.lose()
    elif not request:
        return
    elif what == "raise":
        await claimed(model, request, model.held[request] + amount)
    elif what == "over":
        model.over(request, min(amount, model.held[request]))
    elif what == "tell":
        await model.tell(request, amount)
    elif what == "write":
        model.write(request)
    elif what == "doubt":
        await model.doubt(request)
    else:
        model.die(request)


async def claimed(model: AccountModel, request: str, amount: int) -> None:
    """Asked for, and refused only where there is no room."""
    more = amount - model.held.get(request, 0)
    # Of who is over and of whom nobody heard, all that was reserved may still stand there.
    possible = model.spent + model.reserved + more <= LIMIT
    granted = await model.claim(request, amount)
    assert not granted or possible or not more
    if not model.untold:
        assert granted is possible or not more


@MANY
@given(deeds=deeds)
async def test_whatever_happens_no_more_is_admitted_and_the_end_is_what_was_taken(
    clocked: ClockedRedis, deeds: list[tuple[str, int, int]]
) -> None:
    await clocked.call("FLUSHDB", budget=5.0)
    model = AccountModel(clocked, LIMIT)
    for deed in deeds:
        await done(model, deed)
    for request in list(model.held):
        model.die(request)
    await model.pass_time(LEASE + 1)
    for _ in range(2):
        found = await model.balance()
        assert (found.spent, found.reserved) == (model.spent, 0)
        for request in list(model.unwritten):
            model.write(request)
        await model.read_again()
    left = LIMIT - model.spent
    assert await model.claim(model.name(), left) or left == 0
    assert not await model.claim(model.name(), 1)
