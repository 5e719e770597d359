"""A refusal is remembered: as right as Redis would be, and without asking it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.caller import Caller
from app.errors import RateLimited
from app.pipeline.admission_call import AdmissionCall
from app.policies.limits import Charge, Limit
from app.policies.refusals import BELIEVED, MAX_EACH, MAX_USERS, Refusals
from tests.support.admission import admission_call
from tests.support.limit_model import ClockedRedis, fill, outcome

SECOND = 1_000_000
ALICE, BOB = Caller("alice"), Caller("bob")
LIMITS = (
    Limit("operation:story", 2, window=10),
    Limit("model:gpt", 1, window=10),
    Limit("user", 4, window=10),
    Limit("global", 1000, window=10, per="global"),
)
STORY = ("operation:story", "user", "global")
READ = ("user", "global")


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[ClockedRedis]:
    found = ClockedRedis(redis_url)
    yield found
    await found.close()


async def refused(
    call: AdmissionCall, targets: tuple[str, ...], caller: Caller = ALICE, requests: int = 1
) -> RateLimited:
    found = await outcome(call.spend(caller, targets, requests=requests))
    assert isinstance(found, RateLimited)
    return found


async def test_what_was_refused_is_refused_again_without_redis_and_told_the_wait_that_is_left(
    redis: ClockedRedis,
) -> None:
    call = admission_call(redis, LIMITS)
    await fill(call, ALICE, STORY)
    asked = redis.asked
    for n in range(9):
        found = await refused(call, STORY)
        assert found.scope == "operation:story"
        assert found.retry_after == pytest.approx(10 - n / 10)
        redis.now += SECOND // 10
    assert redis.asked == asked


async def test_redis_is_asked_again_after_a_second(redis: ClockedRedis) -> None:
    call = admission_call(redis, LIMITS)
    await fill(call, ALICE, STORY)
    asked = redis.asked
    redis.now += round(BELIEVED * SECOND)
    await refused(call, STORY)
    await refused(call, STORY)
    assert redis.asked == asked + 1


async def test_a_lone_caller_gets_in_at_the_moment_that_was_told(redis: ClockedRedis) -> None:
    call = admission_call(redis, LIMITS)
    await fill(call, ALICE, STORY)
    redis.now += 9_500_000  # half a second is left, less than a refusal is believed
    await refused(call, STORY)
    redis.now += 499_999
    assert (await refused(call, STORY)).retry_after_ms == 1
    redis.now += 1
    await call.spend(ALICE, STORY)


async def test_a_refusal_of_one_is_none_of_another_charge(redis: ClockedRedis) -> None:
    call = admission_call(redis, LIMITS)
    await fill(call, ALICE, STORY)
    await call.spend(ALICE, READ)
    await call.spend(BOB, STORY)
    assert (await refused(call, READ, requests=2)).scope == "user"
    await call.spend(ALICE, READ)  # one of two was free


async def test_what_is_refused_for_the_users_sake_is_so_for_every_request(
    redis: ClockedRedis,
) -> None:
    call = admission_call(redis, LIMITS)
    await fill(call, ALICE, READ)
    redis.now += 1_500_000
    assert (await refused(call, STORY)).scope == "user"
    asked = redis.asked
    assert (await refused(call, READ)).retry_after == pytest.approx(8.5)
    assert redis.asked == asked
    await call.spend(ALICE, READ, requests=0)  # what counts nothing is never refused


async def test_a_models_limit_is_asked_each_time_since_its_answer_may_be_cached_meanwhile(
    redis: ClockedRedis,
) -> None:
    call = admission_call(redis, LIMITS)
    await fill(call, ALICE, ("model:gpt",))
    asked = redis.asked
    await refused(call, ("model:gpt",))
    assert redis.asked == asked + 1


async def test_what_is_admitted_makes_forget_since_another_limit_may_be_full_for_longer(
    redis: ClockedRedis,
) -> None:
    call = admission_call(redis, LIMITS)
    await fill(call, ALICE, STORY)
    redis.now += SECOND // 2
    assert (await refused(call, STORY)).scope == "operation:story"
    await fill(call, ALICE, READ)
    asked = redis.asked
    await refused(call, STORY)
    assert redis.asked == asked + 1


async def test_what_all_users_share_makes_everybody_forget_once_it_is_nearly_full(
    redis: ClockedRedis,
) -> None:
    limits = (Limit("user", 1, window=2), Limit("global", 2, window=10, per="global"))
    call = admission_call(redis, limits)
    await fill(call, ALICE, READ)
    assert (await refused(call, READ)).scope == "user"
    await call.spend(BOB, READ)
    assert (await refused(call, READ)).scope == "global"


async def test_a_revocation_that_was_heard_is_told_in_place_of_a_refusal(
    redis: ClockedRedis,
) -> None:
    call = admission_call(redis, LIMITS)
    alice = Caller("alice", token_id="t", expires_at=2e12)
    await fill(call, alice, STORY)
    call.revocations.seen(alice)
    with pytest.raises(Exception, match="revoked"):
        await call.spend(alice, STORY)


async def test_each_refusal_is_counted_wherever_it_came_from(redis: ClockedRedis) -> None:
    scopes: list[str] = []
    call = admission_call(redis, LIMITS, refused=scopes.append)
    await fill(call, ALICE, STORY)
    await refused(call, STORY)
    assert scopes == ["operation:story"] * 2


def test_what_is_remembered_is_bounded() -> None:
    refusals = Refusals(lambda: 0.0)
    error = RateLimited("user", 1, 60.0, 30.0, reset_at=0.0)
    limit = (Limit("user", MAX_EACH + 5),)
    for cost in range(MAX_EACH + 5):
        refusals.note(Charge("alice", limit, (cost,)), error, 0.0)
    assert refusals.of_charge(Charge("alice", limit, (0,))) is None
    assert refusals.of_charge(Charge("alice", limit, (MAX_EACH + 4,))) is not None
    for n in range(MAX_USERS + 5):
        refusals.note(Charge(str(n), limit, (1,)), error, 0.0)
    assert len(refusals) == MAX_USERS
