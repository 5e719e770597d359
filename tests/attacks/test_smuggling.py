"""Requests that two parsers may read differently: the second one is nobody's.

Each row hides `SECOND`, whose answer would say so. A connection on which it cannot be known where
one request ends and the next begins is closed, with one answer at the most.
"""

from __future__ import annotations

import pytest

from tests.attacks.attack import Attack, cut_off, each, holds
from tests.attacks.conversation import Conversation
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import Raw

POST = b"POST /api/v2/theme/analyze HTTP/1.1\r\nHost: x\r\n"
SECOND = b"GET /api/v2/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
HIDDEN = (b'"openapi"',)  # of what is behind the second, and of nothing else
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLING = "PortSwigger, HTTP request smuggling; CWE-444"
FUNKY = "Funky chunks, 2025; CWE-444"


def hidden(name: str, what: str, source: str, *pieces: bytes) -> Attack:
    """A row: refused with 400, or closed, and the second request unanswered."""
    expected = cut_off(400, None, lacks=HIDDEN)
    return Attack(name, what, source, Raw((*pieces,), answers=None), expected)


def header(name: str, what: str, source: str, line: bytes) -> Attack:
    """A row with a line in the head, and a chunked body that hides the second request."""
    return hidden(name, what, source, POST + line + b"\r\n\r\n0\r\n\r\n" + SECOND)


def chunk(name: str, what: str, source: str, body: bytes) -> Attack:
    """A row with a chunked body that somebody may take to be longer than it is."""
    return hidden(name, what, source, CHUNKED + body + SECOND)


