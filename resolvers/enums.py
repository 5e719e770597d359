"""The closed sets of the operations and events, as described GraphQL enums."""

from __future__ import annotations

from enum import Enum
from typing import Any, TypeVar

import strawberry

from app.gateway import BreakerState, CacheStatus, CacheUse, Finish, Outcome
from app.operations.campaign import CampaignContentType
from app.operations.character import CharacterContentType
from app.operations.fields import Category
from app.operations.location import LocationType
from app.operations.npc import NpcRole
from app.operations.story import StoryElementType
from app.operations.theme import ThemeElement
from app.operations.validation import RuleCategory, Severity

E = TypeVar("E", bound=type[Enum])


def described_enum(kind: E, name: str, description: str, values: dict[str, str]) -> E:
    """Make an enum known to the schema; every value must be described."""
    strawberry.enum(kind, name=name, description=description)
    definition: Any = kind.__strawberry_definition__  # type: ignore[attr-defined]  # set above
    for value in definition.values:
        value.description = values[value.name]
    return kind


described_enum(
    CharacterContentType,
    "CharacterContentType",
    "What to write about a character.",
    {
        "BACKSTORY": "Where they come from and what they still want.",
        "PERSONALITY": "Traits, ideal, bond, flaw, and how they speak.",
        "COMBAT": "How they fight.",
        "EQUIPMENT": "What they carry.",
    },
)
described_enum(
    CampaignContentType,
    "CampaignContentType",
    "What to write for a campaign.",
    {
        "PLOT": "The wrong that is done, the acts, and what changes.",
        "LOCATION": "A place for an evening of play.",
        "QUEST": "An asker, a task, a choice that costs, and the reward.",
        "DIALOGUE": "A conversation to overhear or to join.",
        "EVENT": "Something that moves the campaign.",
    },
)
described_enum(
    NpcRole,
    "NpcRole",
    "What a person is to the party.",
    {
        "ALLY": "Stands by them.",
        "ANTAGONIST": "Stands against them.",
        "MERCHANT": "Deals with them.",
        "QUEST_GIVER": "Asks something of them.",
        "LORE_KEEPER": "Knows what they need to know.",
        "MENTOR": "Teaches them.",
        "NEUTRAL": "Takes no side.",
    },
)
described_enum(
    LocationType,
    "LocationType",
    "What kind of place it is.",
    {
        "TOWN": "Where many live.",
        "DUNGEON": "Vaults, cells and what lives in them.",
        "WILDERNESS": "Land that nobody tends.",
        "LANDMARK": "A thing to steer by.",
        "BUILDING": "A house of some purpose.",
        "SHOP": "Where things are sold.",
        "TAVERN": "Where people drink and talk.",
    },
)
described_enum(
    StoryElementType,
    "StoryElementType",
    "What part of a story to write.",
    {
        "PLOT": "Who wants what, and its turns.",
        "QUEST": "An objective with obstacles and a reward.",
        "SCENE": "A moment to play, to read aloud.",
        "DIALOGUE": "Two persons who want different things.",
        "DESCRIPTION": "A place or a thing, to read aloud.",
        "EVENT": "Something that befalls the campaign.",
    },
)
described_enum(
    ThemeElement,
    "ThemeElement",
    "A side of a text that is looked at by itself.",
    {
        "TONE": "The attitude of the telling.",
        "MOOD": "The feeling that it leaves.",
        "SETTING": "Where and when it is.",
        "CONFLICT": "What stands against whom.",
        "SYMBOLISM": "What stands for something else.",
        "CHARACTER_FOCUS": "How much it is about its persons.",
        "STORY_STRUCTURE": "How it is built.",
        "WORLD_BUILDING": "How much of a world it shows.",
    },
)
described_enum(
    Category,
    "ThemeCategory",
    "What kind of tale a text is.",
    {
        "FANTASY": "Magic and wonder.",
        "HORROR": "Dread and revulsion.",
        "MYSTERY": "Something to find out.",
        "ADVENTURE": "Journeys and risks.",
        "DRAMA": "Feelings and their price.",
        "COMEDY": "Made to laugh.",
        "HEROIC": "Courage and sacrifice.",
        "DARK": "Bleak and cruel.",
        "EPIC": "Great powers and long wars.",
    },
)
described_enum(
    RuleCategory,
    "RuleCategory",
    "What a validation rule looks at.",
    {
        "THEME": "Whether the text keeps its theme.",
        "QUALITY": "How well it is written.",
        "CONSISTENCY": "Whether it agrees with itself and its context.",
        "RULES": "Whether it agrees with the game's rules.",
        "CUSTOM": "What its description and parameters say.",
    },
)
described_enum(
    Severity,
    "Severity",
    "How bad an issue is.",
    {
        "ERROR": "It must be mended.",
        "WARNING": "It should be looked at.",
        "INFO": "It is good to know.",
    },
)


