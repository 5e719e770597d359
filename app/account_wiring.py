"""Accounts, wired: the budgets of the settings, on Redis and the ledger."""

from __future__ import annotations

from app.events.log import EventLog
from app.observe.metrics import Metrics
from app.pipeline.budget_warnings import BudgetWarnings
from app.pipeline.reservations import Reservations
from app.policies.budget_accounts import BudgetAccounts
from app.policies.limiter import RateLimiter
from app.policy_wiring import budgets
from app.redis.client import Redis
from app.settings import Settings
from app.storage.budget_totals import BudgetTotals
from app.storage.store import Store


def reservations(
    settings: Settings,
    redis: Redis,
    store: Store,
    limiter: RateLimiter,
    log: EventLog,
    metrics: Metrics,
) -> Reservations:
    """Raises `SettingsError`: a budget names what there is not, or what has no price."""
    accounts = BudgetAccounts(redis, BudgetTotals(store.database))
    warnings = BudgetWarnings(redis, log, metrics)
    return Reservations(
        redis, budgets(settings, limiter), accounts, metrics=metrics, warnings=warnings
    )
