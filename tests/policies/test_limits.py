"""Limits on a real server: exact, all or nothing, for any number of processes, through outages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.caller import Caller
from app.errors import RateLimited
from app.pipeline.admission_call import AdmissionCall, Decision
from app.policies.limiter import key
from app.policies.limits import DEFAULT_LIMITS, DEFAULT_TIERS, Limit
from app.redis.client import Redis
from tests.support.admission import admission_call
from tests.support.limit_model import ClockedRedis, History, Model, fill, microseconds, outcome

SECOND = 1_000_000
MANY = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TARGETS = ("operation:story", "model:gpt", "user", "global")
ALICE = Caller("alice")


@dataclass(frozen=True)
class Arrival:
    gap: int
    user: str = "a"
    targets: tuple[str, ...] = ("user",)
    cost: int = 1
    raised: int = 0


gaps = st.one_of(
    st.sampled_from([0, 1, SECOND - 1, SECOND, SECOND + 1, 2 * SECOND]), st.integers(0, SECOND)
)
arrivals = st.lists(
    st.builds(
        Arrival,
        gap=gaps,
        user=st.sampled_from("abc"),
        targets=st.lists(st.sampled_from(TARGETS), min_size=1, unique=True).map(tuple),
        cost=st.integers(0, 3),
        raised=st.integers(-2, 2),
    ),
    max_size=60,
)
few = st.integers(1, 6)
small_limits = st.builds(
    lambda a, b, c, d: (
        Limit("operation:story", a, window=2),
        Limit("model:gpt", b, window=1, per="global"),
        Limit("user", c, window=1),
        Limit("global", d, window=3, per="global"),
    ),
    few, few, few, st.integers(1, 10),
)  # fmt: skip


@pytest.fixture
async def clocked(redis_url: str) -> AsyncIterator[ClockedRedis]:
    redis = ClockedRedis(redis_url)
    yield redis
    await redis.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = Redis(redis_url)
    yield redis
    await redis.close()


# -- the exact log
@MANY
@given(limits=small_limits, arrivals=arrivals)
async def test_every_decision_standing_and_wait_is_that_of_the_brute_force_model(
    clocked: ClockedRedis, limits: tuple[Limit, ...], arrivals: list[Arrival]
) -> None:
    await clocked.call("FLUSHDB", budget=5.0)
    model, limiter = Model(), admission_call(clocked, limits=limits)
    for arrival in arrivals:
        clocked.now += arrival.gap
        touched = [x for target in arrival.targets for x in limits if x.target == target]
        await agree(clocked, limiter, model, touched, arrival)
    for limit in limits:
        for user in "abc":
            assert model.history(user, limit).fullest(microseconds(limit)) <= limit.max


async def agree(
    clocked: ClockedRedis,
    limiter: AdmissionCall,
    model: Model,
    touched: list[Limit],
    arrival: Arrival,
) -> None:
    now, user, cost = clocked.now, arrival.user, arrival.cost
    refusals = model.refusals(user, touched, cost, now)
    found = await outcome(limiter.spend(Caller(user), arrival.targets, requests=cost))
    if refusals:
        assert isinstance(found, RateLimited)
        assert refusals[found.scope] == max(refusals.values()) == micro(found.retry_after)
        assert micro(found.reset_at) == now + refusals[found.scope]
        return
    assert isinstance(found, Decision)
    model.admit(user, touched, cost, now)
    expected = [(x.scope, x.max, *model.standing(user, x, now)) for x in touched]
    shown = [(s.scope, s.limit, s.remaining, micro(s.reset_at)) for s in found.standings]
    assert shown == expected


def micro(seconds: float | None) -> int:
    return round((seconds or 0) * 1e6)


@MANY
@given(arrivals=arrivals, most=st.integers(3, 6))
async def test_a_limit_that_is_lowered_and_raised_decides_as_the_model_does(
    clocked: ClockedRedis, arrivals: list[Arrival], most: int
) -> None:
    await clocked.call("FLUSHDB", budget=5.0)
    model = Model()
    for arrival in arrivals:
        clocked.now += arrival.gap
        limits = [Limit("user", most + arrival.raised, window=1)]
        limiter = admission_call(clocked, limits=limits)
        await agree(clocked, limiter, model, limits, replace(arrival, targets=("user",)))


LONE = (
    Limit("user", 4, window=1),
    Limit("operation:story", 3, window=3),
    Limit("model:gpt", 5, window=2, counts="tokens"),
)


@MANY
@given(before=st.lists(gaps, min_size=1, max_size=12), cost=st.integers(1, 3))
async def test_a_lone_client_that_waits_as_told_gets_in_on_its_first_retry(
    clocked: ClockedRedis, before: list[int], cost: int
) -> None:
    await clocked.call("FLUSHDB", budget=5.0)
    limiter, targets = admission_call(clocked, limits=LONE), tuple(x.target for x in LONE)
    for gap in before:
        clocked.now += gap
        found = await outcome(limiter.spend(ALICE, targets, requests=cost, tokens=cost))
        if isinstance(found, RateLimited):
            clocked.now += found.retry_after_ms * 1000
            await limiter.spend(ALICE, targets, requests=cost, tokens=cost)


async def test_what_asks_for_more_than_a_limit_is_told_a_whole_window(
    clocked: ClockedRedis,
) -> None:
    limiter = admission_call(clocked, limits=[Limit("user", 2, window=1)])
    with pytest.raises(RateLimited) as refused:
        await limiter.spend(ALICE, ("user",), requests=3)
    assert refused.value.retry_after == 1.0


async def test_thousands_leave_the_window_together_and_the_newest_stays(
    clocked: ClockedRedis,
) -> None:
    limiter = admission_call(clocked, limits=[Limit("user", 5000, window=1)])
    await limiter.spend(ALICE, ("user",), requests=4000)
    clocked.now += SECOND - 1
    await limiter.spend(ALICE, ("user",), requests=7)
    clocked.now += 1
    [standing] = await limiter.look(ALICE)
    assert standing.remaining == 5000 - 7


@pytest.mark.parametrize("window", [1, 60])
async def test_a_log_outlives_its_last_entry_by_a_window_and_not_by_much_more(
    clocked: ClockedRedis, window: int
) -> None:
    """Expiry runs on the server's clock, so each renewal is noted at the time the script read."""
    limit = Limit("user", 1000, window=window)
    limiter, name, ends = admission_call(clocked, limits=[limit]), key(limit, "alice"), 0
    for gap in [0, 1, 10, 30, 59, 60, 61, 95, 15, 100] * 3:
        clocked.now += gap * window * SECOND // 60
        await limiter.spend(ALICE, ("user",))
        if (ttl := await clocked.call("PTTL", name, budget=5.0)) > 0:
            ends = clocked.now + ttl * 1000
            await clocked.call("PERSIST", name, budget=5.0)
        assert clocked.now + window * SECOND <= ends <= clocked.now + (2 * window + 2) * SECOND


