"""The GraphQL inputs: the REST fields in camelCase, closed sets as enums."""

from __future__ import annotations

import re
from dataclasses import fields
from enum import Enum
from typing import Any

import strawberry

from app.errors import InvalidRequest
from app.gateway import CacheUse, Wish
from app.operations.campaign import CampaignContentType
from app.operations.character import CharacterContentType
from app.operations.fields import Category
from app.operations.location import LocationType
from app.operations.npc import NpcRole
from app.operations.story import StoryElementType
from app.operations.theme import ThemeElement
from app.operations.validation import RuleCategory
from resolvers.enums import OnDisconnect
from resolvers.types import described


def optional(text: str) -> Any:
    """A field that may be left out."""
    return strawberry.field(description=text, default=strawberry.UNSET)


@strawberry.input(description="How a request wants to be answered.")
class Asking:
    cache: CacheUse | None = optional(
        "Whether an earlier answer will do; analyses and validations USE it unless told otherwise."
    )
    similar: float | None = optional(
        "Take an earlier answer to a request that is so alike, 0 to 1; off unless given."
    )
    idempotency_key: str | None = optional(
        "1 to 255 visible ASCII characters: the same key within 24 hours gives the first answer."
    )
    allow_degraded: bool = strawberry.field(
        description="Whether a simpler model than the one asked for will do.", default=True
    )
    on_disconnect: OnDisconnect = strawberry.field(
        description="What becomes of it when you leave.", default=OnDisconnect.CONTINUE
    )


@strawberry.input(description="A further key with its value.")
class KeyValue:
    key: str = described("The key; 1 to 100 characters.")
    value: str = described("The value; at most 4,000 characters.")


@strawberry.input(description="How it should feel.")
class ThemeInput:
    genre: str | None = optional("Such as `dark fantasy`.")
    tone: str | None = optional("Such as `ominous` or `light-hearted`.")
    style: str | None = optional("Such as `spare` or `ornate`.")
    extra: list[KeyValue] | None = optional("Further keys, passed on to the prompt.")


@strawberry.input(description="Which model writes, and how freely.")
class ModelInput:
    name: str | None = optional("A configured model, see `Query.models`; default `gpt-4-turbo`.")
    temperature: float | None = optional(
        "0 to 2; default 0.7. Where the model takes none, `metadata.ignoredParameters` says so."
    )
    max_tokens: int | None = optional(
        "Tokens of visible text, at least 1; what the model thinks comes on top. Default 1000, or "
        "1500 to 1900 for what has several fields."
    )
    seed: int | None = optional(
        "For the same words again, where the model can; `metadata.seed` tells which one was used."
    )
    fallback_model: str | None = optional("The model to ask when this one cannot answer.")


@strawberry.input(description="Who the character is.")
class CharacterContextInput:
    character_class: str | None = optional("Such as `warlock`.")
    character_race: str | None = optional("Such as `tiefling`.")
    character_level: int | None = optional("1 to 20.")
    alignment: str | None = optional("Such as `chaotic good`.")
    background: str | None = optional("Such as `sage`.")
    extra: list[KeyValue] | None = optional("Further keys, passed on to the prompt.")


@strawberry.input(description="Character content to generate.")
class GenerateCharacterContentInput(Asking):
    type: CharacterContentType = described("What to write.")
    character_context: CharacterContextInput = described("Who the character is.")
    theme: ThemeInput | None = optional("How it should feel.")
    model: ModelInput | None = optional("Which model writes, and how freely.")
    parent_content_id: strawberry.ID | None = optional("The content that this one continues.")


@strawberry.input(description="Where a story stands.")
class StoryContextInput:
    campaign_theme: str | None = optional("Such as `a haunted coast`.")
    party_level: int | None = optional("1 to 20.")
    party_size: int | None = optional("At least 1.")
    campaign_type: str | None = optional("Such as `sandbox`.")
    setting: str | None = optional("Such as `the harbour of Saltmere`.")
    length: str | None = optional("Such as `short`.")
    extra: list[KeyValue] | None = optional("Further keys, passed on to the prompt.")


@strawberry.input(description="A story element to generate.")
class GenerateStoryInput(Asking):
    element_type: StoryElementType = described("What part of a story to write.")
    context: StoryContextInput = described("Where the story stands.")
    parameters: list[KeyValue] | None = optional("Further wishes.")
    theme: ThemeInput | None = optional("How it should feel.")
    model: ModelInput | None = optional("Which model writes, and how freely.")
    parent_element_id: strawberry.ID | None = optional("The element that this one continues.")


@strawberry.input(description="What campaign a text is for.")
class CampaignContextInput:
    campaign_theme: str | None = optional("Such as `a haunted coast`.")
    party_level: int | None = optional("1 to 20.")
    party_size: int | None = optional("At least 1.")
    duration: str | None = optional("Such as `six sessions`.")
    extra: list[KeyValue] | None = optional("Further keys, passed on to the prompt.")


