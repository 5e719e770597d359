"""Trusted documents: those that stand in a list, parsed and validated before anybody asks.

They are kept apart from the documents that callers send, and never put out by them.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from graphql import GraphQLError, OperationDefinitionNode
from strawberry import Schema

from app.errors import DependencyUnavailable, GatewayError
from resolvers.documents import Document, Documents
from resolvers.errors import InvalidDocument
from resolvers.questions import Question

Mode: TypeAlias = Literal["off", "log", "enforce"]

MAX_LOGGED = 10  # unlisted documents named in the log within a minute
MAX_REMEMBERED = 1_000  # that were named, and are not named again
MINUTE = 60.0  # s
PREFIX = "sha256:"

log = logging.getLogger(__name__)


class DocumentNotTrusted(GatewayError):
    """Only listed documents run, and this one is not listed."""

    status, code = 403, "DOCUMENT_NOT_TRUSTED"

    def __init__(self) -> None:
        super().__init__("Only listed documents run here, and this one is not; see documentId")


class TrustedDocuments:
    """The listed documents, and what becomes of the others.

    off: there is no list. log: any document runs, and one that is not listed is counted and
    logged. enforce: such a one is refused, and everything is while no list was ever read.
    """

    def __init__(
        self,
        documents: Documents,
        listed: Documents,
        mode: Mode = "off",
        *,
        on_unlisted: Callable[[], None] = lambda: None,
    ) -> None:
        """`documents` reads what callers send, `listed` what the list has; both one schema."""
        self._documents, self._listed, self.mode = documents, listed, mode
        self._on_unlisted, self._log = on_unlisted, UnlistedLog()
        self._known = False  # whether a list was ever read
        self._by_id: dict[str, Document] = {}
        self._by_text: dict[str, Document] = {}

    # -- the list
    def take(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Trust these from now on. What cannot be read is left out, and told by its id."""
        found, problems = listed(self._listed, texts)
        self._use(found, texts)
        return problems

    async def replace(self, texts: Mapping[str, str]) -> None:
        """As `take`, while others run: reading 10,000 documents takes half a minute in all."""
        found = {}
        for name, text in texts.items():
            if (known := self._by_text.get(text)) is not None:
                found[name] = known
                continue
            read, problems = listed(self._listed, {name: text})
            found |= read
            for said in problems.values():
                log.warning("a trusted document is passed over", extra={"id": name, "why": said})
            await asyncio.sleep(0)
        self._use(found, texts)

    def _use(self, found: Mapping[str, Document], texts: Mapping[str, str]) -> None:
        self._by_text = {texts[name]: document for name, document in found.items()}
        own = {_sha256(text): document for text, document in self._by_text.items()}
        self._by_id, self._known = own | dict(found), True

    # -- a request's document
    def lists(self, text: str) -> bool:
        """Whether this very text is listed."""
        return text in self._by_text

    def knows(self, question: Question) -> bool:
        """Whether nothing of it must be parsed: it is listed, or was read before."""
        text = question.query
        return not text or text in self._by_text or text in self._documents.known

    def document(self, question: Question) -> Document:
        """What a question asks to run. Raises as `find`."""
        return self.find(question) or self._documents.read(question.query)

    def find(self, question: Question) -> Document | None:
        """The listed document that a question asks to run: by its text, by an id, or by both. None
        where its text is not listed and may run.

        Raises:
            InvalidDocument: the text is none, no listed document has the id, or another text has.
            DocumentNotTrusted, DependencyUnavailable: it is not listed; no list was ever read.
        """
        named = self._named(question.document_id)
        if not question.query:
            return named or self._missing(question)
        sent = self._by_text.get(question.query)
        if named is not None and named is not sent:
            raise _refused("The document of this documentId has another text", "BAD_USER_INPUT")
        if sent is None:
            self._check_unlisted(question.query)
        return sent

    def _named(self, document_id: str | None) -> Document | None:
        """The listed document of this id, or with this hash of its text."""
        return self._by_id.get(document_id.removeprefix(PREFIX)) if document_id else None

    def _missing(self, question: Question) -> Document:
        self._require_list()
        if question.apollos or self.mode == "off":
            # Clients of Apollo's know the word, and then send the text.
            raise _refused("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
        said = f"No listed document has the id {(question.document_id or '')[:128]}"
        raise _refused(said, "DOCUMENT_NOT_FOUND")

    def _check_unlisted(self, query: str) -> None:
        if self.mode == "off":
            return
        self._require_list()
        if self._known:
            self._on_unlisted()
            self._log.note(query)
        if self.mode == "enforce":
            raise DocumentNotTrusted

    def _require_list(self) -> None:
        if self.mode == "enforce" and not self._known:
            raise DependencyUnavailable("redis")  # a file was read at the start


def reader(schema: Schema, sizes: Mapping[str, int] | None = None) -> Documents:
    """What reads listed documents: one that somebody vouched for may also introspect."""
    built: Any = schema._schema  # graphql-core's; Strawberry offers no public name
    return Documents(built, introspection=True, suggestions=True, sizes=sizes)


def listed(
    documents: Documents, texts: Mapping[str, str]
) -> tuple[dict[str, Document], dict[str, str]]:
    """A list's documents by their ids, and by their ids what is wrong with the others."""
    found: dict[str, Document] = {}
    problems: dict[str, str] = {}
    for name, text in texts.items():
        try:
            found[name] = document = documents.parsed(text)
            document.trusted = True
        except InvalidDocument as error:
            problems[name] = "; ".join(map(_told, error.errors))
    return found, problems


def _told(error: GraphQLError) -> str:
    place = f" (line {error.locations[0].line})" if error.locations else ""
    return f"{error.message}{place}"


class UnlistedLog:
    """Names unlisted documents in the log: by their hash alone, each once, ten a minute."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._since, self._count = now, 0.0, 0
        self._named: OrderedDict[str, None] = OrderedDict()

    def note(self, text: str) -> None:
        name = _sha256(text)
        if name in self._named:
            return
        now = self._now()
        if now - self._since >= MINUTE:
            self._since, self._count = now, 0
        if self._count < MAX_LOGGED:
            self._count += 1
            self._named[name] = None
            if len(self._named) > MAX_REMEMBERED:
                self._named.popitem(last=False)
            log.info("a document is not listed", extra={"sha256": name})


def operations_of(document: Document) -> str:
    """The operations of a document as people name them, such as `query Contents`."""
    found = [d for d in document.node.definitions if isinstance(d, OperationDefinitionNode)]
    named = (f"{d.operation.value} {d.name.value if d.name else ''}".strip() for d in found)
    return ", ".join(named)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _refused(said: str, code: str) -> InvalidDocument:
    return InvalidDocument([GraphQLError(said)], code)
