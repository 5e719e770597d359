"""One request's turn on its connection: nothing is read behind it, and it may be answered early."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class HeldFlow(FlowControl):
    """Reads nothing more while something is held, also when the application would read."""

    holding = False

    def resume_reading(self) -> None:
        if not self.holding:
            super().resume_reading()


class Turn(RequestResponseCycle):
    """One request and its answer."""

    early = False  # answered before its body was whole: the connection cannot go on behind it

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start" and self.more_body:
            self.early, self.keep_alive = True, False  # the client is told so by a header
            await super().send(message)
            self.keep_alive = True  # and the protocol closes, when the client has read the answer
        else:
            await super().send(message)
