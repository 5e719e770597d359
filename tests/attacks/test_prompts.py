"""Words that would be orders: whatever a caller writes, a model hears it in the fence."""

from __future__ import annotations

from app.operations import OPERATIONS
from tests.attacks.attack import Attack, answered, each, holds
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import Http
from tests.support.fence import ESCAPES, MARK, marked, outside
from tests.support.rest_bodies import GOOD, NPC, TEXT, THEME

FREE = {
    TEXT: {"theme": {"tone": "dark", "note": "none"}},
    NPC: {},
    THEME: {"target_theme": {"tone": "dark"}},
}
BY_PATH = {operation.path: operation for operation in OPERATIONS.values()}


def accepted(path: str, body: object) -> bool:
    try:
        BY_PATH[path].read(body)  # type: ignore[arg-type]
    except Exception:  # what the gateway refuses is no way to a model
        return False
    return True


ATTACKS = [
    Attack(
        f"{name} to {path.rpartition('/')[2]}",
        "the caller's words end their fence, so that the rest is an order",
        "OWASP LLM01; CWE-1427",
        Http(path=path, body=marked(GOOD[path] | more, text, lambda b, p=path: accepted(p, b))),  # type: ignore[misc]
        answered(200),
        calls=1,
    )
    for path, more in FREE.items()
    for name, text in ESCAPES.items()
]


@each(ATTACKS)
def test_no_words_of_a_caller_leave_their_fence(
    gateway: Gateway, attack: Attack, edge: str
) -> None:
    holds(gateway, attack, edge)
    asked = gateway.provider.requests[-1]
    assert MARK in str(asked["messages"])
    assert MARK not in outside(asked)
