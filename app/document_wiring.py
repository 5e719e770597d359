"""Trusted documents, wired: the settings' list, and who is told when it changes."""

from __future__ import annotations

from pathlib import Path

from app.errors import SettingsError
from app.policies import manifests
from app.policies.trusted_documents import (
    DocumentFile,
    DocumentList,
    DocumentsInRedis,
    DocumentWatch,
)
from app.redis.client import Redis
from app.settings import REDIS, Settings
from resolvers import schema, trusted_documents
from resolvers.trusted_documents import TrustedDocuments

SETTING = "LOREGATE_DOCUMENTS"


def document_list(where: str, redis: Redis | None) -> DocumentList:
    """The list in Redis, or in the file of that path."""
    if where != REDIS:
        return DocumentFile(Path(where))
    if redis is None:
        raise SettingsError(f"{SETTING}: a list in Redis needs REDIS_URL")
    return DocumentsInRedis(redis)


def watch(settings: Settings, trusted: TrustedDocuments, redis: Redis) -> DocumentWatch | None:
    """What keeps the trusted documents as the list has them; None where there is no list.

    A list in a file is read now, one in Redis when the watch starts.

    Raises:
        SettingsError: the file cannot be read, or an entry is wrong or does not fit the schema.
    """
    if settings.documents.mode == "off":
        return None
    found = document_list(settings.documents.where, redis)
    if isinstance(found, DocumentFile):
        _refuse(found, trusted.take(found.read_now()))
    return DocumentWatch(found, trusted.replace)


def check(settings: Settings) -> None:
    """Raises `SettingsError` as `watch` would."""
    if settings.documents.mode != "off" and settings.documents.where != REDIS:
        found = DocumentFile(Path(settings.documents.where))
        reader = trusted_documents.reader(schema.build())
        _refuse(found, trusted_documents.listed(reader, found.read_now())[1])


def _refuse(found: DocumentFile, problems: dict[str, str]) -> None:
    manifests.refuse(f"{SETTING}: {found.name}: {k}: {said}" for k, said in problems.items())
