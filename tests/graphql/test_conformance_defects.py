"""The conformance suite itself: each defect of a server makes its cases red, and no others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from fnmatch import fnmatch
from typing import Any

import pytest

from tests.support import conformance, faulty_socket_server
from tests.support.conformance import failed, skipped
from tests.support.faulty_socket_server import (
    DOCUMENTS,
    INIT_TIMEOUT,
    RESULTS,
    Closing,
    FaultySocket,
)

pytestmark = pytest.mark.long

# Every case against every defect takes four minutes; `make test` tries a third of the defects, each
# with the families of cases that it concerns.
WHOLE = bool(os.environ.get("CONFORMANCE_WHOLE"))


class Talkative(FaultySocket):
    """No defect: pings with a payload at any time, and pongs that nobody asked for."""

    async def handle(self, message: dict[str, Any]) -> None:
        if message["type"] != "pong":
            await self.send({"type": "ping", "payload": {"cursors": {"1": "a"}}})
            await self.send({"type": "pong"})
        await super().handle(message)


class NeverTimesOut(FaultySocket):
    init_timeout = 60


class TimesOutTooSoon(FaultySocket):
    init_timeout = 0.2


class PingsReplaceInit(FaultySocket):
    async def ping(self, message: dict[str, Any]) -> None:
        await super().ping(message)
        self.pinged = True

    def timed_out(self) -> None:
        if not getattr(self, "pinged", False):
            super().timed_out()


class SecondInitIgnored(FaultySocket):
    async def connection_init(self, message: dict[str, Any]) -> None:
        if not self.initialised:
            await super().connection_init(message)


class RejectsWithAnotherCode(FaultySocket):
    async def connection_init(self, message: dict[str, Any]) -> None:
        if "reject" in (message.get("payload") or {}):
            raise Closing(4401)
        await super().connection_init(message)


class FailsWithAnotherCode(FaultySocket):
    async def connection_init(self, message: dict[str, Any]) -> None:
        if "crash" in (message.get("payload") or {}):
            raise Closing(1011)
        await super().connection_init(message)


class AnyInitPayload(FaultySocket):
    def wrong(self, message: Any) -> bool:
        init = isinstance(message, dict) and message.get("type") == "connection_init"
        return not init and super().wrong(message)

    async def connection_init(self, message: dict[str, Any]) -> None:
        payload = message.get("payload")
        await super().connection_init({"payload": payload if isinstance(payload, dict) else {}})


class NullPayloadRefused(FaultySocket):
    def wrong(self, message: Any) -> bool:
        null = isinstance(message, dict) and message.get("payload", {}) is None
        return null or super().wrong(message)


class NoPongBeforeInit(FaultySocket):
    async def ping(self, message: dict[str, Any]) -> None:
        if self.initialised:
            await super().ping(message)


class PongWithoutPayload(FaultySocket):
    async def ping(self, message: dict[str, Any]) -> None:
        await self.send({"type": "pong"})


class PongIsUnknown(FaultySocket):
    async def pong(self, message: dict[str, Any]) -> None:
        raise Closing(4400)


class RunsBeforeInit(FaultySocket):
    acknowledged = True


class DuplicateIgnored(FaultySocket):
    async def subscribe(self, message: dict[str, Any]) -> None:
        if message["id"] not in self.operations:
            await super().subscribe(message)


class IdIsTakenLate(FaultySocket):
    async def subscribe(self, message: dict[str, Any]) -> None:
        if not self.acknowledged or message["id"] in self.operations:
            await super().subscribe(message)  # which closes the socket
        self.late = [*getattr(self, "late", []), asyncio.create_task(self.registered(message))]

    async def registered(self, message: dict[str, Any]) -> None:
        await asyncio.sleep(0.1)
        with contextlib.suppress(Closing):
            await super().subscribe(message)


class QueriesMayTakeAnId(FaultySocket):
    async def subscribe(self, message: dict[str, Any]) -> None:
        if message["payload"]["query"].startswith("{"):
            self.operations.pop(message["id"], None)
        await super().subscribe(message)


class IdIsNeverFree(FaultySocket):
    def forget(self, name: str) -> None:
        pass


class IdOfCompletedIsKept(FaultySocket):
    async def complete(self, message: dict[str, Any]) -> None:
        if task := self.operations.get(message["id"]):
            task.cancel()


class FirstTakesSecondAlong(FaultySocket):
    async def run(self, name: str, payload: dict[str, Any]) -> None:
        try:
            await super().run(name, payload)
        finally:
            self.operations.pop(name, None)


class LongReason(FaultySocket):
    async def close(self, closing: Closing) -> None:
        await self.ws.close(closing.code, closing.reason)


class NoReason(FaultySocket):
    async def close(self, closing: Closing) -> None:
        await self.ws.close(closing.code)


class CompleteAfterError(FaultySocket):
    async def answer(self, name: str, results: list[Any] | None) -> None:
        await super().answer(name, results)
        if results is None:
            await self.send({"type": "complete", "id": name})


class CompleteTwice(FaultySocket):
    async def answer(self, name: str, results: list[Any] | None) -> None:
        await super().answer(name, results)
        if results is not None:
            await self.send({"type": "complete", "id": name})


class ErrorIsNoList(FaultySocket):
    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "error":
            message = {**message, "payload": message["payload"][0]}
        await super().send(message)


class ErrorsAsResults(FaultySocket):
    async def answer(self, name: str, results: list[Any] | None) -> None:
        bad = [{"data": None, "errors": [{"message": "invalid"}]}]
        await super().answer(name, bad if results is None else results)


class CompleteIgnored(FaultySocket):
    async def complete(self, message: dict[str, Any]) -> None:
        pass


class CompleteOfUnknownCloses(FaultySocket):
    async def complete(self, message: dict[str, Any]) -> None:
        if message["id"] not in self.operations:
            raise Closing(4400)
        await super().complete(message)


class CompleteEndsAll(FaultySocket):
    async def complete(self, message: dict[str, Any]) -> None:
        for task in self.operations.values():
            task.cancel()
        self.operations.clear()


class OneAfterAnother(FaultySocket):
    async def subscribe(self, message: dict[str, Any]) -> None:
        await super().subscribe(message)
        if message["payload"]["query"] == "{ slow }":
            await self.operations[message["id"]]


class TakesBinary(FaultySocket):
    def read(self, data: str | bytes) -> Any:
        return super().read(data.decode() if isinstance(data, bytes) else data)


class NoFragments(FaultySocket):
    async def receive(self) -> Any:
        fragments = [part async for part in self.ws.recv_streaming()]
        if len(fragments) > 1:
            raise Closing(1003, "no fragments")
        return fragments[0]


class UnknownTypesIgnored(FaultySocket):
    def wrong(self, message: Any) -> bool:
        typed = isinstance(message, dict) and isinstance(message.get("type"), str)
        return not typed and super().wrong(message)

    async def handle(self, message: dict[str, Any]) -> None:
        if not super().wrong(message):
            await super().handle(message)


class NoJsonIgnored(FaultySocket):
    def read(self, data: str | bytes) -> Any:
        try:
            json.loads(data)
        except ValueError:
            return {"type": "pong"}
        return super().read(data)


class AnyIdWillDo(FaultySocket):
    def wrong(self, message: Any) -> bool:
        named = isinstance(message, dict) and message.get("id") == ""
        return super().wrong({**message, "id": "1"} if named else message)


class IdsAreAscii(FaultySocket):
    async def subscribe(self, message: dict[str, Any]) -> None:
        if not message["id"].isascii():
            raise Closing(4400)
        await super().subscribe(message)


class ForgetsUnderLoad(FaultySocket):
    async def subscribe(self, message: dict[str, Any]) -> None:
        if message["id"] != "b41":
            await super().subscribe(message)


class ExtrasRefused(FaultySocket):
    def wrong(self, message: Any) -> bool:
        known = {"type", "id", "payload"}
        return super().wrong(message) or bool(message.keys() - known)


class VariablesLost(FaultySocket):
    def results(self, payload: dict[str, Any]) -> list[Any] | None:
        if payload.get("variables"):
            return [{"data": {"a": "Query", "b": "Query"}}]
        return super().results(payload)


class NameLost(FaultySocket):
    def results(self, payload: dict[str, Any]) -> list[Any] | None:
        found = super().results(payload)
        return RESULTS["{ __typename }"] if payload.get("operationName") else found


class AnyProtocolWillDo(FaultySocket):
    async def close(self, closing: Closing) -> None:
        if closing.code == 4406:
            await self.ws.wait_closed()
        await super().close(closing)


# Each defect, and the beginnings of the ids of the cases that it makes red.
DEFECTS: dict[type[FaultySocket], str] = {
    FaultySocket: "",
    Talkative: "",
    NeverTimesOut: "init/timeout init/timeout-in-spite-of-pings",
    TimesOutTooSoon: "init/timeout init/timeout-in-spite-of-pings",
    PingsReplaceInit: "init/timeout-in-spite-of-pings",
    SecondInitIgnored: "init/twice init/twice-at-once init/twice-with-operations",
    RejectsWithAnotherCode: "init/rejected",
    FailsWithAnotherCode: "init/failing-is-4500",
    AnyInitPayload: "init/payload-must-not-be/*",
    NullPayloadRefused: "init/payload-may-be/null ping/payload-may-be/null pong/unsolicited/null",
    NoPongBeforeInit: "ping/before-init init/timeout-in-spite-of-pings close/before-init",
    PongWithoutPayload: "ping/payload-is-echoed",
    PongIsUnknown: "pong/unsolicited/* pong/before-init",
    RunsBeforeInit: "subscribe/before-init",
    DuplicateIgnored: "subscribe/duplicate-* subscribe/4409-* subscribe/long-id-in-use"
    " subscribe/the-second-of-an-id-stays complete/ends-its-operation-alone",
    IdIsTakenLate: "subscribe/duplicate-id-at-once subscribe/duplicate-id-of-a-query"
    " complete/at-once complete/of-a-query-that-runs",
    QueriesMayTakeAnId: "subscribe/duplicate-id-of-another-kind subscribe/duplicate-id-of-a-query"
    " subscribe/the-second-of-an-id-stays complete/ends-its-operation-alone",
    IdIsNeverFree: "subscribe/id-again-after-its-end subscribe/id-again-after-an-error",
    IdOfCompletedIsKept: "subscribe/id-again-after-the-clients-complete complete/at-once"
    " subscribe/the-second-of-an-id-stays",
    FirstTakesSecondAlong: "subscribe/the-second-of-an-id-stays",
    LongReason: "subscribe/long-id-in-use",
    NoReason: "subscribe/4409-names-the-id invalid/4400-* handshake/4406-*",
    CompleteAfterError: "error/no-complete-after-it error/ends-its-operation-alone/*"
    " error/missing-variable error/of-a-subscription complete/after-an-error"
    " subscribe/id-again-after-an-error operation/interleaved",
    CompleteTwice: "operation/query operation/mutation operation/subscription-that-ends"
    " operation/fifty-at-once operation/interleaved operation/slow-one-holds-nobody-up"
    " error/while-executing complete/after-the-end complete/crossing-the-end"
    " subscribe/id-again-after-its-end subscribe/any-string-is-an-id/*",
    ErrorIsNoList: "error/validation error/no-complete-after-it error/ends-its-operation-alone/*"
    " error/missing-variable error/of-a-subscription complete/after-an-error"
    " subscribe/id-again-after-an-error operation/interleaved",
    ErrorsAsResults: "error/validation error/no-complete-after-it"
    " error/ends-its-operation-alone/* complete/after-an-error subscribe/id-again-after-an-error",
    CompleteIgnored: "complete/at-once complete/of-a-query-that-runs"
    " subscribe/id-again-after-the-clients-complete subscribe/the-second-of-an-id-stays",
    CompleteOfUnknownCloses: "complete/of-an-unknown-id/* complete/after-* complete/twice"
    " complete/crossing-the-end",
    CompleteEndsAll: "complete/ends-its-operation-alone",
    OneAfterAnother: "operation/slow-one-holds-nobody-up complete/of-a-query-that-runs"
    " subscribe/duplicate-id-of-a-query",
    TakesBinary: "invalid/binary",
    NoFragments: "frames/fragmented frames/ping-between-fragments",
    UnknownTypesIgnored: "invalid/type/* invalid/type-of-a-server/* invalid/ends-all-operations"
    " invalid/4400-* invalid/text/type-empty subscribe/*-must-not-be/* complete/id-must-not-be/*"
    " init/payload-must-not-be/* ping/payload-must-not-be/* pong/payload-must-not-be/*",
    NoJsonIgnored: "invalid/text/no-json invalid/text/nothing invalid/text/half invalid/text/two"
    " invalid/text-before-init/no-json",
    AnyIdWillDo: "subscribe/id-must-not-be/empty complete/id-must-not-be/empty",
    IdsAreAscii: "subscribe/any-string-is-an-id/unicode frames/fragmented subscribe/long-id-in-use",
    ForgetsUnderLoad: "operation/fifty-at-once",
    ExtrasRefused: "init/extra-fields subscribe/extra-fields",
    VariablesLost: "operation/variables",
    NameLost: "operation/name error/ends-its-operation-alone/unknown-name",
    AnyProtocolWillDo: "handshake/no-subprotocol handshake/unknown-subprotocol"
    " handshake/legacy-subprotocol handshake/4406-*",
}


def expected(words: str, ids: list[str]) -> set[str]:
    return {i for i in ids if any(fnmatch(i, word) for word in words.split())}


def families(words: str) -> str:
    """The families of these cases; all there are for `make conformance`."""
    return "" if WHOLE else ",".join(sorted({word.partition("/")[0] for word in words.split()}))


@pytest.mark.parametrize(
    "defect", list(DEFECTS)[:: 1 if WHOLE else 3], ids=lambda defect: defect.__name__
)
async def test_a_defect_makes_its_cases_red_and_no_others(defect: type[FaultySocket]) -> None:
    given = {**DOCUMENTS, "init_timeout": INIT_TIMEOUT, "timeout": 2, "jobs": 30}
    given["only"] = families(DEFECTS[defect])
    async with faulty_socket_server.running(defect) as url:
        found = await conformance.judged(url, **given)
    assert skipped(found) == set()
    reasons = failed(found)
    assert reasons.keys() == expected(DEFECTS[defect], [o["id"] for o in found]), reasons


async def test_the_first_subprotocol_of_those_offered_is_no_choice() -> None:
    def first(_: Any, offered: Any) -> Any:
        return offered[0] if offered else None

    async with faulty_socket_server.running(FaultySocket, first) as url:
        found = await conformance.judged(url, only="handshake/")
    assert failed(found).keys() == {"handshake/subprotocol-is-found-among-others"}
