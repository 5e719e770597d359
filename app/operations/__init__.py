"""What can be asked for. Adding an operation is its file, and its name in `OPERATIONS`."""

from typing import Any

from app.operations.campaign import Campaign
from app.operations.character import Character
from app.operations.fields import ModelChoice
from app.operations.item import Item
from app.operations.location import Location
from app.operations.npc import Npc
from app.operations.operation import DraftRejected, Fact, Operation
from app.operations.prompt import Prompt
from app.operations.story import Story
from app.operations.theme import ThemeAnalysis
from app.operations.validation import ContentValidation

KINDS: tuple[type[Operation[Any, Any]], ...] = (
    Character,
    Campaign,
    Story,
    Npc,
    Location,
    Item,
    ThemeAnalysis,
    ContentValidation,
)

OPERATIONS = {kind.name: kind() for kind in KINDS}

__all__ = ["OPERATIONS", "DraftRejected", "Fact", "ModelChoice", "Operation", "Prompt"]
