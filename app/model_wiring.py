"""The models as the settings name them: their profiles, breakers, writers, and who lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.config_file import OPENAI_KEY, ModelTable
from app.errors import SettingsError
from app.llm.breaker import Breakers
from app.llm.bulkhead import Bulkhead
from app.llm.fallback import Models
from app.llm.model import STORYTELLER, Model
from app.llm.prices import Prices
from app.llm.profiles import Profile, host, profile
from app.llm.providers import Account, Provider, open_provider
from app.llm.retirement import ListedModels
from app.llm.unsupported import UnsupportedParameters
from app.redis.client import Redis
from app.settings import Settings
from app.storyteller.storyteller import Storyteller

PROBE_ANSWER_TIMEOUT = (
    5.0  # s behind the first token's time in which a probe's few tokens must be there
)
MAX_PROBE_TIMEOUT = 30.0  # s

# What a row says over its model's profile, by the profile's names.
PROFILE_FIELDS = {
    **{name: name for name in ("effort", "thinking", "headroom", "cap", "sampling", "schemas")},
    **{name: name for name in ("seed", "timeout")},
    "first_token_timeout": "first_token",
    "stall_timeout": "stall",
}
PROFILE_SETTINGS = {  # the settings that hold for all models
    "model_timeout": "timeout",
    "first_token_timeout": "first_token",
    "stall_timeout": "stall",
}


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A row of the models table, with all that follows from it."""

    table: ModelTable
    url: str | None
    profile: Profile

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def breaker(self) -> str:
        """What a failure speaks against: the model at its provider, whatever we call it.

        Another key is another account, with another quota.
        """
        key = self.table.key_name
        account = f" by {key}" if key not in (None, OPENAI_KEY) else ""
        return f"{host(self.url)}/{self.table.upstream_name}{account}"


def model_rows(settings: Settings) -> list[ModelRow]:
    """Raises `SettingsError` for a provider or an effort that there is not."""
    return [_row(settings, table) for table in settings.models]


def _row(settings: Settings, table: ModelTable) -> ModelRow:
    url = table.url or settings.openai_base_url
    over = {ours: getattr(settings, name) for name, ours in PROFILE_SETTINGS.items()}
    over = {name: value for name, value in over.items() if value is not None}
    over |= _given(table)
    try:
        found = profile(url, table.upstream_name, provider=table.provider, **over)
    except ValueError as error:
        raise SettingsError(f"LOREGATE_CONFIG: [[models]] {table.name}: {error}") from None
    return ModelRow(table, url, found)


def _given(table: ModelTable) -> Mapping[str, Any]:
    found = {ours: getattr(table, name) for name, ours in PROFILE_FIELDS.items()}
    return {name: value for name, value in found.items() if value is not None}


def probe_timeout(found: Sequence[ModelRow]) -> float:
    """Seconds for a probe of any of them: few tokens, and no room for thinking."""
    slowest = max(
        min(row.profile.timeout, row.profile.first_token + PROBE_ANSWER_TIMEOUT) for row in found
    )
    return min(MAX_PROBE_TIMEOUT, slowest)


def model(row: ModelRow, breakers: Breakers) -> Model:
    table = row.table
    return Model(
        table.name,
        writer=None,
        provider=row.profile.provider,
        upstream=table.upstream_name,
        prices=Prices(
            table.input_price, table.cached_price, table.cache_write_price, table.output_price
        ),
        context_size=table.context_size,
        max_tokens=table.max_tokens,
        headroom=row.profile.headroom,
        timeout=row.profile.timeout,
        breaker=breakers[row.breaker],
        bulkhead=Bulkhead(table.concurrency, table.queue),
    )


def storyteller() -> Model:
    free = Prices(0, 0, 0, 0)
    return Model(STORYTELLER, Storyteller(), provider="embedded", prices=free)


async def connect(settings: Settings, models: Models, redis: Redis | None) -> list[ListedModels]:
    """Give each model with a key or an URL its writer; the providers, with their models."""
    found: dict[Account, tuple[Provider, list[tuple[ModelRow, Model]]]] = {}
    by_name = {m.name: m for m in models}
    for row in model_rows(settings):
        key = _key(settings, row.table)
        if row.url is None and key is None:
            continue
        account = Account(
            row.url, key, row.table.reuse_connections, connect_timeout=settings.connect_timeout
        )
        if account not in found:
            found[account] = await open_provider(account, row.profile.kind), []
        provider, served = found[account]
        unsupported = UnsupportedParameters(redis, row.url or "", row.table.upstream_name)
        await unsupported.load()
        by_name[row.name].unsupported = unsupported
        by_name[row.name].writer = provider.writer(
            row.table.upstream_name, row.profile, unsupported
        )
        served.append((row, by_name[row.name]))
    return [_listed(provider, served) for provider, served in found.values()]


def _listed(provider: Provider, served: list[tuple[ModelRow, Model]]) -> ListedModels:
    told = [(model, row.profile.lists) for row, model in served if row.profile.lists != "none"]
    return ListedModels(provider, [(model, lists == "all") for model, lists in told])


def _key(settings: Settings, table: ModelTable) -> str | None:
    found = settings.model_keys.get(table.key_name) if table.key_name else None
    return found.get_secret_value() if found else None


def required_models(settings: Settings) -> frozenset[str]:
    """The models that somebody counts on: those of the chain, and those that were set."""
    return frozenset({*settings.fallback, *(m.name for m in settings.file.models)})
