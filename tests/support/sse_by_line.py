"""Server-sent events read as the standard words it, to hold the quick reader against."""

from __future__ import annotations


def read_by_line(stream: bytes) -> list[bytes]:
    """The rules of WHATWG HTML, section 9.2.6, said line by line."""
    stream = stream.removeprefix(b"\xef\xbb\xbf")
    lines = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]
    found, data = [], []
    for line in lines:
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif not line:
            found += [b"\n".join(data)] if data else []
            data = []
    return found
