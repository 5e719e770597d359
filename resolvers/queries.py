"""The queries."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated

import strawberry

from app.errors import InvalidRequest, NotFound
from app.operations.fields import ContentType
from resolvers.budgets import Budget, budgets
from resolvers.complexity import DEFAULT_PAGE, DEFAULT_USAGE, MAX_NODES, MAX_PAGE
from resolvers.context import ID, Info
from resolvers.enums import BreakerState, HealthState
from resolvers.generations import Generation, generation_of
from resolvers.node import Node, global_id, named_content, node_content
from resolvers.payloads import rate_limit
from resolvers.ratings import RatingReport
from resolvers.results import stored_content
from resolvers.selections import asks_for_answers
from resolvers.types import Content, ContentOf, RateLimit, described
from resolvers.usage import After as AfterUsage
from resolvers.usage import By, OfUser, Since, Until, UsageDimension, UsageReport, usage
from resolvers.usage import First as FirstUsage

First = Annotated[int, strawberry.argument(description=f"How many, 1 to {MAX_PAGE}.")]
AfterEdge = Annotated[
    str | None, strawberry.argument(description="The cursor of the last one that you have.")
]
ContentTypes = Annotated[
    list[ContentType] | None, strawberry.argument(description="Only these kinds.")
]
GenerationID = Annotated[ID, strawberry.argument(description="The generation's id.")]
ContentID = Annotated[
    ID, strawberry.argument(description="The content's `id`, or its `contentId`.")
]
RatedSince = Annotated[
    datetime | None,
    strawberry.argument(description="From when; 30 days before `until` unless given, 400 at most."),
]
RatedUntil = Annotated[
    datetime | None, strawberry.argument(description="Up to when; now unless given.")
]
NodeID = Annotated[ID, strawberry.argument(description="The `id` of what is wanted.")]
NodeIDs = Annotated[
    list[ID], strawberry.argument(description=f"The `id` of each; 1 to {MAX_NODES}.")
]


@strawberry.type(description="How the parts that the gateway depends on are.")
class HealthComponents:
    openai: HealthState = described("The models, as real calls saw them.")
    message_hub: HealthState = described("The event log.")
    cache: HealthState = described("The cache and the limits.")
    db: HealthState = described("The database.")


@strawberry.type(description="What this process saw in the last minute.")
class HealthMetrics:
    request_rate: float = described("Requests a second.")
    error_rate: float = described("The share of them that failed, 0 to 1.")
    p95_latency: float = described("Milliseconds within which 95 % were answered.")


@strawberry.type(description="How the gateway is; the same as `GET /health`.")
class Health:
    status: HealthState = described("All in all.")
    components: HealthComponents = described("Part by part.")
    metrics: HealthMetrics = described("The last minute.")


@strawberry.type(description="Who asks.")
class Viewer:
    id: ID = described("The token's subject.")
    permissions: list[str] = described("What the caller may do, wildcards expanded.")
    tier: str = described("The rate-limit tier.")
    expires_at: datetime | None = described("When the token ends.")


@strawberry.type(description="A model that can be asked for.")
class Model:
    id: ID = described("Opaque, and the same for ever: what caches know it by.")
    name: str = described("Its name in `ModelInput.name`.")
    provider: str = described("Who runs it, such as `openai`; `compatible` for any other server.")
    upstream: str | None = described("Its name there; null for the embedded storyteller.")
    state: HealthState = described("How real calls found it.")
    breaker: BreakerState = described("Its circuit breaker, shared by all processes.")
    configured: bool = described("Whether it can be called from here, or others answer for it.")
    context_size: int | None = described("Tokens of prompt and answer together.")
    max_tokens: int = described("The most that an answer may have.")
    input_price: float | None = described("US dollars for a million prompt tokens, if known.")
    cached_price: float | None = described(
        "US dollars for a million prompt tokens that the provider had in its cache, if known."
    )
    cache_write_price: float | None = described(
        "US dollars for a million prompt tokens that it keeps in its cache from now on, if known."
    )
    output_price: float | None = described("US dollars for a million answer tokens, if known.")
    retires_at: date | None = described("When its provider shuts it down, if it says so.")
    gone: bool = described("Whether its provider no longer has it.")
    fallback: list[str] = described("Who answers when it cannot, in order.")


@strawberry.type(description="Where a page begins and ends.")
class PageInfo:
    has_next_page: bool = described("Whether more follow.")
    has_previous_page: bool = described("Whether the page began behind a cursor.")
    start_cursor: str | None = described("The first edge's cursor.")
    end_cursor: str | None = described("The last edge's cursor.")


@strawberry.type(description="A content and its place in the list.")
class ContentEdge:
    cursor: str = described("Its place.")
    node: Content = described("The content.")


@strawberry.type(description="A page of the caller's contents, the newest first.")
class ContentConnection:
    edges: list[ContentEdge] = described("The contents with their places.")
    page_info: PageInfo = described("Where the page begins and ends.")


def _edge_cursor(content_id: str) -> str:
    return base64.urlsafe_b64encode(f"content:{content_id}".encode()).decode()


def _from_cursor(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        kind, _, content_id = base64.urlsafe_b64decode(cursor).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        kind, content_id = "", ""
    if kind != "content" or not content_id:
        raise InvalidRequest.at(("after",), "not a cursor of this list")
    return content_id


async def _nodes(info: Info, ids: Sequence[str]) -> list[Node | None]:
    wanted = [node_content(one) for one in ids]
    keys = [key for key in wanted if key is not None]
    whole = asks_for_answers(info)
    asked = [ContentOf(key, whole=whole) for key in keys]
    found = dict(zip(keys, await info.context.contents.load_many(asked), strict=True))
    return [None if key is None else found[key] for key in wanted]


def _behind(name: str, chain: tuple[str, ...]) -> list[str]:
    """Who answers when this model cannot."""
    return list(chain[chain.index(name) + 1 :]) if name in chain else []


@strawberry.type(description="What can be read.")
class Query:
    @strawberry.field(description="One of your contents; null when there is none with this id.")
    async def content(self, info: Info, id: ContentID) -> Content | None:
        asked = ContentOf(named_content(str(id)), whole=asks_for_answers(info))
        return await info.context.contents.load(asked)

    @strawberry.field(
        description="What has this `id`; null where it is unknown, malformed or not yours."
    )
    async def node(self, info: Info, id: NodeID) -> Node | None:
        return (await _nodes(info, [id]))[0]

    @strawberry.field(
        description="What has these, in their order; null where one is unknown, malformed or not "
        "yours."
    )
    async def nodes(self, info: Info, ids: NodeIDs) -> list[Node | None]:
        if not 1 <= len(ids) <= MAX_NODES:
            raise InvalidRequest.at(("ids",), f"1 to {MAX_NODES} ids are wanted")
        return await _nodes(info, ids)

    @strawberry.field(description="Your contents, the newest first.")
    async def contents(
        self,
        info: Info,
        first: First = DEFAULT_PAGE,
        after: AfterEdge = None,
        content_types: ContentTypes = None,
    ) -> ContentConnection:
        if not 1 <= first <= MAX_PAGE:
            raise InvalidRequest.at(("first",), f"must be between 1 and {MAX_PAGE}")
        records = await info.context.gateway.contents.page(
            info.context.authenticated.caller,
            first=first + 1,
            after=_from_cursor(after),
            content_types=sorted(t.value for t in set(content_types)) if content_types else None,
            whole=asks_for_answers(info, "edges", "node"),
        )
        edges = [
            ContentEdge(cursor=_edge_cursor(r.content_id), node=stored_content(r))
            for r in records[:first]
        ]
        return ContentConnection(
            edges=edges,
            page_info=PageInfo(
                has_next_page=len(records) > first,
                has_previous_page=after is not None,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=edges[-1].cursor if edges else None,
            ),
        )

    @strawberry.field(description="Who asks, and what they may.")
    async def viewer(self, info: Info) -> Viewer:
        caller, gateway = info.context.authenticated.caller, info.context.gateway
        return Viewer(
            id=ID(caller.id),
            permissions=gateway.permissions(caller),
            tier=gateway.limiter.tier(caller),
            expires_at=datetime.fromtimestamp(caller.expires_at, UTC),
        )

    @strawberry.field(description="How every limit stands for the caller.")
    async def rate_limits(self, info: Info) -> list[RateLimit]:
        caller = info.context.authenticated.caller
        return [rate_limit(s) for s in await info.context.gateway.rate_limits(caller)]

    @strawberry.field(description="How the budgets stand that your calls count for.")
    async def budgets(self, info: Info) -> list[Budget]:
        return await budgets(info)

    @strawberry.field(description="One of your generations, as it is now.")
    async def generation(self, info: Info, id: GenerationID) -> Generation | None:
        caller, gateway = info.context.authenticated.caller, info.context.gateway
        try:
            return generation_of(gateway, str(id), await gateway.transcript(caller, str(id)))
        except NotFound:
            return None

    @strawberry.field(description="The models, with their prices and states.")
    async def models(self, info: Info) -> list[Model]:
        models = info.context.gateway.models
        return [
            Model(
                id=global_id("Model", m.name),
                name=m.name,
                provider=m.provider,
                upstream=m.upstream,
                state=HealthState(m.state),
                breaker=BreakerState(m.breaker_state.value),
                configured=m.writer is not None,
                context_size=m.context_size,
                max_tokens=m.max_tokens,
                input_price=m.prices.input,
                cached_price=m.prices.cached,
                cache_write_price=m.prices.cache_write,
                output_price=m.prices.output,
                retires_at=m.retires_at,
                gone=m.gone,
                fallback=_behind(m.name, models.chain),
            )
            for m in models
        ]

    @strawberry.field(
        description="How good users found what was made, by operation, model, prompt version and "
        "canary. Needs `gateway:admin`."
    )
    async def ratings(
        self, info: Info, since: RatedSince = None, until: RatedUntil = None
    ) -> RatingReport | None:
        request, gateway = info.context.authenticated, info.context.gateway
        return RatingReport.of(await gateway.ratings.report(request, since, until))

    @strawberry.field(description="How the gateway is. Needs no token.")
    async def health(self, info: Info) -> Health:
        report = info.context.gateway.health.report()
        return Health(
            status=HealthState(report["status"]),
            components=HealthComponents(
                **{k: HealthState(v) for k, v in report["components"].items()}
            ),
            metrics=HealthMetrics(**report["metrics"]),
        )

    @strawberry.field(
        description="What was spent on models: by you, or for `gateway:admin` by everybody."
    )
    async def usage(
        self,
        info: Info,
        since: Since = None,
        until: Until = None,
        by: By = (UsageDimension.DAY, UsageDimension.MODEL),  # type: ignore[assignment]
        user: OfUser = None,
        first: FirstUsage = DEFAULT_USAGE,
        after: AfterUsage = None,
    ) -> UsageReport:
        asked = {"by": [one.value for one in by], "user": user, "first": first, "after": after}
        return await usage(info, since, until, **asked)

    @strawberry.field(
        description="The event log's end now: who subscribes `after` it misses nothing."
    )
    async def event_cursor(self, info: Info) -> str:
        return await info.context.gateway.events.cursor(info.context.authenticated.caller)