class ContentType(Enum):
    CHARACTER = "character"
    CAMPAIGN = "campaign"
    STORY = "story"
    THEME = "theme"
    VALIDATION = "validation"


described_enum(
    ContentType,
    "ContentType",
    "What kind of content a result is.",
    {
        "CHARACTER": "Text about a character.",
        "CAMPAIGN": "Text about a campaign.",
        "STORY": "A story element.",
        "THEME": "An analysis of a text's theme.",
        "VALIDATION": "A text held against rules.",
    },
)


class EventType(Enum):
    CONTENT_GENERATED = "content.generated"
    STORY_GENERATED = "story.generated"
    THEME_ANALYZED = "theme.analyzed"
    VALIDATION_COMPLETED = "validation.completed"


described_enum(
    EventType,
    "EventType",
    "What happened.",
    {
        "CONTENT_GENERATED": "`content.generated`: a text was generated.",
        "STORY_GENERATED": "`story.generated`: a story element was generated.",
        "THEME_ANALYZED": "`theme.analyzed`: a text's theme was analysed.",
        "VALIDATION_COMPLETED": "`validation.completed`: a text was held against rules.",
    },
)


class HealthState(Enum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


described_enum(
    HealthState,
    "HealthState",
    "How well something is.",
    {
        "HEALTHY": "It serves.",
        "DEGRADED": "It serves in part, or others stand in for it.",
        "UNHEALTHY": "It does not serve.",
    },
)

described_enum(
    CacheUse,
    "CacheUse",
    "What a request wants of the cache.",
    {
        "USE": "An earlier answer to the same request will do.",
        "REFRESH": "A new answer, which is kept for others.",
        "BYPASS": "A new answer, which is not kept.",
    },
)
described_enum(
    CacheStatus,
    "CacheStatus",
    "What the cache did.",
    {
        "HIT": "The answer was there already; no model was called.",
        "MISS": "It was not there; it was made and may be kept.",
        "COALESCED": "The same request was being answered; this is its answer.",
        "BYPASS": "The cache was not asked.",
    },
)


class TokenSource(Enum):
    """Who counted the tokens of an answer."""

    PROVIDER = "provider"
    GATEWAY = "gateway"


class OnDisconnect(Enum):
    """What becomes of a request whose client leaves."""

    CONTINUE = "continue"
    CANCEL = "cancel"


described_enum(
    TokenSource,
    "TokenSource",
    "Who counted the tokens of an answer.",
    {
        "PROVIDER": "The provider, as it bills them.",
        "GATEWAY": "The gateway, because the provider did not say; an estimate.",
    },
)
described_enum(
    OnDisconnect,
    "OnDisconnect",
    "What becomes of a request whose client leaves.",
    {
        "CONTINUE": "It is answered to its end and stored, and can be read later.",
        "CANCEL": "It is given up, and the model is told to stop.",
    },
)
described_enum(
    Finish,
    "FinishReason",
    "Why a model stopped.",
    {
        "STOP": "The text came to its own end.",
        "LENGTH": "`maxTokens` were reached: the text is not whole.",
    },
)
described_enum(
    BreakerState,
    "BreakerState",
    "A model's circuit breaker.",
    {
        "CLOSED": "The model is called.",
        "OPEN": "It has failed too often and is left alone for a while.",
        "HALF_OPEN": "One call finds out whether it is back.",
    },
)
described_enum(
    Outcome,
    "AttemptOutcome",
    "How one attempt on a model ended.",
    {
        "OK": "It answered.",
        "LIMITED": "Not called: its rate limit was full.",
        "OPEN": "Not called: its circuit breaker was open.",
        "BUSY": "Not called: too many calls were running and waiting.",
        "UNCONFIGURED": "Not called: it has no key here.",
        "UNREACHABLE": "The connection was refused, or reset before any answer.",
        "OVERLOADED": "It refused, being overloaded.",
        "FAILED": "It said that it had failed.",
        "FORBIDDEN": "The gateway may not use it.",
        "REFUSED": "It did not accept the request.",
        "TOO_LONG": "The prompt did not fit its context.",
        "REJECTED": "Its safety system refused.",
        "SILENT": "No first token came in time.",
        "STALLED": "No next token came in time.",
        "TIMEOUT": "It was not done in time.",
        "CUT": "Its answer broke off.",
        "MALFORMED": "What it sent was no answer.",
        "EMPTY": "Its answer was empty.",
        "EXHAUSTED": "Thinking used its tokens up before the first word.",
        "TRUNCATED": "Its answer ended at `maxTokens` and is of no use in part.",
        "INVALID": "Its answer does not fit the request.",
        "CANCELLED": "The client wished it to stop.",
    },
)
