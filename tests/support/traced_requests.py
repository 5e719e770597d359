"""Requests with a trace of their caller's, and what they are called."""

from __future__ import annotations

import httpx2

from tests.support.rest_bodies import GOOD, TEXT
from tests.support.service import Service

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{CALLER}-01"
UNWANTED = f"00-{TRACE}-{CALLER}-00"
MODEL = "chat gpt-6.1-terra"


async def ask(found: Service, path: str = TEXT, **headers: str) -> httpx2.Response:
    answer = await found.http.post(path, json=GOOD[path], headers={**found.headers(), **headers})
    assert answer.status_code == 200, answer.text
    return answer
