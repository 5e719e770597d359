"""Profile: how one model behind the OpenAI API wants to be asked. The rules are profiles.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

OPENAI_HOST = "api.openai.com"
STALL_TIMEOUT = 10.0  # s between two signs of life


@dataclass(frozen=True, slots=True)
class Profile:
    """What profiles.toml says of one model, by the same names.

    `thinking` is how much it thinks with the effort that is sent. headroom: tokens for that, on
    top of the caller's. first_token, stall and timeout: seconds to the first text, between two
    signs of life, and for the whole call.
    """

    provider: str
    kind: str
    cap: str
    sampling: str
    hottest: float
    effort: str
    thinking: str
    seed: str
    schemas: str
    bounds: str
    longest: int
    own_fields: bool
    usage: bool
    lists: str
    headroom: int
    first_token: float
    timeout: float
    stall: float

    @property
    def takes_temperature(self) -> bool:
        if self.sampling == "unless_thinking":
            return self.effort == "none"
        return self.sampling == "always"


def profile(url: str | None, upstream: str, *, provider: str | None = None, **over: Any) -> Profile:
    """The profile of the model `upstream` at this base URL (None: OpenAI's own).

    `provider` is known by its name instead of by its host. `over` sets single fields.

    Raises:
        ValueError: nobody knows a provider of that name, or the model takes no such effort.
    """
    rules, place = _rules(), _provider(url, provider)
    found = {**rules["default"], **place, **_model(place["name"], upstream)}
    efforts, effort = found["efforts"], over.pop("effort", found["effort"])
    if effort and efforts and effort not in efforts:
        raise ValueError(f"effort: {upstream} takes {', '.join(efforts)}")
    thinking = over.pop("thinking", effort or found["thinking"])
    found |= {"provider": place["name"], "effort": effort, "thinking": thinking}
    found |= {**rules["thinking"][thinking], "stall": STALL_TIMEOUT, **over}
    return Profile(**{f.name: found[f.name] for f in fields(Profile)})


def provider_names() -> tuple[str, ...]:
    return tuple(row["name"] for row in _rules()["providers"])


def host(url: str | None) -> str:
    """The URL's host, and its port where it names one."""
    return urlsplit(url).netloc.rpartition("@")[2].lower() if url else OPENAI_HOST


@cache
def _rules() -> Any:
    return tomllib.loads(resources.files("app.llm").joinpath("profiles.toml").read_text())


def _provider(url: str | None, name: str | None) -> Mapping[str, Any]:
    rows: list[dict[str, Any]] = _rules()["providers"]
    if name is not None:
        for row in rows:
            if row["name"] == name:
                return row
        raise ValueError(f"provider: {name!r} is not one of {', '.join(provider_names())}")
    bare = host(url).partition(":")[0]
    return next(r for r in rows if any(_is_host(bare, h) for h in r["hosts"]))


def _is_host(bare: str, pattern: str) -> bool:
    if not pattern:
        return True
    return bare.endswith(pattern) if pattern.startswith(".") else bare == pattern


def _model(provider: str, upstream: str) -> Mapping[str, Any]:
    name = upstream.rpartition("/")[2].lower()
    rows: list[dict[str, Any]] = _rules()["models"]
    for row in rows:
        here = provider in row.get("providers", (provider,))
        if here and name.startswith(tuple(row["prefixes"])):
            return row
    return {}
