"""ProseReader: the prose in a model's answer, read while the answer is being written."""

from __future__ import annotations

import re
from collections.abc import Callable

SPACE = re.compile(r"[ \t\n\r]*")  # JSON's own
TO_LINE_END = re.compile(r"[^\n]*")
PLAIN = re.compile(r'[^"\\\x00-\x1f]+')  # of a string, what stands for itself
SCALAR = re.compile(r"[-+.0-9A-Za-z]*")  # a number or a word
FLAT = re.compile(r'[^"{}\[\]]*')  # of an object or array, what neither opens nor closes
FENCE = "```"
SHORT = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}
HEX = frozenset("0123456789abcdefABCDEF")
LONE = "\ufffd"  # for half of a surrogate pair, which is no character


class ProseReader:
    """Gives the prose of an answer piece by piece, each as soon as it is certain.

    With a field, the answer is one JSON object, perhaps behind a code fence, and its prose the
    string at that key of the object itself; where a key comes twice, the first counts. Without,
    the whole answer is prose. What was given is always the beginning of the prose without the
    white space around it. An answer that is no such JSON gives nothing more from there on.
    Other values on the way are passed over: objects and arrays by their brackets, numbers and
    words by their characters. Their grammar is not checked.

    Reading is linear in the answer's length, wherever the pieces are split.
    """

    def __init__(self, field: str | None) -> None:
        self._field = field
        self._begun = False
        self._space: list[str] = []  # held back until something follows it
        self._read: Callable[[str, int], int] | None = self._opening
        self._string = _String()
        self._found: list[str] = []
        self._key = ""
        self._depth = 0
        self._fence = 0

    def feed(self, piece: str) -> str:
        """The prose that has become certain with this piece of the answer; often empty."""
        if self._field is None:
            return self._trimmed(piece)
        at = 0
        while self._read is not None and at < len(piece):
            at = self._read(piece, at)
        found = "".join(self._found)
        self._found.clear()
        return self._trimmed(found)

    def _trimmed(self, text: str) -> str:
        if not self._begun:
            text = text.lstrip()
        kept = text.rstrip()
        if not kept:
            if text:
                self._space.append(text)
            return ""
        given = "".join((*self._space, kept))
        self._begun, self._space = True, [text[len(kept) :]]
        return given

    # Each of these reads on from a place in a piece, says up to where, and sets who goes on;
    # nobody goes on when the prose is over, or the answer is no JSON.

    def _opening(self, piece: str, at: int) -> int:
        """What may stand before the object."""
        char = piece[at]
        if char == "{" and not self._fence:
            self._read = self._before_key
        elif char == FENCE[0]:
            self._fence += 1
            if self._fence == len(FENCE):
                self._read = self._fence_line
        elif not char.isspace() or self._fence:
            self._read = None
        return at + 1

    def _fence_line(self, piece: str, at: int) -> int:
        """The rest of the fence's line, which names a language."""
        end = _end(TO_LINE_END, piece, at)
        if end < len(piece):
            self._fence, self._read = 0, self._opening
        return end

    def _before_key(self, piece: str, at: int) -> int:
        at = _end(SPACE, piece, at)
        if at < len(piece):
            self._key, self._string = "", _String()
            self._read = self._in_key if piece[at] == '"' else None
        return at + 1

    def _in_key(self, piece: str, at: int) -> int:
        text, at = self._string.read(piece, at)
        # One character more than the field has tells any longer key from it.
        self._key = (self._key + text)[: len(self._field or "") + 1]
        return self._after_string(at, self._before_colon)

    def _before_colon(self, piece: str, at: int) -> int:
        at = _end(SPACE, piece, at)
        if at < len(piece):
            self._read = self._before_value if piece[at] == ":" else None
        return at + 1

    def _before_value(self, piece: str, at: int) -> int:
        at = _end(SPACE, piece, at)
        if at == len(piece):
            return at
        wanted = self._key == self._field
        if piece[at] == '"':
            self._string = _String()
            self._read = self._in_prose if wanted else self._in_text
            return at + 1
        if wanted:
            self._read = None  # it is there, and no prose
        elif piece[at] in "{[":
            self._read = self._nested
        else:
            self._read = self._in_scalar if _end(SCALAR, piece, at) > at else None
        return at

    def _in_prose(self, piece: str, at: int) -> int:
        text, at = self._string.read(piece, at)
        self._found.append(text)
        return self._after_string(at, None)

    def _in_text(self, piece: str, at: int) -> int:
        _, at = self._string.read(piece, at)
        return self._after_string(at, self._nested if self._depth else self._after_value)

    def _after_string(self, at: int, then: Callable[[str, int], int] | None) -> int:
        if self._string.broken:
            self._read = None
        elif self._string.closed:
            self._read = then
        return at

    def _in_scalar(self, piece: str, at: int) -> int:
        end = _end(SCALAR, piece, at)
        if end < len(piece):
            self._read = self._after_value
        return end

    def _nested(self, piece: str, at: int) -> int:
        """An object or array that is passed over, from its first bracket to its last."""
        at = _end(FLAT, piece, at)
        if at == len(piece):
            return at
        if piece[at] == '"':
            self._string, self._read = _String(), self._in_text
        else:
            self._depth += 1 if piece[at] in "{[" else -1
            if self._depth == 0:
                self._read = self._after_value
        return at + 1

    def _after_value(self, piece: str, at: int) -> int:
        at = _end(SPACE, piece, at)
        if at < len(piece):
            self._read = self._before_key if piece[at] == "," else None
        return at + 1


