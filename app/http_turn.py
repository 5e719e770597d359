"""One request's turn on its connection: nothing is read behind it, and it may be answered early."""

from __future__ import annotations

from collections.abc import Coroutine
from enum import Enum
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Phase(Enum):
    """What a connection does. All but the last two read."""

    HEAD = "head"
    BODY = "body"
    DRAINING = "draining"  # what comes is thrown away until the client has read its answer
    ANSWER = "answer"  # the request is whole; what comes is held
    UPGRADED = "upgraded"  # another protocol has the connection


HEAD, BODY, DRAINING, ANSWER, UPGRADED = Phase  # `Phase.HEAD` is a look-up of 50 ns each time


class HeldFlow(FlowControl):
    """Reads nothing more while something is held, also when the application would read."""

    holding = False

    def resume_reading(self) -> None:
        if not self.holding:
            super().resume_reading()


class Turn(RequestResponseCycle):
    """One request and its answer."""

    early = False  # answered before its body was whole: the connection cannot go on behind it

    def send(self, message: Any) -> Coroutine[Any, Any, None]:
        if self.more_body and message["type"] == "http.response.start":
            return self._send_early(message)
        return super().send(message)

    async def _send_early(self, message: Any) -> None:
        self.early, self.keep_alive = True, False  # the client is told so by a header
        await super().send(message)
        self.keep_alive = True  # and the protocol closes, when the client has read the answer