BOTH = b"Content-Length: 4\r\nTransfer-Encoding: chunked"
ATTACKS = [
    header("CL.TE", "both lengths, of which a proxy goes by the first", "RFC 9112 6.3", BOTH),
    header("TE.CL", "both lengths, the other way round", "RFC 9112 6.3",
           b"Transfer-Encoding: chunked\r\nContent-Length: 4"),
    header("0.CL", "a length of nothing beside chunks", "HTTP/1.1 must die, 2025",
           b"Content-Length: 0\r\nTransfer-Encoding: chunked"),
    # -- Transfer-Encoding that one of two does not see
    header("TE unknown", "a coding that nobody knows", "RFC 9112 6.1",
           b"Transfer-Encoding: xchunked"),
    header("TE identity", "a coding that RFC 7230 took away", "RFC 9112 6.1",
           b"Content-Length: 5\r\nTransfer-Encoding: identity"),
    header("TE not last", "chunked is not the last coding", "RFC 9112 6.3",
           b"Transfer-Encoding: chunked, identity"),
    header("TE twice", "two headers, of which one is not known", SMUGGLING,
           b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow"),
    header("TE chunked twice", "chunked on chunked", "RFC 9112 6.1",
           b"Content-Length: 5\r\nTransfer-Encoding: chunked, chunked"),
    header("TE quoted", "in quotation marks", SMUGGLING,
           b'Content-Length: 5\r\nTransfer-Encoding: "chunked"'),
    header("TE space before the colon", "a name that ends in a space", "RFC 9112 5.1",
           b"Transfer-Encoding : chunked"),
    header("TE vertical tab", "a value with a control character before it", SMUGGLING,
           b"Content-Length: 5\r\nTransfer-Encoding: \x0bchunked"),
    header("TE NUL", "a value with a NUL", "RFC 9110 5.5", b"Transfer-Encoding: chunked\x00"),
    header("TE NUL in its name", "a name with a NUL", "RFC 9110 5.1",
           b"Transfer-Encoding\x00: chunked"),
    hidden("TE beside a length, on HTTP/1.0", "which has no chunks", "RFC 9112 6.1",
           POST.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\nContent-Length: 5\r\n"
           b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND),
    header("TE folded", "on a line that goes on", "RFC 9112 5.2; CWE-444",
           b"Content-Length: 5\r\nTransfer-Encoding:\r\n chunked"),
    header("TE in a folded header", "a header inside of another", "RFC 9112 5.2",
           b"Content-Length: 5\r\nX-A: b\r\n Transfer-Encoding: chunked"),
    header("a CR alone before TE", "a header that is none for whoever splits at CR LF",
           "CVE-2023-30589 (llhttp)", b"Content-Length: 5\r\nX-A: \rxTransfer-Encoding: chunked"),
    header("an LF alone before TE", "a header for whoever splits at LF", "RFC 9112 2.2",
           b"Content-Length: 5\r\nX-A: b\nTransfer-Encoding: chunked"),
    # -- Content-Length
    header("CL twice, different", "two lengths", "RFC 9112 6.3",
           b"Content-Length: 5\r\nContent-Length: 0"),
    header("CL list, different", "two lengths in one header", "RFC 9112 6.3",
           b"Content-Length: 5, 0"),
    header("CL negative", "less than nothing", "RFC 9110 8.6", b"Content-Length: -1"),
    header("CL plus", "a sign before it", "RFC 9110 8.6", b"Content-Length: +5"),
    header("CL hex", "in another base", "RFC 9110 8.6", b"Content-Length: 0x5"),
    header("CL underscore", "as Python writes numbers", "RFC 9110 8.6; CWE-444",
           b"Content-Length: 0_5"),
    header("CL Unicode digit", "what str.isdigit takes for a digit", "RFC 9110 8.6",
           "Content-Length: ٥".encode()),
    header("CL overflow", "2**64 + 5", "CWE-190", b"Content-Length: 18446744073709551621"),
    header("CL empty", "no length", "RFC 9110 8.6", b"Content-Length: "),
    header("CL with a space in it", "two numbers", "RFC 9110 8.6", b"Content-Length: 5 0"),
    header("CL space before the colon", "a name that ends in a space", "RFC 9112 5.1",
           b"Content-Length : 5"),
    # -- chunks
    chunk("chunk size empty", "no size", "RFC 9112 7.1", b"\r\n\r\n0\r\n\r\n"),
    chunk("chunk size negative", "less than nothing", "RFC 9112 7.1", b"-1\r\n\r\n0\r\n\r\n"),
    chunk("chunk size plus", "a sign before it", "RFC 9112 7.1", b"+2\r\n{}\r\n0\r\n\r\n"),
    chunk("chunk size 0x", "as C and Python write it", "RFC 9112 7.1", b"0x2\r\n{}\r\n0\r\n\r\n"),
    chunk("chunk size underscore", "as Python writes numbers", "RFC 9112 7.1",
          b"0_2\r\n{}\r\n0\r\n\r\n"),
    chunk("chunk size overflow", "2**64 + 2", "CWE-190; CVE-2013-2028 (nginx)",
          b"10000000000000002\r\n{}\r\n0\r\n\r\n"),
    chunk("chunk longer than it says", "two bytes that are no CR LF", "CVE-2025-43859 (h11)",
          b"1\r\n{}\r\n0\r\n\r\n"),
    chunk("chunk ends in XX", "two bytes instead of the CR LF", "CVE-2025-43859 (h11)",
          b"2\r\n{}XX0\r\n\r\n"),
    chunk("chunk ends in LF", "ONE.TWO: an LF behind the data", FUNKY, b"2\r\n{}\n0\r\n\r\n"),
    chunk("chunk size ends in LF", "TERM: an LF behind the size", "CVE-2025-22871 (Go)",
          b"2\n{}\r\n0\r\n\r\n"),
    chunk("chunk size ends in CR", "TERM: a CR behind the size", FUNKY, b"2\r{}\r\n0\r\n\r\n"),
    chunk("chunk extension with LF", "TERM.EXT: a line that ends inside of an extension",
          "CVE-2025-55315 (Kestrel)", b"2;\n{}\r\n0\r\n\r\n"),
    chunk("chunk extension with CR", "EXT.TERM: a CR inside of an extension",
          "CVE-2024-52304 (aiohttp)", b"2;a\rb\r\n{}\r\n0\r\n\r\n"),
    chunk("last chunk with LF", "an end that is half a line", FUNKY, b"0\n\n"),
    chunk("space before a chunk's size", "BWS where none is", "RFC 9112 7.1",
          b" 2\r\n{}\r\n0\r\n\r\n"),
    # -- lines and names
    hidden("an LF alone ends lines", "bare LF", "RFC 9112 2.2",
           b"POST / HTTP/1.1\nHost: x\nContent-Length: 0\n\n" + SECOND),
    hidden("a CR alone ends lines", "bare CR", "RFC 9112 2.2",
           b"POST / HTTP/1.1\rHost: x\rContent-Length: 0\r\r" + SECOND),
    hidden("a space before the first header", "a line that goes on from the request line",
           "RFC 9112 2.2", b"POST / HTTP/1.1\r\n Host: x\r\nContent-Length: 0\r\n\r\n" + SECOND),
    hidden("a NUL in a header's name", "a name that ends early in C", "RFC 9110 5.1",
           b"GET / HTTP/1.1\r\nHost: x\r\nX-\x00A: b\r\n\r\n" + SECOND),
    hidden("a NUL in a header's value", "a value that ends early in C", "RFC 9110 5.5",
           b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n" + SECOND),
    hidden("a header without a colon", "no header at all", "RFC 9112 5",
           b"GET / HTTP/1.1\r\nHost: x\r\nGET /x HTTP/1.1\r\n\r\n" + SECOND),
    hidden("a header without a name", "a colon alone", "RFC 9112 5",
           b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n" + SECOND),
    hidden("no Host", "which HTTP/1.1 asks for", "RFC 9112 3.2",
           b"GET /health/live HTTP/1.1\r\n\r\n" + SECOND),
    hidden("two Hosts", "one for the proxy, one for us", "RFC 9112 3.2; CWE-436",
           b"GET /health/live HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + SECOND),
]  # fmt: skip


@each(ATTACKS)
def test_no_request_is_smuggled(gateway: Gateway, attack: Attack, edge: str) -> None:
    holds(gateway, attack, edge)


@pytest.mark.parametrize("size", [1, 7])
def test_two_good_requests_are_two_however_they_are_split(gateway: Gateway, size: int) -> None:
    sent = (b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n") * 2
    with Conversation(gateway.port) as conversation:
        conversation.send(*(sent[n : n + size] for n in range(0, len(sent), size)))
        conversation.receive()
        conversation.receive()
    assert conversation.answer.statuses == [200, 200]
