"""What a configuration file sets, in a running service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from app.settings import Settings
from tests.support import service
from tests.support.rest_bodies import GOOD, TEXT, changed
from tests.support.service import Service
from tests.support.upstream import ANYTHING, Behaviour, Upstream, refusal

SECRET = "hunter2-hunter2-hunter2-hunter2!"

FILE = """
fallback = ["llama", "storyteller"]
[tiers]
standard = 1
gold = 3
[[limits]]
target = "model:llama"
max = 2
[[limits]]
target = "model:llama"
max = 3000
counts = "tokens"
per = "global"
[[limits]]
target = "operation:text_generation"
max = 7
[[models]]
name = "llama"
url = "{url}"
key_variable = "LLAMA_KEY"
upstream = "llama3:70b"
max_tokens = 6000
[[models]]
name = "mistral"
"""


def file_settings(tmp_path: Path, redis_url: str, provider: Upstream) -> Settings:
    provider.models["llama3:70b"] = ANYTHING
    file = tmp_path / "loregate.toml"
    file.write_text(FILE.replace("{url}", provider.url))
    found = service.settings(tmp_path, redis_url, config=file)
    return found.model_copy(update={"model_keys": {"LLAMA_KEY": SecretStr(SECRET)}})


async def limits(found: Service, **claims: Any) -> dict[str, tuple[int, int]]:
    data = await found.data("{ rateLimits { scope limit remaining } }", **claims)
    return {x["scope"]: (x["limit"], x["remaining"]) for x in data["rateLimits"]}


async def test_a_configured_model_is_called_by_its_own_url_key_and_name(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    async with service.running(file_settings(tmp_path, redis_url, provider)) as found:
        asked = changed(TEXT, model={"max_tokens": 2000})
        metadata = (await found.post(TEXT, asked)).json()["metadata"]
        assert metadata["model_used"] == "llama", "the first that is configured is the default"
        assert provider.requests[0]["model"] == "llama3:70b"
        assert provider.headers[0]["authorization"] == f"Bearer {SECRET}"
        unknown = await found.post(TEXT, changed(TEXT, model={"name": "gpt-9"}))
        assert "gpt-6-sol, llama, mistral, storyteller" in unknown.json()["details"]["error"]


async def test_configured_limits_and_tiers_hold(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    async with service.running(file_settings(tmp_path, redis_url, provider)) as found:
        for _ in range(2):
            assert (await found.post(TEXT, GOOD[TEXT])).status_code == 200
        refused = await found.post(TEXT, GOOD[TEXT])
        assert refused.status_code == 429
        assert refused.json()["details"]["scope"] == "model:llama"
        gold = await limits(found, sub="bob", tier="gold")
        assert gold["model:llama"] == (6, 6)
        assert gold["operation:text_generation"] == (21, 21)
        assert gold["model:llama:tokens"][0] == 3000, "what all share knows no tiers"


async def test_tokens_are_reserved_before_the_call_and_the_unused_given_back(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    """160 tokens are used of a reservation of 2,000 and the prompt's; the limit is 3,000."""
    async with service.running(file_settings(tmp_path, redis_url, provider)) as found:
        most = changed(TEXT, model={"max_tokens": 2000})
        assert (await found.post(TEXT, most)).status_code == 200
        assert (await limits(found))["model:llama:tokens"] == (3000, 2840)
        too_much = await found.post(TEXT, changed(TEXT, model={"max_tokens": 2900}), sub="bob")
        assert too_much.status_code == 429
        assert too_much.json()["details"]["scope"] == "model:llama:tokens"
        assert (await limits(found))["model:llama:tokens"] == (3000, 2840)
        provider.then(refusal(400, "unsupported"))
        degraded = await found.post(TEXT, most, sub="bob")
        assert degraded.json()["metadata"]["model_used"] == "storyteller"
        assert (await limits(found))["model:llama:tokens"] == (3000, 2840)
        provider.then(Behaviour(body={"choices": []}))
        wrong = await found.post(TEXT, most, sub="eve")
        assert wrong.json()["metadata"]["attempts"][0]["outcome"] == "cut"
        assert (await limits(found))["model:llama:tokens"] == (
            3000,
            2581,
        )  # its prompt, by estimate