class _String:
    """A JSON string behind its opening quotation mark (RFC 8259, section 7), decoded in pieces."""

    def __init__(self) -> None:
        self.closed = self.broken = False
        self._escape = ""  # as far as it has come
        self._high = 0  # the first half of a surrogate pair, which waits for the second

    def read(self, piece: str, at: int) -> tuple[str, int]:
        """What it says from `at` on, and where reading ended: behind the string, or the piece."""
        found: list[str] = []
        while at < len(piece) and not self.closed and not self.broken:
            if self._escape:
                self._unescape(piece[at], found)
                at += 1
            elif match := PLAIN.match(piece, at):
                self._say(match[0], found)
                at = match.end()
            else:
                self._mark(piece[at], found)
                at += 1
        return "".join(found), at

    def _mark(self, char: str, found: list[str]) -> None:
        if char == "\\":
            self._escape = char
        elif char == '"':
            self._say("", found)
            self.closed = True
        else:
            self.broken = True  # a control character must be escaped

    def _unescape(self, char: str, found: list[str]) -> None:
        """One more character of an escape."""
        self._escape += char
        if len(self._escape) == 2 and char != "u":
            self.broken = char not in SHORT
            self._say(SHORT.get(char, ""), found)
            self._escape = ""
        elif len(self._escape) > 2 and char not in HEX:
            self.broken = True
        elif len(self._escape) == len("\\uXXXX"):
            self._unit(int(self._escape[2:], 16), found)
            self._escape = ""

    def _unit(self, unit: int, found: list[str]) -> None:
        """One UTF-16 code unit."""
        if 0xDC00 <= unit < 0xE000 and self._high:
            found.append(chr(0x10000 + ((self._high - 0xD800) << 10) + unit - 0xDC00))
            self._high = 0
        elif 0xD800 <= unit < 0xDC00:
            self._say("", found)
            self._high = unit
        else:
            self._say(LONE if 0xDC00 <= unit < 0xE000 else chr(unit), found)

    def _say(self, text: str, found: list[str]) -> None:
        if self._high:
            found.append(LONE)
            self._high = 0
        found.append(text)


def _end(pattern: re.Pattern[str], piece: str, at: int) -> int:
    """Where a pattern that may match nothing ends."""
    match = pattern.match(piece, at)
    return match.end() if match else at
