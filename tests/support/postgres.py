"""A PostgreSQL server of the tests' own, and fresh databases on either kind of database."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.storage.migrate import migrate
from tests.support.databases import migrated

PROGRAMS = ("initdb", "pg_ctl", "postgres", "createdb", "dropdb")
OPTIONS = "-c listen_addresses='' -c fsync=off -c max_connections=60"
MIGRATED = "migrated"  # the template that fresh databases are copied from


def programs() -> Path | None:
    """The folder with all of PostgreSQL's programs: on the PATH, or Debian's newest."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        found.insert(0, Path(on_path).resolve().parent)
    for folder in found:
        if all((folder / program).exists() for program in PROGRAMS):
            return folder
    return None


def unprivileged() -> str | None:
    """Whom to run as: initdb refuses root. None is whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


class Postgres:
    """A server that listens on a unix socket in its own folder."""

    def __init__(self, bin_folder: Path, folder: Path) -> None:
        self.bin, self.folder, self.user = bin_folder, folder, unprivileged()
        self.data = folder / "data"
        if self.user:
            shutil.chown(folder, self.user)
        self.run("initdb", "-D", self.data, "-U", "loregate", "-A", "trust", "-E", "UTF8", "-N")

    def run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self.bin / program, *arguments],
            user=self.user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,  # not a pipe: the server would inherit and never close it
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            log = self.folder / "log"
            told = log.read_text()[-2000:] if log.exists() else ""
            raise RuntimeError(f"{program} ended with {done.returncode}\n{told}")

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://loregate@/{database}?host={self.folder}"

    @property
    def socket(self) -> str:
        return str(self.folder / ".s.PGSQL.5432")

    def start(self) -> None:
        options = f"{OPTIONS} -c unix_socket_directories={self.folder}"
        log = self.folder / "log"
        self.run("pg_ctl", "-D", self.data, "-l", log, "-o", options, "-w", "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """The server is there and says nothing: each of its processes is stopped by a signal."""
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        # The parent first, so that no child is born unnoticed.
        os.kill(first, signal.SIGSTOP)
        pids = [first, *_children(first)]
        for pid in pids[1:]:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                os.kill(pid, signal.SIGCONT)

    def create(self, name: str, template: str) -> str:
        self.run("createdb", "-h", self.folder, "-U", "loregate", "-T", template, name)
        return self.url(name)

    def drop(self, name: str) -> None:
        self.run("dropdb", "-h", self.folder, "-U", "loregate", "--force", name)


def _children(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(pid) for pid in found.split()]


def missing() -> str | None:
    """Why there can be no server here; None when there can."""
    if programs() is None:
        return "PostgreSQL's programs (initdb, pg_ctl, postgres) are not installed"
    if os.geteuid() == 0 and unprivileged() is None:
        return "PostgreSQL refuses to run as root, and there is no user postgres or nobody"
    return None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    found, reason = programs(), missing()
    if found is None or reason:
        pytest.fail(f"{reason}; `make test-servers` installs what it may")
    # Under the system's own folder, for a socket's path may have 107 bytes and pytest's are long.
    folder = Path(tempfile.mkdtemp(prefix="loregate-pg-"))
    try:
        server = Postgres(found, folder)
        server.start()
        try:
            migrate(server.create(MIGRATED, "template0"))
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Postgres) -> str:
    """A migrated database for the whole session; `postgres_database` is one for a single test."""
    return postgres_server.create("shared", MIGRATED)


_names = (f"test_{number}" for number in itertools.count())


@pytest.fixture
def empty_postgres(postgres_server: Postgres) -> Iterator[str]:
    """A database without any table."""
    name = next(_names)
    yield postgres_server.create(name, "template0")
    postgres_server.drop(name)


@pytest.fixture
def postgres_database(postgres_server: Postgres) -> Iterator[str]:
    """A fresh database, migrated."""
    name = next(_names)
    yield postgres_server.create(name, MIGRATED)
    postgres_server.drop(name)


@pytest.fixture
def sqlite_database(tmp_path: Path) -> str:
    """A fresh file, migrated."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'loregate.db'}"
    migrated(url)
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.servers)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database of either kind."""
    found: str = request.getfixturevalue(f"{request.param}_database")
    return found


if __name__ == "__main__":
    sys.exit(missing())
