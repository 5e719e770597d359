"""The gateway's types and the client's documents, made from schema.graphql by generate.py.

Answers and inputs are dictionaries, as they are sent: the keys are the schema's names. `typename`
says which of several types one is. Moments are RFC 3339, as strings.
"""
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final, Generic, Literal, NotRequired, TypedDict, TypeVar, overload

AttemptOutcome = Literal[
    "OK",
    "LIMITED",
    "OPEN",
    "BUSY",
    "UNCONFIGURED",
    "UNREACHABLE",
    "OVERLOADED",
    "FAILED",
    "FORBIDDEN",
    "REFUSED",
    "TOO_LONG",
    "REJECTED",
    "SILENT",
    "STALLED",
    "TIMEOUT",
    "CUT",
    "MALFORMED",
    "EMPTY",
    "EXHAUSTED",
    "TRUNCATED",
    "INVALID",
    "CANCELLED",
]
"""How one attempt on a model ended."""

BreakerState = Literal[
    "CLOSED",
    "OPEN",
    "HALF_OPEN",
]
"""A model's circuit breaker."""

BudgetPeriod = Literal[
    "DAY",
    "MONTH",
]
"""How often a budget renews, by UTC's calendar."""

BudgetUnit = Literal[
    "USD",
    "TOKENS",
]
"""What a budget counts."""

CacheStatus = Literal[
    "HIT",
    "MISS",
    "COALESCED",
    "BYPASS",
]
"""What the cache did."""

CacheUse = Literal[
    "USE",
    "REFRESH",
    "BYPASS",
]
"""What a request wants of the cache."""

CampaignContentType = Literal[
    "PLOT",
    "LOCATION",
    "QUEST",
    "DIALOGUE",
    "EVENT",
]
"""What to write for a campaign."""

CharacterContentType = Literal[
    "BACKSTORY",
    "PERSONALITY",
    "COMBAT",
    "EQUIPMENT",
]
"""What to write about a character."""

ContentType = Literal[
    "CHARACTER",
    "CAMPAIGN",
    "STORY",
    "THEME",
    "VALIDATION",
]
"""What kind of content a result is."""

EventType = Literal[
    "CONTENT_GENERATED",
    "STORY_GENERATED",
    "THEME_ANALYZED",
    "VALIDATION_COMPLETED",
    "CONTENT_RATED",
    "BUDGET_WARNED",
]
"""What happened."""

FinishReason = Literal[
    "STOP",
    "LENGTH",
]
"""Why a model stopped."""

GenerationState = Literal[
    "RUNNING",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
]
"""How far a generation is."""

HealthState = Literal[
    "HEALTHY",
    "DEGRADED",
    "UNHEALTHY",
]
"""How well something is."""

ItemKind = Literal[
    "WEAPON",
    "ARMOR",
    "POTION",
    "RING",
    "ROD",
    "SCROLL",
    "STAFF",
    "WAND",
    "WONDROUS",
]
"""What kind of thing it is."""

ItemRarity = Literal[
    "COMMON",
    "UNCOMMON",
    "RARE",
    "VERY_RARE",
    "LEGENDARY",
    "ARTIFACT",
]
"""How rare it is, and so how strong it may be."""

LocationType = Literal[
    "TOWN",
    "DUNGEON",
    "WILDERNESS",
    "LANDMARK",
    "BUILDING",
    "SHOP",
    "TAVERN",
]
"""What kind of place it is."""

NpcRole = Literal[
    "ALLY",
    "ANTAGONIST",
    "MERCHANT",
    "QUEST_GIVER",
    "LORE_KEEPER",
    "MENTOR",
    "NEUTRAL",
]
"""What a person is to the party."""

OnDisconnect = Literal[
    "CONTINUE",
    "CANCEL",
]
"""What becomes of a request whose client leaves."""

RuleCategory = Literal[
    "THEME",
    "QUALITY",
    "CONSISTENCY",
    "RULES",
    "CUSTOM",
]
"""What a validation rule looks at."""

Severity = Literal[
    "ERROR",
    "WARNING",
    "INFO",
]
"""How bad an issue is."""

StoryElementType = Literal[
    "PLOT",
    "QUEST",
    "SCENE",
    "DIALOGUE",
    "DESCRIPTION",
    "EVENT",
]
"""What part of a story to write."""

ThemeCategory = Literal[
    "FANTASY",
    "HORROR",
    "MYSTERY",
    "ADVENTURE",
    "DRAMA",
    "COMEDY",
    "HEROIC",
    "DARK",
    "EPIC",
    "UNDECIDED",
]
"""What kind of tale a text is."""

ThemeElement = Literal[
    "TONE",
    "MOOD",
    "SETTING",
    "CONFLICT",
    "SYMBOLISM",
    "CHARACTER_FOCUS",
    "STORY_STRUCTURE",
    "WORLD_BUILDING",
]
"""A side of a text that is looked at by itself."""

TokenSource = Literal[
    "PROVIDER",
    "GATEWAY",
]
"""Who counted the tokens of an answer."""

UsageDimension = Literal[
    "DAY",
    "MODEL",
    "OPERATION",
    "USER",
]
"""What usage is summed up by."""


class AnalyzeThemeInput(TypedDict):
    """A text whose theme is to be analysed."""

    cache: NotRequired[CacheUse | None]
    """Whether an earlier answer will do; analyses and validations USE it unless told otherwise."""

    similar: NotRequired[float | None]
    """Take an earlier answer to a request that is so alike, 0 to 1; off unless given."""

    idempotencyKey: NotRequired[str | None]
    """1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer."""

    allowDegraded: NotRequired[bool]
    """Whether a simpler model than the one asked for will do."""

    onDisconnect: NotRequired[OnDisconnect]
    """What becomes of it when you leave."""

    content: str
    """The text; 1 to 50,000 characters."""

    currentTheme: NotRequired[ThemeInput | None]
    """What its theme is meant to be."""

    targetTheme: NotRequired[ThemeInput | None]
    """The theme to compare it with."""

    elements: NotRequired[list[ThemeElement] | None]
    """The sides to look at; default all."""

    categoryFilter: NotRequired[list[ThemeCategory] | None]
    """The only categories that may be answered."""


class AnalyzeThemePayload(TypedDict):
    """An analysed theme."""

    requestId: str
    """The request's id; quote it when you report a problem."""

    rateLimit: RateLimit
    """The tightest limit that this request touched."""

    cacheStatus: CacheStatus
    """What the cache did."""

    similarity: float | None
    """How alike the request was that this answer was made for, where it was another."""

    analysis: ThemeAnalysis
    """The analysis."""


class Attempt(TypedDict):
    """What became of one attempt on a model."""

    model: str
    """The model."""

    outcome: AttemptOutcome
    """How it ended."""

    ms: int
    """How long it took, in milliseconds; 0 when the model was not called."""

    usage: AttemptUsage | None
    """The tokens that it took where it gave no answer; null where nothing is to be paid. An
    answer's own are in `tokenUsage`.
    """


class AttemptUsage(TypedDict):
    """The tokens that an attempt took that gave no answer."""

    promptTokens: int
    """Tokens of what the model was asked."""

    completionTokens: int
    """Tokens of what came of its text."""

    totalTokens: int
    """Both together."""

    estimated: bool
    """Whether the gateway counted them, as the provider did not say."""


class BatchError(TypedDict):
    """Why one operation of a batch has no result."""

    code: str
    """The code, as in an error's `extensions`."""

    message: str
    """What went wrong."""

    field: str | None
    """The first bad field, from `input`, if the input was wrong."""

    retryAfterMs: int | None
    """Milliseconds until another try makes sense."""


class BatchRequest(TypedDict):
    """One operation of a batch: exactly one field is given."""

    characterContent: NotRequired[GenerateCharacterContentInput | None]
    """Character content."""

    campaignContent: NotRequired[GenerateCampaignContentInput | None]
    """Campaign content."""

    story: NotRequired[GenerateStoryInput | None]
    """A story element."""

    npc: NotRequired[GenerateNpcInput | None]
    """A non-player character."""

    location: NotRequired[GenerateLocationInput | None]
    """A location."""

    item: NotRequired[GenerateItemInput | None]
    """A magic item."""

    themeAnalysis: NotRequired[AnalyzeThemeInput | None]
    """A theme analysis."""

    contentValidation: NotRequired[ValidateContentInput | None]
    """A content validation."""


