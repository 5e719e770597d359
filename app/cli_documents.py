"""`loregate documents`: adds to the list of trusted documents, shows it, and removes from it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from app.errors import DependencyUnavailable, SettingsError
from app.policies import manifests
from app.settings import REDIS, Settings

if TYPE_CHECKING:
    from app.policies.trusted_documents import DocumentList
    from resolvers.documents import Document

DOCUMENTS = (".graphql", ".gql")  # a file with another ending is a manifest

cli = typer.Typer(help="Trusted documents: what may run, by its id.", no_args_is_help=True)
Where = Annotated[
    str | None,
    typer.Option(
        "--list", help="`redis`, or a file; where LOREGATE_DOCUMENTS has it unless given."
    ),
]
Files = Annotated[list[Path], typer.Argument(help="Documents (.graphql, .gql) or manifests.")]
Ids = Annotated[list[str], typer.Argument(help="The documents' ids, as `list` shows them.")]


@cli.command()
def add(files: Files, where: Where = None) -> None:
    """Add the documents of these files, all or none; they must fit this version's schema."""
    texts: dict[str, str] = {}
    for path in files:
        for name, text in _texts(path).items():
            if texts.setdefault(name, text) != text:
                raise SettingsError(f"{path}: {name} stands in another file with another text")
    manifests.refuse(f"{name}: {said}" for name, said in _compiled(texts)[1].items())

    async def run() -> None:
        async with _opened(where) as listed:
            new = await listed.add(texts)
            typer.echo(f"{listed.name}: {new} added, {len(texts) - new} were there already")

    asyncio.run(run())


@cli.command("list")
def show(
    where: Where = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show the list; exit code 1 when a document does not fit this version's schema."""

    async def run() -> tuple[str, dict[str, str]]:
        async with _opened(where) as listed:
            return listed.name, await listed.read()

    name, texts = asyncio.run(run())
    found, problems = _compiled(texts)
    if as_json:
        typer.echo(orjson.dumps({"list": name, "documents": _facts(texts, found, problems)}))
    elif not texts:
        typer.echo(f"{name}: no documents; `loregate documents add FILE` adds some")
    else:
        for line in _table(texts, found, problems):
            typer.echo(line)
    if problems:
        sys.exit(1)


@cli.command()
def remove(ids: Ids, where: Where = None) -> None:
    """Remove the documents of these ids, all or none."""
    names = list(dict.fromkeys(map(manifests.bare, ids)))

    async def run() -> None:
        async with _opened(where) as listed:
            try:
                await listed.remove(names)
            except LookupError as missing:
                raise SettingsError(
                    f"{listed.name}: no document has the id {missing.args[0]}, and none was "
                    "removed; `loregate documents list` shows all"
                ) from None
            typer.echo(f"{listed.name}: {len(names)} removed")

    asyncio.run(run())


def _texts(path: Path) -> dict[str, str]:
    """A file's documents by their ids. Raises `SettingsError`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    if path.suffix not in DOCUMENTS:
        return manifests.read(content, str(path))
    try:
        text = content.decode().strip()  # an editor's last line break is no part of it
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: not UTF-8") from None
    name = manifests.sha256(text)
    if said := manifests.wrong(name, text):
        raise SettingsError(f"{path}: {said}")
    return {name: text}


def _compiled(texts: Mapping[str, str]) -> tuple[dict[str, Document], dict[str, str]]:
    """The documents by their ids, and by their ids why others do not fit the schema."""
    from resolvers import schema, trusted_documents  # import the whole service

    return trusted_documents.listed(trusted_documents.reader(schema.build()), texts)


def _facts(
    texts: Mapping[str, str], found: Mapping[str, Document], problems: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The same as JSON has it."""
    from resolvers.trusted_documents import operations_of

    return [
        {
            "id": name,
            "characters": len(text),
            "operations": operations_of(found[name]) if name in found else None,
            "problem": problems.get(name),
        }
        for name, text in sorted(texts.items())
    ]


def _table(
    texts: Mapping[str, str], found: Mapping[str, Document], problems: Mapping[str, str]
) -> Iterator[str]:
    """A line a document: its id, its characters, its operations or what is wrong with it."""
    from resolvers.trusted_documents import operations_of

    width = max(map(len, texts), default=0)
    for name, text in sorted(texts.items()):
        said = f"does not fit the schema: {problems[name]}" if name in problems else None
        yield f"{name:{width}}  {len(text):>6}  {said or operations_of(found[name])}"


@asynccontextmanager
async def _opened(where: str | None) -> AsyncIterator[DocumentList]:
    """The list. Raises `SettingsError` when it is nowhere, or when Redis cannot be reached."""
    from app.document_wiring import document_list
    from app.main import redis_url
    from app.redis.client import Redis

    settings = Settings.load(dev=True, env_file=Path(".env"))
    if where is None and settings.documents.mode == "off":
        raise SettingsError(
            "LOREGATE_DOCUMENTS is off; set it, such as log:documents.json or enforce:redis, or "
            "say with --list where the documents are"
        )
    redis: Redis | None = None
    place = where or settings.documents.where
    if place == REDIS:
        redis = Redis(redis_url(settings))
    try:
        yield document_list(place, redis)
    except DependencyUnavailable:
        why = redis and await redis.check()
        raise SettingsError(f"Redis cannot be used now: {why or 'it refused'}") from None
    finally:
        if redis is not None:
            await redis.close()
