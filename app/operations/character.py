"""Character content: a backstory, a personality, a fighting style, an equipment list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AliasChoices, Field, model_validator
from typing_extensions import Doc

from app.operations.descriptions import Described, Example, Mutation, graphql
from app.operations.fields import (
    ContentType,
    Level,
    ModelField,
    OpenObject,
    ParentContent,
    Request,
    Text,
    ThemeField,
)
from app.operations.prose import ProseOperation, TextAnswer


class CharacterContentType(Described):
    """What to write about a character."""

    BACKSTORY = "backstory", "Where they come from and what they still want."
    PERSONALITY = "personality", "Traits, ideal, bond, flaw, and how they speak."
    COMBAT = "combat", "How they fight."
    EQUIPMENT = "equipment", "What they carry."


@graphql(doc="Who the character is.")
class CharacterContext(OpenObject):
    """Who the character is; further keys are passed on."""

    character_class: Annotated[Text | None, Doc("Such as `warlock`.")] = None
    character_race: Annotated[Text | None, Doc("Such as `tiefling`.")] = None
    character_level: Annotated[Level | None, Doc("1 to 20.")] = None
    alignment: Annotated[Text | None, Doc("Such as `chaotic good`.")] = None
    background: Annotated[Text | None, Doc("Such as `sage`.")] = None


class CharacterRequest(Request):
    type: Annotated[CharacterContentType, Doc("What to write.")]
    character_context: Annotated[CharacterContext, Doc("Who the character is.")] = Field(
        validation_alias=AliasChoices("character_context", "parameters"),
    )
    theme: ThemeField
    model: ModelField
    parent_content_id: ParentContent = None

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
# Version 2, which a canary may try: it bounds the length, which the first leaves to the model, and
# asks for what the first leaves to chance, that every given fact is used.
GROUNDED = (
    "Use every fact that was given, by its own name and without changing it; where something is "
    "missing, choose one plain possibility and keep to it. Show the tone in what happens and never "
    "name it."
)
OTHER_TASKS = {
    CharacterContentType.BACKSTORY: (
        "Write this character's backstory in 250 to 350 words. Open on a scene that a witness "
        "could retell, then tell where they come from, the one event that made them leave, and "
        "whom they owe or fear. End on what they still want, as a thread that a dungeon master "
        "can pull in the next session."
    ),
    CharacterContentType.PERSONALITY: (
        "Describe this character's personality in at most 250 words, as a player needs it at the "
        "table: two traits that can get in each other's way, an ideal, a bond, a flaw that costs "
        "them something, a habit that others see, and one line in their own voice."
    ),
    CharacterContentType.COMBAT: (
        "Describe in at most 300 words how this character fights under the fifth edition's rules, "
        "with nothing that their class does not have at this level: the first two rounds of a "
        "usual fight, the ground they look for, when they leave it, and what they need from their "
        "companions."
    ),
    CharacterContentType.EQUIPMENT: (
        "List what this character carries, one thing a line, at most 14 lines: arms and armour "
        "proper to class and level, tools, and two or three personal things, each with one "
        "sentence of its history. No magic item beyond what the level allows."
    ),
}


def _second(request: CharacterRequest) -> str:
    return f"{OTHER_TASKS[request.type]} {GROUNDED}"


class Character(ProseOperation[CharacterRequest]):
    name = "character"
    title = "Generate character content"
    path = "/api/v2/text/character"
    permission = "text:generate"
    limit = "text_generation"
    content_type = ContentType.CHARACTER
    mutation = Mutation(
        "generate_character_content",
        "Write a backstory, a personality, a fighting style or an equipment list.",
        input="Character content to generate.",
        payload="Generated character content.",
        result=("content", "The content."),
        member=("character_content", "Character content."),
    )
    example = Example(
        request={
            "type": "backstory",
            "character_context": {
                "character_class": "warlock",
                "character_race": "tiefling",
                "character_level": 5,
                "alignment": "chaotic good",
                "background": "sage",
                "sworn_enemy": "Vexis of the Ninth Lamp",
            },
            "theme": {"genre": "dark fantasy", "tone": "ominous"},
            "model": {"name": "gpt-4-turbo", "temperature": 0.7, "max_tokens": 1000},
        },
        answer={
            "content": "The bell of Saltmere had not rung for nine years when Kallista heard it.",
            "parent_content_id": None,
        },
    )
    request_type = CharacterRequest
    answer_type = TextAnswer
    other_tasks: ClassVar[Mapping[int, Callable[[Any], str]]] = {2: _second}

    def task(self, request: CharacterRequest) -> str:
        return TASKS[request.type]
