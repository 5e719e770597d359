"""One of several workers with metrics of its own; `python -m` it with its number.

On standard input it hears `scrape`, which it answers with all workers' metrics, and `ready`.
"""

from __future__ import annotations

import asyncio
import sys

from app.llm.completion import Usage
from tests.support.prometheus import metrics_of_two_models


async def work(number: int) -> None:
    found = metrics_of_two_models(
        running=lambda: {"gpt": number},
        generations=lambda: number,
        breakers=lambda: {"gpt": "open" if number == 2 else "closed"},
        redis_up=lambda: number == 1,
    )
    for _ in range(number):
        found.request("rest", 200, 0.25)
        found.spent("gpt", Usage(10), 500_000_000)
    watching = asyncio.create_task(found.watch())
    for line in iter(sys.stdin.readline, ""):
        if line == "scrape\n":
            print(found.render()[0].decode() + "# END", flush=True)
        elif line == "ready\n":
            await asyncio.sleep(0)  # the watch has begun
            print("# END", flush=True)
    watching.cancel()
    await asyncio.wait((watching,))


if __name__ == "__main__":
    asyncio.run(work(int(sys.argv[1])))