class BatchResult(TypedDict):
    """What came of one operation of a batch."""

    content: Content | None
    """The result."""

    error: BatchError | None
    """Why there is none."""

    cacheStatus: CacheStatus | None
    """What the cache did."""

    similarity: float | None
    """How alike the request was that this answer was made for, where it was another."""


class Budget(TypedDict):
    """A budget of the caller's, or one that others share with them."""

    name: str
    """Its name."""

    period: BudgetPeriod
    """How often it renews."""

    unit: BudgetUnit
    """What it counts."""

    limit: float
    """How much there is in a period."""

    spent: float
    """How much of it is spent."""

    reserved: float
    """How much calls that are under way may take."""

    remaining: float
    """What is left."""

    renewsAt: str
    """When the next period begins."""


class BudgetWarnedEvent(TypedDict):
    """A budget is spent up to where it warns; once in its period. The content is the one that it
    was noticed with, and may not have come to be.
    """

    typename: Literal["BudgetWarnedEvent"]

    id: str
    """The same on a repeat: dedupe by it."""

    type: EventType
    """What happened."""

    cursor: str
    """Its place in the log; go on behind it with `after`."""

    contentId: str
    """The content that it is about."""

    contentType: ContentType
    """What kind of content that is."""

    userId: str
    """Whose it is."""

    requestId: str
    """The request that made it."""

    source: str
    """The service that it came from."""

    occurredAt: str
    """When it happened."""

    metadata: EventMetadata
    """What made it."""

    content: Content | None
    """The content itself; null when it is not yours or is gone."""

    budget: str
    """The budget's name."""

    period: BudgetPeriod
    """How often it renews."""

    unit: BudgetUnit
    """What it counts."""

    limit: float
    """How much there is in a period."""

    spent: float
    """How much of it is spent."""

    share: float
    """The same as a share of the limit."""

    renewsAt: str
    """When the next period begins."""

    errors: NotRequired[list[dict[str, Any]]]
    """Why its content could not be loaded, where it is null for that."""


class CampaignContextInput(TypedDict):
    """What campaign a text is for."""

    campaignTheme: NotRequired[str | None]
    """Such as `a haunted coast`."""

    partyLevel: NotRequired[int | None]
    """1 to 20."""

    partySize: NotRequired[int | None]
    """At least 1."""

    duration: NotRequired[str | None]
    """Such as `six sessions`."""

    extra: NotRequired[list[KeyValue] | None]
    """Further keys, passed on to the prompt."""


class CancelGenerationPayload(TypedDict):
    """A generation that was to be cancelled."""

    requestId: str
    """The request's id; quote it when you report a problem."""

    rateLimit: RateLimit
    """The tightest limit that this request touched."""

    generation: Generation
    """The generation; it may have ended before."""


class CharacterContextInput(TypedDict):
    """Who the character is."""

    characterClass: NotRequired[str | None]
    """Such as `warlock`."""

    characterRace: NotRequired[str | None]
    """Such as `tiefling`."""

    characterLevel: NotRequired[int | None]
    """1 to 20."""

    alignment: NotRequired[str | None]
    """Such as `chaotic good`."""

    background: NotRequired[str | None]
    """Such as `sage`."""

    extra: NotRequired[list[KeyValue] | None]
    """Further keys, passed on to the prompt."""


class ContentGeneratedEvent(TypedDict):
    """Character, campaign or story text was generated."""

    typename: Literal["ContentGeneratedEvent"]

    id: str
    """The same on a repeat: dedupe by it."""

    type: EventType
    """What happened."""

    cursor: str
    """Its place in the log; go on behind it with `after`."""

    contentId: str
    """The content that it is about."""

    contentType: ContentType
    """What kind of content that is."""

    userId: str
    """Whose it is."""

    requestId: str
    """The request that made it."""

    source: str
    """The service that it came from."""

    occurredAt: str
    """When it happened."""

    metadata: EventMetadata
    """What made it."""

    content: Content | None
    """The content itself; null when it is not yours or is gone."""

    errors: NotRequired[list[dict[str, Any]]]
    """Why its content could not be loaded, where it is null for that."""


class ContentRatedEvent(TypedDict):
    """A user rated a content of theirs; the last one of it counts."""

    typename: Literal["ContentRatedEvent"]

    id: str
    """The same on a repeat: dedupe by it."""

    type: EventType
    """What happened."""

    cursor: str
    """Its place in the log; go on behind it with `after`."""

    contentId: str
    """The content that it is about."""

    contentType: ContentType
    """What kind of content that is."""

    userId: str
    """Whose it is."""

    requestId: str
    """The request that made it."""

    source: str
    """The service that it came from."""

    occurredAt: str
    """When it happened."""

    metadata: EventMetadata
    """What made it."""

    content: Content | None
    """The content itself; null when it is not yours or is gone."""

    score: int
    """1 (poor) to 5 (excellent)."""

    errors: NotRequired[list[dict[str, Any]]]
    """Why its content could not be loaded, where it is null for that."""


class ContentValidation(TypedDict):
    """A text held against rules."""

    typename: Literal["ContentValidation"]

    id: str
    """Globally unique, opaque, and the same for ever: what caches know it by."""

    contentId: str
    """Its UUID, by which REST and events name it."""

    contentType: ContentType
    """What kind of content it is."""

    createdAt: str
    """When it was made."""

    metadata: Metadata
    """What it tells about itself."""

    overallScore: float
    """The mean of the judged rules' scores, 0 to 1; 0 where none was judged."""

    passed: bool
    """Whether every required rule that was judged passed."""

    results: list[RuleResult]
    """A result for each rule, in the rules' order."""

    summary: str
    """The verdict in one or two sentences."""


class DeleteContentPayload(TypedDict):
    """A deleted content."""

    requestId: str
    """The request's id; quote it when you report a problem."""

    rateLimit: RateLimit
    """The tightest limit that this request touched."""

    contentId: str
    """The `contentId` that is gone."""

    deletedId: str
    """The `id` that is gone, for caches to forget."""


class ElementAnalysis(TypedDict):
    """What one side of a text does for its theme."""

    element: ThemeElement
    """The side that was looked at."""

    score: float
    """How strongly and how well it is worked out, 0 to 1."""

    description: str
    """What the text does."""

    suggestions: list[str]
    """What would strengthen it."""


class EventMetadata(TypedDict):
    """What an event tells about the answer that made it."""

    modelUsed: str
    """The model that wrote it."""

    tokenUsage: TokenUsage
    """The tokens that it took."""

    promptVersion: str
    """Which wording of the prompt was used."""

    variant: str | None
    """The canary that made it; null without one."""

    traceparent: str | None
    """The span that made it, by W3C trace context; null where the gateway has no traces."""


class GenerateBatchPayload(TypedDict):
    """What came of each operation of a batch."""

    requestId: str
    """The request's id; quote it when you report a problem."""

    rateLimit: RateLimit
    """The tightest limit that this request touched."""

    results: list[BatchResult]
    """A result for each request, in the given order."""


class GenerateCampaignContentInput(TypedDict):
    """Campaign content to generate."""

    cache: NotRequired[CacheUse | None]
    """Whether an earlier answer will do; analyses and validations USE it unless told otherwise."""

    similar: NotRequired[float | None]
    """Take an earlier answer to a request that is so alike, 0 to 1; off unless given."""

    idempotencyKey: NotRequired[str | None]
    """1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer."""

    allowDegraded: NotRequired[bool]
    """Whether a simpler model than the one asked for will do."""

    onDisconnect: NotRequired[OnDisconnect]
    """What becomes of it when you leave."""

    type: CampaignContentType
    """What to write."""

    campaignContext: CampaignContextInput
    """What campaign it is for."""

    theme: NotRequired[ThemeInput | None]
    """How it should feel."""

    model: NotRequired[ModelInput | None]
    """Which model writes, and how freely."""

    parentContentId: NotRequired[str | None]
    """The content that this one continues."""


class GenerateCampaignContentPayload(TypedDict):
    """Generated campaign content."""

    requestId: str
    """The request's id; quote it when you report a problem."""

    rateLimit: RateLimit
    """The tightest limit that this request touched."""

    cacheStatus: CacheStatus
    """What the cache did."""

    similarity: float | None
    """How alike the request was that this answer was made for, where it was another."""

    content: GeneratedContent
    """The content."""


