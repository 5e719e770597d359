"""Pseudonyms: a provider can tell users apart, and not who they are."""

from __future__ import annotations

from app.policies.pseudonyms import Pseudonyms
from app.redis.client import Redis


async def test_a_user_has_one_pseudonym_for_each_key() -> None:
    one, same, other = (Pseudonyms(None, key) for key in ("k" * 16, "k" * 16, "o" * 16))
    assert one.of("alice") == same.of("alice")
    assert len({one.of("alice"), one.of("bob"), other.of("alice")}) == 3
    assert len(one.of("alice")) <= 128
    assert "alice" not in one.of("alice")


async def test_processes_share_a_key_that_nobody_set(redis_url: str) -> None:
    redis = Redis(redis_url)
    first, second = Pseudonyms(redis), Pseudonyms(redis)
    try:
        assert first.of("alice") == "", "nothing is sent before there is a key"
        await first.start()
        await second.start()
        assert first.of("alice") == second.of("alice") != ""
    finally:
        await first.stop()
        await second.stop()
        await redis.close()
