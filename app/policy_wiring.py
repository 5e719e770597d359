"""Policies, wired: the settings' keys, limits, quotas and bytes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from app.config_file import BudgetTable, CanaryTable
from app.errors import SettingsError
from app.operations import OPERATIONS
from app.policies.auth import Authenticator, key_source
from app.policies.budgets import NANO, Budget, Budgets
from app.policies.canaries import Canaries, Canary
from app.policies.limiter import RateLimiter
from app.policies.limits import DEFAULT_LIMITS, DEFAULT_TIERS, Limit
from app.policies.quotas import Quotas, tiers
from app.redis.budget import ByteBudget
from app.settings import Settings
from app.storage.holdings import Holdings

TRANSCRIPTS = 0.5  # bytes of ended generations' transcripts for each of the cache's


def authenticator(settings: Settings) -> Authenticator:
    source = key_source(
        secrets=[s.get_secret_value() for s in settings.jwt_secret],
        public_keys=settings.jwt_public_key,
        jwks_url=settings.jwt_jwks_url,
        algorithms=settings.jwt_algorithms,
    )
    return Authenticator(
        source,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        lifetime=settings.token_lifetime,
    )


def limits(settings: Settings) -> list[Limit]:
    """The default limits, replaced or joined by the configured ones."""
    found = {(x.target, x.counts): x for x in DEFAULT_LIMITS}
    for table in settings.file.limits:
        found[(table.target, table.counts)] = Limit(**table.model_dump())
    return list(found.values())


def rate_limiter(settings: Settings) -> RateLimiter:
    return RateLimiter(
        limits(settings),
        {**DEFAULT_TIERS, **settings.file.tiers},
        processes=settings.replicas * settings.workers,
    )


def canaries(settings: Settings) -> Canaries:
    """Raises `SettingsError` for one that names what there is not."""
    tiers = {**DEFAULT_TIERS, **settings.file.tiers}
    for table in settings.file.canaries:
        for field, named, known in _named(table, tiers, [m.name for m in settings.models]):
            if named not in known:
                raise SettingsError(
                    f"LOREGATE_CONFIG: [[canaries]] {table.name}: {field} names {named}; "
                    f"it may name {', '.join(map(str, known))}"
                )
    limiter = rate_limiter(settings)
    return Canaries([Canary(**t.model_dump()) for t in settings.file.canaries], limiter.tier)


def _named(
    table: CanaryTable, tiers: Collection[str], models: Collection[str]
) -> Iterator[tuple[str, Any, Collection[Any]]]:
    """What a canary names: the field, the name, and what it may be."""
    yield from (("tiers", tier, tiers) for tier in table.tiers)
    yield from (("model", name, models) for name in (table.model,) if name)
    yield from (("served_by", name, models) for name in (table.served_by,) if name)
    if table.operation is not None:
        yield "operation", table.operation, OPERATIONS
        if table.prompt_version is not None:
            yield "prompt_version", table.prompt_version, OPERATIONS[table.operation].versions


def quotas(settings: Settings, holdings: Holdings, *, on_refusal: Callable[[str], None]) -> Quotas:
    """How much each tier may keep; the configured ones go over the default ones."""
    return Quotas(tiers(settings.file.quotas), holdings, on_refusal=on_refusal)


def budgets(settings: Settings, limiter: RateLimiter) -> Budgets:
    """Raises `SettingsError`: a budget names what there is not, or what has no price."""
    found = [_budget(settings, table) for table in settings.file.budgets]
    return Budgets(found, tier_of=limiter.tier)


def _budget(settings: Settings, table: BudgetTable) -> Budget:
    where, models = f"LOREGATE_CONFIG: [[budgets]] {table.name}", settings.models
    names = [m.name for m in models]
    known = {**DEFAULT_TIERS, **settings.file.tiers}
    if table.model is not None and table.model not in names:
        raise SettingsError(f"{where} is of the model {table.model}; there are {', '.join(names)}")
    if table.tier is not None and table.tier not in known:
        raise SettingsError(f"{where} is of the tier {table.tier}; there are {', '.join(known)}")
    if table.usd is not None:
        for model in models:
            if table.model in (None, model.name) and None in (
                model.input_price,
                model.output_price,
            ):
                raise SettingsError(
                    f"{where} counts money, and the model {model.name} has no known price: write "
                    f"input_price and output_price (US dollars for a million tokens; 0 where it "
                    f'costs nothing) in the row of [[models]] whose name is "{model.name}"'
                )
    limit = int(table.usd * NANO) if table.usd is not None else table.tokens or 0
    said = table.model_dump(exclude={"usd", "tokens"})
    return Budget(limit=limit, unit="tokens" if table.usd is None else "usd", **said)


def byte_budgets(settings: Settings) -> tuple[ByteBudget, ByteBudget]:
    """This process's part of Redis, for what is kept a while, and for transcripts that ended."""
    part = settings.cache_bytes / (settings.replicas * settings.workers)
    return ByteBudget(part), ByteBudget(part * TRANSCRIPTS)
