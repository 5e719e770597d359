"""Questions: for each operation one request, as each edge takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MODEL = "smollm2"  # the name in our settings, and the one that the server gives itself
SHORT = 200  # tokens of prose: the model is to end, or be ended there
LONG = 2000  # tokens of prose: long enough to be cancelled

TALE = (
    "The lamps of Saltmere went out one by one. Ilse Vane counted them from the harbour wall, and "
    "when the last was dark something knocked from under the ice, three times, as a neighbour does."
)

MADE = """
fragment Made on Content {
  __typename contentId contentType
  metadata {
    modelUsed degraded cached finishReason
    tokenUsage { promptTokens completionTokens totalTokens source }
    attempts { model outcome }
  }
  ... on GeneratedContent { text }
  ... on Story { text summary }
  ... on Npc { name description personality motivations secrets relationships { to nature } }
  ... on Location { name description pointsOfInterest occupants secrets hooks }
  ... on Item {
    name kind rarity attunement description properties { name effect charges recharge }
    history drawback found
  }
  ... on ThemeAnalysis {
    primaryCategory secondaryCategories categoryConfidence overallScore summary
    elements { element score description suggestions }
    compatibility { score conflicts enhancements transitionSteps }
  }
  ... on ContentValidation {
    overallScore passed summary
    results { ruleId passed score issues { severity message location suggestions } }
  }
}"""


@dataclass(frozen=True)
class Question:
    """One request. mutation, made: the root field and its payload's. started: as it is started.

    prose: whether its text is streamed. plain: whether it is nothing but prose, which may be ended
    by its cap. named: whether it names the model; what does not gets the default one.
    """

    operation: str
    mutation: str
    made: str
    started: str
    body: dict[str, Any]
    input: dict[str, Any]
    prose: bool = False
    plain: bool = False
    named: bool = True

    @property
    def document(self) -> str:
        kind = f"{self.mutation[0].upper()}{self.mutation[1:]}Input"
        asked = f"payload: {self.mutation}(input: $input) {{ made: {self.made} {{ ...Made }} }}"
        return f"mutation ($input: {kind}!) {{ {asked} }}{MADE}"

    def rest(self, tokens: int | None = None) -> dict[str, Any]:
        choice = {} if tokens is None else {"max_tokens": tokens}
        return {**self.body, "model": {"name": MODEL, **choice}} if self.named else self.body

    def graphql(self, tokens: int | None = None) -> dict[str, Any]:
        choice = {} if tokens is None else {"maxTokens": tokens}
        given = {"model": {"name": MODEL, **choice}} if self.named else {"cache": "BYPASS"}
        return {**self.input, **given, "allowDegraded": False}


CHARACTER = Question(
    "character",
    "generateCharacterContent",
    "content",
    "characterContent",
    {
        "type": "backstory",
        "character_context": {"character_class": "warlock", "character_race": "tiefling"},
    },
    {
        "type": "BACKSTORY",
        "characterContext": {"characterClass": "warlock", "characterRace": "tiefling"},
    },
    prose=True,
    plain=True,
)
STORY = Question(
    "story",
    "generateStory",
    "story",
    "story",
    {"element_type": "scene", "context": {"campaign_theme": "a drowned crown"}},
    {"elementType": "SCENE", "context": {"campaignTheme": "a drowned crown"}},
    prose=True,
)
NPC = Question(
    "npc",
    "generateNpc",
    "npc",
    "npc",
    {"role": "mentor", "context": {"setting": "Saltmere"}},
    {"role": "MENTOR", "context": {"setting": "Saltmere"}},
)
THEME = Question(
    "theme",
    "analyzeTheme",
    "analysis",
    "themeAnalysis",
    {"content": TALE, "target_theme": {"genre": "comedy"}},
    {"content": TALE, "targetTheme": {"genre": "comedy"}},
    named=False,
)
VALIDATION = Question(
    "validation",
    "validateContent",
    "validation",
    "contentValidation",
    {
        "content": TALE,
        "content_type": "story",
        "rules": [
            {"category": "quality", "name": "readable"},
            {"category": "theme", "name": "ominous"},
        ],
    },
    {
        "content": TALE,
        "contentType": "story",
        "rules": [
            {"category": "QUALITY", "name": "readable"},
            {"category": "THEME", "name": "ominous"},
        ],
    },
    named=False,
)
QUESTIONS = (
    CHARACTER,
    Question(
        "campaign",
        "generateCampaignContent",
        "content",
        "campaignContent",
        {"type": "quest", "campaign_context": {"campaign_theme": "a drowned crown"}},
        {"type": "QUEST", "campaignContext": {"campaignTheme": "a drowned crown"}},
        prose=True,
        plain=True,
    ),
    STORY,
    NPC,
    Question(
        "location",
        "generateLocation",
        "location",
        "location",
        {
            "location_type": "tavern",
            "context": {"setting": "Saltmere"},
            "size": "small",
            "purpose": "a smugglers' market",
        },
        {
            "locationType": "TAVERN",
            "context": {"setting": "Saltmere"},
            "size": "small",
            "purpose": "a smugglers' market",
        },
    ),
    Question(
        "item",
        "generateItem",
        "item",
        "item",
        {"kind": "wand", "context": {"setting": "Saltmere", "party_level": 5}},
        {"kind": "WAND", "context": {"setting": "Saltmere", "partyLevel": 5}},
    ),
    THEME,
    VALIDATION,
)
