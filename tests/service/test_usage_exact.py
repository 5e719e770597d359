"""Two processes under faults, cancellations, retries and a kill: what the provider gave out is what
the ledger has, to the token and the call."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from app.pipeline.usage_report import FIGURES
from app.rest.usage import PATH
from tests.support import cli_process
from tests.support.cli_process import CliProcess
from tests.support.rest_bodies import GOOD, STORY, TEXT, context
from tests.support.service import SECRET, token
from tests.support.upstream import Behaviour, Upstream, prose, refusal, usage

pytestmark = pytest.mark.long

SEED = 20261126
USERS = ("alice", "bob", "carol")
REQUESTS = 60
AT_ONCE = 12
SLOW = Behaviour(text=prose(400), pace=0.05, usage=None)  # nobody waits for its end
Prices = dict[str, tuple[Decimal, Decimal]]
PROBE = "Say OK."  # what a breaker's prober asks; it is nobody's request


class Metered(Upstream):
    """A provider that errs, and keeps its own books of the tokens that it told."""

    def __init__(self) -> None:
        super().__init__()
        self._random = random.Random(SEED)
        self.called = 0
        self.told: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()  # how often the model was asked with each mark

    def behaviour(self, asked: dict[str, Any], headers: dict[str, str]) -> Behaviour:
        text = orjson.dumps(asked["messages"]).decode()
        if PROBE in text:
            return Behaviour()
        self.called += 1
        if (mark := _mark(text)) is not None:
            self.seen[mark] += 1
            return SLOW
        return self._random.choice((self._good, self._good, self._useless, self._refusing, _cut))()

    def _good(self) -> Behaviour:
        return Behaviour(usage=self._usage(), delay=self._random.random() / 20)

    def _useless(self) -> Behaviour:
        return Behaviour(text="{", usage=self._usage(), finish_reason="length")

    def _refusing(self) -> Behaviour:
        return refusal(*self._random.choice([(503, "overloaded"), (429, "rate_limit_exceeded")]))

    def _usage(self) -> dict[str, Any]:
        prompt, completion = self._random.randrange(50, 5000), self._random.randrange(1, 900)
        self.told.update(prompt=prompt, completion=completion)
        return usage(prompt, completion)


def _cut() -> Behaviour:
    return Behaviour(text=prose(60), cut_after=20, usage=None)


def _mark(text: str) -> str | None:
    """Requests that are to be slow say so by their character's class."""
    found = text.partition("slow-")[2]
    return found.partition(" ")[0] if found else None


@pytest.fixture
async def metered() -> AsyncIterator[Metered]:
    server = Metered()
    await server.start()
    yield server
    await server.stop()


class Load:
    """The clients, and what they know themselves."""

    def __init__(self, http: httpx2.AsyncClient, processes: list[CliProcess]) -> None:
        self.http, self.processes = http, processes
        self.answers: dict[str, dict[str, Any]] = {}
        self._random = random.Random(SEED + 1)
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def run(self, number: int) -> None:
        """One request, perhaps once more under its key, or alike another one's."""
        user, path = self._random.choice(USERS), self._random.choice((TEXT, STORY))
        body = context(character_class=f"clerk {number // 3}") if path == TEXT else None
        cache = self._random.choice(("no-store", "max-age=60"))
        headers = {"Idempotency-Key": f"k{number}", "Cache-Control": cache}
        async with self._gate:
            for _ in range(self._random.choice((1, 1, 2))):
                at = self._random.choice(self.processes)
                answer = await self.ask(at, user, path, body, headers)
                if answer.status_code == 200:
                    self.answers[answer.json()["content_id"]] = answer.json()

    async def ask(
        self, at: CliProcess, user: str, path: str, body: Any, headers: dict[str, str]
    ) -> httpx2.Response:
        bearer = {"Authorization": f"Bearer {token(sub=user, tier='service')}"}
        sent = GOOD[path] if body is None else body
        return await self.http.post(f"{at.url}{path}", json=sent, headers={**bearer, **headers})

    def slow(self, at: CliProcess, mark: str) -> asyncio.Task[httpx2.Response]:
        body = context(character_class=f"slow-{mark} clerk")
        headers = {"X-On-Disconnect": "cancel", "Cache-Control": "no-store"}
        return asyncio.create_task(self.ask(at, "alice", TEXT, body, headers))


