"""The truths of one module, told again by another that has other fixtures of the same names."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any


def again(*modules: ModuleType, needs: set[str], without: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]  # it is only read
    """Their fixtures, and those of their tests that need one of these fixtures, directly or not."""
    found: dict[str, Any] = {}
    for module in modules:
        fixtures = {k: v for k, v in vars(module).items() if _is_fixture(v)}
        needing = set(needs)
        for _ in fixtures:  # as often as one may need another
            needing |= {k for k, v in fixtures.items() if needing & set(_needed(v))}
        found |= {k: v for k, v in fixtures.items() if k not in needs}
        short = module.__name__.rpartition(".test_")[2]
        for name, test in _tests(module):
            if needing & set(_needed(test)) and name not in without:
                found[f"test_{short}__{name.removeprefix('test_')}"] = test
    return found


def _tests(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        if name.startswith("test_") and inspect.isfunction(value):
            yield name, value


def _is_fixture(value: Any) -> bool:
    return type(value).__name__ == "FixtureFunctionDefinition"


def _needed(value: Any) -> list[str]:
    function = value._get_wrapped_function() if _is_fixture(value) else value
    return list(inspect.signature(function).parameters)
