"""How limits stand for a caller, and which of them is shown."""

from __future__ import annotations

from app.limit_standing import Standing, tightest


def standing(scope: str, remaining: int, limit: int) -> Standing:
    return Standing(scope, limit, remaining, reset_at=0.0, window=60.0)


def test_the_tightest_has_the_smallest_share_left() -> None:
    loose, tight = standing("operation:story", 5, 10), standing("global", 400, 1000)
    assert tightest([loose, tight]) is tight


def test_equally_tight_limits_show_operation_then_model_then_user_then_global() -> None:
    scopes = ["operation:story", "model:gpt", "user", "global"]
    equal = [standing(scope, 5 * n, 10 * n) for n, scope in enumerate(reversed(scopes), 1)]
    while equal:
        assert tightest(equal).scope == scopes.pop(0)
        equal.pop()
