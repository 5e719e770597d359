"""What `loregate dev` makes for itself once, and keeps in its data directory."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from app.errors import SettingsError


def data_directory(path: Path) -> Path:
    """The directory, made if need be, for this user alone."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"LOREGATE_DATA_DIR is {str(path)!r}, which cannot be made: {error.strerror}"
        ) from None
    return path


def development_secret(directory: Path) -> str:
    """The secret that development tokens are signed with: made once, so that they stay good."""
    return _made_once(directory / "jwt-secret")


def development_key(directory: Path) -> str:
    """What `LOREGATE_KEY` is while nobody sets it."""
    return _made_once(directory / "key")


def _made_once(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
    return path.read_text()
