"""Response headers: what every answer tells a browser that it is no page, and nobody's to keep.

Whoever answers may say more: a page has a policy of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

Header = tuple[bytes, bytes]

# An answer that is opened as a page runs nothing, loads nothing and stands in no frame.
POLICY = b"default-src 'none'; frame-ancestors 'none'"
EVERYWHERE: tuple[Header, ...] = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    # Asked for by CORS it is not looked at; what asks without is a page's image or script.
    (b"cross-origin-resource-policy", b"same-origin"),
)
NO_STORE = b"no-store"


def complete(headers: Iterable[Header], *, private: bool) -> list[Header]:
    """The headers of an answer with those that it lacks; `private`: no cache may keep it."""
    found = list(headers)
    if private:
        found = [header for header in found if header[0].lower() != b"cache-control"]
        found.append((b"cache-control", NO_STORE))
    names = {name.lower() for name, _ in found}
    found += (header for header in EVERYWHERE if header[0] not in names)
    return found


def is_private(asked: Iterable[Header], status: int) -> bool:
    """Whether an answer is one caller's: who it was is told by a token, or was not believed."""
    return status == 401 or any(name == b"authorization" for name, _ in asked)
