"""The server that carries the app: where it listens, how long it waits, one process or several."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
import time
from functools import partial
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from app.connections import Connections
from app.errors import SettingsError
from app.http_protocol import HttpProtocol
from app.settings import Settings
from app.websocket_protocol import WebSocketProtocol

TAKES_NOTHING = 30_000  # ms
GRACEFUL_TIMEOUT = 30  # s for what is in flight when the service stops
OWN_FILES = 2_000  # a process opens beside its callers' connections: models, Redis, database
KILL_TIMEOUT = 10.0  # s for a worker behind that: farewells take 3, a database that is silent 5

log = logging.getLogger(__name__)


def configuration(app: Any, settings: Settings) -> uvicorn.Config:
    """`app`: an ASGI app, or the import string of a function that makes one for each worker."""
    config = uvicorn.Config(app, factory=isinstance(app, str), **uvicorn_options(settings))
    config.workers = settings.workers
    allow_files(settings.connections + OWN_FILES)
    return config


def allow_files(count: int) -> None:
    """Let this process and its workers open so many, or as many as the system gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < count:
        log.warning("a process may open %d files; its connections may need %d", most, count)


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    proxies = settings.trusted_proxies
    connections = Connections(
        settings.connections, settings.connections_per_address, trusted=proxies
    )
    return {
        "host": settings.host,
        "port": settings.port,
        "loop": "uvloop",
        "http": partial(HttpProtocol, connections=connections),
        "ws": partial(WebSocketProtocol, connections=connections),
        # Who is not a proxy of ours is not believed, whatever it says of whom it speaks for.
        "proxy_headers": bool(proxies),
        "forwarded_allow_ips": list(proxies),
        "ws_max_size": 256 * 1024,
        "ws_per_message_deflate": False,  # 300 KB a socket, for events of 500 bytes
        # A timer a socket. All sockets here are pinged by one task (`app/open_streams.py`), every
        # 12 s; before that one may take 10 s to open.
        "ws_ping_interval": None,
        "timeout_keep_alive": 65,  # longer than the usual proxy's 60, or it writes into a close
        "timeout_graceful_shutdown": GRACEFUL_TIMEOUT,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "backlog": 2048,
    }


def listen(settings: Settings) -> socket.socket:
    """The listening socket. Raises `SettingsError` where it cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named, for asyncio sets TCP_NODELAY only then (`asyncio.base_events._set_nodelay`): without
    # it each answer in two writes waits 40 ms for the client's delayed acknowledgement.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        # ASGI cannot cut a connection off: the kernel does, when a client takes nothing.
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TAKES_NOTHING)
    try:
        found.bind((settings.host, settings.port))
    except OSError as error:
        found.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        raise SettingsError(
            f"LOREGATE_HOST and LOREGATE_PORT: {settings.host}:{settings.port} {why}"
        ) from None
    found.set_inheritable(True)
    return found


def address(listening: socket.socket) -> str:
    """Where a browser on this machine finds it, which cannot open the address that means any."""
    host, port = listening.getsockname()[:2]
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"


def run(config: uvicorn.Config, listening: socket.socket) -> None:
    """Serve until told to stop."""
    if config.workers > 1:
        Workers(config, sockets=[listening]).run()
        return
    server = uvicorn.Server(config)
    server.run(sockets=[listening])
    if not server.started:
        sys.exit(1)


class Workers(Multiprocess):
    """The processes of one service: one that dies or hangs is replaced, and none outlives it."""

    def join_all(self) -> None:
        """Return when all have ended: uvicorn would wait for ever for one that hangs."""
        end = time.monotonic() + (self.config.timeout_graceful_shutdown or 0) + KILL_TIMEOUT
        for worker in self.processes:
            worker.process.join(max(0.0, end - time.monotonic()))
            if worker.process.is_alive():
                log.warning("a worker hangs and is killed", extra={"pid": worker.pid})
                worker.process.kill()
            worker.process.join()


def worker() -> Any:
    """The app of one of several processes."""
    from app.main import create_app

    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    return create_app()


def _end_with(parent: Any) -> None:
    """Stop in good order when the parent was killed: nobody else would, and the port is held."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
