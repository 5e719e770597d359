"""The whole examination: each part by itself, in turn; nothing is changed by it."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path

from app.doctor import callers, dependencies, machine
from app.doctor.finding import Case, Check, Finding, bounded
from app.errors import SettingsError
from app.model_wiring import model_rows
from app.settings import Settings

OURS = ("LOREGATE_URL", "LOREGATE_TOKEN")  # variables that are no settings
CHECKS: dict[str, Check] = {
    "keys": callers.keys,
    "token": callers.token,
    "redis": dependencies.redis,
    "database": dependencies.database,
    "models": dependencies.models,
    "clock": machine.clock,
    "port": machine.port,
    "data": machine.data,
    "gateway": machine.gateway,
}


async def examine(*, serve: bool) -> list[Finding]:
    """All findings, in a fixed order. `serve`: by what `loregate serve` needs."""
    found = [versions()]
    try:
        settings = Settings.load() if serve else Settings.load(dev=True, env_file=Path(".env"))
        rows = model_rows(settings)
        _checked(settings)
    except SettingsError as error:
        fix = "see docs/settings.md for what it may be"
        lines = str(error).splitlines()
        return [*found, *(Finding("settings", "failure", line, fix) for line in lines)]
    if settings.model_keys or any(row.url for row in rows):
        # The provider's SDK takes a second to import, which is no check's time.
        await asyncio.to_thread(import_module, "app.llm.openai")
    case = Case(settings, serve)
    found += settings_found(case)
    for name, check in CHECKS.items():  # one after another: none waits for this process itself
        found += await bounded(name, check, case)
    return found


def _checked(settings: Settings) -> None:
    """What else keeps a gateway from starting; it knows the whole service, so only where it is set.

    Raises:
        SettingsError: as the start would.
    """
    if settings.file.cache:
        from app.main import cache_ttls

        cache_ttls(settings)
    if settings.documents.mode != "off":
        from app import document_wiring

        document_wiring.check(settings)


def versions() -> Finding:
    said = f"loregate {metadata.version('loregate')}, Python {platform.python_version()}"
    return Finding("version", "ok", f"{said}, {platform.system()} {platform.machine()}")


def settings_found(case: Case) -> Iterator[Finding]:
    names = {str(f.alias) for f in Settings.model_fields.values() if f.alias}
    given = sorted(n for n in names if os.environ.get(n))
    file = ", .env is read" if not case.serve and Path(".env").exists() else ""
    yield Finding("settings", "ok", f"{', '.join(given) or 'none'} set{file}")
    keys = {m.key_name for m in case.settings.models}
    for name in sorted(os.environ):
        if name.startswith("LOREGATE_") and name not in {*names, *keys, *OURS}:
            fix = "unset it or mend its name; in Kubernetes set enableServiceLinks: false"
            yield Finding("settings", "warning", f"{name} is no setting", fix)