class GenerateCharacterContentInput(TypedDict):
    """Character content to generate."""

    cache: NotRequired[CacheUse | None]
    """Whether an earlier answer will do; analyses and validations USE it unless told otherwise."""

    similar: NotRequired[float | None]
    """Take an earlier answer to a request that is so alike, 0 to 1; off unless given."""

    idempotencyKey: NotRequired[str | None]
    """1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer."""

    allowDegraded: NotRequired[bool]
    """Whether a simpler model than the one asked for will do."""

    onDisconnect: NotRequired[OnDisconnect]
    """What becomes of it when you leave."""

    type: CharacterContentType
    """What to write."""

    characterContext: CharacterContextInput
    """Who the character is."""

    theme: NotRequired[ThemeInput | None]
    """How it should feel."""

    model: NotRequired[ModelInput | None]
    """Which model writes, and how freely."""

    parentContentId: NotRequired[str | None]
    """The content that this one continues."""


class GenerateCharacterContentPayload(TypedDict):
    """Generated character content."""

    requestId: str
    """The request's id; quote it when you report a problem."""

    rateLimit: RateLimit
    """The tightest limit that this request touched."""

    cacheStatus: CacheStatus
    """What the cache did."""

    similarity: float | None
    """How alike the request was that this answer was made for, where it was another."""

    content: GeneratedContent
    """The content."""


class GenerateItemInput(TypedDict):
    """A magic item to generate."""

    cache: NotRequired[CacheUse | None]
    """Whether an earlier answer will do; analyses and validations USE it unless told otherwise."""

    similar: NotRequired[float | None]
    """Take an earlier answer to a request that is so alike, 0 to 1; off unless given."""

    idempotencyKey: NotRequired[str | None]
    """1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer."""

    allowDegraded: NotRequired[bool]
    """Whether a simpler model than the one asked for will do."""

    onDisconnect: NotRequired[OnDisconnect]
    """What becomes of it when you leave."""

    kind: ItemKind
    """What kind of thing it is."""

    rarity: NotRequired[ItemRarity | None]
    """How rare it is; by default what the party's level usually finds."""

    context: StoryContextInput
    """Where the item belongs."""

    theme: NotRequired[ThemeInput | None]
    """How it should feel."""

    model: NotRequired[ModelInput | None]
    """Which model writes, and how freely."""

    parentContentId: NotRequired[str | None]
    """The content that this one continues."""


class GenerateItemPayload(TypedDict):
    """A generated magic item."""

    requestId: str
    """The request's id; quote it when you report a problem."""

    rateLimit: RateLimit
    """The tightest limit that this request touched."""

    cacheStatus: CacheStatus
    """What the cache did."""

    similarity: float | None
    """How alike the request was that this answer was made for, where it was another."""

    item: Item
    """The item."""


class GenerateLocationInput(TypedDict):
    """A location to generate."""

    cache: NotRequired[CacheUse | None]
    """Whether an earlier answer will do; analyses and validations USE it unless told otherwise."""

    similar: NotRequired[float | None]
    """Take an earlier answer to a request that is so alike, 0 to 1; off unless given."""

    idempotencyKey: NotRequired[str | None]
    """1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer."""

    allowDegraded: NotRequired[bool]
    """Whether a simpler model than the one asked for will do."""

    onDisconnect: NotRequired[OnDisconnect]
    """What becomes of it when you leave."""

    locationType: LocationType
    """What kind of place it is."""

    context: StoryContextInput
    """Where the place stands."""

    size: str
    """Such as `small` or `three rooms and a yard`."""

    purpose: str
    """What it is for, such as `a smugglers' market`."""

    occupants: NotRequired[list[str] | None]
    """Who must be there."""

    features: NotRequired[list[str] | None]
    """What must be there."""

    theme: NotRequired[ThemeInput | None]
    """How it should feel."""

    model: NotRequired[ModelInput | None]
    """Which model writes, and how freely."""


class GenerateLocationPayload(TypedDict):
    """A generated location."""

    requestId: str
    """The request's id; quote it when you report a problem."""

    rateLimit: RateLimit
    """The tightest limit that this request touched."""

    cacheStatus: CacheStatus
    """What the cache did."""

    similarity: float | None
    """How alike the request was that this answer was made for, where it was another."""

    location: Location
    """The place."""


class GenerateNpcInput(TypedDict):
    """A non-player character to generate."""

    cache: NotRequired[CacheUse | None]
    """Whether an earlier answer will do; analyses and validations USE it unless told otherwise."""

    similar: NotRequired[float | None]
    """Take an earlier answer to a request that is so alike, 0 to 1; off unless given."""

    idempotencyKey: NotRequired[str | None]
    """1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer."""

    allowDegraded: NotRequired[bool]
    """Whether a simpler model than the one asked for will do."""

    onDisconnect: NotRequired[OnDisconnect]
    """What becomes of it when you leave."""

    role: NpcRole
    """What the person is to the party."""

    context: StoryContextInput
    """Where the person stands."""

    traits: NotRequired[list[KeyValue] | None]
    """Traits to keep, such as `temper` and `short`."""

    relationships: NotRequired[list[KeyValue] | None]
    """To whom they stand how: a name and a nature."""

    theme: NotRequired[ThemeInput | None]
    """How it should feel."""

    model: NotRequired[ModelInput | None]
    """Which model writes, and how freely."""


class GenerateNpcPayload(TypedDict):
    """A generated non-player character."""

    requestId: str
    """The request's id; quote it when you report a problem."""

    rateLimit: RateLimit
    """The tightest limit that this request touched."""

    cacheStatus: CacheStatus
    """What the cache did."""

    similarity: float | None
    """How alike the request was that this answer was made for, where it was another."""

    npc: Npc
    """The person."""


class GenerateStoryInput(TypedDict):
    """A story element to generate."""

    cache: NotRequired[CacheUse | None]
    """Whether an earlier answer will do; analyses and validations USE it unless told otherwise."""

    similar: NotRequired[float | None]
    """Take an earlier answer to a request that is so alike, 0 to 1; off unless given."""

    idempotencyKey: NotRequired[str | None]
    """1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer."""

    allowDegraded: NotRequired[bool]
    """Whether a simpler model than the one asked for will do."""

    onDisconnect: NotRequired[OnDisconnect]
    """What becomes of it when you leave."""

    elementType: StoryElementType
    """What part of a story to write."""

    context: StoryContextInput
    """Where the story stands."""

    parameters: NotRequired[list[KeyValue] | None]
    """Further wishes."""

    theme: NotRequired[ThemeInput | None]
    """How it should feel."""

    model: NotRequired[ModelInput | None]
    """Which model writes, and how freely."""

    parentElementId: NotRequired[str | None]
    """The element that this one continues."""


class GenerateStoryPayload(TypedDict):
    """A generated story element."""

    requestId: str
    """The request's id; quote it when you report a problem."""

    rateLimit: RateLimit
    """The tightest limit that this request touched."""

    cacheStatus: CacheStatus
    """What the cache did."""

    similarity: float | None
    """How alike the request was that this answer was made for, where it was another."""

    story: Story
    """The story element."""


class GeneratedContent(TypedDict):
    """Generated prose about a character or a campaign."""

    typename: Literal["GeneratedContent"]

    id: str
    """Globally unique, opaque, and the same for ever: what caches know it by."""

    contentId: str
    """Its UUID, by which REST and events name it."""

    contentType: ContentType
    """What kind of content it is."""

    createdAt: str
    """When it was made."""

    metadata: Metadata
    """What it tells about itself."""

    text: str
    """The prose."""

    parentContentId: str | None
    """The content that this one continues."""


class Generation(TypedDict):
    """A job that writes one content."""

    id: str
    """Its id."""

    operation: str
    """What is generated, such as `character`."""

    state: GenerationState
    """How far it is."""

    cursor: str
    """Its last event's place; `generation(after:)` goes on behind it."""

    text: str | None
    """The text so far; null where none is told before the end."""

    failure: GenerationFailed | None
    """Why it has no content."""

    contentId: str | None
    """The content's id, once it is stored."""

    content: Content | None
    """The content, once it is stored."""


class GenerationCancelled(TypedDict):
    """The generation was cancelled."""

    type: Literal["cancelled"]

    generationId: str
    """Whose event it is."""

    cursor: str
    """Its place; go on behind it with `after`."""


class GenerationCompleted(TypedDict):
    """The generation has ended: its content is stored."""

    type: Literal["completed"]

    generationId: str
    """Whose event it is."""

    cursor: str
    """Its place; go on behind it with `after`."""

    contentId: str
    """The content's id."""

    finishReason: FinishReason
    """Whether the text came to its own end."""

    cacheStatus: CacheStatus
    """What the cache did."""

    content: Content | None
    """The content itself; null when it has been deleted."""


