"""The integration guide's example client, which calling services have copied, still works."""

from __future__ import annotations

from tests.support import guide_client, service
from tests.support.rest_bodies import TALE
from tests.support.service import Service


async def test_the_guides_client_works_as_it_is_written(loregate: Service) -> None:
    url, token, theme = loregate.url, service.token(), {"genre": "horror", "tone": "ominous"}
    hero = {"character_class": "Paladin", "character_race": "Dwarf", "character_level": 3}
    made = await guide_client.generate_character_content(url, token, hero, theme)
    assert made["content"]
    judged = await guide_client.validate_theme_consistency(
        url, token, TALE, theme, {"tone": "heroic"}
    )
    elements = [e["element"] for e in judged["elements"]]
    assert elements == ["tone", "mood", "setting", "character_focus"]
    assert judged["compatibility"]["transition_steps"]
