"""Likeness: an earlier answer to a request that is nearly the same, for who asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.policies import similar
from app.policies.cache import forgetting
from app.policies.similar import index_key
from tests.support.rest_bodies import CAMPAIGN, NPC, RULE, STORY, TALE, TEXT, THEME, VALIDATION
from tests.support.rest_requests import ask, cache_and_id, redis_of
from tests.support.service import Service
from tests.support.upstream import Upstream

pytestmark = pytest.mark.also_on("cluster")

LONG = (
    "A warlock of the drowned coast who sold her shadow to the tide for one winter of bread, "
    "and now keeps the lamp of Saltmere burning against whoever comes to collect the debt"
)
NEAR = LONG.replace("winter", "summer")


def character(background: str, **fields: Any) -> dict[str, Any]:
    return {"type": "backstory", "character_context": {"background": background}, **fields}


async def test_it_is_off_unless_it_is_asked_for(with_models: Service) -> None:
    await ask(with_models, TEXT, character(LONG), cache="max-age=60")
    for cache in ("max-age=60", None, "no-cache, similar=0.5", "no-store, similar=0.5"):
        answer = await ask(with_models, TEXT, character(NEAR), cache=cache)
        assert cache_and_id(answer)[0] != "HIT"
        assert "x-similarity" not in answer.headers
        index = index_key("alice", "character")
        forget = forgetting("alice", cache_and_id(answer)[1], index)
        await with_models.parts.redis.run_all([forget])


async def test_a_near_request_is_offered_the_earlier_answer(
    with_models: Service, provider: Upstream
) -> None:
    _, made = cache_and_id(await ask(with_models, TEXT, character(LONG), cache="max-age=60"))
    near = await ask(with_models, TEXT, character(NEAR), cache="similar=0.8")
    assert cache_and_id(near) == ("HIT", made)
    assert 0.8 <= float(near.headers["x-similarity"]) < 1
    assert near.headers["age"].isdigit()
    assert near.json()["metadata"]["cached"] is True
    assert len(provider.requests) == 1
    assert await with_models.counted("model:gpt-4-turbo") == 1
    assert await with_models.counted("operation:text_generation") == 2
    exact = await ask(with_models, TEXT, character(LONG), cache="similar=0.99")
    assert exact.headers["x-similarity"] == "1.00"
    assert (
        cache_and_id(await ask(with_models, TEXT, character(NEAR), cache="similar=0.99"))[0]
        == "MISS"
    )


async def test_what_is_not_alike_is_not_offered(with_models: Service) -> None:
    """Other users, operations, closed sets, models, parents, and other words."""
    _, made = cache_and_id(await ask(with_models, TEXT, character(LONG), cache="max-age=60"))
    asked = {"cache": "similar=0.5"}
    for path, body in (
        (TEXT, character(LONG, type="combat")),
        (TEXT, character(LONG, model={"name": "gpt-3.5-turbo"})),
        (TEXT, character(LONG, parent_content_id=made)),
        (TEXT, character("A cheerful baker from the hills, who never saw the sea nor wants to")),
        (CAMPAIGN, {"type": "plot", "campaign_context": {"background": LONG}}),
    ):
        answer = await ask(with_models, path, body, **asked)
        assert cache_and_id(answer)[0] == "MISS", body
    assert (
        cache_and_id(await ask(with_models, TEXT, character(LONG), **asked, sub="bob"))[0] == "MISS"
    )
    assert cache_and_id(await ask(with_models, TEXT, character(LONG), **asked)) == ("HIT", made)


async def test_every_closed_set_of_every_operation_must_be_equal(loregate: Service) -> None:
    context = {"context": {"campaign_theme": LONG}}
    cases: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        (STORY, {**context, "element_type": "plot"}, {"element_type": "quest"}),
        (NPC, {**context, "role": "ally"}, {"role": "mentor"}),
        (THEME, {"content": TALE, "elements": ["tone", "mood"]}, {"elements": ["mood", "tone"]}),
        (THEME, {"content": TALE * 2}, {"category_filter": ["epic"]}),
        (THEME, {"content": TALE * 3}, {"target_theme": {"tone": "grim"}}),
        (
            VALIDATION,
            {"content": TALE, "content_type": "story", "rules": [RULE]},
            {"rules": [{**RULE, "name": "other"}]},
        ),
    ]
    for path, body, change in cases:
        _, made = cache_and_id(await ask(loregate, path, body, cache="no-cache"))
        assert (
            cache_and_id(await ask(loregate, path, {**body, **change}, cache="similar=0.1"))[1]
            != made
        )
        near = {**body, "theme": {"style": "terse"}} if path in (STORY, NPC) else body
        assert cache_and_id(await ask(loregate, path, near, cache="similar=0.5"))[1] == made


async def test_deleted_content_is_not_offered(with_models: Service) -> None:
    _, made = cache_and_id(await ask(with_models, TEXT, character(LONG), cache="max-age=60"))
    await with_models.http.delete(f"/api/v2/content/{made}", headers=with_models.headers())
    assert (
        cache_and_id(await ask(with_models, TEXT, character(NEAR), cache="similar=0.5"))[0]
        == "MISS"
    )


async def test_an_answer_older_than_is_wanted_is_not_offered(with_models: Service) -> None:
    await ask(with_models, TEXT, character(LONG), cache="max-age=60")
    cache = "max-age=0, similar=0.5"
    assert cache_and_id(await ask(with_models, TEXT, character(NEAR), cache=cache))[0] == "MISS"


async def test_a_key_gets_an_answer_of_its_own(with_models: Service) -> None:
    await ask(with_models, TEXT, character(LONG), cache="max-age=60")
    first = await ask(with_models, TEXT, character(NEAR), cache="similar=0.5", key="k")
    assert cache_and_id(first)[0] == "MISS"
    again = await ask(with_models, TEXT, character(NEAR), cache="similar=0.5", key="k")
    assert again.content == first.content
    other = await ask(with_models, TEXT, character(LONG), cache="similar=0.5", key="k")
    assert other.status_code == 409


@pytest.mark.one_server
async def test_200_requests_of_a_user_and_operation_are_kept(loregate: Service) -> None:
    async with redis_of(loregate) as redis:
        await ask(loregate, TEXT, character(LONG), cache="max-age=60")
        [name] = await redis.keys("*:similar:*")
        kept = similar.entry("0" * similar.ID, "0" * similar.FRAME, bytes(similar.SIGNATURE.size))
        await redis.lpush(name, *[kept] * 500)
        await ask(loregate, TEXT, character(NEAR), cache="max-age=60")
        assert await redis.llen(name) == similar.MAX_ENTRIES == 200
        assert 0 < await redis.ttl(name) <= 3600


WORDS = st.sets(st.integers(0, 400), min_size=1, max_size=similar.MAX_WORDS)


@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(WORDS, WORDS, WORDS)
def test_likeness_is_about_the_share_of_words_in_common(
    shared: set[int], one: set[int], other: set[int]
) -> None:
    left, right = shared | one, shared | other
    true = len(left & right) / len(left | right)
    signatures = [similar.signature({"x": " ".join(map(str, s))}) for s in (left, right)]
    assert abs(similar.similarity(*signatures) - true) < 0.2


def test_the_end_of_a_long_text_counts_as_its_beginning_does() -> None:
    words = [f"word{n}" for n in range(6000)]
    whole = similar.signature({"content": " ".join(words)})
    for changed in (words[:3000], words[3000:]):
        half = similar.signature({"content": " ".join(changed)})
        assert similar.similarity(whole, half) < 0.8