class GenerationDelta(TypedDict):
    """The next piece of the text."""

    type: Literal["delta"]

    generationId: str
    """Whose event it is."""

    cursor: str
    """Its place; go on behind it with `after`."""

    seq: int
    """1, 2, 3 and so on."""

    text: str
    """The piece; all since the last reset, joined, are the text."""


class GenerationFailed(TypedDict):
    """The generation has ended without content."""

    type: Literal["failed"]

    generationId: str
    """Whose event it is."""

    cursor: str
    """Its place; go on behind it with `after`."""

    code: str
    """The code, as in an error's `extensions`."""

    message: str
    """What went wrong."""

    retryable: bool
    """Whether it may go better when it is started again."""

    retryAfterMs: int | None
    """Milliseconds until that makes sense, if known."""

    attempts: list[Attempt]
    """What was tried."""


class GenerationReset(TypedDict):
    """A model failed midway and another attempt begins: drop the text."""

    type: Literal["reset"]

    generationId: str
    """Whose event it is."""

    cursor: str
    """Its place; go on behind it with `after`."""

    attempt: int
    """Which attempt begins."""

    reason: str
    """Why the last one ended, such as `stalled` or `cut`."""


class GenerationStarted(TypedDict):
    """The generation has begun."""

    type: Literal["started"]

    generationId: str
    """Whose event it is."""

    cursor: str
    """Its place; go on behind it with `after`."""

    operation: str
    """What is generated, such as `character`."""


class Health(TypedDict):
    """How the gateway is; the same as `GET /health`."""

    status: HealthState
    """All in all."""

    components: HealthComponents
    """Part by part."""

    metrics: HealthMetrics
    """The last minute."""


class HealthComponents(TypedDict):
    """How the parts that the gateway depends on are."""

    openai: HealthState
    """The models, as real calls saw them."""

    messageHub: HealthState
    """The event log."""

    cache: HealthState
    """The cache and the limits."""

    db: HealthState
    """The database."""


class HealthMetrics(TypedDict):
    """What this process saw in the last minute."""

    requestRate: float
    """Requests a second."""

    errorRate: float
    """The share of them that failed, 0 to 1."""

    p95Latency: float
    """Milliseconds within which 95 % were answered."""


class Item(TypedDict):
    """A magic item."""

    typename: Literal["Item"]

    id: str
    """Globally unique, opaque, and the same for ever: what caches know it by."""

    contentId: str
    """Its UUID, by which REST and events name it."""

    contentType: ContentType
    """What kind of content it is."""

    createdAt: str
    """When it was made."""

    metadata: Metadata
    """What it tells about itself."""

    name: str
    """What the item is called."""

    kind: ItemKind
    """What kind of thing it is."""

    rarity: ItemRarity
    """How rare it is."""

    attunement: str | None
    """Who may attune; null when nobody has to."""

    description: str
    """What is seen, heard and felt of it."""

    properties: list[ItemProperty]
    """What it does, by its rarity's measure."""

    history: str
    """Who made it, and through whose hands it went."""

    drawback: str | None
    """Its price or its curse, if it has one."""

    found: str
    """Where the party may find it, and how."""

    parentContentId: str | None
    """The content that this one continues."""


class ItemProperty(TypedDict):
    """One thing that an item does."""

    name: str
    """What it is called."""

    effect: str
    """What it does, in the rules' own words."""

    charges: int | None
    """How many it has; null where it needs none."""

    recharge: str | None
    """How spent charges come back, if they do."""


class KeyValue(TypedDict):
    """A further key with its value."""

    key: str
    """The key; 1 to 100 characters."""

    value: str
    """The value; at most 4,000 characters."""


class Location(TypedDict):
    """A place for a campaign."""

    typename: Literal["Location"]

    id: str
    """Globally unique, opaque, and the same for ever: what caches know it by."""

    contentId: str
    """Its UUID, by which REST and events name it."""

    contentType: ContentType
    """What kind of content it is."""

    createdAt: str
    """When it was made."""

    metadata: Metadata
    """What it tells about itself."""

    name: str
    """What the place is called."""

    locationType: LocationType
    """What kind of place it is."""

    description: str
    """To read aloud on arrival."""

    pointsOfInterest: list[str]
    """What the party may look into."""

    occupants: list[str]
    """Who is there."""

    secrets: list[str]
    """What a search may find."""

    hooks: list[str]
    """Reasons to come, or to come back."""


class Metadata(TypedDict):
    """What an answer tells about itself."""

    contentType: ContentType
    """What kind of content it is."""

    modelUsed: str
    """The model that wrote it; `storyteller` is the embedded one."""

    tokenUsage: TokenUsage
    """The tokens that it took."""

    requestId: str
    """The request that made it."""

    createdAt: str
    """When it was made."""

    cached: bool
    """Whether it was an earlier answer, given again."""

    degraded: bool
    """Whether a simpler model than the one asked for wrote it."""

    finishReason: FinishReason
    """Whether the text came to its own end."""

    attempts: list[Attempt]
    """What was tried for it, in order."""

    cost: float | None
    """US dollars for its own tokens; null where no price is known."""

    upstreamModel: str | None
    """The model's name in its provider's own answer; null without one."""

    ignoredParameters: list[str]
    """What of the request could not be used: names of its `model`, or paths in its input."""

    seed: int | None
    """The seed that was used; null without one, or where it is no 32-bit number."""

    promptVersion: str
    """Which wording of the prompt was used."""

    variant: str | None
    """The canary that made it; null without one."""


class Model(TypedDict):
    """A model that can be asked for."""

    id: str
    """Opaque, and the same for ever: what caches know it by."""

    name: str
    """Its name in `ModelInput.name`."""

    provider: str
    """Who runs it, such as `openai`; `compatible` for any other server."""

    upstream: str | None
    """Its name there; null for the embedded storyteller."""

    state: HealthState
    """How real calls found it."""

    breaker: BreakerState
    """Its circuit breaker, shared by all processes."""

    configured: bool
    """Whether it can be called from here, or others answer for it."""

    contextSize: int | None
    """Tokens of prompt and answer together."""

    maxTokens: int
    """The most that an answer may have."""

    inputPrice: float | None
    """US dollars for a million prompt tokens, if known."""

    cachedPrice: float | None
    """US dollars for a million prompt tokens that the provider had in its cache, if known."""

    cacheWritePrice: float | None
    """US dollars for a million prompt tokens that it keeps in its cache from now on, if known."""

    outputPrice: float | None
    """US dollars for a million answer tokens, if known."""

    retiresAt: str | None
    """When its provider shuts it down, if it says so."""

    gone: bool
    """Whether its provider no longer has it."""

    fallback: list[str]
    """Who answers when it cannot, in order."""


class ModelInput(TypedDict):
    """Which model writes, and how freely."""

    name: NotRequired[str | None]
    """A configured model, see `Query.models`; default `gpt-4-turbo`."""

    temperature: NotRequired[float | None]
    """0 to 2; default 0.7. Where the model takes none, `metadata.ignoredParameters` says so."""

    maxTokens: NotRequired[int | None]
    """Tokens of visible text, at least 1; what the model thinks comes on top. Default 1000, or
    1500 to 1900 for what has several fields.
    """

    seed: NotRequired[int | None]
    """For the same words again, where the model can; `metadata.seed` tells which one was used."""

    fallbackModel: NotRequired[str | None]
    """The model to ask when this one cannot answer."""


class Npc(TypedDict):
    """A non-player character."""

    typename: Literal["Npc"]

    id: str
    """Globally unique, opaque, and the same for ever: what caches know it by."""

    contentId: str
    """Its UUID, by which REST and events name it."""

    contentType: ContentType
    """What kind of content it is."""

    createdAt: str
    """When it was made."""

    metadata: Metadata
    """What it tells about itself."""

    name: str
    """What the person is called."""

    role: NpcRole
    """What the person is to the party."""

    description: str
    """What is seen and heard first."""

    personality: str
    """How they treat others, and how they speak."""

    motivations: list[str]
    """What they want."""

    secrets: list[str]
    """What they would not want known."""

    relationships: list[Relationship]
    """To whom they stand how."""


class RateContentInput(TypedDict):
    """What you say of a content; the last word counts."""

    id: str
    """The content's `id`, or its `contentId`."""

    score: int
    """1 (poor) to 5 (excellent)."""

    comment: NotRequired[str | None]
    """At most 1,000 characters; without one an earlier comment is gone."""


