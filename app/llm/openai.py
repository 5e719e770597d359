"""OpenAIWriter: models behind the OpenAI API, or behind any server that speaks it.

The SDK brings authentication, base URL, transport and errors; its typed parameters, answers and
event reader are left out, which costs less than half the CPU. Retries are off: they are the
gateway's to make. Every answer is streamed, so that a silent model is known long before the end.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai
import orjson

from app.llm.base import Completion, Failed, Listener, Outcome, Work
from app.llm.body import GATHER, SLICE, Body, Pace
from app.llm.connections import MalformedAnswer
from app.llm.sse import (
    NO_COMPLETION,
    REJECTED,
    TOO_LONG,
    Answer,
    Events,
    EventTooLong,
    rejected,
    told,
)
from app.llm.transport import CONNECT_TIMEOUT, http_client
from app.llm.watchdog import Watchdog
from app.operations import Prompt

TIMEOUT = httpx2.Timeout(None)  # connecting is the transport's to time, the rest the watchdog's
# Uncompressed: a proxy that compresses an event stream holds its pieces back.
HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}

AFTER_FINISH = 2.0  # s in which the usage may follow the finish reason
UNREAD = 0.05  # s to read what was gathered, however busy the loop was
DRAIN = 0.1  # s in which a stream may end after its last event, and its connection be used again
MAX_BODY = 8_000_000  # bytes of an answer that is not streamed
NO_CREDIT = "insufficient_quota"  # a 429 that no waiting helps
LONGEST_WAIT = 3600.0  # s that a provider may ask for
NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?")

log = logging.getLogger(__name__)


def connect(
    api_key: str,
    base_url: str | None,
    *,
    connect_timeout: float = CONNECT_TIMEOUT,
    reuse_connections: bool = True,
) -> openai.AsyncOpenAI:
    """A client for one account; the models of the account share its connections.

    The options are those of `transport.http_client`.
    """
    return openai.AsyncOpenAI(
        api_key=api_key,
        base_url=base_url,
        max_retries=0,
        http_client=http_client(
            connect_timeout=connect_timeout, reuse_connections=reuse_connections
        ),
    )


class OpenAIWriter:
    """Writes with one upstream model: one call, always streamed.

    first_token: seconds from the call's begin to the first text. stall: seconds between texts.
    """

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        *,
        name: str,
        upstream: str,
        first_token: float = 10.0,
        stall: float = 10.0,
    ) -> None:
        self._client = client
        self._name, self._upstream = name, upstream
        self._first_token, self._stall = first_token, stall
        # Until the model says that it does not:
        self._takes_schema = True
        self._takes_options = True

    async def write(
        self, work: Work, *, until: float, listener: Listener | None = None
    ) -> Completion:
        """As `Writer.write` promises. A parameter that the model refuses costs one more call."""
        answer = Answer(self._name, work.prompt.choice.max_tokens, listener)
        watch = Watchdog(until, self._first_token)
        try:
            if asyncio.get_running_loop().time() >= until:
                raise self._late(answer, until)
            try:
                async with watch:
                    response = await self._ask(work.prompt)
                    await self._hear(response, answer, watch)
            except TimeoutError:
                if answer.finish is None:
                    raise self._late(answer, until) from None
            return answer.completion(work.prompt)
        except Failed as failure:
            failure.partial = answer.begun
            raise

    async def _ask(self, prompt: Prompt) -> httpx2.Response:
        while True:  # at most three times: each time with one parameter less
            body = self._body(prompt)
            try:
                return await self._post(body)
            except openai.APIStatusError as error:
                if not self._without(error, body):
                    raise _refused(self._name, error) from None
            except openai.OpenAIError as error:
                # Who waited for a connection in vain does not wait a second time.
                again = False if isinstance(error, openai.APITimeoutError) else None
                raise Failed(Outcome.UNREACHABLE, "cannot be reached", again=again) from None
            except Exception as error:
                # The transport lets its own errors through when an answer is no HTTP.
                log.warning(
                    "the provider's answer cannot be read",
                    extra={"model": self._name, "kind": type(error).__name__},
                )
                raise Failed(Outcome.MALFORMED, NO_COMPLETION) from None

    async def _post(self, body: dict[str, Any]) -> httpx2.Response:
        response: Any = await self._client.post(
            "/chat/completions",
            content=orjson.dumps(body),
            cast_to=httpx2.Response,
            options={"timeout": TIMEOUT, "headers": HEADERS},
            stream=True,
            stream_cls=openai.AsyncStream[Any],
        )
        found: httpx2.Response = response
        return found

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        choice = prompt.choice
        body: dict[str, Any] = {
            "model": self._upstream,
            "messages": prompt.messages,
            "temperature": choice.temperature,
            "max_tokens": choice.max_tokens,
            "stream": True,
        }
        if self._takes_options:
            body["stream_options"] = {"include_usage": True}
        if choice.seed is not None:
            body["seed"] = choice.seed
        if prompt.schema is not None:
            body |= _with_schema(prompt) if self._takes_schema else _with_schema_in_words(prompt)
        return body

    def _without(self, error: openai.APIStatusError, body: dict[str, Any]) -> bool:
        """Whether the model refused a parameter of this body that it can do without."""
        if error.status_code not in (400, 422) or error.code in (*REJECTED, TOO_LONG):
            return False
        said = f"{error.param} {error.message}"
        if "stream_options" in body and "stream_options" in said:
            self._takes_options = False
            return True
        form = body.get("response_format", {}).get("type")
        # Older models know JSON but no schemas: they get the schema in words, from now on.
        if form == "json_schema" and ("response_format" in said or "json_schema" in said):
            self._takes_schema = False
            return True
        return False

    async def _hear(self, response: httpx2.Response, answer: Answer, watch: Watchdog) -> None:
        """Reads to the answer's end; a stream that is read whole frees its connection."""
        kind = response.headers.get("content-type", "")
        try:
            if "json" in kind:
                answer.take([await _whole(response)])
            else:
                await self._follow(response, answer, watch, "event-stream" in kind)
        except EventTooLong:
            raise Failed(Outcome.MALFORMED, "sent far more than was asked for") from None
        except Failed:
            raise
        except Exception as error:
            # A connection that ends early is httpx2's error, aiohttp's or the system's.
            if answer.finish is None:
                log.warning(
                    "the provider's answer broke off",
                    extra={"model": self._name, "kind": type(error).__name__},
                )
                if isinstance(error, MalformedAnswer):
                    raise Failed(Outcome.MALFORMED, NO_COMPLETION) from None

    async def _follow(
        self, response: httpx2.Response, answer: Answer, watch: Watchdog, streamed: bool
    ) -> None:
        events, pace = Events(), Pace(asyncio.get_running_loop().time)
        async with Body(response) as body:
            while chunk := await body.read():
                if not answer.done and (found := events.feed(chunk)):
                    streamed = True
                    had_text = self._take(found, answer, watch)
                    if answer.broken_off:
                        return
                    quick = pace.is_quick(len(found), had_text)
                    if quick and answer.finish is None and watch.leaves(GATHER):
                        await body.gather()
                        watch.grant(UNREAD)
                if len(chunk) >= SLICE:
                    await asyncio.sleep(0)  # what waits comes without a turn of the loop
        if not streamed:
            raise Failed(Outcome.MALFORMED, NO_COMPLETION)

    def _take(self, found: list[bytes], answer: Answer, watch: Watchdog) -> bool:
        """Whether these events had text. They may move the deadline."""
        ended = answer.finish is not None
        had_text = answer.take(found)
        if (wait := self._wait(answer, had_text, ended)) is not None:
            watch.expect(wait)
        return had_text

    def _wait(self, answer: Answer, had_text: bool, ended: bool) -> float | None:
        """Seconds that the next of a stream may take; None when nothing has changed."""
        if answer.done:
            return DRAIN
        if answer.finish is not None:
            return None if ended else AFTER_FINISH
        return self._stall if had_text else None

    def _late(self, answer: Answer, until: float) -> Failed:
        if asyncio.get_running_loop().time() >= until:
            return Failed(Outcome.TIMEOUT, "gave no whole answer in time")
        if answer.begun:
            return Failed(Outcome.STALLED, f"fell silent for {self._stall:g} seconds")
        return Failed(Outcome.SILENT, f"said nothing within {self._first_token:g} seconds")

    async def close(self) -> None:
        await self._client.close()


