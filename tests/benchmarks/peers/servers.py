"""Who is compared: the servers, what each of them does for a request, and how it is started."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.bench import PROVIDER, SERVER
from tests.benchmarks.peers.installs import PEERS

FOLDER = Path(__file__).parent
UPSTREAM = f"http://127.0.0.1:{PROVIDER}/v1"
LOREGATE = "loregate"


@dataclass(frozen=True)
class Server:
    """One server; `package` names what is installed for it, see `installs.py`."""

    name: str
    does: str
    does_not: str
    command: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    package: str | None = None


def _bare(name: str) -> str:
    options = f"--factory tests.benchmarks.bare:{name} --port {SERVER} --no-access-log"
    quiet = "--loop uvloop --http httptools --log-level warning"
    return f"{sys.executable} -m uvicorn {options} {quiet}"


def _node(kind: str) -> Server:
    return Server(
        {"yoga": "GraphQL Yoga + undici", "mercurius": "Mercurius + undici"}[kind],
        "reads a GraphQL mutation, calls the model with Node's bare HTTP client",
        "no token, limits, cache, storage, events, retries, streamed answers or resuming",
        f"node {FOLDER}/node_apps.mjs {kind} {SERVER}",
        {"PACKAGES": str(PEERS / "node"), "NODE_ENV": "production"},
        "node",
    )


NOTHING = "no token, limits, cache, storage, events, retries or resuming"

SERVERS: dict[str, Server] = {
    LOREGATE: Server(
        "Loregate",
        "verifies the token, decides four exact limits, looks in the cache, validates input and "
        "output, stores the answer and its events before it answers, publishes, counts tokens and "
        "money, retries and falls back, notices an answer that is cut off, resumes streams",
        "no gateway for any provider's own request: eight operations of its own schema",
    ),
    "rest": Server(
        "Starlette + openai (aiohttp)",
        "one route that calls the model with the SDK's faster transport",
        NOTHING,
        _bare("rest"),
    ),
    "stock": Server(
        "Starlette + openai (stock)",
        "the same with the SDK's client as it comes",
        NOTHING,
        _bare("stock"),
    ),
    "graphql": Server(
        "Strawberry + openai (aiohttp)",
        "reads a GraphQL mutation, with parser and validation caches, and calls the model by SDK",
        f"{NOTHING}; streams nothing",
        _bare("graphql"),
    ),
    "litellm": Server(
        "LiteLLM proxy",
        "checks one master key, chooses among deployments, counts tokens and money in memory, "
        "translates between providers; starts as its command does, with one worker",
        "no limits set, no cache, no database, no events; a broken stream cannot be resumed",
        f"{PEERS}/litellm/bin/litellm --config {FOLDER}/litellm.yaml --host 127.0.0.1 "
        f"--port {SERVER} --num_workers 1",
        {
            "PROVIDER": UPSTREAM,
            "LITELLM_LOG": "ERROR",
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        },
        "litellm",
    ),
    "portkey": Server(
        "Portkey gateway",
        "passes a request on to the provider that its headers name, and the answer back; installed "
        "with an older @hono/node-server, as its streams fail with the one that npm chooses",
        "no token of its own, limits, cache, storage or events; a broken stream cannot be resumed",
        f"node {PEERS}/node/node_modules/@portkey-ai/gateway/build/start-server.js "
        f"--port={SERVER} --headless",
        {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"},
        "node",
    ),
    "yoga": _node("yoga"),
    "mercurius": _node("mercurius"),
    "hive": Server(
        "Hive Gateway",
        "reads a GraphQL mutation, plans it over a supergraph, calls the provider as a subgraph",
        "no token, limits, cache, storage or events set; streams nothing",
        f"{PEERS}/hive/node_modules/.bin/hive-gateway supergraph {PEERS}/hive/supergraph.graphql "
        f"--port {SERVER} --host 127.0.0.1 --fork 1",
        {"NODE_ENV": "production", "LOG_LEVEL": "error"},
        "hive",
    ),
}