class RateContentPayload(TypedDict):
    """A rated content."""

    requestId: str
    """The request's id; quote it when you report a problem."""

    rateLimit: RateLimit
    """The tightest limit that this request touched."""

    rating: Rating
    """The rating, as it is kept."""


class RateLimit(TypedDict):
    """How a rate limit, or a quota of what is kept, stands for the caller."""

    scope: str
    """Which limit it is, such as `operation:text_generation` or `user`; `quota:contents` and
    `quota:bytes` are what may be kept.
    """

    limit: int
    """What it admits in its window; at most 2,147,483,647 is told."""

    remaining: int
    """What is left of it."""

    resetAt: str
    """When it has room again, or its count next falls; of a quota now, for deleting frees."""

    windowSeconds: float
    """The length of its sliding window; 0 for a quota."""


class Rating(TypedDict):
    """What a user says of a content of theirs."""

    contentId: str
    """The `contentId` of the content."""

    score: int
    """1 (poor) to 5 (excellent)."""

    comment: str | None
    """In words; null without any."""

    ratedAt: str
    """When it was said."""


class RatingGroup(TypedDict):
    """The ratings of what was made alike."""

    operation: str
    """The operation, such as `story`."""

    model: str
    """The model, as `metadata.modelUsed` has it."""

    promptVersion: str
    """The wording of the operation's prompt."""

    variant: str | None
    """The canary that made it; null without one."""

    count: int
    """How many contents were rated."""

    mean: float
    """Their mean score."""

    scores: list[int]
    """How many of them got 1, 2, 3, 4 and 5."""


class RatingReport(TypedDict):
    """Everybody's ratings of a time, by what made the contents."""

    since: str
    """From when ratings are counted."""

    until: str
    """Up to when; what was rated at that very moment is not."""

    groups: list[RatingGroup]
    """The groups, the most rated first."""

    truncated: bool
    """Whether there are more groups than these."""


class Relationship(TypedDict):
    """How a person stands to somebody."""

    to: str
    """To whom."""

    nature: str
    """How."""


class RuleInput(TypedDict):
    """A rule to hold a text against."""

    id: NotRequired[str | None]
    """A UUID; without it one is made from category and name."""

    category: RuleCategory
    """What the rule looks at."""

    name: str
    """Its name; 1 to 200 characters."""

    description: NotRequired[str | None]
    """What it demands."""

    parameters: NotRequired[list[KeyValue] | None]
    """Its parameters, such as `min_words`."""

    isRequired: NotRequired[bool]
    """Whether the text fails when this rule does."""


class RuleResult(TypedDict):
    """How a text stands against one rule."""

    ruleId: str
    """The rule's given id, else one made from its category and name."""

    judged: bool
    """Whether the rule was judged; where not, it has neither verdict nor score."""

    passed: bool | None
    """Whether the text keeps the rule; null where it was not judged."""

    score: float | None
    """How well, 0 to 1; null where it was not judged."""

    issues: list[ValidationIssue]
    """What the rule found."""


class StartGenerationInput(TypedDict):
    """What to generate: exactly one field is given."""

    characterContent: NotRequired[GenerateCharacterContentInput | None]
    """Character content."""

    campaignContent: NotRequired[GenerateCampaignContentInput | None]
    """Campaign content."""

    story: NotRequired[GenerateStoryInput | None]
    """A story element."""

    npc: NotRequired[GenerateNpcInput | None]
    """A non-player character."""

    location: NotRequired[GenerateLocationInput | None]
    """A location."""

    item: NotRequired[GenerateItemInput | None]
    """A magic item."""

    themeAnalysis: NotRequired[AnalyzeThemeInput | None]
    """A theme analysis."""

    contentValidation: NotRequired[ValidateContentInput | None]
    """A content validation."""


class StartGenerationPayload(TypedDict):
    """A generation that was started."""

    requestId: str
    """The request's id; quote it when you report a problem."""

    rateLimit: RateLimit
    """The tightest limit that this request touched."""

    generation: Generation
    """The generation; subscribe to `generation(id)`."""


class Story(TypedDict):
    """A story element for a campaign."""

    typename: Literal["Story"]

    id: str
    """Globally unique, opaque, and the same for ever: what caches know it by."""

    contentId: str
    """Its UUID, by which REST and events name it."""

    contentType: ContentType
    """What kind of content it is."""

    createdAt: str
    """When it was made."""

    metadata: Metadata
    """What it tells about itself."""

    elementType: StoryElementType
    """What part of a story it is."""

    text: str
    """The prose."""

    summary: str
    """The prose told in one or two sentences."""

    parentElementId: str | None
    """The element that this one continues."""

    childElements: list[str]
    """The elements that continue this one, the oldest first."""


class StoryContextInput(TypedDict):
    """Where a story stands."""

    campaignTheme: NotRequired[str | None]
    """Such as `a haunted coast`."""

    partyLevel: NotRequired[int | None]
    """1 to 20."""

    partySize: NotRequired[int | None]
    """At least 1."""

    campaignType: NotRequired[str | None]
    """Such as `sandbox`."""

    setting: NotRequired[str | None]
    """Such as `the harbour of Saltmere`."""

    length: NotRequired[str | None]
    """Such as `short`."""

    extra: NotRequired[list[KeyValue] | None]
    """Further keys, passed on to the prompt."""


class StoryGeneratedEvent(TypedDict):
    """A story element was generated."""

    typename: Literal["StoryGeneratedEvent"]

    id: str
    """The same on a repeat: dedupe by it."""

    type: EventType
    """What happened."""

    cursor: str
    """Its place in the log; go on behind it with `after`."""

    contentId: str
    """The content that it is about."""

    contentType: ContentType
    """What kind of content that is."""

    userId: str
    """Whose it is."""

    requestId: str
    """The request that made it."""

    source: str
    """The service that it came from."""

    occurredAt: str
    """When it happened."""

    metadata: EventMetadata
    """What made it."""

    content: Content | None
    """The content itself; null when it is not yours or is gone."""

    elementType: StoryElementType
    """What part of a story it is."""

    summary: str
    """The element in one or two sentences."""

    errors: NotRequired[list[dict[str, Any]]]
    """Why its content could not be loaded, where it is null for that."""


class ThemeAnalysis(TypedDict):
    """What kind of tale a text is, and how well that is worked out."""

    typename: Literal["ThemeAnalysis"]

    id: str
    """Globally unique, opaque, and the same for ever: what caches know it by."""

    contentId: str
    """Its UUID, by which REST and events name it."""

    contentType: ContentType
    """What kind of content it is."""

    createdAt: str
    """When it was made."""

    metadata: Metadata
    """What it tells about itself."""

    primaryCategory: ThemeCategory
    """What it is most of all; undecided where the storyteller could not tell."""

    secondaryCategories: list[ThemeCategory]
    """What it is besides."""

    categoryConfidence: float
    """How sure the category is, 0 to 1."""

    elements: list[ElementAnalysis]
    """The asked elements, in the asked order."""

    compatibility: ThemeCompatibility | None
    """How well it would fit the target theme; null where none was given."""

    overallScore: float
    """How well the theme is worked out, 0 to 1."""

    summary: str
    """The analysis in one or two sentences."""


class ThemeAnalyzedEvent(TypedDict):
    """A text's theme was analysed."""

    typename: Literal["ThemeAnalyzedEvent"]

    id: str
    """The same on a repeat: dedupe by it."""

    type: EventType
    """What happened."""

    cursor: str
    """Its place in the log; go on behind it with `after`."""

    contentId: str
    """The content that it is about."""

    contentType: ContentType
    """What kind of content that is."""

    userId: str
    """Whose it is."""

    requestId: str
    """The request that made it."""

    source: str
    """The service that it came from."""

    occurredAt: str
    """When it happened."""

    metadata: EventMetadata
    """What made it."""

    content: Content | None
    """The content itself; null when it is not yours or is gone."""

    themeCategory: ThemeCategory
    """What kind of tale it is."""

    confidence: float
    """How sure that is, 0 to 1."""

    errors: NotRequired[list[dict[str, Any]]]
    """Why its content could not be loaded, where it is null for that."""


class ThemeCompatibility(TypedDict):
    """How well a text would fit another theme."""

    score: float | None
    """0: not at all, 1: as it is; null where the storyteller could not judge it."""

    conflicts: list[str]
    """What stands against it."""

    enhancements: list[str]
    """What would strengthen it."""

    transitionSteps: list[str]
    """How to get there, step by step."""


