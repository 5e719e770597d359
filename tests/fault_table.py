"""TABLE: what becomes of a request whose model does each of `FAULTS`.

Behind it the four edges by which a caller learns of it, each read into the same `Told`.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from tests.service import Service
from tests.upstream import PROSE
from tests.wishes import GOOD as BODIES
from tests.wishes import STORY, TEXT

ASKED, NEXT, STORYTELLER = "gpt-4-turbo", "gpt-3.5-turbo", "storyteller"
OTHER = "Nobody rowed out to look, and in the morning the bell was gone."  # the next model's text

# Seconds. Of the tests' settings: 0.3 to a first token and between two, 3 for a whole call.
QUICK = 2.0  # nothing but time-outs of 0.3; what waits for the call's whole time is found
WAITED = 2.9  # twice the second that the provider asked for, once two; or reading 36 KB

STATUS = {
    "CONTENT_REJECTED": 400,
    "MODEL_ERROR": 502,
    "MODEL_UNAVAILABLE": 503,
    "MODEL_TIMEOUT": 504,
}


@dataclass(frozen=True)
class Row:
    """One fault. `outcomes` are the attempts on the model that has it, by their names.

    code: what its caller gets where nobody follows, None for the model's own content. follower:
    who answers where somebody does. told: whether text of a failed attempt had been streamed.
    retry_after: seconds, in header and field. counted: whether the gateway counted the tokens.
    left: whether the provider still had something to say when the gateway hung up.
    """

    outcomes: tuple[str, ...] = ("ok",)
    code: str | None = None
    retry_after: int | None = None
    follower: str | None = NEXT
    told: bool = False
    left: bool = False
    finish: str = "stop"
    counted: bool = False
    seconds: float = QUICK
    operation: str = "character"

    @property
    def well(self) -> bool:
        return self.code is None

    def resets(self, *, followed: bool) -> list[str]:
        """The reasons of the resets that a stream has."""
        if not self.told:
            return []
        return list(self.outcomes if followed else self.outcomes[:-1])

    def tried(self, followed: bool) -> list[tuple[str, str]]:
        own = [(ASKED, outcome) for outcome in self.outcomes]
        return [*own, (str(self.follower), "ok")] if followed else own


GOOD = Row()


def away(outcome: str, times: int = 3, retry_after: int = 5, **more: Any) -> Row:
    return Row((outcome,) * times, "MODEL_UNAVAILABLE", retry_after, **more)


def late(outcome: str, **more: Any) -> Row:
    return Row((outcome,), "MODEL_TIMEOUT", left=True, **more)


def useless(*outcomes: str, **more: Any) -> Row:
    return Row(outcomes, "MODEL_ERROR", **more)


def rejected(**more: Any) -> Row:
    return Row(("rejected",), "CONTENT_REJECTED", follower=None, **more)


FAILED, OVERLOADED = away("failed"), away("overloaded")
# A key that is wrong or a model that is not there is a person's to mend: a minute.
FORBIDDEN = away("forbidden", times=1, retry_after=60)
CUT = useless("cut", told=True)

TABLE: dict[str, Row] = {
    "400": useless("refused"),
    "401": FORBIDDEN,
    "403": FORBIDDEN,
    "404": FORBIDDEN,
    "408": FAILED,
    "409": FAILED,
    "422": useless("refused"),
    "429": OVERLOADED,
    "429_seconds": away("overloaded", retry_after=1, seconds=WAITED),
    "429_milliseconds": away("overloaded", retry_after=1),
    # Up to two seconds; a second wait would end behind the call's time.
    "429_date": away("overloaded", times=2, retry_after=2, seconds=WAITED),
    "429_quota": FORBIDDEN,
    "500": FAILED,
    "502_page": FAILED,
    "503": FAILED,
    "503_seconds": away("failed", retry_after=1, seconds=WAITED),
    "504": FAILED,
    "529": FAILED,
    "content_filter": rejected(),
    # The next model is smaller still; the storyteller takes any prompt.
    "context_length_exceeded": useless("too_long", follower=STORYTELLER),
    "flapping": FAILED,
    "reset": away("unreachable"),
    "silent": late("silent"),
    "slow_headers": late("silent"),
    "cut_headers": useless("cut"),
    "cut_bytes": useless("cut"),
    "cut_bytes_reset": useless("cut"),
    "cut": CUT,
    "cut_reset": CUT,
    "cut_before_finish": CUT,
    "slow_first_token": late("silent"),
    "slow_tokens": GOOD,
    "stall_at_once": late("silent"),
    "stall": late("stalled", told=True),
    "stall_before_finish": late("stalled", told=True),
    "malformed": useless("malformed", told=True),
    "error_midway": away("failed", times=1, told=True),
    "endless": useless("malformed", told=True, left=True, seconds=WAITED),
    "comments": GOOD,
    "split": GOOD,
    "whole_json": GOOD,
    "no_done": GOOD,
    "no_done_open": replace(GOOD, left=True),
    "no_usage": replace(GOOD, counted=True),
    "length": replace(GOOD, finish="length"),
    "filtered": rejected(told=True),
    "tool_calls": useless("malformed", told=True),
    "no_finish_reason": CUT,
    "refusal": rejected(),
    "empty": useless("empty"),
    "blank": useless("empty"),
    "page": useless("malformed"),
    "no_completion": useless("cut"),
    # Prose cannot be wrong; a story is asked for as JSON, once more where it is.
    "wrong_json": useless("invalid", "invalid", operation="story", told=True),
    "wrong_schema": useless("invalid", "invalid", operation="story"),
}


def text_of(model: str) -> str | None:
    """What a model writes in these tests; the storyteller's words are its own."""
    return {ASKED: PROSE, NEXT: OTHER}.get(model)


