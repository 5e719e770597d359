"""The id of an HTTP request, by which its caller, the log and the events know it."""

from __future__ import annotations

import re
from uuid import uuid4

from starlette.types import Scope

WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def request_id(scope: Scope) -> str:
    """The caller's `X-Request-ID` where it is well formed, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and WELL_FORMED.fullmatch(value):
            return bytes(value).decode()
    return str(uuid4())
