"""Three real processes under one budget, and a provider that knows what it gave to whom."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from app.caller import Caller
from app.policies.budget_accounts import Reply, looking
from app.policies.budgets import NANO, Budget, Budgets
from app.redis.client import Redis
from tests.support import cli_process
from tests.support.cli_process import CliProcess
from tests.support.rest_bodies import TEXT, changed
from tests.support.service import SECRET, token
from tests.support.upstream import Behaviour, Upstream, prose

PRICE = 100  # US dollars for a million tokens of either kind
MAX_TOKENS = 300
CONFIG = """
fallback = ["gpt"]

[[budgets]]
name = "all"
per = "all"
usd = {usd}

[[models]]
name = "gpt"
upstream = "gpt-4o"
url = "{url}"
input_price = {price}
output_price = {price}
max_tokens = {max_tokens}
"""


class FaultyAtRandom(Upstream):
    """Good answers, and at random one that is refused, cut, slow, or says nothing of its usage."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self.faulty = True

    def behaviour(self, asked: dict[str, Any], headers: dict[str, str]) -> Behaviour:
        paced = {"text": prose(40), "pace": 0.01}
        if not self.faulty:
            return Behaviour(**paced)
        return self._random.choice(
            [
                Behaviour(**paced),
                Behaviour(**paced),
                Behaviour(status=429, headers={"retry_after": "0"}),
                Behaviour(**paced, cut_after=20),
                Behaviour(**paced, usage=None),
                Behaviour(text=prose(40), pace=0.05),
            ]
        )


@dataclass
class BudgetProcesses:
    """The processes, and what they have in common."""

    directory: Path
    usd: float
    given: dict[str, str]
    http: httpx2.AsyncClient
    stack: AsyncExitStack
    running: list[CliProcess] = field(default_factory=list)
    killed: list[CliProcess] = field(default_factory=list)

    async def start(self) -> CliProcess:
        serving = cli_process.serving(self.directory, "serve", **self.given)
        found = await self.stack.enter_async_context(serving)
        self.running.append(found)
        return found

    async def kill(self, process: CliProcess) -> None:
        """As SIGKILL does it."""
        self.running.remove(process)
        self.killed.append(process)
        await process.kill()

    async def ask(self, at: CliProcess, number: int) -> int:
        """A request that nobody else asks: its status; 0 where its process died meanwhile."""
        body = changed(TEXT, character_context={"character_class": f"warlock {number}"})
        body["model"] = {"max_tokens": MAX_TOKENS}
        headers = {"Authorization": f"Bearer {token(sub=f'user-{number % 7}', tier='service')}"}
        with contextlib.suppress(httpx2.TransportError):
            answer = await self.http.post(f"{at.url}{TEXT}", json=body, headers=headers)
            return answer.status_code
        return 0

    async def balance(self, redis: Redis) -> tuple[int, int]:
        """What Redis has as spent and as reserved."""
        budget = Budget("all", "all", round(self.usd * NANO))
        [account] = Budgets([budget]).of_call(Caller("anybody"), "gpt", datetime.now(UTC))
        call = looking(account)
        reply = await redis.run(call.script, call.keys, call.args, budget=2.0)
        found = Reply.of(account, reply).balance
        return found.spent, found.reserved

    def ledger(self) -> int:
        """What the database says was spent, in billionths of a US dollar."""
        with sqlite3.connect(self.directory / "shared.db") as database:
            [[found]] = database.execute("SELECT COALESCE(SUM(nano_usd), 0) FROM usage")
        return int(found)


@contextlib.asynccontextmanager
async def budget_processes(
    directory: Path, redis_url: str, provider: Upstream, *, usd: float, count: int = 3
) -> AsyncIterator[BudgetProcesses]:
    config = directory / "loregate.toml"
    config.write_text(CONFIG.format(usd=usd, url=provider.url, price=PRICE, max_tokens=MAX_TOKENS))
    given = {
        "LOREGATE_JWT_SECRET": SECRET,
        "REDIS_URL": redis_url,
        "DATABASE_URL": f"sqlite+aiosqlite:///{directory / 'shared.db'}",
        "LOREGATE_CONFIG": str(config),
    }
    assert (await cli_process.run(directory, "migrate", **given))[0] == 0
    limits = httpx2.Limits(max_connections=200)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=60, limits=limits))
        found = BudgetProcesses(directory, usd, given, http, stack)
        for _ in range(count):
            await found.start()
        yield found
