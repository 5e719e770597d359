"""The operations by name, for tests that are about one of them."""

from __future__ import annotations

from app.operations import OPERATIONS

CHARACTER = OPERATIONS["character"]
CAMPAIGN = OPERATIONS["campaign"]
STORY = OPERATIONS["story"]
NPC = OPERATIONS["npc"]
LOCATION = OPERATIONS["location"]
ITEM = OPERATIONS["item"]
THEME = OPERATIONS["theme"]
VALIDATION = OPERATIONS["validation"]
