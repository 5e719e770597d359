"""Requests with a mark wherever a caller or a model has the word, and models that fail on them."""

from __future__ import annotations

import json
from typing import Any

from tests.support import rest_bodies
from tests.support.rest_bodies import (
    CAMPAIGN,
    ITEM,
    LOCATION,
    NPC,
    STORY,
    TEXT,
    THEME,
    VALIDATION,
    changed,
    send,
)
from tests.support.service import CHARACTER_INPUT, GENERATE, Service
from tests.support.upstream import Behaviour, Upstream, refusal

MARK = "Vexis-of-the-Hollow-Reed"  # stands for everything that a caller or a model wrote
KEY = "sk-never-to-be-seen"


def marked() -> dict[str, Any]:
    """A body for each route with the mark wherever words may stand."""
    return {
        TEXT: changed(TEXT, character_context={"character_class": MARK, MARK: MARK}),
        CAMPAIGN: changed(CAMPAIGN, campaign_context={"campaign_theme": MARK, MARK: MARK}),
        NPC: changed(NPC, traits={MARK: MARK}, relationships={MARK: MARK}),
        LOCATION: changed(LOCATION, purpose=MARK, occupants=[MARK], features=[MARK]),
        ITEM: changed(ITEM, context={"setting": MARK, MARK: MARK}, theme={"tone": MARK}),
        STORY: changed(STORY, context={"setting": MARK}, parameters={MARK: MARK}),
        THEME: changed(THEME, content=MARK, target_theme={MARK: MARK}),
        VALIDATION: changed(
            VALIDATION,
            content=MARK,
            rules=[{**rest_bodies.RULE, "name": MARK, "description": MARK}],
        ),
    }


class Broken:
    """Models that break as nobody foresaw, with the caller's words in their mouth."""

    def choose(self, *_: Any) -> Any:
        try:
            {"": 0}[MARK]
        except KeyError:
            raise ValueError(MARK) from None

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{MARK} {name}")


async def everything(found: Service, provider: Upstream) -> None:
    """Each operation, answered and failing in each way."""
    for path, body in marked().items():
        assert (await found.post(path, body)).status_code == 200
        refused = changed(path, model={"name": MARK}, rules=MARK, elements=[MARK], type=MARK)
        await found.post(path, refused)
        await send(found, path, f'{{"content": {MARK}'.encode())
        echo = refusal(400, "invalid", f"{MARK} {KEY}")
        for behaviour in (
            echo,
            refusal(500, "x", MARK),
            Behaviour(reset=True),
            Behaviour(raw=b"x"),
        ):
            provider.then(behaviour)
            await found.post(path, body)
        wrong = Behaviour(text=json.dumps({MARK: MARK}))
        provider.then(wrong, wrong)
        await found.post(path, body)
    await found.http.post(TEXT, json={}, headers={"Authorization": f"Bearer {MARK}"})
    await found.http.get("/api/v2/nothing", params={"token": MARK})
    await found.http.get("/graphql", params={"query": "{ " + MARK}, headers=found.headers())
    context = {"characterClass": MARK, "background": MARK}
    await found.graphql(GENERATE, {"input": {**CHARACTER_INPUT, "characterContext": context}})
    await found.graphql("{ " + MARK.replace("-", "") + " }")
    await found.graphql(GENERATE, {"input": {"type": MARK}})
