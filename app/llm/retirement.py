"""Retirement: a model that its provider shuts down is known before calls fail.

At the start, and each day, each provider is asked for its models. What it does not tell is no
error: the list is a courtesy, and many servers have none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from app.llm.failure import AttemptFailed
from app.llm.model import Model
from app.llm.providers import Provider

CHECK_INTERVAL = 86_400.0  # s
WARN_BEFORE = timedelta(days=60)

GONE = "a model is gone at its provider: name another `upstream` for it in [[models]]"
RETIRING = "a model will be shut down: name another `upstream` for it in [[models]]"

log = logging.getLogger(__name__)


def today() -> date:
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True)
class ListedModels:
    """A provider, and the models that may stand in its list; each with whether it else is gone."""

    provider: Provider
    models: Sequence[tuple[Model, bool]]


class Retirement:
    """Keeps each model's `retires_at` and `gone`, from `start()` to `stop()`.

    required: the names whose end is told in the log; nobody may use the others.
    """

    def __init__(
        self,
        lists: Sequence[ListedModels],
        required: frozenset[str],
        *,
        today: Callable[[], date] = today,
        interval: float = CHECK_INTERVAL,
    ) -> None:
        self._lists, self._required = lists, required
        self._today, self._interval = today, interval
        self._said: dict[str, tuple[str, date | None]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._lists:
            self._task = asyncio.create_task(self._run(), name="retirement")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._interval)

    async def look(self) -> None:
        """Ask all of them, beside each other; never raises for one of them."""
        await asyncio.gather(*map(self._ask, self._lists))

    async def _ask(self, listed: ListedModels) -> None:
        if not listed.models:
            return
        try:
            dates = await listed.provider.listed()
        except AttemptFailed:
            log.debug("a provider tells no list of its models")
            return
        if not dates:
            return
        for model, whole in listed.models:
            self._judge(model, dates, whole=whole)

    def _judge(self, model: Model, dates: Mapping[str, str | None], *, whole: bool) -> None:
        name = model.upstream or model.name
        model.retires_at = _date(dates.get(name))
        over = model.retires_at is not None and model.retires_at <= self._today()
        model.gone = over or (whole and name not in dates)
        if model.gone:
            self._say(GONE, model)
        elif model.retires_at is not None and model.retires_at - self._today() <= WARN_BEFORE:
            self._say(RETIRING, model)

    def _say(self, what: str, model: Model) -> None:
        """Once, until there is something else to say."""
        said = (what, model.retires_at)
        if model.name not in self._required or self._said.get(model.name) == said:
            return
        self._said[model.name] = said
        told = {"model": model.name, "upstream": model.upstream, "provider": model.provider}
        day = model.retires_at.isoformat() if model.retires_at else None
        log.warning(what, extra={**told, "retires_at": day})


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10]) if text else None
    except ValueError:
        return None
