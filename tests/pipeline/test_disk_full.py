"""SQLite on a disk that is full: nothing false is claimed, nothing is paid twice, and it heals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import service
from tests.support.rest_bodies import TEXT
from tests.support.rest_requests import (
    ask,
    count_events,
    count_stored,
    draft_keys,
    says_unavailable,
)
from tests.support.service import Service
from tests.support.upstream import Upstream

SIZE = "16m"
HEALED = 10.0  # s
Full = Callable[[], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """A small file system of its own, where this user may mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        pytest.skip(f"no program mounts a file system: {error.strerror}")
    if done.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte is free."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
    assert os.statvfs(folder).f_bavail == 0
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def limited(journal: Path) -> Iterator[None]:
    """No file of this process grows beyond what the journal has (EFBIG)."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.stat().st_size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.fixture(params=["disk", "quota"])
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Full]:
    """What takes the space from the folder `disk`."""
    folder = tmp_path / "disk"
    if request.param == "disk":
        with mounted(folder):
            yield lambda: filled(folder)
    else:
        folder.mkdir()
        yield lambda: limited(folder / "loregate.db-wal")


@pytest.fixture
async def on_disk(
    tmp_path: Path, redis_url: str, provider: Upstream, full: Full
) -> AsyncIterator[Service]:
    given = service.settings(
        tmp_path,
        redis_url,
        database_url=f"sqlite+aiosqlite:///{tmp_path / 'disk' / 'loregate.db'}",
        openai_base_url=provider.url,
    )
    async with service.running(given) as found:
        yield found


async def health(found: Service) -> Any:
    answer = await found.http.get("/health")
    body = answer.json()
    return answer.status_code, body["status"], body["components"]["db"]


async def reported(found: Service, *wanted: Any) -> None:
    async with asyncio.timeout(HEALED):
        while await health(found) != wanted:
            await asyncio.sleep(0.05)


async def ready(found: Service) -> int:
    return (await found.http.get("/health/ready")).status_code


async def test_what_a_full_disk_refuses_is_said_and_is_not_paid_twice(
    on_disk: Service, full: Full, provider: Upstream
) -> None:
    before = await ask(on_disk, TEXT, key="before", cache="no-store")
    assert before.status_code == 200
    with full():
        called, there, published = provider.calls.total(), await count_stored(on_disk), 1
        for _ in range(3):
            says_unavailable(await ask(on_disk, TEXT, key="k", cache="no-store"))
        assert provider.calls.total() == called + 1
        # What is there is served on: by its key, and by its id.
        assert (await ask(on_disk, TEXT, key="before")).content == before.content
        kept = await on_disk.get(f"/api/v2/content/{before.json()['content_id']}")
        assert kept.status_code == 200
        assert (await count_stored(on_disk), await count_events(on_disk)) == (there, published)
        assert len(await draft_keys(on_disk)) == 1
    made = await ask(on_disk, TEXT, key="k", cache="no-store")
    assert made.status_code == 200
    assert provider.calls.total() == called + 1
    assert (await ask(on_disk, TEXT, key="k")).content == made.content
    assert (await count_stored(on_disk), await count_events(on_disk)) == (there + 1, published + 1)
    assert await draft_keys(on_disk) == []


async def test_health_tells_of_a_full_disk_and_of_space_again_without_another_request(
    on_disk: Service, full: Full
) -> None:
    assert (await ask(on_disk, TEXT)).status_code == 200
    assert await health(on_disk) == (200, "healthy", "healthy")
    with full():
        says_unavailable(await ask(on_disk, TEXT))
        await reported(on_disk, 200, "degraded", "degraded")
        # Another process has the same disk: to send everybody there would help nobody.
        assert await ready(on_disk) == 200
    await reported(on_disk, 200, "healthy", "healthy")
    assert (await ask(on_disk, TEXT)).status_code == 200
    database: Any = on_disk.parts.store.database
    keys = "SELECT count(*) FROM idempotency"
    assert await database.read(lambda c: c.exec_driver_sql(keys).scalar()) == 0
