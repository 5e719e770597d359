"""Pseudonyms: a provider can tell users apart, and not who they are."""

from __future__ import annotations

from app.policies.pseudonyms import KEY, Pseudonyms
from app.redis.client import Redis


async def test_a_user_has_one_pseudonym_for_each_key() -> None:
    one, same, other = (Pseudonyms(None, key) for key in ("k" * 16, "k" * 16, "o" * 16))
    assert one.of("alice") == same.of("alice")
    assert len({one.of("alice"), one.of("bob"), other.of("alice")}) == 3
    assert len(one.of("alice")) <= 128
    assert "alice" not in one.of("alice")


async def test_a_tag_fits_one_purpose_and_one_key() -> None:
    one, other = Pseudonyms(None, "k" * 16), Pseudonyms(None, "o" * 16)
    tag = one.seal("events").tag(b"here")
    assert Pseudonyms(None, "k" * 16).seal("events").fits(b"here", tag)
    for seal in (other.seal("events"), one.seal("generations")):
        assert not seal.fits(b"here", tag)
    assert not one.seal("events").fits(b"there", tag)


async def test_a_key_that_was_lost_with_its_server_is_the_one_that_processes_have(
    redis_url: str,
) -> None:
    redis = Redis(redis_url)
    first, second = Pseudonyms(redis), Pseudonyms(redis)
    try:
        await first.known()
        tag = first.seal("events").tag(b"here")
        await redis.call("DEL", KEY)
        await first.agree()
        await second.known()
        assert second.seal("events").fits(b"here", tag)
        await redis.call("SET", KEY, "another process was the first to make one")
        await first.agree()
        await second.agree()
        assert second.seal("events").fits(b"here", first.seal("events").tag(b"here"))
        assert first.of("alice") == second.of("alice")
    finally:
        await redis.close()


async def test_before_a_key_is_shared_a_process_takes_back_what_it_gave_out(
    redis_url: str,
) -> None:
    redis = Redis(redis_url)
    one = Pseudonyms(redis)
    tag = one.seal("generations").tag(b"here")
    try:
        await one.known()
        assert one.seal("generations").fits(b"here", tag)
        assert one.seal("generations").tag(b"here") != tag
    finally:
        await redis.close()


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