# -- what a caller gets
ENDS = ("completed", "failed", "cancelled")


@dataclass
class Told:
    """What came of a request. What edges tell alike is compared, the rest is each one's own."""

    code: str | None = None  # None: content
    message: str = ""
    text: str | None = None  # as it is stored
    model: str = ""
    degraded: bool = False
    finish: str = ""
    source: str = ""  # who counted the tokens
    tokens: int = 0
    tried: list[tuple[str, str]] = field(default_factory=list)
    retry_after: int | None = None  # s
    status: int = field(default=200, compare=False)
    calls: int | None = field(default=None, compare=False)  # as an error's `attempts` says
    retryable: bool | None = field(default=None, compare=False)
    events: list[dict[str, Any]] | None = field(default=None, compare=False)
    seconds: float = field(default=0.0, compare=False)

    @property
    def resets(self) -> list[str]:
        return [e["reason"] for e in self.events or () if e["type"] == "reset"]

    @property
    def heard(self) -> str:
        """What a reader of the stream has in hand at its end."""
        found = ""
        for event in self.events or ():
            if event["type"] == "reset":
                found = ""
            elif event["type"] == "delta":
                found += event["text"]
        return found


@dataclass(frozen=True)
class Wanted:
    """A request, as each edge is asked for it."""

    operation: str = "character"
    degrade: bool = True

    @property
    def path(self) -> str:
        return {"character": TEXT, "story": STORY}[self.operation]

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.degrade else {"X-Allow-Degraded": "false"}

    @property
    def input(self) -> dict[str, Any]:
        own: dict[str, Any] = {
            "character": {"type": "BACKSTORY", "characterContext": {"characterClass": "warlock"}},
            "story": {"elementType": "PLOT", "context": {"campaignTheme": "a drowned crown"}},
        }[self.operation]
        return own if self.degrade else {**own, "allowDegraded": False}


MADE = """
fragment Made on Content {
  ... on GeneratedContent { text }
  ... on Story { text }
  metadata {
    modelUsed degraded finishReason tokenUsage { source totalTokens } attempts { model outcome }
  }
}"""
MUTATIONS = {
    "character": """mutation ($input: GenerateCharacterContentInput!) {
      payload: generateCharacterContent(input: $input) { made: content { ...Made } } }""",
    "story": """mutation ($input: GenerateStoryInput!) {
      payload: generateStory(input: $input) { made: story { ...Made } } }""",
}
START = """mutation ($input: StartGenerationInput!) {
  startGeneration(input: $input) { generation { id } } }"""
FIELDS = {"character": "characterContent", "story": "story"}
FOLLOW = (
    """subscription ($id: ID!) {
  generation(id: $id) {
    __typename
    ... on GenerationDelta { seq text }
    ... on GenerationReset { attempt reason }
    ... on GenerationCompleted { finishReason content { ...Made } }
    ... on GenerationFailed { code message retryable retryAfterMs attempts { model outcome } }
  }
}"""
    + MADE
)


def tried(attempts: Any) -> list[tuple[str, str]]:
    return [(a["model"], a["outcome"].lower()) for a in attempts or ()]


def seconds(ms: int | None) -> int | None:
    """As `Retry-After` has it."""
    return None if ms is None else max(1, math.ceil(ms / 1000))


