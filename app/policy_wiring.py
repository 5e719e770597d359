"""Policies, wired: the settings' keys, limits, quotas and bytes."""

from __future__ import annotations

from collections.abc import Callable

from app.policies.auth import Authenticator, key_source
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


def quotas(settings: Settings, holdings: Holdings, *, on_refusal: Callable[[str], None]) -> Quotas:
    """How much each tier may keep; the configured ones go over the default ones."""
    return Quotas(tiers(settings.file.quotas), holdings, on_refusal=on_refusal)


def byte_budgets(settings: Settings) -> tuple[ByteBudget, ByteBudget]:
    """This process's part of Redis, for what is kept a while, and for transcripts that ended."""
    part = settings.cache_bytes / (settings.replicas * settings.workers)
    return ByteBudget(part), ByteBudget(part * TRANSCRIPTS)
