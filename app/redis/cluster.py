"""Cluster: redis-py's cluster client, kept from making one node's fault every node's.

As it comes, it looks for the keys of XREAD by asking one fixed node, reads the topology within
whichever request needs it, hangs there on a node that says nothing, and closes every connection
after five slots have moved. Nothing here retries: whoever calls decides.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.crc import key_slot
from redis.exceptions import MovedError, RedisClusterException

START_TIMEOUT = (
    2.0  # s in which the topology is read; whoever waits for it has a time-out of its own
)
TOPOLOGY_INTERVAL = (
    5.0  # s between looks for another topology while a node is away: each takes 6 ms
)
MAX_TRIED = 4_096  # keys until one is found that a node has; of 100 masters 100 are tried
SEVERAL = frozenset(("MGET", "DEL", "EXISTS", "UNLINK"))
SECOND = frozenset(("XGROUP", "XINFO", "OBJECT"))
STREAMS = frozenset(("XREAD", "XREADGROUP"))


class Keys:
    """Where the keys stand in the commands that we send; redis-py would ask a server."""

    async def initialize(self, _: Any) -> None:
        """Nothing to learn: redis-py's parser reads a table of all commands for 6 ms."""

    async def get_keys(self, *command: Any) -> tuple[Any, ...]:
        name = str(command[0]).upper()
        if name in STREAMS:
            words = [w.upper() if isinstance(w, str) else w for w in command]
            behind = command[words.index("STREAMS") + 1 :]
            return behind[: len(behind) // 2]
        if name in SEVERAL:
            return command[1:]
        return command[2:3] if name in SECOND else command[1:2]


class Stack(deque[Any]):
    """A node's free connections, the last used first: so ASKING and what it allows share one."""

    def popleft(self) -> Any:
        return self.pop()


class Cluster(RedisCluster):
    """`RedisCluster`, whose topology is read by a task of its own, from nodes that answer."""

    def __init__(self, **options: Any) -> None:
        # A moved slot is noted by itself; to begin anew would cut off what is under way elsewhere.
        super().__init__(reinitialize_steps=0, **options)
        self.commands_parser: Any = Keys()
        self._starting: asyncio.Task[None] | None = None
        self._looked = 0.0
        self.elder: Cluster | None = None  # another client of the cluster, which may know of more

    # -- the topology
    async def initialize(self, *_: Any, **__: Any) -> Cluster:
        """The topology known. It goes on being read when whoever waits for it has left."""
        if self._initialize:
            if self._starting is None or self._starting.done():
                self._starting = asyncio.create_task(self._start(), name="redis-topology")
                self._starting.add_done_callback(_heard)
            await asyncio.shield(self._starting)
        return self

    async def _start(self) -> None:
        known = dict(self.nodes_manager.startup_nodes)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await self._leave_silent_nodes()
                await super().initialize()
        except BaseException:
            self.nodes_manager.startup_nodes = known
            raise
        for node in self.nodes_manager.nodes_cache.values():
            if not isinstance(node._free, Stack):
                node._free = Stack(node._free, node.max_connections)

    async def _leave_silent_nodes(self) -> None:
        """Ask only those for the topology that answer now; afterwards all are known again."""
        nodes = dict(self.nodes_manager.startup_nodes)
        for name, node in self.elder.nodes_manager.nodes_cache.items() if self.elder else ():
            if name not in nodes:
                nodes[name] = ClusterNode(node.host, node.port, **self.connection_kwargs)
        asked = {asyncio.create_task(n.execute_command("PING")): n for n in nodes.values()}
        left: set[asyncio.Task[Any]] = set(asked)
        found: list[Any] = []
        try:
            while left and not found:
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                found = [asked[task] for task in done if task.exception() is None]
        finally:
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        for name, node in nodes.items():
            if node not in found and name not in self.nodes_manager.startup_nodes:
                await node.disconnect()
        if found:
            self.nodes_manager.startup_nodes = {node.name: node for node in found}

    def look_again(self) -> None:
        """Have the topology read before the next command, unless that was done just now."""
        if time.monotonic() - self._looked > TOPOLOGY_INTERVAL:
            self._looked, self._initialize = time.monotonic(), True

    async def aclose(self) -> None:
        """Close every connection. Also called by redis-py, when the whole cluster is down."""
        if self._starting is not None and not self._starting.done():
            await asyncio.wait({self._starting})
        await super().aclose()
        await self.nodes_manager.aclose()
        await self.nodes_manager.aclose("startup_nodes")

    # -- its nodes
    def owner(self, key: str) -> str:
        """The name of the node that has the key; empty while no topology is known."""
        nodes = self.nodes_manager.slots_cache.get(key_slot(key.encode()))
        return nodes[0].name if nodes else ""

    def connection_to(self, name: str) -> Callable[[], AbstractConnection]:
        """What makes a connection to the node, not open yet."""

        def make() -> AbstractConnection:
            if (node := self.nodes_manager.nodes_cache.get(name)) is None:
                raise RedisClusterException("the node has left the cluster")
            return node.connection_class(**node.connection_kwargs)

        return make

    @property
    def masters(self) -> set[str]:
        return {node.name for node in self.get_primaries()}

    async def probe(self, name: str, key: str) -> None:
        """Return when the node takes a write, or is none of the cluster's any more."""
        node = self.get_node(node_name=name) if name else None
        try:
            if node is not None:
                await node.execute_command("SET", key, "1", "PX", 1000)
            elif not name:
                await self.execute_command("SET", key, "1", "PX", 1000)
        except MovedError:
            return  # it takes writes, and the key is another's now

    async def probe_all(self) -> None:
        """Return when every master has taken a write. Raises what the first that fails raises."""
        await self.initialize()
        if not (masters := self.masters):
            raise RedisClusterException("no master is known")
        try:
            async with asyncio.TaskGroup() as group:
                for name in masters:
                    group.create_task(self.probe(name, self._key_of(name)))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    def _key_of(self, name: str) -> str:
        """A key that the node has; of three masters every third number leads to it. One without
        slots has none, and answers whatever it is asked that they are another's."""
        keys = (f"loregate:check:{n}" for n in range(MAX_TRIED))
        return next((key for key in keys if self.owner(key) == name), "loregate:check")


def _heard(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # whoever waited has it; if all have left, nobody needs it
