"""What callers wish of REST v2: a good body for each operation, and how to send any."""

from __future__ import annotations

from typing import Any

import httpx2

from tests.support.service import Service

TEXT = "/api/v2/text/character"
CAMPAIGN = "/api/v2/text/campaign"
STORY = "/api/v2/campaign/story"
NPC = "/api/v2/campaign/npc"
LOCATION = "/api/v2/campaign/location"
ITEM = "/api/v2/campaign/item"
THEME = "/api/v2/theme/analyze"
VALIDATION = "/api/v2/validation/content"
RULE = {"category": "quality", "name": "readable"}
TALE = "The lamps of Saltmere went out, and something knocked from under the ice."

GOOD: dict[str, Any] = {
    TEXT: {"type": "backstory", "character_context": {"character_class": "warlock"}},
    CAMPAIGN: {"type": "quest", "campaign_context": {"campaign_theme": "a drowned crown"}},
    NPC: {
        "role": "mentor",
        "context": {"setting": "Saltmere"},
        "traits": {"temper": "short"},
        "relationships": {"Ilse Vane": "a sister"},
    },
    LOCATION: {
        "location_type": "tavern",
        "context": {"setting": "Saltmere"},
        "size": "small",
        "purpose": "a smugglers' market",
        "occupants": ["Old Marta"],
        "features": ["a hidden cellar"],
    },
    ITEM: {"kind": "wand", "context": {"setting": "Saltmere", "party_level": 5}},
    STORY: {"element_type": "plot", "context": {"campaign_theme": "a drowned crown"}},
    THEME: {"content": TALE},
    VALIDATION: {"content": TALE, "content_type": "character", "rules": [RULE]},
}


def changed(path: str, **fields: Any) -> dict[str, Any]:
    return {**GOOD[path], **fields}


def context(**fields: Any) -> dict[str, Any]:
    return changed(TEXT, character_context=fields)


def rules(count: int) -> list[Any]:
    return [{"category": "quality", "name": f"rule {n}"} for n in range(count)]


async def strictly(found: Service, path: str) -> httpx2.Response:
    """A good request whose caller takes no simpler model's answer."""
    headers = {**found.headers(), "X-Allow-Degraded": "false"}
    return await found.http.post(path, json=GOOD[path], headers=headers)


async def send(found: Service, path: str, body: Any, **claims: Any) -> httpx2.Response:
    headers = {**found.headers(**claims), "Content-Type": "application/json"}
    return await found.http.post(path, content=body, headers=headers)
