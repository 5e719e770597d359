"""Python's clients as they come: gql over HTTP and WebSocket, and one that ariadne-codegen made."""

from __future__ import annotations

import asyncio
import json
import shutil
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport

from tests.support.graphql_requests import STORY_INPUT
from tests.support.service import Service, token
from tests.support.sockets import socket_url

pytestmark = pytest.mark.clients

ROOT = Path(__file__).parents[2]
SCHEMA = (ROOT / "schema.graphql").read_text()
ARIADNE = ROOT / "tests/clients/ariadne"
PYTHON = ROOT / ".venv-clients/bin"  # `make test-clients` makes it: ariadne-codegen's own packages
STORY = """mutation ($input: GenerateStoryInput!) {
  generateStory(input: $input) { story { id } rateLimit { remaining } } }"""
EVENTS = "subscription ($after: String) { storyGenerated(after: $after) { id content { id } } }"
NODE = "query ($id: ID!) { node(id: $id) { id ... on Story { text } } }"


# -- gql
def over_http(loregate: Service) -> AIOHTTPTransport:
    return AIOHTTPTransport(url=f"{loregate.url}/graphql", headers=loregate.headers())


def over_websocket(loregate: Service) -> WebsocketsTransport:
    return WebsocketsTransport(url=socket_url(loregate), init_payload={"authorization": token()})


transports = pytest.mark.parametrize(
    "transport", [over_http, over_websocket], ids=["HTTP", "WebSocket"]
)


async def asked(session: Any, text: str, **variables: Any) -> Any:
    document = gql(text)
    document.variable_values = variables
    return await session.execute(document)


@transports
async def test_gql_generates_and_finds_what_it_generated(loregate: Service, transport: Any) -> None:
    async with Client(transport=transport(loregate), schema=SCHEMA) as session:
        made = await asked(session, STORY, input=STORY_INPUT)
        story = made["generateStory"]["story"]
        found = await asked(session, NODE, id=story["id"])
    assert found["node"]["id"] == story["id"]
    assert found["node"]["text"]


@transports
async def test_gql_shows_the_code_of_a_refusal(loregate: Service, transport: Any) -> None:
    async with Client(transport=transport(loregate)) as session:
        given = {**STORY_INPUT, "parentElementId": "nobody's"}
        with pytest.raises(TransportQueryError) as refused:
            await asked(session, STORY, input=given)
    [error] = refused.value.errors or []
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["field"] == "input.parentElementId"


@transports
async def test_gql_fetches_the_schema_by_introspection(loregate: Service, transport: Any) -> None:
    client = Client(transport=transport(loregate), fetch_schema_from_transport=True)
    async with client:
        assert client.schema is not None
        assert "Node" in client.schema.type_map


async def test_gql_hears_an_event_behind_a_cursor(loregate: Service) -> None:
    async with Client(transport=over_websocket(loregate), schema=SCHEMA) as session:
        cursor = (await asked(session, "{ eventCursor }"))["eventCursor"]
        made = (await asked(session, STORY, input=STORY_INPUT))["generateStory"]["story"]
        document = gql(EVENTS)
        document.variable_values = {"after": cursor}
        async for found in session.subscribe(document):
            assert found["storyGenerated"]["content"] == made
            break


# -- ariadne-codegen
async def output(folder: Path, *command: str | Path) -> str:
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=PIPE, stderr=PIPE)
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, out.decode() + err.decode()
    return out.decode()


async def test_a_client_that_ariadne_codegen_made_is_used_as_it_is(
    loregate: Service, tmp_path: Path
) -> None:
    """Queries, a mutation, a subscription over WebSocket, and an error's code."""
    if not PYTHON.exists():
        pytest.skip("needs the environment that `make test-clients` makes")
    folder = tmp_path / "ariadne"
    shutil.copytree(ARIADNE, folder)
    shutil.copy(ROOT / "schema.graphql", folder)
    await output(folder, PYTHON / "ariadne-codegen")
    said = await output(folder, PYTHON / "python", "use.py", f"{loregate.url}/graphql", token())
    found, event, refused = (json.loads(line) for line in said.splitlines())
    assert found["content"] == found["node"] == found["story"]
    assert found["page"] == [found["story"]]
    assert event["event"] == found["story"]
    assert refused["code"] == "BAD_USER_INPUT"
