"""How a REST request's headers want it answered, and what the answer's headers say of it."""

from __future__ import annotations

from starlette.requests import Request

from app.errors import InvalidRequest
from app.operations.fields import idempotency_key
from app.pipeline.answer import Answer, CacheStatus
from app.pipeline.directives import CacheUse, Directives


def directives(request: Request) -> Directives:
    """`Idempotency-Key`, `Cache-Control`, `X-Allow-Degraded` and `X-On-Disconnect`.

    `max-age=N` asks for a cached answer at most N seconds old, `no-cache` for a new one that is
    kept, `no-store` for one that is not; `similar=0.85` takes an earlier answer to a request that
    is so alike.

    Raises:
        InvalidRequest: naming the header.
    """
    key = idempotency_key(request.headers.get("idempotency-key"), "Idempotency-Key")
    given = {}
    for part in request.headers.get("cache-control", "").lower().split(","):
        name, _, value = part.partition("=")
        given[name.strip()] = value.strip().strip('"')
    use, age, similar = None, _number(given, "max-age", 10**9), _number(given, "similar", 1)
    if age is not None or similar is not None:
        use = CacheUse.USE
    if "no-cache" in given:
        use, similar = CacheUse.REFRESH, None
    if "no-store" in given:
        use, similar = CacheUse.BYPASS, None
    allow_degraded = _switch(request, "X-Allow-Degraded", ("false", "true"))
    detached = _switch(request, "X-On-Disconnect", ("cancel", "continue"))
    return Directives(use, age, similar, key, allow_degraded=allow_degraded, detached=detached)


def _switch(request: Request, name: str, values: tuple[str, str]) -> bool:
    """Whether the header has the second of its values, which is the default."""
    given = request.headers.get(name, values[1]).strip().lower()
    if given not in values:
        raise InvalidRequest.at((name,), f"{' or '.join(values)} is wanted")
    return given == values[1]


def _number(given: dict[str, str], name: str, most: float) -> float | None:
    if name not in given:
        return None
    try:
        found = float(given[name])
    except ValueError:
        found = -1
    if not 0 <= found <= most:
        said = f"{name} takes a number from 0 to {most:g}"
        raise InvalidRequest.at(("Cache-Control",), said)
    return found


def answer_headers(answer: Answer) -> dict[str, str]:
    """`X-Cache`, and of an answer that was there already its `Age` and likeness."""
    found = {"X-Cache": answer.cache_status.name}
    if answer.cache_status is CacheStatus.HIT:
        found["Age"] = str(int(answer.result.age))
    if answer.result.similarity is not None:
        found["X-Similarity"] = f"{answer.result.similarity:.2f}"
    return found
