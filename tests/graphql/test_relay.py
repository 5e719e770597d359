"""Relay: its compiler takes the schema, and its runtime pages, refetches and deletes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.embedded.valkey import EmbeddedValkey
from tests.support.npm_clients import NpmClients

pytestmark = pytest.mark.clients

SCHEMA = Path(__file__).parents[2] / "schema.graphql"


def compiled(clients: NpmClients) -> subprocess.CompletedProcess[str]:
    """What relay-compiler says of relay/contents.js, against the printed schema."""
    folder = clients.folder / "relay"
    (folder / "__generated__").mkdir(exist_ok=True)
    shutil.copy(SCHEMA, folder)
    command = [clients.folder / "node_modules/.bin/relay-compiler", "relay.config.json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def page(
    tmp_path_factory: pytest.TempPathFactory, valkey: EmbeddedValkey, caching_clients: NpmClients
) -> dict[str, Any]:
    """What relay/run.mjs printed: it generates four contents, and then pages through them."""
    assert compiled(caching_clients).returncode == 0
    folder = tmp_path_factory.mktemp("service")
    lines = caching_clients.run_alone(folder, valkey.url, "relay/run.mjs")
    return {name: value for line in lines for name, value in line.items()}


def test_relay_compiles_refetchable_fragments_and_a_connection(
    caching_clients: NpmClients,
) -> None:
    done = compiled(caching_clients)
    assert done.returncode == 0, done.stderr
    made = {path.name for path in (caching_clients.folder / "relay/__generated__").iterdir()}
    refetched = {"contentsPageQuery.graphql.js", "contentsRowQuery.graphql.js"}
    assert refetched | {"contentsStoryQuery.graphql.js"} <= made


def test_relay_loads_the_next_page_behind_the_first(page: dict[str, Any]) -> None:
    made = page["made"]
    assert page["page"] == made[:2]
    assert page["next"] == made
    assert page["more"] is False


def test_relay_refetches_a_content_by_its_id(page: dict[str, Any]) -> None:
    assert (page["before"], page["after"]) == ([], [page["child"]])


def test_relay_forgets_a_deleted_content(page: dict[str, Any]) -> None:
    assert page["left"] == [one for one in page["next"] if one != page["made"][1]]
    assert page["record"] == "NONEXISTENT"


def test_relay_warns_of_nothing(page: dict[str, Any]) -> None:
    assert "warning" not in page