async def test_windows_of_unlike_length_on_one_target_do_not_cut_each_other_short(
    clocked: ClockedRedis,
) -> None:
    limits = [Limit("user", 2, window=1), Limit("user", 3, window=10)]
    limiter = admission_call(clocked, limits=limits)
    assert await fill(limiter, ALICE, ("user",)) == 2
    clocked.now += 2 * SECOND
    assert await fill(limiter, ALICE, ("user",)) == 1


async def test_a_limit_lowered_below_its_count_resets_when_it_has_room_again(
    clocked: ClockedRedis,
) -> None:
    for _ in range(3):
        clocked.now += SECOND // 10
        await admission_call(clocked, limits=[Limit("user", 5, window=1)]).spend(ALICE, ("user",))
    [standing] = await admission_call(clocked, limits=[Limit("user", 1, window=1)]).look(ALICE)
    assert (standing.remaining, micro(standing.reset_at)) == (0, clocked.now + SECOND)


# -- the clock
@MANY
@given(
    before=st.lists(gaps, max_size=12),
    after=st.lists(gaps, max_size=12),
    back=st.integers(0, 5 * SECOND),
    counts=st.sampled_from(["requests", "tokens"]),
)
@example(before=[0, 0, 0, 0], after=[0], back=3 * SECOND, counts="requests")
async def test_a_clock_set_back_admits_at_most_twice_and_refuses_for_two_windows_at_most(
    clocked: ClockedRedis, before: list[int], after: list[int], back: int, counts: str
) -> None:
    await clocked.call("FLUSHDB", budget=5.0)
    limiter = admission_call(clocked, limits=[Limit("user", 3, window=1, counts=counts)])
    history, real = History(), clocked.now

    async def ask() -> Decision | RateLimited:
        found = await outcome(limiter.spend(ALICE, ("user",), tokens=1))
        if isinstance(found, Decision):
            history.entries.append((real, 1))
        return found

    for at, gap in enumerate([*before, *after]):
        if at == len(before):
            clocked.now -= back
            clocked.began -= back  # it is the server's clock: ours never goes back
        clocked.now += gap
        real += gap
        await ask()
    # A clock set back by less than a window costs nobody more than the limit.
    assert history.fullest(SECOND) <= (3 if back <= SECOND else 6)
    # Where nobody reached the server since, the clock's step is noticed by who asks next.
    for _ in range(2):
        clocked.now += 2 * SECOND + SECOND // 5
        found = await ask()
    assert isinstance(found, Decision)


