"""Refusals: a document that limits refused is refused again before anything of it is parsed.

What was refused in all its root fields is so again, with equal variables, until one of the limits
has room: it costs a digest of what was sent. How long that holds is the pipeline's to say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable

import orjson

from app.errors import RateLimited
from app.pipeline.context import RequestContext
from resolvers.execution import Executor, Reply
from resolvers.questions import Question


def foresee(executor: Executor, question: Question, request: RequestContext | None) -> None:
    """Raise `RateLimited` where it is known that a limit would refuse the document."""
    if request is not None and request.refused_of_late:
        known = executor.trusted.knows(question)
        request.foresee(_name(question), parsed=known)


def remember(question: Question, request: RequestContext | None, reply: Reply) -> None:
    """What limits refused as a whole."""
    if request is None or not reply.errors:
        return
    refusals = [error for error in reply.errors if isinstance(error, RateLimited)]
    ran = any(value is not None for value in (reply.body.get("data") or {}).values())
    if not ran and len(refusals) == len(reply.body["errors"]):
        request.remember(_name(question), refusals)


def _name(question: Question) -> Hashable:
    """The same for equal documents with equal variables, and for no others."""
    asked = [question.query, question.document_id, question.operation_name, question.variables]
    try:
        told = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # half a surrogate pair, which no UTF-8 has
        return object()  # equal to nothing
    return hashlib.blake2b(told, digest_size=16).digest()
