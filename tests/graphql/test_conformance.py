"""Conformance: the suite is green on the gateway, and red where a server falls short."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.conformance.peers import peers
from tests.support import conformance, generation_clients
from tests.support.conformance import failed, skipped
from tests.support.generation_clients import CHARACTER, FOLLOW
from tests.support.service import CHARACTER_INPUT, GENERATE, Service, token
from tests.support.sockets import socket_url, until_no_socket_is_left
from tests.support.upstream import Behaviour, Upstream

INIT_TIMEOUT = 1.0  # s
SLOW = 0.8  # s
# What nobody can provoke from outside, and what a server that wants a token cannot be asked.
UNTRIED = {
    "init/failing-is-4500",
    *(f"init/payload-may-be/{name}" for name in ("absent", "null", "empty", "nested")),
}


async def options(loregate: Service) -> dict[str, Any]:
    """What fits the suite to our schema; the provider is slow, so that a mutation is."""
    generation = await generation_clients.start(loregate, CHARACTER, tier="service")
    written = {**CHARACTER_INPUT, "cache": "BYPASS"}
    writing = {"query": GENERATE, "variables": {"input": written}}
    return {
        "init_timeout": INIT_TIMEOUT,
        "token": token(tier="service"),
        "query": "{ viewer { __typename } }",
        "mutation": writing,
        "subscription": "subscription { themeAnalyzed { cursor } }",
        "subscription_that_ends": {"query": FOLLOW, "variables": {"id": generation}},
        "slow_query": writing,
        "failing_query": 'mutation { deleteContent(id: "none") { requestId } }',
        "failing_subscription": 'subscription { events(after: "none") { cursor } }',
        "rejected_init": {"Authorization": "Bearer none"},
    }


async def test_the_gateway_passes_every_case(with_models: Service, provider: Upstream) -> None:
    with_models.sockets.timeouts.init = INIT_TIMEOUT
    provider.always = Behaviour(delay=SLOW)
    given = await options(with_models)
    found = await conformance.run(socket_url(with_models), jobs="16", **given)
    assert failed(found) == {}
    assert skipped(found) == UNTRIED
    await until_no_socket_is_left(with_models)


async def test_stock_strawberry_fails_what_is_no_object() -> None:
    async with peers.strawberry() as url:
        found = await conformance.judged(url, only="invalid/text/,operation/query")
    fell = {
        f"invalid/text/{name}" for name in ("number", "string", "null", "true", "list", "batch")
    }
    assert failed(found).keys() == fell


@pytest.mark.clients
async def test_where_others_fall_short_is_as_the_readme_says() -> None:
    if not shutil.which("npm"):
        pytest.skip("needs npm")
    found = [await peers.measured(peer()) for peer in (peers.graphql_ws, peers.strawberry)]
    assert peers.table(*found) in (conformance.FOLDER / "README.md").read_text()
