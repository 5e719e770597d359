"""What can be asked for. Adding an operation is its file, and a name in `OPERATIONS`."""

from app.operations.base import DraftRejected, Fact, Operation, Prompt
from app.operations.character import Character
from app.operations.fields import ModelChoice
from app.operations.story import Story
from app.operations.theme import ThemeAnalysis
from app.operations.validation import ContentValidation

CHARACTER = Character()
STORY = Story()
THEME = ThemeAnalysis()
VALIDATION = ContentValidation()

OPERATIONS = {o.name: o for o in (CHARACTER, STORY, THEME, VALIDATION)}

__all__ = [
    "CHARACTER",
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
