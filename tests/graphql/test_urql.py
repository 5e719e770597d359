"""urql as it comes, with graphcache, told nothing of the schema or all of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLObjectType

from app.embedded.valkey import EmbeddedValkey
from resolvers.node import node_content
from tests.support.graphql_schema import BUILT
from tests.support.npm_clients import NpmClients

pytestmark = pytest.mark.clients

SCHEMA = Path(__file__).parents[2] / "schema.graphql"
NO_KEY = re.compile(r"^Invalid key: .*`keys` config for `(\w+)`", re.DOTALL)


@pytest.fixture(scope="module", params=[(), (str(SCHEMA),)], ids=["nothing", "the schema"])
def told(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    valkey: EmbeddedValkey,
    caching_clients: NpmClients,
) -> list[Any]:
    """What urql-cache.mjs printed, when it was told nothing or the schema."""
    folder = tmp_path_factory.mktemp("service")
    return caching_clients.run_alone(folder, valkey.url, "urql-cache.mjs", *request.param)


def only(name: str, told: list[Any]) -> Any:
    [found] = [line for line in told if name in line]
    return found


def test_what_a_mutation_tells_of_a_content_graphcache_shows_wherever_it_stands(
    told: list[Any],
) -> None:
    watched = [line["watched"] for line in told if "watched" in line]
    assert watched[:2] == [[], [node_content(only("event", told)["child"])]]
    assert all(later == watched[1] for later in watched[2:])


def test_graphcache_gives_a_page_again_without_asking(told: list[Any]) -> None:
    page = only("found", told)
    assert page["found"] == [only("event", told)["child"], page["parent"]]


def test_an_events_content_is_the_contents_entry_of_graphcache(told: list[Any]) -> None:
    line = only("event", told)
    assert line["event"]["content"]["id"] == line["child"]


@pytest.mark.parametrize("told", [()], indirect=True)
def test_graphcache_misses_a_key_of_values_alone(told: list[Any]) -> None:
    """What has an identity has an `id`; the rest belongs to what it stands in."""
    warnings = [line["warning"] for line in told if "warning" in line]
    unkeyed = {match[1] for text in warnings if (match := NO_KEY.match(text))}
    assert [text for text in warnings if not NO_KEY.match(text)] == []
    assert unkeyed == {"Metadata", "EventMetadata", "RateLimit", "Health"}
    for name in unkeyed:
        kind = BUILT.type_map[name]
        assert isinstance(kind, GraphQLObjectType)
        assert "id" not in kind.fields


@pytest.mark.parametrize("told", [(str(SCHEMA),)], indirect=True)
def test_graphcache_that_knows_the_schema_warns_of_nothing(told: list[Any]) -> None:
    assert [line for line in told if "warning" in line] == []
