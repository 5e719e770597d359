"""Apollo Client as it comes: its cache, its persisted queries, its errors and subscriptions."""

from __future__ import annotations

from typing import Any

import pytest

from app.embedded.valkey import EmbeddedValkey
from resolvers.node import node_content
from tests.support.npm_clients import NpmClients
from tests.support.service import Service, token

pytestmark = pytest.mark.clients


def unwarned(lines: list[Any]) -> list[Any]:
    """What a script printed; Apollo warned of nothing."""
    assert [line for line in lines if line.keys() & {"warning", "error"}] == []
    return lines


async def told(loregate: Service, clients: NpmClients, script: str, *arguments: str) -> list[Any]:
    return unwarned(await clients.run(script, f"{loregate.url}/graphql", token(), *arguments))


@pytest.fixture(scope="module")
def cached(
    tmp_path_factory: pytest.TempPathFactory, valkey: EmbeddedValkey, caching_clients: NpmClients
) -> list[Any]:
    """What apollo-cache.mjs printed."""
    folder = tmp_path_factory.mktemp("service")
    return unwarned(caching_clients.run_alone(folder, valkey.url, "apollo-cache.mjs"))


def test_a_content_is_one_entry_of_apollos_cache(cached: list[Any]) -> None:
    """It came as a mutation's result, by `content`, by `node` and in a page of `contents`."""
    *_, found = cached
    entries = {key: set(entry) for key, entry in found["entries"].items()}
    entries.pop("ROOT_MUTATION", None)
    assert entries.keys() == {f"Story:{found['parent']}", f"Story:{found['child']}"}
    every_way = {"id", "contentId", "childElements", "text", "contentType"}
    assert every_way <= entries[f"Story:{found['parent']}"]


def test_what_a_mutation_tells_of_a_content_apollo_shows_wherever_it_stands(
    cached: list[Any],
) -> None:
    *watched, found = cached
    child = node_content(found["child"])
    assert [line["watched"] for line in watched] == [[], [child]]


async def test_apollos_persisted_queries_are_sent_as_text_once_they_are_refused(
    loregate: Service, caching_clients: NpmClients
) -> None:
    found = await told(loregate, caching_clients, "apollo-persisted.mjs")
    sent = [line["sent"] for line in found if "sent" in line]
    assert sent[0] == ["extensions", "variables"]
    assert all("query" in names for names in sent[1:])  # it does not try again
    viewer, models = (line["data"] for line in found if "data" in line)
    assert viewer["viewer"]["id"] == "alice"
    assert models["models"]


async def test_apollo_shows_the_codes_of_refusals(
    loregate: Service, caching_clients: NpmClients
) -> None:
    found = await told(loregate, caching_clients, "apollo-errors.mjs")
    assert {line["name"] for line in found} == {"CombinedGraphQLErrors"}
    codes = [["GRAPHQL_VALIDATION_FAILED"], ["BAD_USER_INPUT"], ["UNAUTHENTICATED"]]
    assert [line["codes"] for line in found] == codes


async def test_apollos_subscriptions_fill_the_same_entries(
    loregate: Service, caching_clients: NpmClients
) -> None:
    cursor = (await loregate.data("{ eventCursor }"))["eventCursor"]
    found = await told(loregate, caching_clients, "apollo-subscription.mjs", cursor)
    types = [line["type"] for line in found if "type" in line]
    assert (types[0], types[-1]) == ("GenerationStarted", "GenerationCompleted")
    assert set(types[1:-1]) == {"GenerationDelta"}
    event, entries = found[-2]["event"], found[-1]["entries"]
    assert f"{event['content']['__typename']}:{event['content']['id']}" in entries
    assert f"ContentGeneratedEvent:{event['id']}" in entries
