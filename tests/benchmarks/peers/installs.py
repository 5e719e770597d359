"""Where the peers come from: PyPI and npm, into a folder beside the repository.

`LOREGATE_PEERS` names the folder; it is `loregate-peers` in the temporary folder otherwise. What is
there is not installed again: delete it for newer versions.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

PEERS = Path(os.environ.get("LOREGATE_PEERS", Path(tempfile.gettempdir()) / "loregate-peers"))
PATIENCE = 900  # s for one command
NODE_PACKAGES = (
    "@portkey-ai/gateway", "graphql-yoga", "graphql", "fastify", "mercurius", "undici",
)  # fmt: skip
HIVE_PACKAGES = (
    "@graphql-hive/gateway", "@graphql-mesh/compose-cli", "@omnigraph/json-schema", "typescript",
)  # fmt: skip
# With 1.19, which npm would choose, Portkey 1.15.2 answers every stream with 500: "immutable".
OVERRIDES = {"@hono/node-server": "1.13.8"}


class NotInstalled(Exception):
    """A package that this machine cannot have; says why."""


def install(package: str, provider: str) -> None:
    """Installs `litellm`, `node` or `hive`, whose model is at `provider`, unless it is there.

    Raises `NotInstalled`.
    """
    PEERS.mkdir(parents=True, exist_ok=True)
    try:
        {"litellm": _litellm, "node": _node, "hive": _hive}[package](provider)
    except OSError as error:
        raise NotInstalled(f"{package}: {error}") from None


def _litellm(_: str) -> None:
    folder = PEERS / "litellm"
    if not (folder / "bin/litellm").exists():
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "litellm[proxy]"])


def _node(_: str) -> None:
    _npm(PEERS / "node", NODE_PACKAGES)


def _hive(provider: str) -> None:
    folder = PEERS / "hive"
    _npm(folder, HIVE_PACKAGES)
    shutil.copy(Path(__file__).parent / "hive.config.ts", folder / "mesh.config.ts")
    compose = [str(folder / "node_modules/.bin/mesh-compose"), "-c", "mesh.config.ts"]
    _run([*compose, "-o", "supergraph.graphql"], folder, PROVIDER=provider)


def _npm(folder: Path, packages: Sequence[str]) -> None:
    wanted = {"private": True, "dependencies": dict.fromkeys(packages, "*"), "overrides": OVERRIDES}
    text, done = json.dumps(wanted, indent=1), folder / "installed.json"
    if done.exists() and done.read_text() == text:
        return
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text(text)
    _run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
    done.write_text(text)


def _run(command: Sequence[str], folder: Path = PEERS, **environment: str) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NotInstalled(f"{Path(command[0]).name}: {said[-1] if said else done.returncode}")


def versions() -> dict[str, str]:
    """What is installed of the peers, by name."""
    found = {}
    for name in (*NODE_PACKAGES, *HIVE_PACKAGES[:1]):
        for kind in ("node", "hive"):
            file = PEERS / kind / "node_modules" / name / "package.json"
            if name not in found and file.exists():
                found[name] = json.loads(file.read_text())["version"]
    for file in (PEERS / "litellm").glob("lib/*/site-packages/litellm-*.dist-info"):
        found["litellm"] = file.name.removeprefix("litellm-").removesuffix(".dist-info")
    return found
