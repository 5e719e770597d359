"""What can be asked for. Adding an operation is its file, and a name in `OPERATIONS`."""

from app.operations.base import DraftRejected, Fact, Operation, Prompt
from app.operations.campaign import Campaign
from app.operations.character import Character
from app.operations.fields import ModelChoice
from app.operations.location import Location
from app.operations.npc import Npc
from app.operations.story import Story
from app.operations.theme import ThemeAnalysis
from app.operations.validation import ContentValidation

CHARACTER = Character()
CAMPAIGN = Campaign()
STORY = Story()
NPC = Npc()
LOCATION = Location()
THEME = ThemeAnalysis()
VALIDATION = ContentValidation()

OPERATIONS = {o.name: o for o in (CHARACTER, CAMPAIGN, STORY, NPC, LOCATION, THEME, VALIDATION)}

__all__ = [
    "CAMPAIGN",
    "CHARACTER",
    "LOCATION",
    "NPC",
    "OPERATIONS",
    "STORY",
    "THEME",
    "VALIDATION",
    "DraftRejected",
    "Fact",
    "ModelChoice",
    "Operation",
    "Prompt",
]
