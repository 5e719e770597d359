"""What `loregate dev` makes for itself once, and keeps in its data directory."""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path

from app.errors import SettingsError

OURS = ("loregate.db*", "jwt-secret", "key", "valkey", "valkey/*", "valkey/*/*")

log = logging.getLogger(__name__)


def data_directory(path: Path) -> Path:
    """The directory, made if need be, for this user alone, as is whatever comes into it: from here
    on the process makes no file that others may read. What was wider is narrowed.
    """
    os.umask(0o077)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        narrow(path)
    except OSError as error:
        raise SettingsError(
            f"LOREGATE_DATA_DIR is {str(path)!r}, which cannot be made: {error.strerror}"
        ) from None
    return path


def narrow(path: Path) -> None:
    """Take from others what they may do with the directory and our files in it; what is not ours
    to narrow is warned about."""
    ours = [found for pattern in OURS for found in path.glob(pattern)]
    for found in (path, *ours):
        try:
            mode = found.stat().st_mode & 0o777
            if mode & 0o077:
                found.chmod(mode & 0o700)
        except FileNotFoundError:  # a journal that another process has just ended
            continue
        except PermissionError:
            log.warning("others may read %s, which is somebody else's: chmod it", found)


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