def from_graphql(made: dict[str, Any]) -> Told:
    metadata = made["metadata"]
    return Told(
        text=made["text"],
        model=metadata["modelUsed"],
        degraded=metadata["degraded"],
        finish=metadata["finishReason"].lower(),
        source=metadata["tokenUsage"]["source"].lower(),
        tokens=metadata["tokenUsage"]["totalTokens"],
        tried=tried(metadata["attempts"]),
    )


def from_rest(metadata: dict[str, Any], text: str) -> Told:
    return Told(
        text=text,
        model=metadata["model_used"],
        degraded=metadata["degraded"],
        finish=metadata["finish_reason"],
        source=metadata["token_usage"]["source"],
        tokens=metadata["token_usage"]["total_tokens"],
        tried=tried(metadata["attempts"]),
    )


async def by_mutation(found: Service, wanted: Wanted, sub: str) -> Told:
    query = MUTATIONS[wanted.operation] + MADE
    answer = await found.graphql(query, {"input": wanted.input}, sub=sub)
    body = answer.json()
    assert answer.status_code == 200
    if "errors" not in body:
        return from_graphql(body["data"]["payload"]["made"])
    [error] = body["errors"]
    assert body["data"] == {"payload": None}
    facts = error["extensions"]
    wait = seconds(facts.get("retryAfterMs"))
    assert answer.headers.get("retry-after") == (None if wait is None else str(wait))
    return Told(
        facts["code"],
        error["message"],
        tried=tried(facts.get("tried")),
        retry_after=wait,
        status=STATUS[facts["code"]],
        calls=facts.get("attempts"),
    )


async def by_subscription(found: Service, wanted: Wanted, sub: str) -> Told:
    given = {FIELDS[wanted.operation]: wanted.input}
    started = await found.data(START, {"input": given}, sub=sub)
    generation_id = started["startGeneration"]["generation"]["id"]
    events: list[dict[str, Any]] = []
    async with found.socket(sub=sub) as socket:
        await (await socket.acknowledged()).subscribe(FOLLOW, {"id": generation_id})
        while (message := await socket.receive())["type"] == "next":
            event = message["payload"]["data"]["generation"]
            kind = event.pop("__typename").removeprefix("Generation").lower()
            events.append({"type": kind, **event})
        assert message["type"] == "complete", message
    return _ended(events)


def _ended(events: list[dict[str, Any]]) -> Told:
    last = events[-1]
    if last["type"] == "failed":
        wait = seconds(last["retryAfterMs"])
        end = Told(last["code"], last["message"], tried=tried(last["attempts"]), retry_after=wait)
        return replace(end, retryable=last["retryable"], events=events)
    return replace(from_graphql(last["content"]), events=events)


async def by_post(found: Service, wanted: Wanted, sub: str) -> Told:
    headers = {**found.headers(sub=sub), **wanted.headers}
    answer = await found.http.post(wanted.path, json=BODIES[wanted.path], headers=headers)
    body = answer.json()
    if answer.status_code == 200:
        return from_rest(body["metadata"], body["content"])
    details, wait = body["details"], answer.headers.get("retry-after")
    return Told(
        body["code"],
        body["message"],
        tried=tried(details.get("tried")),
        retry_after=None if wait is None else int(wait),
        status=answer.status_code,
        calls=details.get("attempts"),
    )


async def by_stream(found: Service, wanted: Wanted, sub: str) -> Told:
    headers = {**found.headers(sub=sub), **wanted.headers, "Accept": "text/event-stream"}
    answer = await found.http.post(wanted.path, json=BODIES[wanted.path], headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
    frames = [x for x in answer.text.split("\n\n") if "data: " in x]
    events = [orjson.loads(frame.partition("data: ")[2]) for frame in frames]
    last = events[-1]
    if last["type"] == "failed":
        wait, details = seconds(last["retry_after_ms"]), last["details"]
        end = Told(last["code"], last["message"], tried=tried(details.get("tried")))
        return replace(
            end,
            retry_after=wait,
            retryable=last["retryable"],
            calls=details.get("attempts"),
            events=events,
        )
    stored = await found.get(f"/api/v2/content/{last['content_id']}", sub=sub)
    return replace(from_rest(last["metadata"], stored.json()["content"]), events=events)


Edge = Callable[[Service, Wanted, str], Awaitable[Told]]
EDGES: dict[str, Edge] = {
    "mutation": by_mutation,
    "subscription": by_subscription,
    "post": by_post,
    "stream": by_stream,
}