async def _whole(response: httpx2.Response) -> bytes:
    found = bytearray()
    async with Body(response) as body:
        while chunk := await body.read():
            found += chunk
            if len(found) > MAX_BODY:
                raise EventTooLong
    return bytes(found)


def _with_schema(prompt: Prompt) -> dict[str, Any]:
    described = {"name": prompt.schema_name, "schema": prompt.schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


def _with_schema_in_words(prompt: Prompt) -> dict[str, Any]:
    schema = orjson.dumps(prompt.schema).decode()
    said = f"Answer with one JSON object that fits this JSON schema:\n{schema}"
    return {
        "messages": (*prompt.messages, {"role": "system", "content": said}),
        "response_format": {"type": "json_object"},
    }


def _refused(name: str, error: openai.APIStatusError) -> Failed:
    """An error's status as an outcome. What the provider says of its own inside is left out."""
    status, code = error.status_code, error.code
    log.warning(
        "the provider refused",
        extra={"model": name, "status": status, "provider_code": told(code)},
    )
    wait = _retry_after(error.response.headers)
    if status == 400 and code in REJECTED:
        return rejected(str(code))
    if status == 400 and (code == TOO_LONG or "maximum context length" in error.message):
        return Failed(Outcome.TOO_LONG, "cannot take so long a request")
    if status in (401, 403, 404) or code == NO_CREDIT:  # a person must mend it
        said = "is not available to this gateway"
        return Failed(Outcome.FORBIDDEN, said, retry_after=wait)
    if status == 429:
        return Failed(Outcome.OVERLOADED, "is overloaded", retry_after=wait)
    if status in (408, 409) or status >= 500:
        return Failed(Outcome.FAILED, "failed", retry_after=wait)
    if status < 400:  # a redirection to nowhere
        return Failed(Outcome.MALFORMED, NO_COMPLETION)
    return Failed(Outcome.REFUSED, "did not accept the request", retry_after=wait)


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds that the provider asks for (RFC 9110, section 10.2.3), from 0 to `LONGEST_WAIT`."""
    named = headers.get("retry-after", "")
    for found in (_number(headers.get("retry-after-ms", ""), 1000), _number(named), _date(named)):
        if found is not None:
            return min(LONGEST_WAIT, max(0.0, found))
    return None


def _number(text: str, parts: int = 1) -> float | None:
    # Not `float`: it also takes nan, inf and 1_0.
    return float(text) / parts if NUMBER.fullmatch(text) else None


def _date(text: str) -> float | None:
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return when.replace(tzinfo=when.tzinfo or UTC).timestamp() - time.time()
