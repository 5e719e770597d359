"""Budgets: how those stand that some call of the caller's could count for."""

from __future__ import annotations

from datetime import datetime

import strawberry

from resolvers.context import Info
from resolvers.enums import BudgetPeriod, BudgetUnit
from resolvers.types import described


@strawberry.type(description="A budget of the caller's, or one that others share with them.")
class Budget:
    name: str = described("Its name.")
    period: BudgetPeriod = described("How often it renews.")
    unit: BudgetUnit = described("What it counts.")
    limit: float = described("How much there is in a period.")
    spent: float = described("How much of it is spent.")
    reserved: float = described("How much calls that are under way may take.")
    remaining: float = described("What is left.")
    renews_at: datetime = described("When the next period begins.")


async def budgets(info: Info) -> list[Budget]:
    """Raises `DependencyUnavailable`: nobody can tell now."""
    gateway, caller = info.context.gateway, info.context.authenticated.caller
    keeper = gateway.admission_call.reservations
    found = await keeper.balances(caller, [m.name for m in gateway.models]) if keeper else []
    return [
        Budget(
            name=balance.account.budget.name,
            period=BudgetPeriod(balance.account.budget.period),
            unit=BudgetUnit(balance.account.budget.unit),
            limit=balance.account.budget.shown(balance.account.budget.limit),
            spent=balance.account.budget.shown(balance.spent),
            reserved=balance.account.budget.shown(balance.reserved),
            remaining=balance.account.budget.shown(balance.remaining),
            renews_at=balance.account.ends,
        )
        for balance in found
    ]