class ThemeInput(TypedDict):
    """How it should feel."""

    genre: NotRequired[str | None]
    """Such as `dark fantasy`."""

    tone: NotRequired[str | None]
    """Such as `ominous` or `light-hearted`."""

    style: NotRequired[str | None]
    """Such as `spare` or `ornate`."""

    extra: NotRequired[list[KeyValue] | None]
    """Further keys, passed on to the prompt."""


class TokenUsage(TypedDict):
    """The tokens that an answer took, as its model counted them."""

    promptTokens: int
    """Tokens of what the model was asked."""

    completionTokens: int
    """Tokens of what the model wrote."""

    totalTokens: int
    """Both together."""

    cachedTokens: int
    """Prompt tokens that the provider had in its own cache."""

    cacheWriteTokens: int
    """Prompt tokens that it keeps there from now on."""

    reasoningTokens: int
    """Answer tokens that the model spent on thinking."""

    source: TokenSource
    """Who counted them."""


class UsageFigures(TypedDict):
    """What calls of models came to."""

    requests: int
    """Requests that called one; each counts once."""

    answers: int
    """Answers that were given and stored."""

    calls: int
    """Calls, retries and repairs too."""

    promptTokens: int
    """Tokens of what models were asked."""

    completionTokens: int
    """Tokens of what models wrote."""

    totalTokens: int
    """Both together."""

    cachedTokens: int
    """Prompt tokens that a provider had in its own cache."""

    cacheWriteTokens: int
    """Prompt tokens that it keeps there from then on."""

    reasoningTokens: int
    """Completion tokens that were spent on thinking."""

    estimatedTokens: int
    """Of all tokens, those that the gateway counted itself, because no provider told them."""

    costUsd: str | None
    """US dollars, with nine places; null where the price of a call is not known."""

    knownCostUsd: str
    """US dollars of the calls whose price is known."""

    unpricedCalls: int
    """Calls whose price is not known."""


class UsageReport(TypedDict):
    """What was spent on models."""

    since: str
    """From when on."""

    until: str
    """Until before when."""

    total: UsageFigures
    """Of all rows, also of those on other pages."""

    rows: list[UsageRow]
    """Row by row, in the order of day, model, operation, user."""

    hasNextPage: bool
    """Whether more follow."""

    endCursor: str | None
    """What to go on behind; null where nothing follows."""


class UsageRow(TypedDict):
    """What one day, model, operation or user came to, as `by` asks."""

    requests: int
    """Requests that called one; each counts once."""

    answers: int
    """Answers that were given and stored."""

    calls: int
    """Calls, retries and repairs too."""

    promptTokens: int
    """Tokens of what models were asked."""

    completionTokens: int
    """Tokens of what models wrote."""

    totalTokens: int
    """Both together."""

    cachedTokens: int
    """Prompt tokens that a provider had in its own cache."""

    cacheWriteTokens: int
    """Prompt tokens that it keeps there from then on."""

    reasoningTokens: int
    """Completion tokens that were spent on thinking."""

    estimatedTokens: int
    """Of all tokens, those that the gateway counted itself, because no provider told them."""

    costUsd: str | None
    """US dollars, with nine places; null where the price of a call is not known."""

    knownCostUsd: str
    """US dollars of the calls whose price is known."""

    unpricedCalls: int
    """Calls whose price is not known."""

    day: str | None
    """The day in UTC; null unless it is asked for."""

    model: str | None
    """The model; null unless it is asked for."""

    operation: str | None
    """The operation; null unless it is asked for."""

    user: str | None
    """Whose; null unless it is asked for, and of users who were erased."""


class ValidateContentInput(TypedDict):
    """A text to hold against rules."""

    cache: NotRequired[CacheUse | None]
    """Whether an earlier answer will do; analyses and validations USE it unless told otherwise."""

    similar: NotRequired[float | None]
    """Take an earlier answer to a request that is so alike, 0 to 1; off unless given."""

    idempotencyKey: NotRequired[str | None]
    """1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer."""

    allowDegraded: NotRequired[bool]
    """Whether a simpler model than the one asked for will do."""

    onDisconnect: NotRequired[OnDisconnect]
    """What becomes of it when you leave."""

    content: str
    """The text; 1 to 50,000 characters."""

    contentType: str
    """What it is, such as `character`."""

    rules: list[RuleInput]
    """1 to 20 rules."""

    theme: NotRequired[ThemeInput | None]
    """The theme that it should keep."""

    context: NotRequired[list[KeyValue] | None]
    """What is known beside the text."""


class ValidateContentPayload(TypedDict):
    """A validated text."""

    requestId: str
    """The request's id; quote it when you report a problem."""

    rateLimit: RateLimit
    """The tightest limit that this request touched."""

    cacheStatus: CacheStatus
    """What the cache did."""

    similarity: float | None
    """How alike the request was that this answer was made for, where it was another."""

    validation: ContentValidation
    """The validation."""


class ValidationCompletedEvent(TypedDict):
    """A text was held against rules."""

    typename: Literal["ValidationCompletedEvent"]

    id: str
    """The same on a repeat: dedupe by it."""

    type: EventType
    """What happened."""

    cursor: str
    """Its place in the log; go on behind it with `after`."""

    contentId: str
    """The content that it is about."""

    contentType: ContentType
    """What kind of content that is."""

    userId: str
    """Whose it is."""

    requestId: str
    """The request that made it."""

    source: str
    """The service that it came from."""

    occurredAt: str
    """When it happened."""

    metadata: EventMetadata
    """What made it."""

    content: Content | None
    """The content itself; null when it is not yours or is gone."""

    passed: bool
    """Whether every judged required rule passed."""

    overallScore: float
    """The mean of the judged rules' scores, 0 to 1."""

    errors: NotRequired[list[dict[str, Any]]]
    """Why its content could not be loaded, where it is null for that."""


class ValidationIssue(TypedDict):
    """One thing that a rule found in a text."""

    severity: Severity
    """How bad it is."""

    message: str
    """What is wrong."""

    location: str | None
    """The words of the text where it is, if it has a place."""

    suggestions: list[str]
    """How to mend it."""


class Viewer(TypedDict):
    """Who asks."""

    id: str
    """The token's subject."""

    permissions: list[str]
    """What the caller may do, wildcards expanded."""

    tier: str
    """The rate-limit tier."""

    expiresAt: str | None
    """When the token ends."""


Content = (
    ContentValidation
    | GeneratedContent
    | Item
    | Location
    | Npc
    | Story
    | ThemeAnalysis
)
"""Anything that the gateway made and keeps for its owner."""

Event = (
    BudgetWarnedEvent
    | ContentGeneratedEvent
    | ContentRatedEvent
    | StoryGeneratedEvent
    | ThemeAnalyzedEvent
    | ValidationCompletedEvent
)
"""Something that happened."""

GenerationEvent = (
    GenerationCancelled
    | GenerationCompleted
    | GenerationDelta
    | GenerationFailed
    | GenerationReset
    | GenerationStarted
)
"""Something that a generation tells."""

START: Final = """\
mutation ($input: StartGenerationInput!) { startGeneration(input: $input) { requestId rateLimit
{ scope limit remaining resetAt windowSeconds } generation { id operation state cursor text
failure { typename: __typename generationId cursor code message retryable retryAfterMs attempts
{ model outcome ms usage { promptTokens completionTokens totalTokens estimated } } } contentId
content { typename: __typename id contentId contentType createdAt metadata { contentType
modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens
reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model
outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel
ignoredParameters seed promptVersion variant } ... on ContentValidation { overallScore passed
results { ruleId judged passed score issues { severity message location suggestions } } summary
} ... on GeneratedContent { text parentContentId } ... on Item { name kind rarity attunement
description properties { name effect charges recharge } history drawback found parentContentId }
... on Location { name locationType description pointsOfInterest occupants secrets hooks } ...
on Npc { name role description personality motivations secrets relationships { to nature } } ...
on Story { elementType text summary parentElementId childElements } ... on ThemeAnalysis {
primaryCategory secondaryCategories categoryConfidence elements { element score description
suggestions } compatibility { score conflicts enhancements transitionSteps } overallScore
summary } } } } }
"""

