"""Lists of trusted documents: manifests, a list in Redis, and the watch on either."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest

from app.errors import SettingsError
from app.policies import manifests, trusted_documents
from app.policies.trusted_documents import DocumentsInRedis, DocumentWatch
from app.redis.client import Redis

pytestmark = pytest.mark.also_on("cluster")

VIEWER, OTHER, PAGE = "query Viewer { viewer { id } }", "{ viewer { tier } }", "{ contents { x } }"
VIEWER_ID = manifests.sha256(VIEWER)


def test_apollos_manifest_is_a_list() -> None:
    operation = {"id": VIEWER_ID, "name": "Viewer", "type": "query", "body": VIEWER}
    manifest = {"format": manifests.APOLLO, "version": 1, "operations": [operation]}
    assert manifests.read(orjson.dumps(manifest), "m.json") == {VIEWER_ID: VIEWER}


def test_a_prefix_of_sha256_is_no_part_of_an_id() -> None:
    found = manifests.read(orjson.dumps({f"sha256:{VIEWER_ID}": VIEWER}), "m.json")
    assert found == {VIEWER_ID: VIEWER}


@pytest.fixture
async def listing(redis_url: str) -> AsyncIterator[DocumentsInRedis]:
    redis = Redis(redis_url)
    yield DocumentsInRedis(redis)
    await redis.close()


async def test_a_list_in_redis_is_added_to_and_removed_from_as_a_whole(
    listing: DocumentsInRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await listing.read() == {}
    assert await listing.add({"a": VIEWER, "b": OTHER}) == 2
    first = await listing.version()
    assert await listing.add({"b": OTHER, "c": PAGE}) == 1
    assert await listing.version() != first
    with pytest.raises(LookupError, match="nothing"):
        await listing.remove(["a", "nothing"])
    assert await listing.read() == {"a": VIEWER, "b": OTHER, "c": PAGE}
    await listing.remove(["a", "b"])
    assert await listing.read() == {"c": PAGE}
    monkeypatch.setattr(trusted_documents, "MAX_DOCUMENTS", 2)
    with pytest.raises(SettingsError, match="at most 2 documents"):
        await listing.add({"d": VIEWER, "e": OTHER})
    assert await listing.read() == {"c": PAGE}


async def test_what_somebody_else_wrote_to_redis_kills_nobody(
    redis_url: str, listing: DocumentsInRedis, caplog: pytest.LogCaptureFixture
) -> None:
    await listing.add({"a": VIEWER})
    redis = Redis(redis_url)
    await redis.call("HSET", trusted_documents.TEXTS, "bad id", VIEWER)
    await redis.call("HSET", trusted_documents.TEXTS, b"\xff", b"\xff")
    await redis.close()
    assert await listing.read() == {"a": VIEWER}
    assert "is passed over" in caplog.text


class Scripted:
    """A list whose versions and texts a test sets."""

    name = "scripted"

    def __init__(self) -> None:
        self.at: str | None = "1"
        self.texts: dict[str, str] | Exception = {"a": VIEWER}
        self.reads = 0

    async def version(self) -> str | None:
        return self.at

    async def read(self) -> dict[str, str]:
        self.reads += 1
        if isinstance(self.texts, Exception):
            raise self.texts
        return self.texts

    async def add(self, texts: Any) -> int: ...

    async def remove(self, ids: Any) -> None: ...


async def test_a_list_is_read_once_a_version_and_one_that_fails_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source, handed = Scripted(), []

    async def hand_on(texts: Mapping[str, str]) -> None:
        handed.append(dict(texts))

    watch = DocumentWatch(source, hand_on)
    await watch.look()
    await watch.look()
    assert (handed, source.reads) == ([{"a": VIEWER}], 1)
    source.at, source.texts = "2", SettingsError("m.json: not JSON")
    await watch.look()
    await watch.look()
    assert len(handed) == 1
    assert len(caplog.records) == 1, "the same trouble is told once"
    source.texts = {"b": OTHER}
    await watch.look()
    assert handed[1:] == [{"b": OTHER}]
