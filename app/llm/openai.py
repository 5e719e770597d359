"""OpenAIWriter: models behind the OpenAI API, or behind any server that speaks it.

The SDK brings authentication, base URL, transport and errors; its typed parameters, answers and
event reader are left out, which costs less than half the CPU. Retries are off: they are the
gateway's to make. Every answer is streamed, so that a silent model is known long before the end.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import httpx2
import openai
import orjson

from app.llm.completion import Completion, CompletionRequest, Listener
from app.llm.deadline import CallDeadline
from app.llm.endpoint import HEADERS, TIMEOUT, ChatEndpoint
from app.llm.failure import AttemptFailed
from app.llm.malformed import MalformedAnswer
from app.llm.profiles import Profile
from app.llm.providers import Account
from app.llm.refusal import refused
from app.llm.request_body import ignored, request_body, unsupported_parameter
from app.llm.response_body import (
    READ_BYTES,
    AnswerBody,
    ArrivalRate,
    ResponseBody,
)
from app.llm.sse import (
    BROKE_OFF,
    NO_COMPLETION,
    REJECTED,
    TOO_LONG,
    EventParser,
    EventTooLong,
    StreamedCompletion,
)
from app.llm.transport import Transport, http_client
from app.llm.unsupported import UnsupportedParameters
from app.operations import ModelChoice, Prompt
from app.operations.metadata import AttemptOutcome

USAGE_TIMEOUT = 2.0  # s in which the usage may follow the finish reason
UNREAD_TIMEOUT = 0.05  # s to read what was gathered, however busy the loop was
DRAIN_TIMEOUT = (
    0.1  # s in which a stream may end after its last event, and its connection be used again
)
MAX_BODY_BYTES = 8_000_000  # bytes of an answer that is not streamed
LIST_TIMEOUT = 10.0  # s for the list of models
PROBE = Prompt(({"role": "user", "content": "Say OK."},), ModelChoice(max_tokens=16))


def connect(account: Account, transport: Transport) -> openai.AsyncOpenAI:
    """A client for one account."""
    return openai.AsyncOpenAI(
        api_key=account.key or "none",
        base_url=account.url,
        max_retries=0,
        http_client=http_client(transport=transport),
    )


class OpenAIProvider:
    """One account; its models share its connections."""

    def __init__(self, account: Account) -> None:
        transport = Transport(
            connect_timeout=account.connect_timeout, reuse_connections=account.reuse_connections
        )
        self._client = connect(account, transport)
        self._endpoint = ChatEndpoint(self._client, transport)

    def writer(
        self, upstream: str, profile: Profile, unsupported: UnsupportedParameters
    ) -> OpenAIWriter:
        return OpenAIWriter(self._client, self._endpoint, upstream, profile, unsupported)

    async def listed(self, *, seconds: float = LIST_TIMEOUT) -> dict[str, str | None]:
        """The models that `/models` names, each with the date of its shutdown or None.

        Raises:
            AttemptFailed: it could not be had, or is no such list.
        """
        said = "tells no list of its models"
        try:
            async with asyncio.timeout(seconds):
                response: Any = await self._client.get(
                    "/models",
                    cast_to=httpx2.Response,
                    options={"timeout": TIMEOUT, "headers": HEADERS},
                    stream=True,
                    stream_cls=openai.AsyncStream[Any],
                )
                return _listing(await _read_whole(ResponseBody(response)))
        except AttemptFailed:
            raise
        except Exception:  # the SDK's errors, the transport's, or too much of it
            raise AttemptFailed(AttemptOutcome.UNREACHABLE, said) from None

    async def close(self) -> None:
        await self._client.close()


class OpenAIWriter:
    """Writes with one upstream model: one call, always streamed."""

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        endpoint: ChatEndpoint,
        upstream: str,
        profile: Profile,
        unsupported: UnsupportedParameters,
    ) -> None:
        self._client, self._endpoint = client, endpoint
        self._upstream, self._profile, self._unsupported = upstream, profile, unsupported

    async def write(
        self, work: CompletionRequest, *, deadline: float, listener: Listener | None = None
    ) -> Completion:
        """As `Writer.write` promises. A parameter that the model refuses costs one more call."""
        answer = work.progress.answer = StreamedCompletion(work.prompt.choice.max_tokens, listener)
        watch, began = CallDeadline(deadline, self._profile.first_token), time.perf_counter()
        try:
            if asyncio.get_running_loop().time() >= deadline:
                raise self._timed_out(answer, deadline)
            try:
                async with watch:
                    sent, response = await self._ask(work.prompt, self._profile, work.user)
                    await self._read_response(response, answer, watch)
            except TimeoutError:
                if answer.finish is None:
                    raise self._timed_out(answer, deadline) from None
            found = answer.completion(work.prompt)
        except AttemptFailed as failure:
            failure.partial = answer.begun
            raise
        left_out = ignored(work.prompt, sent) if work.operation.caller_chooses else ()
        seed = None if "seed" in left_out else work.prompt.choice.seed
        first_token = None if answer.first_text_at is None else answer.first_text_at - began
        return replace(found, ignored=left_out, seed=seed, first_token=first_token)

    async def probe(self, *, deadline: float) -> None:
        """As `Writer.probe` promises. Also thoughts that used up the tokens are an answer."""
        answer = StreamedCompletion(PROBE.choice.max_tokens, None)
        watch = CallDeadline(deadline, self._profile.first_token)
        try:
            async with watch:
                _, response = await self._ask(PROBE, replace(self._profile, headroom=0))
                await self._read_response(response, answer, watch)
        except TimeoutError:
            if answer.finish is None:
                raise self._timed_out(answer, deadline) from None
        if answer.finish is None:
            raise AttemptFailed(AttemptOutcome.CUT, BROKE_OFF)

    async def _ask(
        self, prompt: Prompt, profile: Profile, user: str = ""
    ) -> tuple[dict[str, Any], AnswerBody]:
        """What was sent, and the answer to it."""
        while True:  # each time with one parameter less
            known = self._unsupported.names
            sent = request_body(prompt, self._upstream, profile, self._unsupported, user=user)
            try:
                return sent, await self._post(sent)
            except openai.APIStatusError as error:
                if not await self._learned(error, sent, known):
                    raise refused(error) from None
            except openai.OpenAIError as error:
                # Who waited for a connection in vain does not wait a second time.
                again = False if isinstance(error, openai.APITimeoutError) else None
                raise AttemptFailed(
                    AttemptOutcome.UNREACHABLE, "cannot be reached", again=again
                ) from None
            except Exception as error:
                # The transport lets its own errors through when an answer is no HTTP.
                kind = type(error).__name__
                raise AttemptFailed(AttemptOutcome.MALFORMED, NO_COMPLETION, kind=kind) from None

    async def _learned(
        self, error: openai.APIStatusError, sent: dict[str, Any], known: Collection[str]
    ) -> bool:
        """Whether the model refused what it will not be sent again. `known` was known before."""
        if error.code in (*REJECTED, TOO_LONG):
            return False
        name = unsupported_parameter(error, sent)
        if name is None or name in known:
            return False
        if name not in self._unsupported:  # unless a call beside this one has learned it
            await self._unsupported.add(name)
        return True

    async def _post(self, body: dict[str, Any]) -> AnswerBody:
        return await self._endpoint.post(orjson.dumps(body))

    async def _read_response(
        self, response: AnswerBody, answer: StreamedCompletion, watch: CallDeadline
    ) -> None:
        """Reads to the answer's end; a stream that is read whole frees its connection."""
        kind = response.content_type
        try:
            if "json" in kind:
                watch.expect(math.inf)  # one piece, which has the whole call's time
                answer.take([await _read_whole(response)])
            else:
                await self._read_stream(response, answer, watch, "event-stream" in kind)
        except EventTooLong:
            raise AttemptFailed(
                AttemptOutcome.MALFORMED, "sent far more than was asked for"
            ) from None
        except AttemptFailed:
            raise
        except Exception as error:
            # A connection that ends early is httpx2's error, aiohttp's or the system's.
            if answer.finish is None:
                kind = type(error).__name__
                if isinstance(error, MalformedAnswer):
                    raise AttemptFailed(
                        AttemptOutcome.MALFORMED, NO_COMPLETION, kind=kind
                    ) from None
                raise AttemptFailed(AttemptOutcome.CUT, BROKE_OFF, kind=kind) from None

    async def _read_stream(
        self,
        response: AnswerBody,
        answer: StreamedCompletion,
        watch: CallDeadline,
        streamed: bool,
    ) -> None:
        events, rate = EventParser(), ArrivalRate(asyncio.get_running_loop().time)
        async with response as body:
            while chunk := await body.read():
                if answer.finish is None:
                    watch.grant(self._profile.stall)  # whatever it is, somebody is there
                if not answer.done and (found := events.feed(chunk)):
                    streamed = True
                    had_text = self._take_events(found, answer, watch)
                    if answer.broken_off:
                        return
                    quick = rate.is_quick(len(found), had_text)
                    wait = rate.interval(heard=answer.heard)
                    if quick and answer.finish is None and watch.leaves(wait):
                        await body.gather(wait)
                        watch.grant(UNREAD_TIMEOUT)
                if len(chunk) >= READ_BYTES:
                    await asyncio.sleep(0)  # what waits comes without a turn of the loop
        if not streamed:
            raise AttemptFailed(AttemptOutcome.MALFORMED, NO_COMPLETION)

    def _take_events(
        self, found: list[bytes], answer: StreamedCompletion, watch: CallDeadline
    ) -> bool:
        """Whether these events had text. They may move the deadline."""
        ended = answer.finish is not None
        had_text = answer.take(found)
        if (wait := self._next_timeout(answer, had_text, ended)) is not None:
            watch.expect(wait)
        return had_text

    def _next_timeout(
        self, answer: StreamedCompletion, had_text: bool, ended: bool
    ) -> float | None:
        """Seconds that the next of a stream may take; None when nothing has changed."""
        if answer.done:
            return DRAIN_TIMEOUT
        if answer.finish is not None:
            return None if ended else USAGE_TIMEOUT
        return self._profile.stall if had_text else None

    def _timed_out(self, answer: StreamedCompletion, deadline: float) -> AttemptFailed:
        if asyncio.get_running_loop().time() >= deadline:
            return AttemptFailed(AttemptOutcome.TIMEOUT, "gave no whole answer in time")
        if answer.begun:
            return AttemptFailed(
                AttemptOutcome.STALLED, f"fell silent for {self._profile.stall:g} seconds"
            )
        return AttemptFailed(
            AttemptOutcome.SILENT, f"said nothing within {self._profile.first_token:g} seconds"
        )

    async def close(self) -> None:
        await self._client.close()


async def _read_whole(response: AnswerBody) -> bytes:
    found = bytearray()
    async with response as body:
        while chunk := await body.read():
            found += chunk
            if len(found) > MAX_BODY_BYTES:
                raise EventTooLong
    return bytes(found)


def _listing(content: bytes) -> dict[str, str | None]:
    try:
        rows = orjson.loads(content)["data"]
        return {row["id"]: row.get("shutdown_date") for row in rows}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AttemptFailed(AttemptOutcome.MALFORMED, "tells no list of its models") from None
