"""OpenAIWriter: models behind the OpenAI API, or behind any server that speaks it.

The SDK brings authentication, base URL, transport and errors; its typed parameters and answers
are left out by `client.post(…, cast_to=Response)`, which costs less than half the CPU. Retries
are off: they are the gateway's to make.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx2
import openai
import orjson

from app.errors import (
    ContentRejected,
    GatewayError,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
)
from app.llm.base import CONFIGURATION, Completion, Usage, Work
from app.operations import Prompt

CONNECTIONS = httpx2.Limits(max_connections=1000, max_keepalive_connections=200)
CONNECT_TIMEOUT = 5.0  # s
REJECTED = ("content_filter", "content_policy_violation")  # OpenAI's and Azure's codes

log = logging.getLogger(__name__)


def connect(api_key: str, base_url: str | None) -> openai.AsyncOpenAI:
    """A client for one account; the models of the account share its connections."""
    return openai.AsyncOpenAI(
        api_key=api_key,
        base_url=base_url,
        max_retries=0,
        http_client=openai.DefaultAioHttpClient(limits=CONNECTIONS),
    )


class OpenAIWriter:
    """Writes with one upstream model. `timeout` bounds the whole call, in seconds."""

    def __init__(
        self, client: openai.AsyncOpenAI, *, name: str, upstream: str, timeout: float
    ) -> None:
        self._client = client
        self._name, self._upstream, self._timeout = name, upstream, timeout
        self._takes_schema = True  # until the model says that it does not

    async def write(self, work: Work) -> Completion:
        """Raises `ContentRejected`, `ModelError`, `ModelTimeout` or `ModelUnavailable`."""
        try:
            return self._read(await self._ask(work.prompt))
        except openai.BadRequestError as error:
            if work.prompt.schema is None or not self._takes_schema or not _about_schema(error):
                raise self._refusal(error) from None
            # Older models know JSON but no schemas: they get the schema in words, from now on.
            self._takes_schema = False
            return await self.write(work)
        except openai.OpenAIError as error:
            raise self._refusal(error) from None

    async def _ask(self, prompt: Prompt) -> bytes:
        response: Any = None
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.post(
                    "/chat/completions",
                    body=self._body(prompt),
                    cast_to=httpx2.Response,
                    options={"timeout": httpx2.Timeout(self._timeout, connect=CONNECT_TIMEOUT)},
                )
        except TimeoutError:
            raise ModelTimeout(
                f"{self._name} gave no answer within {self._timeout:g} seconds", self._name
            ) from None
        content: bytes = response.content
        return content

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        choice = prompt.choice
        body: dict[str, Any] = {
            "model": self._upstream,
            "messages": prompt.messages,
            "temperature": choice.temperature,
            "max_tokens": choice.max_tokens,
        }
        if choice.seed is not None:
            body["seed"] = choice.seed
        if prompt.schema is not None and self._takes_schema:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": prompt.schema_name,
                    "schema": prompt.schema,
                    "strict": True,
                },
            }
        elif prompt.schema is not None:
            schema = orjson.dumps(prompt.schema).decode()
            said = f"Answer with one JSON object that fits this JSON schema:\n{schema}"
            body["messages"] = (*prompt.messages, {"role": "system", "content": said})
            body["response_format"] = {"type": "json_object"}
        return body

    def _read(self, content: bytes) -> Completion:
        try:
            answer = orjson.loads(content)
            choice = answer["choices"][0]
            message, reason = choice["message"], choice.get("finish_reason") or "stop"
            text, usage = message.get("content"), answer.get("usage") or {}
            counted = Usage(
                int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
            )
        except (orjson.JSONDecodeError, LookupError, AttributeError, TypeError, ValueError):
            raise ModelError(f"{self._name} sent no chat completion", self._name) from None
        if reason == "content_filter":
            raise ContentRejected(self._name, "content_filter")
        if message.get("refusal"):
            raise ContentRejected(self._name, "refusal")
        if not isinstance(text, str):
            raise ModelError(f"{self._name} sent no text", self._name)
        return Completion(text, counted, reason)

    def _refusal(self, error: openai.OpenAIError) -> GatewayError:
        """The SDK's error as ours. What the provider says of its own inside stays in the log."""
        name = self._name
        # The SDK's aiohttp transport calls a refused and a reset connection a ConnectTimeout too.
        unconnected = isinstance(error.__cause__, httpx2.ConnectTimeout)
        if isinstance(error, openai.APITimeoutError) and not unconnected:
            return ModelTimeout(f"{name} gave no answer in time", name)
        if not isinstance(error, openai.APIStatusError):
            return ModelUnavailable(f"{name} cannot be reached", name, retry_after=5.0)
        status = error.status_code
        log.warning(
            "the provider refused",
            extra={"model": name, "status": status, "provider_code": error.code},
        )
        if status == 400 and error.code in REJECTED:
            return ContentRejected(name, error.code)
        if status == 408:
            return ModelTimeout(f"{name} gave no answer in time", name)
        if status == 429:
            return ModelUnavailable(f"{name} is overloaded", name, retry_after=_retry_after(error))
        if status == 409 or status >= 500:
            return ModelUnavailable(f"{name} failed", name, retry_after=_retry_after(error))
        if status in (401, 403, 404):
            said = f"{name} is not available to this gateway"
            return ModelUnavailable(said, name, retry_after=CONFIGURATION)
        return ModelError(f"{name} did not accept the request", name)

    async def close(self) -> None:
        await self._client.close()


def _about_schema(error: openai.APIStatusError) -> bool:
    return "response_format" in (error.param or "") or "json_schema" in error.message


def _retry_after(error: openai.APIStatusError) -> float:
    """Seconds that the provider asks for, at most a minute; 5 when it names none."""
    try:
        return min(60.0, max(0.0, float(error.response.headers.get("retry-after", ""))))
    except ValueError:
        return 5.0
