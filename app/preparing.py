"""Preparing: from what an edge hears to a `Making`, before anything is spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from app.caller import Caller
from app.errors import InvalidRequest
from app.events.log import EventLog
from app.llm.base import Work
from app.llm.fallback import Model, Models
from app.making import Making
from app.operations import OPERATIONS, ModelChoice, Operation
from app.operations.fields import Request
from app.policies.cache import CacheStatus, CacheUse, Wish, age, fingerprint
from app.policies.limiter import RateLimiter
from app.policies.once import Made, Once
from app.policies.pseudonyms import Pseudonyms
from app.policies.similar import Similar
from app.storage.store import Record, Store
from app.visit import Admission, Visit

PARENT_TEXT = 4_000  # characters, about 1,000 tokens
NEAREST = 5  # similar answers that are looked at; what expired stands among them


class House(Protocol):
    """What the gateway has that an answer is made with."""

    limiter: RateLimiter
    models: Models
    store: Store
    log: EventLog
    once: Once
    similar: Similar
    pseudonyms: Pseudonyms
    cache_ttl: float
    cache_times: Mapping[str, float]


async def prepared(
    house: House, raw: bytes | dict[str, Any], admission: Admission, wished: Callable[[], Wish]
) -> Making:
    """The request, read and checked, with all that it takes to answer it.

    Raises:
        InvalidRequest: naming what is wrong with it.
    """
    visit, operation = admission.visit, admission.operation
    wish, request = wished(), operation.read(raw)
    model, choice = house.models.choose(operation, request)
    parent = await _parent(house, visit.caller, operation, request)
    links = house.models.links(model, choice.fallback_model, degrade=wish.degrade)
    return _making(house, visit, operation, request, links, choice, parent, wish)


def _making(
    house: House,
    visit: Visit,
    operation: Operation[Any, Any],
    request: Request,
    links: tuple[Model, ...],
    choice: ModelChoice,
    parent: Record | None,
    wish: Wish,
) -> Making:
    told = operation_text(parent) if parent else None
    prompt = operation.prompt(request, choice, told)
    work = Work(operation, request, prompt, house.pseudonyms.of(visit.caller.id))
    ttl = house.cache_times.get(operation.name, house.cache_ttl)
    default = CacheUse.USE if operation.cached else CacheUse.BYPASS
    use = (wish.cache or default) if ttl > 0 else CacheUse.BYPASS
    ask = None
    if use is not CacheUse.BYPASS or wish.idempotency_key:
        said = request.model_dump(mode="json")
        writers = links[0].name, house.models.first(links).name, visit.caller.id
        known = fingerprint(
            operation.name, operation.version, said, *writers, told, *([] if wish.degrade else [1])
        )
        ask = house.once.ask(visit.caller.id, known, wish, use, ttl)
    return Making(
        house.limiter, house.models, house.store, house.log, house.once,
        caller=visit.caller, request_id=visit.request_id, links=links, work=work,
        ask=ask, wish=wish, told=told,
    )  # fmt: skip


async def _parent(
    house: House, caller: Caller, operation: Operation[Any, Any], request: Request
) -> Record | None:
    """The content that the request continues. Raises `InvalidRequest` unless it is there."""
    wanted = operation.parent(request)
    if wanted is None:
        return None
    found = await house.store.get_many(caller.id, [str(wanted)])
    if not found:
        raise InvalidRequest.at((operation.parent_field,), "no content of yours has this id")
    return found[str(wanted)]


async def nearest(house: House, making: Making) -> tuple[Made, float] | None:
    """An earlier answer to a request that is alike enough, and how alike.

    A request with an idempotency key gets none: its key stands for an answer of its own.
    """
    ask, wish = making.ask, making.wish
    if wish.similar is None or ask is None or ask.cached is None or ask.once is not None:
        return None
    ranked = await house.similar.nearest(
        making.caller.id, making.operation.name, making.frame, await making.signature()
    )
    for likeness, content_id in ranked[:NEAREST]:
        if likeness < wish.similar:
            return None
        body = await making.load(content_id)
        if body is not None and (old := age(body, time.time())) <= ask.max_age:
            body["metadata"]["cached"] = True
            return Made(body, CacheStatus.HIT, old), likeness
    return None


def operation_text(record: Record) -> str:
    """As much of a stored text as a model gets of it: its end, which is what is continued."""
    text = OPERATIONS[record.operation].text(record.answer)
    if len(text) <= PARENT_TEXT:
        return text
    cut = text[-PARENT_TEXT:]
    return cut[cut.find(" ") + 1 :]
