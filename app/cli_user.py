"""`loregate user`: everything that is kept of a user, told or erased, with or without a gateway."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import orjson
import typer

from app.errors import DependencyUnavailable, InvalidRequest, SettingsError
from app.settings import Settings

if TYPE_CHECKING:
    from app.pipeline.user_data import UserData

cli = typer.Typer(help="A user's data: told, or erased.", no_args_is_help=True)
Sub = Annotated[str, typer.Argument(help="The user's id, as tokens have it in `sub`.")]


@cli.command()
def export(
    sub: Sub,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file, for its owner alone.")
    ] = None,
) -> None:
    """Write everything that is kept of the user: a JSON object a line, the last one is `end`."""

    async def run(to: IO[bytes]) -> None:
        async with _opened() as (data, _), aclosing(await data.told(sub)) as lines:
            async for line in lines:
                to.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    if output is None:
        asyncio.run(run(sys.stdout.buffer))
        return
    try:
        with output.open("wb") as file:
            output.chmod(0o600)
            asyncio.run(run(file))
    except OSError as error:
        raise SettingsError(f"{output} cannot be written: {error.strerror}") from None


@cli.command()
def erase(
    sub: Sub,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Erase everything that is kept of the user, in the database and in Redis.

    What was spent stays without the user's name. There is no way back; do it again where it says
    that a store could not be reached. Exit code 1 until all of it is done.
    """
    if not yes:
        typer.confirm(f"Erase everything that is kept of {sub}?", abort=True, err=True)

    async def run() -> dict[str, dict[str, int]]:
        async with _opened() as (data, own):
            found = await data.erase(sub)
            if own:
                await data.rewrite()
            return found

    removed = asyncio.run(run())
    if as_json:
        typer.echo(orjson.dumps({"erased": removed}))
        return
    for store, counts in removed.items():
        for name, count in counts.items():
            typer.echo(f"{store}\t{name.replace('_', ' ')}\t{count}")


@asynccontextmanager
async def _opened() -> AsyncIterator[tuple[UserData, bool]]:
    """The stores that the settings name, and whether the Valkey is `loregate dev`'s own.

    Raises `SettingsError` where one cannot be had, or nothing may be called so.
    """
    from app.events.log import EventLog
    from app.pipeline.user_data import UserData
    from app.redis.client import Redis
    from app.storage.store import Store

    settings = Settings.load(dev=True, env_file=Path(".env"))
    with _redis(settings) as url:
        redis, store = Redis(url), Store.open(settings.database)
        try:
            await store.check()
            log = EventLog(redis, partitions=settings.event_partitions)
            yield UserData(store, redis, log), settings.redis_url is None
        except (DependencyUnavailable, InvalidRequest) as error:
            raise SettingsError(error.message) from None
        finally:
            await store.close()
            await redis.close()


@contextmanager
def _redis(settings: Settings) -> Iterator[str]:
    """Its URL; the embedded server's where none is set, which is started unless it runs."""
    from app.embedded.valkey import running, start_valkey

    if settings.redis_url is not None:
        yield settings.redis_url.get_secret_value()
        return
    directory = settings.data_dir / "valkey"
    if (url := running(directory)) is not None:
        yield url
        return
    server = start_valkey(directory)
    try:
        yield server.url
    finally:
        server.stop()
