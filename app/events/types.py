"""Event: something that happened, as it stands on the wire (flat JSON, snake_case)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

BUDGET_WARNED = "budget.warned"
EVENT_TYPES = (
    "content.generated",
    "story.generated",
    "theme.analyzed",
    "validation.completed",
    "content.rated",
    BUDGET_WARNED,
)
COUNTED = ("prompt_tokens", "completion_tokens", "total_tokens")  # what events tell of tokens
SOURCE = "llm-service"  # the name that the services know the gateway by


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `payload` is its JSON object; it is never changed after the event was made."""

    payload: dict[str, Any]

    @property
    def id(self) -> str:
        """The same on a repeat: receivers dedupe by it."""
        found: str = self.payload["id"]
        return found

    @property
    def type(self) -> str:
        found: str = self.payload["type"]
        return found

    @property
    def user_id(self) -> str:
        found: str = self.payload["user_id"]
        return found

    def encode(self) -> bytes:
        return orjson.dumps(self.payload)

    @classmethod
    def decode(cls, data: bytes | str) -> Event:
        """Raises `ValueError` when `data` is not an event's JSON object."""
        payload = orjson.loads(data)
        if not isinstance(payload, dict) or not {"id", "type", "user_id"} <= payload.keys():
            raise ValueError("not an event")
        return cls(payload)


def made_by(metadata: dict[str, Any]) -> dict[str, Any]:
    """What an event tells of an answer's metadata. Earlier versions' answers say less."""
    return {
        "model_used": metadata["model_used"],
        "token_usage": {name: metadata["token_usage"][name] for name in COUNTED},
        "prompt_version": metadata.get("prompt_version", "1"),
        "variant": metadata.get("variant"),
    }
