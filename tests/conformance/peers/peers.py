"""Peers: where other servers fall short, measured by the suite and printed as README.md has it.

`python -m tests.conformance.peers.peers`; the packages of package.json are installed with npm.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path

from tests.support import conformance
from tests.support.conformance import Outcomes
from tests.support.npm_clients import INSTALL

FOLDER = Path(__file__).parent
INIT_TIMEOUT = 1.0  # s, which both peers are set to
LONGEST = 70  # characters of a cell
SCHEMA = {  # what both peers serve
    "query": "{ hello }",
    "mutation": "mutation { touch }",
    "subscription": "subscription { silent }",
    "subscription_that_ends": "subscription { count }",
    "slow_query": "{ slow }",
    "failing_query": "{ failing }",
    "failing_subscription": "subscription { failing }",
    "rejected_init": {"reject": True},
    "crashing_init": {"crash": True},
}


@contextlib.asynccontextmanager
async def served(*command: str | Path, cwd: Path = FOLDER) -> AsyncIterator[str]:
    """The address of a peer, until the block ends. What it logs is dropped."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        if not line:
            raise RuntimeError(f"{command} did not start")
        yield line.decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def strawberry() -> contextlib.AbstractAsyncContextManager[str]:
    return served(sys.executable, FOLDER / "strawberry_asgi.py")


@contextlib.asynccontextmanager
async def graphql_ws() -> AsyncIterator[str]:
    """npm's server, in a folder of its own with its packages."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "graphql_ws.mjs"):
            shutil.copy(FOLDER / name, folder)
        await asyncio.to_thread(
            subprocess.run, INSTALL, cwd=folder, capture_output=True, check=True
        )
        async with served("node", "graphql_ws.mjs", cwd=Path(folder)) as url:
            yield url


async def measured(peer: contextlib.AbstractAsyncContextManager[str]) -> Outcomes:
    async with peer as url:
        return await conformance.run(url, init_timeout=INIT_TIMEOUT, jobs=8, **SCHEMA)


def names() -> tuple[str, str]:
    packages = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    here = f"Strawberry {version('strawberry-graphql')}, uvicorn {version('uvicorn')}"
    return f"graphql-ws {packages['graphql-ws']}, ws {packages['ws']}", here


def _group(identity: str) -> tuple[str, str]:
    """A case's id without its variant, and the variant."""
    family, name, *variant = identity.split("/")
    return f"{family}/{name}", "".join(variant)


def cells(found: Outcomes) -> dict[str, str]:
    """By case: which variants failed, and how the first of them did."""
    failed: dict[str, dict[str, str]] = defaultdict(dict)
    for outcome in found:
        if outcome["status"] == "failed":
            case, variant = _group(outcome["id"])
            failed[case][variant] = outcome["reason"].replace("|", "/").replace("\n", " ")
    return {case: _cell(variants) for case, variants in failed.items()}


def _cell(variants: dict[str, str]) -> str:
    words, reason = ", ".join(filter(None, variants)), next(iter(variants.values()))
    shortened = reason if len(reason) <= LONGEST else f"{reason[:LONGEST]}…"
    return f"{words}: `{shortened}`" if words else f"`{shortened}`"


def table(*peers: Outcomes) -> str:
    """Markdown: the cases that one of the peers fails, in the order of their ids."""
    columns = [cells(found) for found in peers]
    levels = {_group(o["id"])[0]: o["level"] for o in peers[0]}
    failed = sorted(set().union(*columns))
    head = ["case", "level", *names()]
    rows = [head, ["---"] * len(head)]
    rows += [[c, levels[c], *(column.get(c, "passes") for column in columns)] for c in failed]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


async def main() -> None:
    print(table(await measured(graphql_ws()), await measured(strawberry())))


if __name__ == "__main__":
    asyncio.run(main())
