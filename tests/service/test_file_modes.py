"""Files of the data directory are their owner's alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded.defaults import data_directory, development_secret
from app.embedded.valkey import start_valkey
from app.storage.migrate import migrate


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The usual one, by which everybody may read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(path: Path) -> list[str]:
    return [str(p) for p in (path, *path.rglob("*")) if p.lstat().st_mode & 0o077]


def filled(directory: Path) -> None:
    """All that `loregate dev` puts there."""
    development_secret(directory)
    migrate(f"sqlite+aiosqlite:///{directory / 'loregate.db'}")
    server = start_valkey(directory / "valkey")
    assert (directory / "valkey" / "appendonlydir").is_dir()
    server.stop()


def test_what_is_made_is_nobody_elses(tmp_path: Path) -> None:
    directory = data_directory(tmp_path / "data")
    filled(directory)
    assert open_to_others(directory) == []


def test_what_was_open_to_others_is_narrowed(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir(mode=0o755)
    filled(directory)
    (directory / "loregate.db-wal").touch(0o666)
    (directory / "of-somebody-else").touch()
    assert len(open_to_others(directory)) > 3
    data_directory(directory)
    assert open_to_others(directory) == [str(directory / "of-somebody-else")]
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "loregate.db").stat().st_mode & 0o777 == 0o600
