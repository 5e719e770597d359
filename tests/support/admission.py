"""The call that admits, as a process without the service around it has it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.pipeline.admission_call import AdmissionCall
from app.policies.limiter import RateLimiter
from app.policies.limits import DEFAULT_LIMITS, DEFAULT_TIERS, Limit
from app.policies.refusals import Refusals
from app.policies.revocation import Revocations
from app.redis.client import Redis


def admission_call(
    redis: Redis,
    limits: Sequence[Limit] = DEFAULT_LIMITS,
    tiers: Mapping[str, float] = DEFAULT_TIERS,
    *,
    refused: Callable[[str], None] = lambda _: None,
    **options: Any,
) -> AdmissionCall:
    """`options` are the limiter's: `processes`, `now`, `age`."""
    limiter = RateLimiter(limits, tiers, **options)
    refusals = Refusals(getattr(redis, "clock", time.monotonic))
    return AdmissionCall(redis, limiter, Revocations(redis), refusals=refusals, on_refusal=refused)