@strawberry.input(description="Campaign content to generate.")
class GenerateCampaignContentInput(Asking):
    type: CampaignContentType = described("What to write.")
    campaign_context: CampaignContextInput = described("What campaign it is for.")
    theme: ThemeInput | None = optional("How it should feel.")
    model: ModelInput | None = optional("Which model writes, and how freely.")
    parent_content_id: strawberry.ID | None = optional("The content that this one continues.")


@strawberry.input(description="A non-player character to generate.")
class GenerateNpcInput(Asking):
    role: NpcRole = described("What the person is to the party.")
    context: StoryContextInput = described("Where the person stands.")
    traits: list[KeyValue] | None = optional("Traits to keep, such as `temper` and `short`.")
    relationships: list[KeyValue] | None = optional("To whom they stand how: a name and a nature.")
    theme: ThemeInput | None = optional("How it should feel.")
    model: ModelInput | None = optional("Which model writes, and how freely.")


@strawberry.input(description="A location to generate.")
class GenerateLocationInput(Asking):
    location_type: LocationType = described("What kind of place it is.")
    context: StoryContextInput = described("Where the place stands.")
    size: str = described("Such as `small` or `three rooms and a yard`.")
    purpose: str = described("What it is for, such as `a smugglers' market`.")
    occupants: list[str] | None = optional("Who must be there.")
    features: list[str] | None = optional("What must be there.")
    theme: ThemeInput | None = optional("How it should feel.")
    model: ModelInput | None = optional("Which model writes, and how freely.")


@strawberry.input(description="A text whose theme is to be analysed.")
class AnalyzeThemeInput(Asking):
    content: str = described("The text; 1 to 50,000 characters.")
    current_theme: ThemeInput | None = optional("What its theme is meant to be.")
    target_theme: ThemeInput | None = optional("The theme to compare it with.")
    elements: list[ThemeElement] | None = optional("The sides to look at; default all.")
    category_filter: list[Category] | None = optional("The only categories that may be answered.")


@strawberry.input(description="A rule to hold a text against.")
class RuleInput:
    id: strawberry.ID | None = optional("A UUID; without it one is made from category and name.")
    category: RuleCategory = described("What the rule looks at.")
    name: str = described("Its name; 1 to 200 characters.")
    description: str | None = optional("What it demands.")
    parameters: list[KeyValue] | None = optional("Its parameters, such as `min_words`.")
    is_required: bool = strawberry.field(
        description="Whether the text fails when this rule does.", default=True
    )


@strawberry.input(description="A text to hold against rules.")
class ValidateContentInput(Asking):
    content: str = described("The text; 1 to 50,000 characters.")
    content_type: str = described("What it is, such as `character`.")
    rules: list[RuleInput] = described("1 to 20 rules.")
    theme: ThemeInput | None = optional("The theme that it should keep.")
    context: list[KeyValue] | None = optional("What is known beside the text.")


# Inputs given as key and value lists that are objects in REST.
KEY = re.compile(r"[\x21-\x7e]{1,255}")
OBJECTS = ("parameters", "context", "traits", "relationships")


ASKING = tuple(f.name for f in fields(Asking))


def wish(given: Asking) -> Wish:
    """How an input wants to be answered. Raises `InvalidRequest` for what is out of bounds."""
    key, similar = _given(given.idempotency_key), given.similar or None
    if key is not None and not KEY.fullmatch(key):
        said = "1 to 255 visible ASCII characters are wanted"
        raise InvalidRequest.at(("idempotency_key",), said)
    if similar is not None and not 0 < similar <= 1:
        raise InvalidRequest.at(("similar",), "a number from 0 to 1 is wanted")
    use = given.cache or (CacheUse.USE if similar else None)
    return Wish(
        use,
        similar=similar,
        idempotency_key=key,
        degrade=given.allow_degraded,
        stay=given.on_disconnect is OnDisconnect.CONTINUE,
    )


def _given(value: str | None) -> str | None:
    return None if value is strawberry.UNSET else value


def raw(given: Any) -> dict[str, Any]:
    """An input as the REST request that means the same; what was left out stays out."""
    found: dict[str, Any] = {}
    for name in _names(type(given)):
        value = getattr(given, name)
        if value is strawberry.UNSET or value is None or name in ASKING:
            continue
        if name == "extra":
            for pair in value:
                found.setdefault(pair.key, pair.value)
        elif isinstance(value, list) and name in OBJECTS:
            found[name] = {pair.key: pair.value for pair in value}
        elif isinstance(value, list):
            found[name] = [_plain(item) for item in value]
        else:
            found[name] = _plain(value)
    return found


_NAMES: dict[type, tuple[str, ...]] = {}


def _names(kind: type) -> tuple[str, ...]:
    if kind not in _NAMES:
        _NAMES[kind] = tuple(f.name for f in fields(kind))
    return _NAMES[kind]


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | float):  # enums of ours are strings too
        return value.value if isinstance(value, Enum) else value
    return raw(value)