CANCEL: Final = """\
mutation ($id: ID!) { cancelGeneration(id: $id) { requestId rateLimit { scope limit remaining
resetAt windowSeconds } generation { id operation state cursor text failure { typename:
__typename generationId cursor code message retryable retryAfterMs attempts { model outcome ms
usage { promptTokens completionTokens totalTokens estimated } } } contentId content { typename:
__typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage {
promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source }
requestId createdAt cached degraded finishReason attempts { model outcome ms usage {
promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters
seed promptVersion variant } ... on ContentValidation { overallScore passed results { ruleId
judged passed score issues { severity message location suggestions } } summary } ... on
GeneratedContent { text parentContentId } ... on Item { name kind rarity attunement description
properties { name effect charges recharge } history drawback found parentContentId } ... on
Location { name locationType description pointsOfInterest occupants secrets hooks } ... on Npc {
name role description personality motivations secrets relationships { to nature } } ... on Story
{ elementType text summary parentElementId childElements } ... on ThemeAnalysis {
primaryCategory secondaryCategories categoryConfidence elements { element score description
suggestions } compatibility { score conflicts enhancements transitionSteps } overallScore
summary } } } } }
"""

DELETE: Final = """\
mutation ($id: ID!) { deleteContent(id: $id) { requestId rateLimit { scope limit remaining
resetAt windowSeconds } contentId deletedId } }
"""

CONTENT: Final = """\
query ($id: ID!) { content(id: $id) { typename: __typename id contentId contentType createdAt
metadata { contentType modelUsed tokenUsage { promptTokens completionTokens totalTokens
cachedTokens cacheWriteTokens reasoningTokens source } requestId createdAt cached degraded
finishReason attempts { model outcome ms usage { promptTokens completionTokens totalTokens
estimated } } cost upstreamModel ignoredParameters seed promptVersion variant } ... on
ContentValidation { overallScore passed results { ruleId judged passed score issues { severity
message location suggestions } } summary } ... on GeneratedContent { text parentContentId } ...
on Item { name kind rarity attunement description properties { name effect charges recharge }
history drawback found parentContentId } ... on Location { name locationType description
pointsOfInterest occupants secrets hooks } ... on Npc { name role description personality
motivations secrets relationships { to nature } } ... on Story { elementType text summary
parentElementId childElements } ... on ThemeAnalysis { primaryCategory secondaryCategories
categoryConfidence elements { element score description suggestions } compatibility { score
conflicts enhancements transitionSteps } overallScore summary } } }
"""

RATE_LIMITS: Final = """\
query { rateLimits { scope limit remaining resetAt windowSeconds } }
"""

EVENT_CURSOR: Final = """\
query { eventCursor  }
"""

EVENTS: Final = """\
subscription ($types: [EventType!], $all: Boolean! = false, $after: String) { events(types:
$types, all: $all, after: $after) { typename: __typename id type cursor contentId contentType
userId requestId source occurredAt metadata { modelUsed tokenUsage { promptTokens
completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source }
promptVersion variant traceparent } content { typename: __typename id contentId contentType
createdAt metadata { contentType modelUsed tokenUsage { promptTokens completionTokens
totalTokens cachedTokens cacheWriteTokens reasoningTokens source } requestId createdAt cached
degraded finishReason attempts { model outcome ms usage { promptTokens completionTokens
totalTokens estimated } } cost upstreamModel ignoredParameters seed promptVersion variant } ...
on ContentValidation { overallScore passed results { ruleId judged passed score issues {
severity message location suggestions } } summary } ... on GeneratedContent { text
parentContentId } ... on Item { name kind rarity attunement description properties { name effect
charges recharge } history drawback found parentContentId } ... on Location { name locationType
description pointsOfInterest occupants secrets hooks } ... on Npc { name role description
personality motivations secrets relationships { to nature } } ... on Story { elementType text
summary parentElementId childElements } ... on ThemeAnalysis { primaryCategory
secondaryCategories categoryConfidence elements { element score description suggestions }
compatibility { score conflicts enhancements transitionSteps } overallScore summary } } ... on
BudgetWarnedEvent { budget period unit limit spent share renewsAt } ... on ContentRatedEvent {
score } ... on StoryGeneratedEvent { elementType summary } ... on ThemeAnalyzedEvent {
themeCategory confidence } ... on ValidationCompletedEvent { passed overallScore } } }
"""

GENERATION: Final = """\
subscription ($id: ID!, $after: String) { generation(id: $id, after: $after) { typename:
__typename generationId cursor ... on GenerationCompleted { contentId finishReason cacheStatus
content { typename: __typename id contentId contentType createdAt metadata { contentType
modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens
reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model
outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel
ignoredParameters seed promptVersion variant } ... on ContentValidation { overallScore passed
results { ruleId judged passed score issues { severity message location suggestions } } summary
} ... on GeneratedContent { text parentContentId } ... on Item { name kind rarity attunement
description properties { name effect charges recharge } history drawback found parentContentId }
... on Location { name locationType description pointsOfInterest occupants secrets hooks } ...
on Npc { name role description personality motivations secrets relationships { to nature } } ...
on Story { elementType text summary parentElementId childElements } ... on ThemeAnalysis {
primaryCategory secondaryCategories categoryConfidence elements { element score description
suggestions } compatibility { score conflicts enhancements transitionSteps } overallScore
summary } } } ... on GenerationDelta { seq text } ... on GenerationFailed { code message
retryable retryAfterMs attempts { model outcome ms usage { promptTokens completionTokens
totalTokens estimated } } } ... on GenerationReset { attempt reason } ... on GenerationStarted {
operation } } }
"""

OPERATIONS: Final = {
    "character": (
        "characterContent",
        "generateCharacterContent",
        """\
mutation ($input: GenerateCharacterContentInput!) { generateCharacterContent(input: $input) {
requestId rateLimit { scope limit remaining resetAt windowSeconds } cacheStatus similarity
content { typename: __typename id contentId contentType createdAt metadata { contentType
modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens
reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model
outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel
ignoredParameters seed promptVersion variant } text parentContentId } } }
""",
    ),
    "campaign": (
        "campaignContent",
        "generateCampaignContent",
        """\
mutation ($input: GenerateCampaignContentInput!) { generateCampaignContent(input: $input) {
requestId rateLimit { scope limit remaining resetAt windowSeconds } cacheStatus similarity
content { typename: __typename id contentId contentType createdAt metadata { contentType
modelUsed tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens
reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model
outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel
ignoredParameters seed promptVersion variant } text parentContentId } } }
""",
    ),
    "story": (
        "story",
        "generateStory",
        """\
mutation ($input: GenerateStoryInput!) { generateStory(input: $input) { requestId rateLimit {
scope limit remaining resetAt windowSeconds } cacheStatus similarity story { typename:
__typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage {
promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source }
requestId createdAt cached degraded finishReason attempts { model outcome ms usage {
promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters
seed promptVersion variant } elementType text summary parentElementId childElements } } }
""",
    ),
    "npc": (
        "npc",
        "generateNpc",
        """\
mutation ($input: GenerateNpcInput!) { generateNpc(input: $input) { requestId rateLimit { scope
limit remaining resetAt windowSeconds } cacheStatus similarity npc { typename: __typename id
contentId contentType createdAt metadata { contentType modelUsed tokenUsage { promptTokens
completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source } requestId
createdAt cached degraded finishReason attempts { model outcome ms usage { promptTokens
completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters seed
promptVersion variant } name role description personality motivations secrets relationships { to
nature } } } }
""",
    ),
    "location": (
        "location",
        "generateLocation",
        """\
mutation ($input: GenerateLocationInput!) { generateLocation(input: $input) { requestId
rateLimit { scope limit remaining resetAt windowSeconds } cacheStatus similarity location {
typename: __typename id contentId contentType createdAt metadata { contentType modelUsed
tokenUsage { promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens
reasoningTokens source } requestId createdAt cached degraded finishReason attempts { model
outcome ms usage { promptTokens completionTokens totalTokens estimated } } cost upstreamModel
ignoredParameters seed promptVersion variant } name locationType description pointsOfInterest
occupants secrets hooks } } }
""",
    ),
    "item": (
        "item",
        "generateItem",
        """\
mutation ($input: GenerateItemInput!) { generateItem(input: $input) { requestId rateLimit {
scope limit remaining resetAt windowSeconds } cacheStatus similarity item { typename: __typename
id contentId contentType createdAt metadata { contentType modelUsed tokenUsage { promptTokens
completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source } requestId
createdAt cached degraded finishReason attempts { model outcome ms usage { promptTokens
completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters seed
promptVersion variant } name kind rarity attunement description properties { name effect charges
recharge } history drawback found parentContentId } } }
""",
    ),
    "theme": (
        "themeAnalysis",
        "analyzeTheme",
        """\
mutation ($input: AnalyzeThemeInput!) { analyzeTheme(input: $input) { requestId rateLimit {
scope limit remaining resetAt windowSeconds } cacheStatus similarity analysis { typename:
__typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage {
promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source }
requestId createdAt cached degraded finishReason attempts { model outcome ms usage {
promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters
seed promptVersion variant } primaryCategory secondaryCategories categoryConfidence elements {
element score description suggestions } compatibility { score conflicts enhancements
transitionSteps } overallScore summary } } }
""",
    ),
    "validation": (
        "contentValidation",
        "validateContent",
        """\
mutation ($input: ValidateContentInput!) { validateContent(input: $input) { requestId rateLimit
{ scope limit remaining resetAt windowSeconds } cacheStatus similarity validation { typename:
__typename id contentId contentType createdAt metadata { contentType modelUsed tokenUsage {
promptTokens completionTokens totalTokens cachedTokens cacheWriteTokens reasoningTokens source }
requestId createdAt cached degraded finishReason attempts { model outcome ms usage {
promptTokens completionTokens totalTokens estimated } } cost upstreamModel ignoredParameters
seed promptVersion variant } overallScore passed results { ruleId judged passed score issues {
severity message location suggestions } } summary } } }
""",
    ),
}
"""By name: its field of a start, its mutation, and the document."""

