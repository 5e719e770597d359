"""Character content: a backstory, a personality, a fighting style, an equipment list."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import AliasChoices, Field, model_validator

from app.operations.fields import (
    Level,
    ModelField,
    OpenObject,
    Request,
    Text,
    ThemeField,
)
from app.operations.prose import ProseOperation, TextAnswer


class CharacterContentType(StrEnum):
    """What to write about a character."""

    BACKSTORY = "backstory"
    PERSONALITY = "personality"
    COMBAT = "combat"
    EQUIPMENT = "equipment"


class CharacterContext(OpenObject):
    """Who the character is; further keys are passed on."""

    character_class: Text | None = None
    character_race: Text | None = None
    character_level: Level | None = None
    alignment: Text | None = None
    background: Text | None = None


class CharacterRequest(Request):
    type: CharacterContentType
    character_context: CharacterContext = Field(
        validation_alias=AliasChoices("character_context", "parameters"),
    )
    theme: ThemeField
    model: ModelField
    parent_content_id: UUID | None = None

    @model_validator(mode="before")
    @classmethod
    def _older_name(cls, value: Any) -> Any:
        """`parameters` counts where `character_context` is absent, and null is absent."""
        if isinstance(value, dict) and value.get("character_context", ...) is None:
            return {k: v for k, v in value.items() if k != "character_context"}
        return value


TASKS = {
    CharacterContentType.BACKSTORY: (
        "Write this character's backstory: where they come from, the one event that made them "
        "leave, whom they owe or fear, and what they still want. Three or four paragraphs. End on "
        "an open thread that a dungeon master can pull."
    ),
    CharacterContentType.PERSONALITY: (
        "Describe this character's personality as a player needs it: two traits, an ideal, a "
        "bond, a flaw, a habit that shows at the table, and how they speak, with one line in "
        "their own voice."
    ),
    CharacterContentType.COMBAT: (
        "Describe how this character fights: opening moves, favourite ground, how they use their "
        "class's abilities at this level under the fifth edition's rules, what they do when it "
        "goes badly, and how their companions should fight beside them."
    ),
    CharacterContentType.EQUIPMENT: (
        "List what this character carries: arms and armour proper to class and level, tools, and "
        "two or three personal things with a history of a sentence each. No magic item beyond "
        "what the level allows."
    ),
}


class Character(ProseOperation[CharacterRequest]):
    name = "character"
    title = "Generate character content"
    path = "/api/v2/text/character"
    permission = "text:generate"
    limit = "text_generation"
    content_type = "character"
    request_type = CharacterRequest
    answer_type = TextAnswer

    def task(self, request: CharacterRequest) -> str:
        return TASKS[request.type]
