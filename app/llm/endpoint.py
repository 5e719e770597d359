"""ChatEndpoint: the SDK's `post` to one path, at a fifth of its CPU where it goes well.

What of a request does not change is taken from one that the SDK built itself (`RequestHead`); the
rest is a body. The SDK is asked again for what it alone should say: where the answer is no success
it reads that very answer, or gets the error, and raises its own exceptions. Whatever does not go
this way (a proxy, connections that are not kept) is the SDK's from the beginning.
"""

from __future__ import annotations

from typing import Any

import httpx2
import openai

from app.llm.exchange import Exchange
from app.llm.request_head import RequestHead
from app.llm.response_body import AnswerBody, ResponseBody
from app.llm.transport import SENT, Outcome, Transport

TIMEOUT = httpx2.Timeout(None)  # connecting is the transport's to time, the rest the deadline's
# Uncompressed: a proxy that compresses an event stream holds its pieces back.
HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}


class ChatEndpoint:
    """`/chat/completions` of one account."""

    def __init__(self, client: openai.AsyncOpenAI, transport: Transport) -> None:
        """`transport` is below the client."""
        self._client, self._transport = client, transport
        self._head: RequestHead | None = None
        self._looked = False  # whether there is a head was found out

    async def post(self, body: bytes) -> AnswerBody:
        """The answer to it, whose head has come.

        Raises:
            openai.OpenAIError, MalformedAnswer: as the SDK's `post` does.
        """
        if not self._looked:
            self._head, self._looked = await self._found_head(), True
        if self._head is None or not self._transport.exchanges(self._head):
            return ResponseBody(await _posted(self._client, body))
        found = await self._transport.exchange(self._head, body)
        if isinstance(found, Exchange) and found.status < 300 and found.coding == "identity":
            return found
        return ResponseBody(await self._told(found, body))

    async def _told(self, outcome: Outcome, body: bytes) -> httpx2.Response:
        """What the SDK makes of what came of the request."""
        token = SENT.set((outcome,))
        try:
            return await _posted(self._client, body)
        finally:
            SENT.reset(token)

    async def _found_head(self) -> RequestHead | None:
        built: list[httpx2.Request] = []

        def note(request: httpx2.Request) -> httpx2.Response:
            built.append(request)
            return httpx2.Response(200)

        below = httpx2.MockTransport(note)
        async with httpx2.AsyncClient(transport=below, trust_env=False) as http:
            await _posted(self._client.with_options(http_client=http), b"{}")
        try:
            return RequestHead(built[0])
        except ValueError:  # the SDK's way says what is wrong with it
            return None


async def _posted(client: openai.AsyncOpenAI, body: bytes) -> httpx2.Response:
    response: Any = await client.post(
        "/chat/completions",
        content=body,
        cast_to=httpx2.Response,
        options={"timeout": TIMEOUT, "headers": HEADERS},
        stream=True,
        stream_cls=openai.AsyncStream[Any],
    )
    found: httpx2.Response = response
    return found
