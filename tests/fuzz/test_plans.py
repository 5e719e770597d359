"""Compiled documents under generated documents and data: see tests/graphql/test_plans.py."""

from __future__ import annotations

import random

import pytest

from tests.support.fuzzing import CASES, cases
from tests.support.plan_oracle import Oracle, at_leisure

pytestmark = pytest.mark.long

FEW = 100


@pytest.mark.parametrize("operation", ["query", "mutation", "subscription"])
async def test_a_plan_answers_as_graphql_core_does(operation: str) -> None:
    begin = random.randrange(10**9) if CASES else 10**6
    with at_leisure():
        await Oracle().equal_at_random(operation, range(begin, begin + cases(FEW)))