async def test_a_clock_set_back_an_hour_locks_nobody_out(clocked: ClockedRedis) -> None:
    for counts in ("requests", "tokens"):
        limiter = admission_call(clocked, limits=[Limit("user", 3, counts=counts)])
        await limiter.spend(ALICE, ("user",), requests=3, tokens=3)
        clocked.now -= 3600 * SECOND
        await limiter.spend(ALICE, ("user",), requests=3, tokens=3)


async def test_after_a_clock_is_set_back_a_little_the_told_wait_still_holds(
    clocked: ClockedRedis,
) -> None:
    limiter = admission_call(clocked, limits=[Limit("user", 3, window=1)])
    for step in (0, -SECOND // 2, SECOND // 10):
        clocked.now += step
        await limiter.spend(ALICE, ("user",))
    with pytest.raises(RateLimited) as refused:
        await limiter.spend(ALICE, ("user",), requests=2)
    clocked.now += refused.value.retry_after_ms * 1000
    await limiter.spend(ALICE, ("user",), requests=2)


# -- stepped limits
@MANY
@given(
    arrivals=st.lists(st.tuples(gaps, st.integers(1, 4)), max_size=50),
    step=st.sampled_from([("tokens", 6, 1), ("requests", 30_000, 5_000)]),
    window=st.sampled_from([1.0, 1.000003]),  # the second is no whole number of steps
)
async def test_a_stepped_limit_never_admits_too_many_and_at_most_a_tenth_of_a_window_late(
    clocked: ClockedRedis,
    arrivals: list[tuple[int, int]],
    step: tuple[str, int, int],
    window: float,
) -> None:
    counts, most, unit = step
    await clocked.call("FLUSHDB", budget=5.0)
    limit = Limit("user", most, window=window, counts=counts)
    limiter, length, history = (
        admission_call(clocked, limits=[limit]),
        microseconds(limit),
        History(),
    )
    for gap, units in arrivals:
        clocked.now += gap
        cost = units * unit
        found = await outcome(limiter.spend(ALICE, ("user",), requests=cost, tokens=cost))
        if isinstance(found, Decision):
            history.entries.append((clocked.now, cost))
        else:
            assert history.count(clocked.now, length * 11 // 10 + 10) + cost > most
    assert history.fullest(length) <= most


# -- giving back
@pytest.mark.parametrize("counts", ["requests", "tokens"])
async def test_what_is_given_back_may_be_taken_again_and_no_more(
    clocked: ClockedRedis, counts: str
) -> None:
    limit = Limit("user", 5, window=1, counts=counts)
    limiter = admission_call(clocked, limits=[limit])
    await limiter.spend(ALICE, ("user",), requests=2, tokens=2)
    clocked.now += 1000
    spent = await limiter.spend(ALICE, ("user",), requests=3, tokens=3)
    await limiter.send(spent.refunds([(limit, 2)]))
    assert [s.remaining for s in await limiter.look(ALICE)] == [2]
    clocked.now += 3 * SECOND
    assert [s.remaining for s in await limiter.look(ALICE)] == [5]
    await limiter.send(spent.refunds([(limit, 1)]))
    assert await clocked.call("EXISTS", key(limit, "alice"), budget=5.0) == 0


async def test_tokens_reserved_and_not_used_are_settled(clocked: ClockedRedis) -> None:
    limits = [Limit("model:gpt", 100, counts="tokens"), Limit("model:gpt", 10)]
    limiter = admission_call(clocked, limits=limits)
    spent = await limiter.spend(ALICE, ("model:gpt",), tokens=90)
    await limiter.send(spent.refunds([(limits[0], 60)]))
    assert [s.remaining for s in await limiter.look(ALICE)] == [70, 9]


# -- what counts for what
def test_the_default_limits_are_the_documented_ones() -> None:
    models = {"gpt-4-turbo": 200, "gpt-6.1-terra": 200, "gpt-6-sol": 50}
    models |= {"gpt-3.5-turbo": 500, "gpt-6-luna": 500}
    operations = {"text_generation": 100, "theme_analysis": 50, "content_validation": 100}
    wanted = {f"model:{name}": count for name, count in models.items()}
    wanted |= {f"operation:{name}": count for name, count in operations.items()}
    wanted |= {"user": 1000, "global": 10_000}
    assert {x.scope: x.max for x in DEFAULT_LIMITS} == wanted
    assert {x.scope for x in DEFAULT_LIMITS if x.per == "global"} == {"global"}
    assert {x.window for x in DEFAULT_LIMITS} == {60}
    assert DEFAULT_TIERS == {"free": 0.2, "standard": 1, "pro": 5, "service": 10}


@pytest.mark.parametrize(
    ("tier", "most"),
    [("free", 2), ("standard", 10), ("pro", 50), ("service", 100), ("gold", 10), ("", 10)],
)
async def test_a_tier_multiplies_what_is_counted_per_user_and_nothing_else(
    redis: Redis, tier: str, most: int
) -> None:
    limits = [Limit("user", 10), Limit("global", 120, per="global")]
    limiter, caller = admission_call(redis, limits=limits), Caller("alice", tier=tier)
    assert await fill(limiter, caller, ("user",)) == most
    assert [s.limit for s in await limiter.look(caller)] == [most, 120]


def test_the_smallest_tier_keeps_one() -> None:
    assert Limit("user", 1).for_tier(0.2).max == 1


async def test_a_refused_request_takes_nothing_from_any_limit(redis: Redis) -> None:
    limits = [Limit("operation:story", 1), Limit("user", 10), Limit("global", 10, per="global")]
    limiter, targets = admission_call(redis, limits=limits), ("operation:story", "user", "global")
    assert await fill(limiter, ALICE, targets) == 1
    await fill(limiter, ALICE, targets)
    assert [s.remaining for s in await limiter.look(ALICE)] == [0, 9, 9]


async def test_users_have_counts_of_their_own_unless_the_limit_is_shared(redis: Redis) -> None:
    limits = [Limit("model:gpt", 3, per="global"), Limit("user", 2)]
    limiter, bob = admission_call(redis, limits=limits), Caller("bob", tier="pro")
    assert await fill(limiter, ALICE, ("user",)) == 2
    assert await fill(limiter, bob, ("user",)) == 10
    await limiter.spend(ALICE, ("model:gpt",), requests=2)
    assert await fill(limiter, bob, ("model:gpt",)) == 1


async def test_of_several_that_refuse_the_longest_wait_is_named(clocked: ClockedRedis) -> None:
    limits = [Limit("user", 1, window=1), Limit("operation:story", 1, window=9)]
    limiter, targets = admission_call(clocked, limits=limits), ("user", "operation:story")
    await limiter.spend(ALICE, targets)
    clocked.now += 250_000
    with pytest.raises(RateLimited) as refused:
        await limiter.spend(ALICE, targets)
    assert (refused.value.scope, refused.value.retry_after_ms) == ("operation:story", 8750)


async def test_looking_takes_nothing_and_shows_every_limit(redis: Redis) -> None:
    limiter = admission_call(redis)
    first, second = await limiter.look(ALICE), await limiter.look(ALICE)
    assert [s.scope for s in first] == [x.scope for x in DEFAULT_LIMITS]
    assert [s.remaining for s in second] == [x.max for x in DEFAULT_LIMITS]