async def test_the_ledger_is_the_providers_own_books(
    tmp_path: Path, redis_url: str, database_url: str, metered: Metered
) -> None:
    given = {
        "LOREGATE_JWT_SECRET": SECRET,
        "LOREGATE_FALLBACK": "gpt-4-turbo>gpt-3.5-turbo",
        "REDIS_URL": redis_url,
        "OPENAI_BASE_URL": metered.url,
        "DATABASE_URL": database_url,
    }
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=60))
        serving = [
            await stack.enter_async_context(cli_process.serving(tmp_path, "serve", **given))
            for _ in range(2)
        ]
        load = Load(http, serving)
        cancelling = [asyncio.create_task(_cancelled(load, metered, n)) for n in range(8)]
        await asyncio.gather(*(load.run(n) for n in range(REQUESTS)), *cancelling)
        dying = [await _begun(load, metered, serving[1], f"dying{n}") for n in range(3)]
        await serving[1].kill()
        await asyncio.gather(*dying, return_exceptions=True)
        calls = metered.called - len(dying)
        found = await _settled(http, serving[0], calls)
        prices = await _prices(http, serving[0])
    total = found["total"]
    assert total["calls"] == calls
    assert total["answers"] == len(load.answers)
    told = total["total_tokens"] - total["estimated_tokens"]
    assert told == metered.told.total()
    assert total["estimated_tokens"] > 0
    _adds_up(found, prices)


async def _cancelled(load: Load, metered: Metered, number: int) -> None:
    """A client that leaves once the model was asked."""
    asking = await _begun(load, metered, load.processes[number % 2], f"leaving{number}")
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def _begun(
    load: Load, metered: Metered, at: CliProcess, mark: str
) -> asyncio.Task[httpx2.Response]:
    """A request that a model is slow with; while breakers are open it is sent again."""
    async with asyncio.timeout(60):
        while True:
            asking = load.slow(at, mark)
            while not asking.done():
                if metered.seen[mark]:
                    return asking
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)


async def _settled(http: httpx2.AsyncClient, at: CliProcess, calls: int) -> dict[str, Any]:
    """Everybody's report, once what was cancelled last is written too."""
    headers = {"Authorization": f"Bearer {token(sub='ops')}"}
    params = {"by": "day,model,operation,user"}
    for _ in range(100):
        answer = await http.get(f"{at.url}{PATH}", params=params, headers=headers)
        found: dict[str, Any] = answer.json()
        if found["total"]["calls"] >= calls:
            break
        await asyncio.sleep(0.1)
    return found


async def _prices(http: httpx2.AsyncClient, at: CliProcess) -> Prices:
    """US dollars for one token of a prompt, and of an answer, by model."""
    query = {"query": "{ models { name inputPrice outputPrice } }"}
    headers = {"Authorization": f"Bearer {token(sub='ops')}"}
    answer = await http.post(f"{at.url}/graphql", json=query, headers=headers)
    told = answer.json()["data"]["models"]
    return {m["name"]: (_per_token(m["inputPrice"]), _per_token(m["outputPrice"])) for m in told}


def _per_token(price: float | None) -> Decimal:
    return Decimal(str(price or 0)) / 1_000_000


def _adds_up(found: dict[str, Any], prices: Prices) -> None:
    """The rows are the total, and the money is the tokens at their prices."""
    for name in FIGURES:
        if name not in ("requests", "cost_usd", "known_cost_usd"):
            assert sum(row[name] for row in found["rows"]) == found["total"][name], name
    money = sum(
        row["prompt_tokens"] * prices[row["model"]][0]
        + row["completion_tokens"] * prices[row["model"]][1]
        for row in found["rows"]
    )
    assert Decimal(found["total"]["cost_usd"]) == money
