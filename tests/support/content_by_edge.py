"""The four edges by which a caller asks and learns of an outcome, each read into one `Told`."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from tests.support.rest_bodies import GOOD as BODIES
from tests.support.rest_bodies import STORY, TEXT
from tests.support.service import Service

STATUS = {
    "CONTENT_REJECTED": 400,
    "MODEL_ERROR": 502,
    "MODEL_UNAVAILABLE": 503,
    "MODEL_TIMEOUT": 504,
}

# -- what a caller gets
ENDS = ("completed", "failed", "cancelled")


@dataclass
class Result:
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
class Asked:
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


def from_graphql(made: dict[str, Any]) -> Result:
    metadata = made["metadata"]
    return Result(
        text=made["text"],
        model=metadata["modelUsed"],
        degraded=metadata["degraded"],
        finish=metadata["finishReason"].lower(),
        source=metadata["tokenUsage"]["source"].lower(),
        tokens=metadata["tokenUsage"]["totalTokens"],
        tried=tried(metadata["attempts"]),
    )


def from_rest(metadata: dict[str, Any], text: str) -> Result:
    return Result(
        text=text,
        model=metadata["model_used"],
        degraded=metadata["degraded"],
        finish=metadata["finish_reason"],
        source=metadata["token_usage"]["source"],
        tokens=metadata["token_usage"]["total_tokens"],
        tried=tried(metadata["attempts"]),
    )


async def by_mutation(found: Service, wanted: Asked, sub: str) -> Result:
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
    return Result(
        facts["code"],
        error["message"],
        tried=tried(facts.get("tried")),
        retry_after=wait,
        status=STATUS[facts["code"]],
        calls=facts.get("attempts"),
    )


async def by_subscription(found: Service, wanted: Asked, sub: str) -> Result:
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


def _ended(events: list[dict[str, Any]]) -> Result:
    last = events[-1]
    if last["type"] == "failed":
        wait = seconds(last["retryAfterMs"])
        end = Result(last["code"], last["message"], tried=tried(last["attempts"]), retry_after=wait)
        return replace(end, retryable=last["retryable"], events=events)
    return replace(from_graphql(last["content"]), events=events)


async def by_post(found: Service, wanted: Asked, sub: str) -> Result:
    headers = {**found.headers(sub=sub), **wanted.headers}
    answer = await found.http.post(wanted.path, json=BODIES[wanted.path], headers=headers)
    body = answer.json()
    if answer.status_code == 200:
        return from_rest(body["metadata"], body["content"])
    details, wait = body["details"], answer.headers.get("retry-after")
    return Result(
        body["code"],
        body["message"],
        tried=tried(details.get("tried")),
        retry_after=None if wait is None else int(wait),
        status=answer.status_code,
        calls=details.get("attempts"),
    )


async def by_stream(found: Service, wanted: Asked, sub: str) -> Result:
    headers = {**found.headers(sub=sub), **wanted.headers, "Accept": "text/event-stream"}
    answer = await found.http.post(wanted.path, json=BODIES[wanted.path], headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
    frames = [x for x in answer.text.split("\n\n") if "data: " in x]
    events = [orjson.loads(frame.partition("data: ")[2]) for frame in frames]
    last = events[-1]
    if last["type"] == "failed":
        wait, details = seconds(last["retry_after_ms"]), last["details"]
        end = Result(last["code"], last["message"], tried=tried(details.get("tried")))
        return replace(
            end,
            retry_after=wait,
            retryable=last["retryable"],
            calls=details.get("attempts"),
            events=events,
        )
    stored = await found.get(f"/api/v2/content/{last['content_id']}", sub=sub)
    return replace(from_rest(last["metadata"], stored.json()["content"]), events=events)


Edge = Callable[[Service, Asked, str], Awaitable[Result]]
EDGES: dict[str, Edge] = {
    "mutation": by_mutation,
    "subscription": by_subscription,
    "post": by_post,
    "stream": by_stream,
}
