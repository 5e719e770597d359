"""Attack: one row of a table, and what is checked of the gateway when it has been tried."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.attacks.conversation import PATIENCE, Answer, Conversation
from tests.attacks.gateway import Gateway, faults
from tests.attacks.sendings import HANDSHAKE, WEBSOCKET, Document, Sending

CPU = 0.05  # s that an attack may cost
REPETITIONS = 6  # at most, of a row that costs more: busy cores make the same work twice as dear
NEXT = Document("{ viewer { id } }", claims={"tier": "service"})


@dataclass(frozen=True)
class Expected:
    """What must happen; of each tuple any one will do, and an empty one asks for nothing.

    On a WebSocket `codes` are those of its messages, and `closes` its close codes: where the
    socket was closed `closes` must have the code, else `codes`. `statuses` are HTTP's alone.
    """

    statuses: tuple[int | None, ...] = ()  # of the first answer; None: closed without one
    codes: tuple[str, ...] = ()
    closes: tuple[int, ...] = ()
    ends: bool = False  # the connection is closed when the answer was sent
    answers: int | None = None  # how many there are at the most
    has: tuple[bytes, ...] = ()  # all of them, in what came
    lacks: tuple[bytes, ...] = ()  # none of them


def answered(*statuses: int | None, codes: tuple[str, ...] = (), **more: object) -> Expected:
    """With one of these statuses, and one of these codes if any are given."""
    return Expected(statuses=statuses, codes=codes, **more)  # type: ignore[arg-type]


def cut_off(*statuses: int | None, **more: object) -> Expected:
    """Answered once at the most, and the connection closed: nothing behind it is read."""
    return Expected(statuses=statuses, ends=True, answers=1, **more)  # type: ignore[arg-type]


def closed(*codes: int) -> Expected:
    """A WebSocket's close code."""
    return Expected(closes=codes)


@dataclass(frozen=True)
class Attack:
    """A row: `name`, `what` it is in a sentence, its `source`, how it is sent, what must happen."""

    name: str
    what: str
    source: str  # RFC and section, CWE, CVE, advisory
    send: Sending
    expect: Expected
    edges: tuple[str, ...] = ()  # () are all that fit the sending
    calls: int = 0  # of a model
    cpu: float = CPU  # s

    @property
    def address(self) -> str:
        """Whence it is sent: an address of its own, so that no row meets another's bounds."""
        number = zlib.crc32(self.name.encode())
        return f"127.{1 + number % 250}.{1 + number // 250 % 250}.{1 + number // 62_500 % 250}"

    @property
    def caller(self) -> str:
        return f"attacker-{zlib.crc32(self.name.encode())}"


def each(attacks: Sequence[Attack]) -> pytest.MarkDecorator:
    """Parametrizes a test by `attack` and `edge`: each row over each edge that it fits."""
    names = [attack.name for attack in attacks]
    assert len(names) == len(set(names)), "two rows have one name"
    rows = [(attack, edge) for attack in attacks for edge in attack.edges or attack.send.edges]
    return pytest.mark.parametrize(
        ("attack", "edge"), rows, ids=[f"{attack.name}, {edge}" for attack, edge in rows]
    )


def holds(
    gateway: Gateway,
    attack: Attack,
    edge: str,
    *,
    patience: float = PATIENCE,
    following: Sending = NEXT,
) -> None:
    """Try it, and ask for `following` as somebody else behind it, which must be answered.

    Raises:
        AssertionError: with what fell short of the row.
        TimeoutError: nothing came for `patience` seconds, or the connection did not end.
    """
    gateway.new_lines()
    cost, answer, calls = _tried(gateway, attack, edge, patience, following)
    _compare(attack, edge, answer)
    assert calls == attack.calls, f"{calls} calls of a model"
    for _ in range(REPETITIONS):  # what is done once for a process is no attacker's work
        if cost > attack.cpu:
            cost = min(cost, _tried(gateway, attack, edge, patience, following)[0])
    assert cost <= attack.cpu, f"{cost * 1000:.0f} ms of CPU"
    assert faults(gateway.new_lines()) == []


def _tried(
    gateway: Gateway, attack: Attack, edge: str, patience: float, following: Sending
) -> tuple[float, Answer, int]:
    """Seconds of CPU, with those of the next caller's request; what came; calls of a model."""
    began, calls = gateway.cpu, gateway.calls
    with Conversation(gateway.port, attack.address, patience=patience) as conversation:
        attack.send.send(edge, conversation, attack.caller)
        if attack.expect.ends:
            conversation.receive_all()
    with Conversation(gateway.port) as other:  # whose round trip lets late lines reach the log
        following.send(following.edges[0], other, "somebody-else")
    assert other.answer.status == 200, "the next request is not answered"
    return gateway.cpu - began, conversation.answer, gateway.calls - calls


def _compare(attack: Attack, edge: str, answer: Answer) -> None:
    wanted = attack.expect
    if edge in (WEBSOCKET, HANDSHAKE) and answer.close is not None:
        assert answer.close in wanted.closes, answer
    else:
        if edge not in (WEBSOCKET, HANDSHAKE) or answer.status != 101:
            assert not wanted.statuses or answer.status in wanted.statuses, answer
        assert not wanted.codes or answer.codes & set(wanted.codes), answer
        if edge == WEBSOCKET and wanted.closes and not wanted.codes:
            raise AssertionError(f"the socket stays open: {answer}")
    if wanted.ends:
        assert answer.ended, "the connection stays open"
    final = [status for status in answer.statuses if status >= 200]
    assert wanted.answers is None or len(final) <= wanted.answers, answer
    assert [x for x in wanted.has if x not in answer.everything] == []
    assert [x for x in wanted.lacks if x in answer.everything] == []
