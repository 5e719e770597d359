"""Play: a case against a server, step by step."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from typing import Any

from cases import Case, Target, mismatch, missing, substituted
from websockets.exceptions import ConnectionClosed
from wire import TERMINAL, Failed, Socket, shown

GRACE = 2.0  # s by which an initialisation may time out late
EARLY = 0.1  # s by which clocks may differ


@dataclass
class Outcome:
    id: str
    section: str
    level: str
    status: str  # passed, failed or skipped
    reason: str  # why it failed, or what it needs
    seconds: float


def kind_of(message: dict[str, Any]) -> str:
    """The type of an operation's message, or `errors` when it carries any."""
    payload = message.get("payload")
    failed = isinstance(payload, list) or (isinstance(payload, dict) and payload.get("errors"))
    return "errors" if failed else str(message["type"])


class Play:
    """One case against one server."""

    def __init__(self, case: Case, target: Target) -> None:
        self.case, self.target = case, target
        self.sockets: dict[str, Socket] = {}

    async def run(self) -> None:
        """Raises `Failed`."""
        try:
            for step in substituted(self.case.steps, self.target.values):
                given = dict(step)
                socket = await self._socket(given.pop("socket", "a"))
                name = next(iter(given.keys() & STEPS))
                await getattr(self, f"_{name}")(socket, given.pop(name), **given)
        finally:
            for socket in self.sockets.values():
                if socket.ws is not None:
                    await socket.ws.close()

    async def _socket(self, name: str) -> Socket:
        if name not in self.sockets:
            self.sockets[name] = Socket(self.target)
            await self.sockets[name].begin(self.case.begin)
        return self.sockets[name]

    async def _connect(self, socket: Socket, offered: list[str]) -> None:
        await socket.connect(offered)

    async def _subprotocol(self, socket: Socket, wanted: str) -> None:
        if socket.open.subprotocol != wanted:
            raise Failed(f"the server chose {socket.open.subprotocol}")

    async def _send(self, socket: Socket, message: Any, **how: Any) -> None:
        await socket.send(message, **how)

    async def _burst(self, socket: Socket, count: int, payload: Any) -> None:
        for n in range(count):
            await socket.send({"type": "subscribe", "id": f"b{n}", "payload": payload})

    async def _frame(self, socket: Socket, data: str) -> None:
        await socket.frame(bytes.fromhex(data))

    async def _ping_frame(self, socket: Socket, _: bool) -> None:
        await socket.ping_frame()

    async def _expect(self, socket: Socket, pattern: dict[str, Any]) -> None:
        await socket.expect(pattern)

    async def _alive(self, socket: Socket, _: bool) -> None:
        await socket.send({"type": "ping"})
        await socket.expect({"type": "pong"})

    async def _finish(self, socket: Socket, ids: Any, **wanted: str) -> None:
        """Until each operation has ended; `with`: and gave at least one result, or errors."""
        left = {f"b{n}" for n in range(ids)} if isinstance(ids, int) else set(ids)
        seen: dict[str, set[str]] = {name: set() for name in left}
        while left:
            message = await socket.expect({"type": "$filled", "id": "$filled"})
            seen.setdefault(message["id"], set()).add(kind_of(message))
            if message["type"] in TERMINAL:
                left.discard(message["id"])
        for name, kinds in seen.items():
            if wanted and not kinds & set(wanted.values()):
                raise Failed(f"operation {name} gave {', '.join(sorted(kinds))}")

    async def _silence(self, socket: Socket, seconds: float) -> None:
        """Nothing but pings and pongs, and no closure."""
        end = time.monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            while (rest := end - time.monotonic()) > 0:
                try:
                    message = await socket.receive(rest, left=True)
                except ConnectionClosed as closed:
                    raise Failed(f"closed with {shown(closed)} instead of waiting") from None
                if message["type"] != "pong":
                    raise Failed(f"said when nothing was to be said: {json.dumps(message)[:200]}")

    async def _wait(self, socket: Socket, _: str) -> None:
        await self._silence(socket, self.target.init_timeout + GRACE / 2)

    async def _close(
        self,
        socket: Socket,
        codes: Any,
        *,
        allow: tuple[str, ...] = (),
        within: str = "",
        reason: str | None = None,
        refusable: bool = False,
    ) -> None:
        """The server closes with one of the codes, and says nothing before but what is allowed."""
        wanted = codes if isinstance(codes, list) else [codes]
        if refusable and socket.refused:
            return
        wait = self.target.init_timeout if within else 0.0
        try:
            while True:
                message = await socket.receive(wait + GRACE if within else self.target.timeout)
                if message["type"] not in ("pong", *allow):
                    raise Failed(f"{json.dumps(message)[:160]} instead of close {wanted[0]}")
        except TimeoutError:
            protocol = socket.open.subprotocol
            raise Failed(f"still open, speaking {protocol}: no close {wanted[0]}") from None
        except ConnectionClosed as closed:
            if closed.rcvd is None or closed.rcvd.code not in wanted:
                raise Failed(f"closed with {shown(closed)}, not {wanted[0]}") from None
            if (after := time.monotonic() - socket.begun) < wait - EARLY:
                raise Failed(f"closed after {after:.1f} s, not {wait:g}") from None
            if reason is not None and (wrong := mismatch(reason, closed.rcvd.reason, "its reason")):
                raise Failed(wrong) from None

    async def _leave(self, socket: Socket, code: int) -> None:
        """Close; the server must answer with a close frame."""
        await socket.open.close(code)
        if socket.open.close_code == 1006:
            raise Failed("the closing handshake was not completed")


STEPS = {name[1:] for name in vars(Play) if name[0] == "_" and name[1] != "_"} - {"socket"}


async def judge(case: Case, target: Target) -> Outcome:
    begun, status, reason = time.monotonic(), "passed", ""
    if needed := missing(case, target):
        status, reason = "skipped", f"needs {', '.join(needed)}"
    else:
        try:
            await Play(case, target).run()
        except (Failed, OSError, TimeoutError) as error:
            status, reason = "failed", str(error) or type(error).__name__
    seconds = round(time.monotonic() - begun, 2)
    return Outcome(case.id, case.section, case.level, status, reason, seconds)


async def judge_all(cases: list[Case], target: Target, jobs: int = 4) -> list[Outcome]:
    """The cases' outcomes in their order; `jobs` cases are played at once."""
    free = asyncio.Semaphore(jobs)

    async def one(case: Case) -> Outcome:
        async with free:
            return await judge(case, target)

    return await asyncio.gather(*(one(case) for case in cases))
