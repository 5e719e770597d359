"""A Redis Cluster of the tests' own: three masters on loopback ports, perhaps with a replica each,
and what may befall them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.crc import key_slot

from app.embedded.valkey import EmbeddedValkey, start_valkey

SLOTS = 16_384
MASTERS = 3
NODE_TIMEOUT = 1_000  # ms until the others call a silent master dead
BUS = 10_000  # the servers talk to each other on another port each, this much higher by default
START = 20.0  # s; a start takes about 2


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on, all unlike."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


class Node:
    """One server. Its cluster file outlives it: a node that comes back is the same one."""

    def __init__(self, folder: Path, port: int, bus: int, *, whole: bool) -> None:
        self.folder, self.port = folder, port
        self.options = [
            *("--port", str(port), "--bind", "127.0.0.1", "--cluster-port", str(bus)),
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT)),
            *("--cluster-require-full-coverage", "yes" if whole else "no"),
            *("--repl-diskless-sync-delay", "0"),  # s; by default a replica waits 5 for others
        ]
        self.bus, self.lives = bus, True
        self.server = self._start()

    def _start(self) -> EmbeddedValkey:
        return start_valkey(self.folder, persist=False, extra=self.options)

    @property
    def url(self) -> str:
        """The whole cluster's, for who asks this one for the way."""
        return f"redis+cluster://127.0.0.1:{self.port}/"

    @contextlib.contextmanager
    def asked(self) -> Iterator[Redis]:
        with Redis(port=self.port, socket_timeout=5) as found:
            yield found

    @property
    def id(self) -> str:
        with self.asked() as redis:
            return str(redis.execute_command("CLUSTER MYID").decode())

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """It is there and says nothing."""
        os.kill(self.server.pid, signal.SIGSTOP)
        self.lives = False
        try:
            yield
        finally:
            os.kill(self.server.pid, signal.SIGCONT)
            self.lives = True

    @contextlib.contextmanager
    def killed(self) -> Iterator[None]:
        """It is gone; it comes back without its data."""
        self.server.kill()
        self.lives = False
        try:
            yield
        finally:
            self.server, self.lives = self._start(), True

    def linked(self) -> bool:
        """Whether it is a replica that has all that its master had."""
        try:
            with self.asked() as redis:
                role = redis.execute_command("ROLE")
        except OSError:
            return False
        return bool(role[0] == b"slave" and role[3] == b"connected")


class Cluster:
    """Three masters that share the slots evenly. `whole`: they serve together or not at all.

    `replicated`: each has a replica, which takes its place when it dies.
    """

    def __init__(self, folder: Path, *, whole: bool = False, replicated: bool = False) -> None:
        count = 2 * MASTERS if replicated else MASTERS
        ports = free_ports(2 * count)
        self.nodes: list[Node] = []
        try:
            for n, (port, bus) in enumerate(zip(ports[::2], ports[1::2], strict=True)):
                self.nodes.append(Node(folder / str(n), port, bus, whole=whole))
            self._join()
            self.wait()
            self._replicate()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        return self.nodes[0].url

    def _join(self) -> None:
        first = self.nodes[0]
        for n, node in enumerate(self.nodes):
            with node.asked() as redis:
                slots = n * SLOTS // MASTERS, (n + 1) * SLOTS // MASTERS - 1
                if n < MASTERS:
                    redis.execute_command("CLUSTER ADDSLOTSRANGE", *slots)
                redis.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
                if node is not first:
                    redis.execute_command("CLUSTER MEET", "127.0.0.1", first.port, first.bus)

    def _replicate(self) -> None:
        replicas = self.nodes[MASTERS:]
        for master, replica in zip(self.nodes, replicas, strict=False):
            with replica.asked() as redis:
                redis.execute_command("CLUSTER REPLICATE", master.id)
        _wait(lambda: all(node.linked() for node in replicas))
        self.wait()

    def wait(self) -> None:
        """Until every node sees the whole cluster, and sees it well."""
        _wait(lambda: all(self._sound(node) for node in self.nodes))

    async def sound(self) -> None:
        await asyncio.to_thread(self.wait)

    def _sound(self, node: Node) -> bool:
        try:
            with node.asked() as redis:
                info = redis.execute_command("CLUSTER INFO")
        except OSError:
            return False
        found = (
            info
            if isinstance(info, dict)
            else dict(line.split(":", 1) for line in info.decode().split())
        )
        wanted = {
            "cluster_state": "ok",
            "cluster_known_nodes": str(len(self.nodes)),
            "cluster_slots_ok": str(SLOTS),
        }
        return wanted.items() <= found.items()

    def owner(self, key: str) -> Node:
        """Who has the key's slot now, in the eyes of the first that lives."""
        with next(node for node in self.nodes if node.lives).asked() as redis:
            ranges = redis.execute_command("CLUSTER SLOTS")
        slot = key_slot(key.encode())
        [port] = [master[1] for low, high, master, *_ in ranges if low <= slot <= high]
        return next(node for node in self.nodes if node.port == port)

    def elsewhere(self, *keys: str) -> Node:
        """A node that has none of these keys' slots."""
        owners = [self.owner(key) for key in keys]
        return next(node for node in self.nodes if node not in owners)

    def move(self, key: str, to: Node) -> None:
        """Migrate the key's slot with all that stands in it, as a resharding does."""
        with self.moving(key, to):
            pass

    @contextlib.contextmanager
    def moving(self, key: str, to: Node) -> Iterator[None]:
        """The slot is on its way in the block, and has moved behind it."""
        slot, old = key_slot(key.encode()), self.owner(key)
        with old.asked() as source, to.asked() as target:
            target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", old.id)
            source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", to.id)
            yield
            while keys := source.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
                source.execute_command("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", *keys)
            target.execute_command("CLUSTER SETSLOT", slot, "NODE", to.id)
            source.execute_command("CLUSTER SETSLOT", slot, "NODE", to.id)
            for node in self.nodes:
                with node.asked() as redis:
                    redis.execute_command("CLUSTER SETSLOT", slot, "NODE", to.id)

    def empty(self) -> None:
        for node in self.nodes:
            with node.asked() as redis:
                redis.flushall()

    def stop(self) -> None:
        for node in self.nodes:
            node.server.kill()


def _wait(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + START
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError("the cluster does not become sound")
        time.sleep(0.02)


@contextlib.contextmanager
def clusters(*, whole: bool = False, replicated: bool = False) -> Iterator[Cluster]:
    """A cluster until the block ends."""
    # Under the system's own folder, for a socket's path may have 107 bytes and pytest's are long.
    folder = Path(tempfile.mkdtemp(prefix="loregate-cluster-"))
    try:
        cluster = Cluster(folder, whole=whole, replicated=replicated)
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    with clusters() as found:
        yield found


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    """A sound cluster without data. Each of its masters serves its slots without the others."""
    shared_cluster.wait()
    shared_cluster.empty()
    return shared_cluster
