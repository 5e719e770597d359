"""A service that calls REST v2 with nothing but Python's standard library.

It has a backstory written and its theme analysed. A full limit and a gateway that is away are
waited for, as `Retry-After` says or with a back-off. Each request has an idempotency key that is
made of the job's name: sent again after a lost connection, or by this program when it is started
again within a day, it gets the first answer, and nothing is written or paid for twice.

Install: nothing.

Run (another JOB is another text):
    LOREGATE_URL=http://127.0.0.1:8100 TOKEN=… JOB=42 python legacy_service.py
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import urllib.error
import urllib.request
from typing import Any

TRIES = 6
TIMEOUT = 180  # s; the gateway's own deadlines are shorter
PASSING = (429, 503)  # any other status would be the same again, or cost again
CUT = (urllib.error.URLError, ConnectionError, TimeoutError)


class Refused(Exception):
    """The gateway's answer was an error: its code, its message and the request's id."""


def post(path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    """The answer. Raises `Refused`, or what cut the connection the last time."""
    for attempt in range(1, TRIES + 1):
        try:
            return send(path, body, key)
        except urllib.error.HTTPError as error:
            if error.code not in PASSING or attempt == TRIES:
                raise Refused(said(error)) from error
            asked = float(error.headers.get("Retry-After", 0))
        except CUT:
            if attempt == TRIES:
                raise
            asked = 0.0
        wait = max(asked, 0.5 * 2**attempt * random.random())
        print(f"waiting for {wait:.1f} s", file=sys.stderr, flush=True)
        time.sleep(wait)
    raise AssertionError("the last attempt has returned or raised")


def send(path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    headers = {
        "Authorization": f"Bearer {os.environ['TOKEN']}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    url, data = os.environ["LOREGATE_URL"] + path, json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method="POST")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        found: dict[str, Any] = json.load(response)
        return found


def said(error: urllib.error.HTTPError) -> str:
    """What went wrong; a proxy's page is no JSON."""
    try:
        found = json.load(error)
        return f"{found['code']}: {found['message']} (request {found['details']['request_id']})"
    except (ValueError, KeyError):
        return f"the answer was {error.code}, and none of the gateway's"


def main() -> None:
    job = os.environ.get("JOB", "1")
    character = {"character_class": "warlock", "character_race": "tiefling", "character_level": 5}
    wanted = {"type": "backstory", "character_context": character, "theme": {"tone": "ominous"}}
    written = post("/api/v2/text/character", wanted, f"backstory-{job}")
    print(written["content_id"], written["content"], sep="\n")

    asked = {"content": written["content"], "elements": ["tone", "mood"]}
    analysis = post("/api/v2/theme/analyze", asked, f"theme-{job}")
    print(analysis["primary_category"], analysis["summary"], sep="\n")


if __name__ == "__main__":
    try:
        main()
    except (Refused, *CUT) as error:
        sys.exit(f"ended: {error}")
