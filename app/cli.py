"""The command `loregate`: dev, serve, token, schema, models, documents, migrate."""

from __future__ import annotations

import asyncio
import errno
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
import uvicorn
from pydantic import SecretStr
from uvicorn.supervisors import Multiprocess

from app import cli_documents
from app.caller import PERMISSIONS
from app.embedded import banner
from app.embedded.defaults import data_directory, development_key, development_secret
from app.embedded.valkey import start_valkey
from app.errors import DependencyUnavailable, SettingsError
from app.fake_openai.fault_deck import serving
from app.observe import logs
from app.policies.keys import sign
from app.settings import Settings

DAY = 86_400  # s
TAKES_NOTHING = 30_000  # ms
GRACEFUL_TIMEOUT = 30  # s for what is in flight when the service stops
KILL_TIMEOUT = 10.0  # s for a worker behind that: farewells take 3, a database that is silent 5
# s, with `--faulty`: two models that both take all of it leave an answer within 10.
SHORT_TIMEOUTS = {"model_timeout": 4.5, "first_token_timeout": 1.5, "stall_timeout": 1.5}

log = logging.getLogger(__name__)
cli = typer.Typer(
    help="A GraphQL gateway that writes Dungeons & Dragons content with language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(cli_documents.cli, name="documents")


def main() -> None:
    """The entry point: what stops a start is one clear line, and exit code 1."""
    try:
        cli()
    except SettingsError as error:
        typer.echo(f"loregate: {error}", err=True)
        sys.exit(1)


@cli.command()
def dev(
    faulty: Annotated[
        bool, typer.Option("--faulty", help="Models that fail in every way, to see what follows.")
    ] = False,
) -> None:
    """Serve with everything embedded: Valkey, SQLite, the storyteller, and a token to try it."""
    from app.main import create_app  # imports the whole service, which `token` does not need

    settings = Settings.load(dev=True, env_file=Path(".env"))
    if faulty:
        settings = with_short_timeouts(settings)
    logs.configure(settings.log_level, settings.log_format)
    directory = data_directory(settings.data_dir)
    given: dict[str, Any] = {"workers": 1}
    if not (settings.jwt_secret or settings.jwt_public_key or settings.jwt_jwks_url):
        given["jwt_secret"] = (SecretStr(development_secret(directory)),)
    listening = listen(settings)
    own: str | None = None
    with ExitStack() as embedded:
        if settings.redis_url is None:
            valkey = start_valkey(directory / "valkey")
            embedded.callback(valkey.stop)
            own = valkey.url
            given["redis_url"] = SecretStr(own)
        if settings.key is None:
            given["key"] = SecretStr(development_key(directory))
        if faulty:
            given["openai_base_url"] = embedded.enter_context(serving())
        settings = settings.model_copy(update=given)
        migrated(settings)
        app = create_app(settings, development_token=token_signer(settings))
        _announce(settings, listening, valkey=own, faulty=faulty)
        run(uvicorn.Config(app, **uvicorn_options(settings)), listening)


def with_short_timeouts(settings: Settings) -> Settings:
    """Settings for models that fail: nobody waits long, unless the times were set.

    Raises:
        SettingsError: a provider is set, which `--faulty` would have to replace.
    """
    if settings.openai_base_url is not None:
        raise SettingsError("OPENAI_BASE_URL is set; unset it for `--faulty`, which brings its own")
    times = {n: s for n, s in SHORT_TIMEOUTS.items() if n not in settings.model_fields_set}
    return settings.model_copy(update=times)


def _announce(
    settings: Settings, listening: socket.socket, *, valkey: str | None, faulty: bool
) -> None:
    sign = token_signer(settings)
    host, port = listening.getsockname()[:2]
    url = f"http://{host}:{port}"
    typer.echo(banner.text(url, sign and sign(), valkey=valkey, faulty=faulty))


def token_signer(settings: Settings) -> Callable[[], str] | None:
    """Signs tokens of a developer with every permission, for a day; None without a key to sign."""
    if not (settings.jwt_secret or settings.jwt_private_key):
        return None
    return partial(signed, settings, "developer", list(PERMISSIONS), "standard", DAY)


@cli.command()
def serve(
    workers: Annotated[
        int | None, typer.Option(help="Processes; LOREGATE_WORKERS unless given.", min=1)
    ] = None,
) -> None:
    """Serve in production: nothing embedded, everything from the environment."""
    if workers is not None:
        os.environ["LOREGATE_WORKERS"] = str(workers)  # each worker reads it for its share
    settings = Settings.load()
    logs.configure(settings.log_level, settings.log_format)
    if settings.database_url is None:
        data_directory(settings.data_dir)
    asyncio.run(preflight(settings))
    config = uvicorn.Config("app.cli:worker", factory=True, **uvicorn_options(settings))
    config.workers = settings.workers
    with TemporaryDirectory(prefix="loregate-metrics-") as directory:
        if settings.workers > 1:  # through which a scrape of one worker sees all
            os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", directory)
        run(config, listen(settings))


async def preflight(settings: Settings) -> None:
    """What would keep every worker from serving, told once. Raises `SettingsError`."""
    from app import document_wiring
    from app.main import authenticator, cache_ttls, redis_url
    from app.model_wiring import model_rows
    from app.redis.client import Redis
    from app.storage.store import Store

    await Redis(redis_url(settings)).close()
    await authenticator(settings).close()
    cache_ttls(settings)
    model_rows(settings)
    document_wiring.check(settings)
    store = Store.open(settings.database)
    try:
        await store.check()
    except DependencyUnavailable:
        typer.echo(
            "loregate: the database cannot be reached now; serving begins, and /health says so",
            err=True,
        )
    finally:
        await store.close()


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    return {
        "host": settings.host,
        "port": settings.port,
        "loop": "uvloop",
        "http": "httptools",
        "ws": "websockets-sansio",
        "ws_max_size": 256 * 1024,
        "ws_per_message_deflate": False,  # 300 KB a socket, for events of 500 bytes
        "ws_ping_interval": 20.0,
        "ws_ping_timeout": 20.0,
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
    found = socket.socket(family)
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


@cli.command()
def token(
    sub: Annotated[str, typer.Option(help="Whom the token is for.")],
    permission: Annotated[
        list[str] | None, typer.Option(help="A permission, such as text:generate; may be repeated.")
    ] = None,
    tier: Annotated[str, typer.Option(help="The rate-limit tier.")] = "standard",
    ttl: Annotated[int, typer.Option(help="Seconds until it ends.", min=1)] = 3600,
) -> None:
    """Print a token, signed with the configured secret or private key."""
    settings = Settings.load(dev=True, env_file=Path(".env"))
    if not settings.jwt_secret and not settings.jwt_private_key:
        secret = settings.data_dir / "jwt-secret"
        if not secret.exists():
            raise SettingsError(
                "nothing to sign with: set LOREGATE_JWT_SECRET or LOREGATE_JWT_PRIVATE_KEY, "
                "or run `loregate dev` once, which makes a secret for development"
            )
        settings = settings.model_copy(
            update={"jwt_secret": (SecretStr(development_secret(settings.data_dir)),)}
        )
    typer.echo(signed(settings, sub, permission or [], tier, ttl))


def signed(settings: Settings, sub: str, permissions: list[str], tier: str, ttl: int) -> str:
    """A token of this gateway's own."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "sub": sub,
        "iat": now,
        "exp": now + ttl,
        "type": "access",
        "permissions": permissions,
        "tier": tier,
    }
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    if settings.jwt_private_key:
        return sign(claims, private_key=settings.jwt_private_key.get_secret_value())
    return sign(claims, secret=settings.jwt_secret[0].get_secret_value())


@cli.command()
def schema(
    check: Annotated[
        bool, typer.Option("--check", help="Fail when schema.graphql differs.")
    ] = False,
) -> None:
    """Print the GraphQL schema."""
    from resolvers.schema import build

    printed = build().as_str() + "\n"
    if not check:
        typer.echo(printed, nl=False)
        return
    path = Path("schema.graphql")
    if not path.exists() or path.read_text() != printed:
        raise SettingsError(
            "schema.graphql differs from the code; run `loregate schema > schema.graphql`"
        )
    typer.echo("schema.graphql is the code's schema")


@cli.command()
def models(
    check: Annotated[
        bool, typer.Option("--check", help="Ask each for a short text and a small schema.")
    ] = False,
) -> None:
    """Print the table of models; with --check also what each of them answers, and its price."""
    from app import cli_models

    settings = Settings.load(dev=True, env_file=Path(".env"))
    typer.echo(cli_models.table(settings))
    if not check:
        return
    typer.echo("")
    well = True
    for good, line in asyncio.run(cli_models.check(settings)):
        typer.echo(line)
        well = well and good
    if not well:
        sys.exit(1)


@cli.command()
def migrate() -> None:
    """Bring the database to the newest revision."""
    settings = Settings.load()
    typer.echo(f"the database is at revision {migrated(settings)}")


def migrated(settings: Settings) -> str:
    """The revision that the database is at now. Raises `SettingsError`."""
    from app.storage.migrate import migrate as bring_up

    if settings.database_url is None:
        data_directory(settings.data_dir)
    return bring_up(settings.database)


if __name__ == "__main__":
    main()