Followed = TypeVar("Followed", covariant=True)


class Operations(ABC, Generic[Followed]):
    """What is typed by the operation's name."""

    @overload
    def write(
        self, operation: Literal["character"], input: GenerateCharacterContentInput, *, idempotency_key: str | None = None
    ) -> GenerateCharacterContentPayload: ...

    @overload
    def write(
        self, operation: Literal["campaign"], input: GenerateCampaignContentInput, *, idempotency_key: str | None = None
    ) -> GenerateCampaignContentPayload: ...

    @overload
    def write(
        self, operation: Literal["story"], input: GenerateStoryInput, *, idempotency_key: str | None = None
    ) -> GenerateStoryPayload: ...

    @overload
    def write(
        self, operation: Literal["npc"], input: GenerateNpcInput, *, idempotency_key: str | None = None
    ) -> GenerateNpcPayload: ...

    @overload
    def write(
        self, operation: Literal["location"], input: GenerateLocationInput, *, idempotency_key: str | None = None
    ) -> GenerateLocationPayload: ...

    @overload
    def write(
        self, operation: Literal["item"], input: GenerateItemInput, *, idempotency_key: str | None = None
    ) -> GenerateItemPayload: ...

    @overload
    def write(
        self, operation: Literal["theme"], input: AnalyzeThemeInput, *, idempotency_key: str | None = None
    ) -> AnalyzeThemePayload: ...

    @overload
    def write(
        self, operation: Literal["validation"], input: ValidateContentInput, *, idempotency_key: str | None = None
    ) -> ValidateContentPayload: ...

    def write(self, operation: str, input: Any, *, idempotency_key: str | None = None) -> Any:
        """Write it, and wait for it: the payload of the operation's mutation."""
        return self._write(operation, input, idempotency_key)

    @abstractmethod
    def _write(self, operation: str, input: Any, key: str | None) -> Any: ...

    @overload
    def start(
        self, operation: Literal["character"], input: GenerateCharacterContentInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    def start(
        self, operation: Literal["campaign"], input: GenerateCampaignContentInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    def start(
        self, operation: Literal["story"], input: GenerateStoryInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    def start(
        self, operation: Literal["npc"], input: GenerateNpcInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    def start(
        self, operation: Literal["location"], input: GenerateLocationInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    def start(
        self, operation: Literal["item"], input: GenerateItemInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    def start(
        self, operation: Literal["theme"], input: AnalyzeThemeInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    def start(
        self, operation: Literal["validation"], input: ValidateContentInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    def start(self, operation: str, input: Any, *, idempotency_key: str | None = None) -> Generation:
        """Begin to write it: follow it with `generation(id)`."""
        return self._start(operation, input, idempotency_key)

    @abstractmethod
    def _start(self, operation: str, input: Any, key: str | None) -> Generation: ...

    @overload
    def stream(
        self, operation: Literal["character"], input: GenerateCharacterContentInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["campaign"], input: GenerateCampaignContentInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["story"], input: GenerateStoryInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["npc"], input: GenerateNpcInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["location"], input: GenerateLocationInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["item"], input: GenerateItemInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["theme"], input: AnalyzeThemeInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["validation"], input: ValidateContentInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    def stream(self, operation: str, input: Any, *, idempotency_key: str | None = None) -> Followed:
        """Begin to write it, and follow it: what it tells, to its end."""
        return self._stream(operation, input, idempotency_key)

    @abstractmethod
    def _stream(self, operation: str, input: Any, key: str | None) -> Followed: ...


class AsyncOperations(ABC, Generic[Followed]):
    """What is typed by the operation's name."""

    @overload
    async def write(
        self, operation: Literal["character"], input: GenerateCharacterContentInput, *, idempotency_key: str | None = None
    ) -> GenerateCharacterContentPayload: ...

    @overload
    async def write(
        self, operation: Literal["campaign"], input: GenerateCampaignContentInput, *, idempotency_key: str | None = None
    ) -> GenerateCampaignContentPayload: ...

    @overload
    async def write(
        self, operation: Literal["story"], input: GenerateStoryInput, *, idempotency_key: str | None = None
    ) -> GenerateStoryPayload: ...

    @overload
    async def write(
        self, operation: Literal["npc"], input: GenerateNpcInput, *, idempotency_key: str | None = None
    ) -> GenerateNpcPayload: ...

    @overload
    async def write(
        self, operation: Literal["location"], input: GenerateLocationInput, *, idempotency_key: str | None = None
    ) -> GenerateLocationPayload: ...

    @overload
    async def write(
        self, operation: Literal["item"], input: GenerateItemInput, *, idempotency_key: str | None = None
    ) -> GenerateItemPayload: ...

    @overload
    async def write(
        self, operation: Literal["theme"], input: AnalyzeThemeInput, *, idempotency_key: str | None = None
    ) -> AnalyzeThemePayload: ...

    @overload
    async def write(
        self, operation: Literal["validation"], input: ValidateContentInput, *, idempotency_key: str | None = None
    ) -> ValidateContentPayload: ...

    async def write(self, operation: str, input: Any, *, idempotency_key: str | None = None) -> Any:
        """Write it, and wait for it: the payload of the operation's mutation."""
        return await self._write(operation, input, idempotency_key)

    @abstractmethod
    async def _write(self, operation: str, input: Any, key: str | None) -> Any: ...

    @overload
    async def start(
        self, operation: Literal["character"], input: GenerateCharacterContentInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    async def start(
        self, operation: Literal["campaign"], input: GenerateCampaignContentInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    async def start(
        self, operation: Literal["story"], input: GenerateStoryInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    async def start(
        self, operation: Literal["npc"], input: GenerateNpcInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    async def start(
        self, operation: Literal["location"], input: GenerateLocationInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    async def start(
        self, operation: Literal["item"], input: GenerateItemInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    async def start(
        self, operation: Literal["theme"], input: AnalyzeThemeInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    @overload
    async def start(
        self, operation: Literal["validation"], input: ValidateContentInput, *, idempotency_key: str | None = None
    ) -> Generation: ...

    async def start(self, operation: str, input: Any, *, idempotency_key: str | None = None) -> Generation:
        """Begin to write it: follow it with `generation(id)`."""
        return await self._start(operation, input, idempotency_key)

    @abstractmethod
    async def _start(self, operation: str, input: Any, key: str | None) -> Generation: ...

    @overload
    def stream(
        self, operation: Literal["character"], input: GenerateCharacterContentInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["campaign"], input: GenerateCampaignContentInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["story"], input: GenerateStoryInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["npc"], input: GenerateNpcInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["location"], input: GenerateLocationInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["item"], input: GenerateItemInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["theme"], input: AnalyzeThemeInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    @overload
    def stream(
        self, operation: Literal["validation"], input: ValidateContentInput, *, idempotency_key: str | None = None
    ) -> Followed: ...

    def stream(self, operation: str, input: Any, *, idempotency_key: str | None = None) -> Followed:
        """Begin to write it, and follow it: what it tells, to its end."""
        return self._stream(operation, input, idempotency_key)

    @abstractmethod
    def _stream(self, operation: str, input: Any, key: str | None) -> Followed: ...
