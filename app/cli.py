"""The command `loregate`, and those of its commands that stand in no module of their own."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import webbrowser
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.errors import DependencyUnavailable, SettingsError
from app.terminal.commands import LazyGroup

if TYPE_CHECKING:
    from app.settings import Settings

log = logging.getLogger(__name__)

# Nothing else is imported before a command needs it: the service takes seconds on a busy machine,
# and `loregate write` is waited for.

# s, with `--faulty`: two models that both take all of it leave an answer within 10.
SHORT_TIMEOUTS = {"model_timeout": 4.5, "first_token_timeout": 1.5, "stall_timeout": 1.5}


class Commands(LazyGroup):
    """Those of this module, and those that stand in their own."""

    modules = {
        "write": "app.cli_write",
        "events": "app.cli_events",
        "limits": "app.cli_limits",
        "usage": "app.cli_usage",
        "doctor": "app.cli_doctor",
        "documents": "app.cli_documents",
        "user": "app.cli_user",
        "ratings": "app.cli_ratings",
    }


cli = typer.Typer(
    cls=Commands,
    help="A GraphQL gateway that writes Dungeons & Dragons content with language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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
    port: Annotated[
        int | None, typer.Option(help="LOREGATE_PORT unless given; 0 is any.", min=0, max=65_535)
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the first page in a browser.")
    ] = False,
) -> None:
    """Serve with everything embedded: Valkey, SQLite, the storyteller, and a token to try it."""
    from pydantic import SecretStr

    from app import server
    from app.cli_token import developer
    from app.embedded.defaults import data_directory, development_key, development_secret
    from app.embedded.valkey import start_valkey
    from app.fake_openai.fault_deck import serving
    from app.main import create_app
    from app.observe import logs
    from app.settings import Settings

    chosen = {} if port is None else {"port": port}
    settings = Settings.load(dev=True, env_file=Path(".env"), **chosen)
    if faulty:
        settings = with_short_timeouts(settings)
    logs.configure(settings.log_level, settings.log_format)
    directory = data_directory(settings.data_dir)
    given: dict[str, Any] = {"workers": 1}
    if not (settings.jwt_secret or settings.jwt_public_key or settings.jwt_jwks_url):
        given["jwt_secret"] = (SecretStr(development_secret(directory)),)
    listening = server.listen(settings)
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
        app = create_app(settings, development_token=developer(settings))
        url = server.address(listening)
        _announce(settings, url, valkey=own, faulty=faulty)
        if open_browser:
            listening.listen()  # the browser is let in when the server begins
            threading.Thread(target=_open, args=(url,), daemon=True).start()
        server.run(server.configuration(app, settings), listening)


def with_short_timeouts(settings: Settings) -> Settings:
    """Settings for models that fail: nobody waits long, unless the times were set.

    Raises:
        SettingsError: a provider is set, which `--faulty` would have to replace.
    """
    if settings.openai_base_url is not None:
        raise SettingsError("OPENAI_BASE_URL is set; unset it for `--faulty`, which brings its own")
    times = {n: s for n, s in SHORT_TIMEOUTS.items() if n not in settings.model_fields_set}
    return settings.model_copy(update=times)


def _open(url: str) -> None:
    """In a thread of its own: a browser on the terminal is waited for."""
    if not webbrowser.open(url):
        typer.echo(f"loregate: there is no browser to open {url}", err=True)


def _announce(settings: Settings, url: str, *, valkey: str | None, faulty: bool) -> None:
    from app.cli_token import developer
    from app.embedded import banner

    sign = developer(settings)
    pages = {"console": bool(settings.console), "graphiql": bool(settings.graphiql)}
    typer.echo(banner.text(url, sign and sign(), **pages, valkey=valkey, faulty=faulty))


@cli.command()
def serve(
    workers: Annotated[
        int | None, typer.Option(help="Processes; LOREGATE_WORKERS unless given.", min=1)
    ] = None,
) -> None:
    """Serve in production: nothing embedded, everything from the environment."""
    from app import server
    from app.embedded.defaults import data_directory
    from app.observe import logs
    from app.settings import Settings

    if workers is not None:
        os.environ["LOREGATE_WORKERS"] = str(workers)  # each worker reads it for its share
    settings = Settings.load()
    logs.configure(settings.log_level, settings.log_format)
    if settings.database_url is None:
        data_directory(settings.data_dir)
    asyncio.run(preflight(settings))
    config = server.configuration("app.server:worker", settings)
    with TemporaryDirectory(prefix="loregate-metrics-") as directory:
        if settings.workers > 1:  # through which a scrape of one worker sees all
            os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", directory)
        server.run(config, server.listen(settings))


async def preflight(settings: Settings) -> None:
    """What would keep every worker from serving, told once. Raises `SettingsError`."""
    from app import document_wiring
    from app.main import cache_ttls, redis_url
    from app.model_wiring import model_rows
    from app.policy_wiring import authenticator, canaries
    from app.redis.client import Redis
    from app.storage.store import Store

    await Redis(redis_url(settings)).close()
    await authenticator(settings).close()
    cache_ttls(settings)
    model_rows(settings)
    canaries(settings)
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
    warn_of_any_issuer(settings)


def warn_of_any_issuer(settings: Settings) -> None:
    """Say which of a token's claims nobody looks at: whoever has the same keys may have signed it,
    for another service."""
    checked = {
        "LOREGATE_JWT_ISSUER": settings.jwt_issuer,
        "LOREGATE_JWT_AUDIENCE": settings.jwt_audience,
    }
    if unset := [name for name, value in checked.items() if not value]:
        names = " and ".join(unset)
        log.warning("%s not set: tokens of any issuer or for any service are taken", names)


@cli.command()
def token(
    sub: Annotated[str, typer.Option(help="Whom the token is for.")],
    permission: Annotated[
        list[str] | None, typer.Option(help="A permission, such as text:generate; may be repeated.")
    ] = None,
    tier: Annotated[str, typer.Option(help="The rate-limit tier.")] = "standard",
    ttl: Annotated[int, typer.Option(help="Seconds until it ends.", min=1)] = 3600,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with its claims.")] = False,
) -> None:
    """Print a token, signed with the configured secret or private key."""
    from app import cli_token
    from app.settings import Settings

    settings = cli_token.with_secret(Settings.load(dev=True, env_file=Path(".env")))
    found = cli_token.signed(settings, sub, permission or [], tier, ttl)
    typer.echo(cli_token.as_json(found) if as_json else found)


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
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print the table of models; with --check also what each of them answers, and its price."""
    from app import cli_models
    from app.settings import Settings

    settings = Settings.load(dev=True, env_file=Path(".env"))
    if not cli_models.show(settings, ask=check, as_json=as_json):
        sys.exit(1)


@cli.command()
def migrate() -> None:
    """Bring the database to the newest revision."""
    from app.settings import Settings

    settings = Settings.load()
    typer.echo(f"the database is at revision {migrated(settings)}")


def migrated(settings: Settings) -> str:
    """The revision that the database is at now. Raises `SettingsError`."""
    from app.embedded.defaults import data_directory
    from app.storage.migrate import migrate as bring_up

    if settings.database_url is None:
        data_directory(settings.data_dir)
    return bring_up(settings.database)


if __name__ == "__main__":
    main()
