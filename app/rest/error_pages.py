"""What each error's code means and what to do about it: the pages that problem types lead to."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from html import escape
from importlib import resources

PATH = "/api/v2/errors"
PAGE = resources.files("app.rest").joinpath("errors.html").read_text()


@dataclass(frozen=True, slots=True)
class Explained:
    """A code in words: a title, the same for every occurrence (RFC 9457, section 3.1.3), what has
    happened, and what its caller can do."""

    title: str
    meaning: str
    remedy: str


EXPLAINED = {
    "INVALID_REQUEST": Explained(
        "The request cannot be read",
        "A field is missing, of the wrong kind or out of its bounds, or the body is no JSON. "
        "`errors` names every bad field by its place, `field` and `error` the first of them.",
        "Mend the named fields and send it again; the same request fails each time.",
    ),
    "BAD_USER_INPUT": Explained(
        "The GraphQL request cannot be read",
        "What was sent to `/graphql` is no GraphQL request: its JSON, its document or its "
        "variables are not of the form that GraphQL over HTTP asks for.",
        "Mend what the message names; the same request fails each time.",
    ),
    "CONTENT_REJECTED": Explained(
        "The model's provider refused the content",
        "The safety system of the model's provider refused the request or the answer to it. "
        "`model` and `reason` say whose and why.",
        "Reword what was asked for, or ask another model.",
    ),
    "UNAUTHENTICATED": Explained(
        "The token is missing or cannot be used",
        "`reason` is `missing`, `malformed`, `expired`, `not_yet_valid`, `wrong_issuer`, "
        "`wrong_audience`, `revoked` or `invalid`. Nothing of the request was read.",
        "Send `Authorization: Bearer <token>` with a token that the Auth Service issued; when it "
        "has expired, renew it first.",
    ),
    "TOKEN_EXPIRED": Explained(
        "The token came to its end while a stream was open",
        "An open stream ends with its token, or when that is revoked.",
        "Renew the token and go on behind the last cursor; nothing is lost.",
    ),
    "BUDGET_EXCEEDED": Explained(
        "A budget has no room for this request",
        "What the models may cost in a day or a month is bounded, and the most that this request "
        "could cost does not fit what is left of `budget`: `spent` of `limit` (US dollars or "
        "tokens, as `unit` says), and `reserved` by calls that are under way. No model was called. "
        "What is cached or was answered before is still given.",
        "Wait until `renews_at`; where only reservations stand in the way, `Retry-After` is a few "
        "seconds. A smaller `max_tokens`, or a cheaper model, may fit what is left.",
    ),
    "FORBIDDEN": Explained(
        "The token lacks a permission",
        "The token is good, and does not give what this route needs: `required_permission`.",
        "Ask for a token that has the permission.",
    ),
    "QUOTA_EXCEEDED": Explained(
        "As much is kept as may be",
        "The user keeps as many contents, or as many bytes of them, as their tier may: `quota` "
        "says which, `used` how much, `limit` what is allowed. No model was called. What is cached "
        "or was answered before is still given.",
        "Delete contents that are no longer needed, or ask for another tier.",
    ),
    "DOCUMENT_NOT_TRUSTED": Explained(
        "Only listed documents run here",
        "This gateway runs the GraphQL documents that its operators listed, and this one is not "
        "among them. Its text was not read.",
        "Have the document listed (`loregate documents add`), or ask for one that is, by its "
        "`documentId`.",
    ),
    "NOT_FOUND": Explained(
        "There is nothing of yours here",
        "No such route, or no content or generation of this caller with that id. What belongs "
        "to others is answered the same way.",
        "Check the address and the id, and whose token was sent.",
    ),
    "METHOD_NOT_ALLOWED": Explained(
        "The route does not take this method",
        "The route is there; the header `Allow` lists its methods.",
        "Use one of the methods in `Allow`.",
    ),
    "NOT_ACCEPTABLE": Explained(
        "No answer of the accepted kinds can be given",
        "`Accept` takes none of the media types that this can be answered in.",
        "Accept one of the media types that the message names.",
    ),
    "REQUEST_TIMEOUT": Explained(
        "The request did not arrive in time",
        "A head has to be whole within 10 seconds, and a body to come with 1 KB a second. The "
        "connection was closed.",
        "Send it again on a new connection, without waiting in the midst of it.",
    ),
    "IDEMPOTENCY_CONFLICT": Explained(
        "The idempotency key was used for another request",
        "The same user sent this `Idempotency-Key` with another body or to another operation in "
        "the last 24 hours.",
        "Take a new key for each new request, and the same one only to repeat one unchanged.",
    ),
    "USER_ERASED": Explained(
        "The user was erased meanwhile",
        "An operator erased everything of this user after the request began, or less than five "
        "seconds before. What it made is not kept: it has no content, no event and no cached "
        "answer.",
        "Send it again after `Retry-After`, if the user is to go on: as a new one.",
    ),
    "CURSOR_EXPIRED": Explained(
        "What follows the cursor is no longer kept",
        "The log does not hold the events behind this cursor any more, or is another one by now.",
        "Go on from `cursor`, and read again what may have been missed.",
    ),
    "PAYLOAD_TOO_LARGE": Explained(
        "The body is too large",
        "A body may have at most 256 KB.",
        "Send less, or in several requests.",
    ),
    "URI_TOO_LONG": Explained(
        "The address is too long",
        "A GraphQL request by GET may have 8,192 bytes behind its question mark, and no request "
        "more than that and its path.",
        "Send the document by POST, where a body may have 256 KB.",
    ),
    "HEADERS_TOO_LARGE": Explained(
        "The request's head is too large",
        "A head may have 100 headers and 32 KB; a header of a WebSocket's handshake 8 KB. The "
        "connection was closed.",
        "Send fewer or shorter headers; cookies are of no use here.",
    ),
    "UNSUPPORTED_MEDIA_TYPE": Explained(
        "The body is of a kind that is not read here",
        "Bodies are JSON in UTF-8, not compressed.",
        "Send `Content-Type: application/json` and no `Content-Encoding`.",
    ),
    "RATE_LIMIT_EXCEEDED": Explained(
        "A rate limit is full",
        "`scope` names the limit that refused, `limit` and `window` what it admits. A refused "
        "request takes nothing from any limit.",
        "Wait for `retry_after_ms`, or for the seconds in `Retry-After`, and send it again.",
    ),
    "TOO_MANY_OPERATIONS": Explained(
        "Too many operations are open",
        "This connection, or this caller, has as many operations or subscriptions open as it may.",
        "End one before another is begun.",
    ),
    "TOO_MANY_CONNECTIONS": Explained(
        "Too many connections are open",
        "This address, or all callers together, have as many connections open as the server takes.",
        "Use the connections that are open, and wait for the seconds in `Retry-After`.",
    ),
    "CANCELLED": Explained(
        "The request was cancelled",
        "The client left, or wished for it; what was not finished by then was given up.",
        "Ask again if the answer is still wanted.",
    ),
    "INTERRUPTED": Explained(
        "The process that wrote it has ended",
        "A generation's process died or was stopped before the text was whole.",
        "Start it again.",
    ),
    "INTERNAL_ERROR": Explained(
        "Something broke inside",
        "The fault is the gateway's. Its log holds the rest under the request's id.",
        "Report it with the request's id; trying again may help.",
    ),
    "SHUTTING_DOWN": Explained(
        "This process is stopping",
        "It is replaced or restarted, and its streams end.",
        "Connect again and go on behind the last cursor; nothing is lost.",
    ),
    "MODEL_ERROR": Explained(
        "The model's answer is of no use",
        "The model answered, and what it answered was broken or did not fit, also when it was "
        "asked again. `attempts` says how often it was.",
        "Try again, or name another model.",
    ),
    "MODEL_UNAVAILABLE": Explained(
        "The model cannot be reached",
        "The model is overloaded or away, and no other one could or was allowed to answer.",
        "Wait for the seconds in `Retry-After` and try again, or name another model.",
    ),
    "MODEL_TIMEOUT": Explained(
        "The model did not answer in time",
        "It began too late, fell silent or was not done within its time.",
        "Try again, ask for less text, or name another model.",
    ),
    "DEPENDENCY_UNAVAILABLE": Explained(
        "Something that the gateway needs cannot be reached",
        "`dependency` is `database`, `redis` or `keys`.",
        "Wait for the seconds in `Retry-After` and try again; with an `Idempotency-Key` nothing is "
        "made twice.",
    ),
}


STYLE = PAGE.partition("<style>")[2].partition("</style>")[0]
STYLE_SUM = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
# The one style of the page is known by its sum, and nothing else in it is more than text.
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_SUM}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}


def page(*codes: str) -> str:
    """HTML that explains these codes, whole by itself."""
    return PAGE.replace("<!-- codes -->", "\n".join(_section(c) for c in codes))


def _section(code: str) -> str:
    told = EXPLAINED[code]
    name = f'<a href="{PATH}/{code}"><code>{code}</code></a>'
    said = f"<p>{_prose(told.meaning)}</p><p><b>What to do:</b> {_prose(told.remedy)}</p>"
    return f'<section id="{code}"><h2>{name} {told.title}</h2>{said}</section>'


def _prose(text: str) -> str:
    """HTML of a text in which code stands between backticks."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(parts))
