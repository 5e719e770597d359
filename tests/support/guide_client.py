"""The integration guide's example client, as the calling services have copied it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2 as httpx


class RateLimitError(Exception):
    """The guide names it and leaves it to the reader: here, what an answer of 429 is raised as."""


async def make_request_with_backoff(request_func: Callable[[], Awaitable[Any]]) -> Any:
    max_retries = 3
    base_delay = 1  # second

    for attempt in range(max_retries):
        try:
            return await request_func()
        except RateLimitError:
            if attempt == max_retries - 1:
                raise
            delay = base_delay * (2**attempt)
            await asyncio.sleep(delay)
    return None


async def generate_character_content(
    url: str, token: str, character_context: dict[str, Any], theme: dict[str, Any]
) -> Any:
    request = {
        "type": "backstory",
        "character_context": character_context,
        "theme": theme,
        "model": {"name": "gpt-4-turbo", "temperature": 0.7},
    }
    async with httpx.AsyncClient() as client:
        response = await make_request_with_backoff(
            lambda: client.post(
                f"{url}/api/v2/text/character",
                json=request,
                headers={"Authorization": f"Bearer {token}"},
            )
        )
        if response.status_code == 200:
            return response.json()
    return None


async def validate_theme_consistency(
    url: str,
    token: str,
    content: str,
    current_theme: dict[str, Any],
    target_theme: dict[str, Any],
) -> Any:
    request = {
        "content": content,
        "current_theme": current_theme,
        "target_theme": target_theme,
        "elements": ["tone", "mood", "setting", "character_focus"],
    }
    async with httpx.AsyncClient() as client:
        response = await make_request_with_backoff(
            lambda: client.post(
                f"{url}/api/v2/theme/analyze",
                json=request,
                headers={"Authorization": f"Bearer {token}"},
            )
        )
        if response.status_code == 200:
            return response.json()
    return None
