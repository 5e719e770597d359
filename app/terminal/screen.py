"""Screen: what is asked for goes to standard output, everything else to standard error.

Colours and widths are a terminal's; in a pipe all is plain. NO_COLOR and TERM=dumb are honoured.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any, TextIO

import orjson

from app.terminal.failure import CommandFailed

MAX_WIDTH = 100  # columns of prose; longer lines are hard to read
# What a terminal would obey rather than show: models' texts and other people's words have no
# business to move its cursor or to rename its window.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
DIM, BOLD, RED, YELLOW, GREEN = "2", "1", "31", "33", "32"


def coloured(stream: TextIO) -> bool:
    """Whether colours are wanted there."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


class Screen:
    """`as_json`: for programs; what is said beside the answer is kept short, and errors are JSON.

    Writing raises `BrokenPipeError` when nobody reads any more.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.live = sys.stdout.isatty()
        self._begun = True  # whether standard output is at the beginning of a line

    @property
    def animated(self) -> bool:
        """Whether something may move on standard error."""
        return coloured(sys.stderr)

    @property
    def width(self) -> int:
        return min(MAX_WIDTH, shutil.get_terminal_size().columns)

    # -- standard output
    def write(self, text: str) -> None:
        """Text as it is, at once; on a terminal without what it would obey."""
        shown = CONTROLS.sub("", text) if self.live else text
        sys.stdout.write(shown)
        sys.stdout.flush()
        if shown:
            self._begun = shown.endswith("\n")

    def line(self, text: str = "", style: str = "") -> None:
        """A line, in a style where there are colours."""
        shown = CONTROLS.sub("", text) if self.live else text
        sys.stdout.write(self._styled(shown, style, sys.stdout) + "\n")
        sys.stdout.flush()
        self._begun = True

    def mark(self, text: str, style: str) -> None:
        """The beginning of a line, in a style where there are colours."""
        sys.stdout.write(self._styled(text, style, sys.stdout))

    def end_line(self) -> None:
        if not self._begun:
            self.write("\n")

    def json(self, value: Any) -> None:
        """One object: indented for people, on one line for programs."""
        options = orjson.OPT_INDENT_2 if self.live else 0
        self.write(orjson.dumps(value, option=options).decode() + "\n")

    def json_line(self, value: Any) -> None:
        self.write(orjson.dumps(value).decode() + "\n")

    # -- standard error
    def say(self, text: str, style: str = DIM) -> None:
        """What a person should know beside the answer, on a line of its own."""
        if self.live and not self._begun:
            self.write("\n")
        shown = CONTROLS.sub("", text)
        sys.stderr.write(self._styled(shown, style, sys.stderr) + "\n")
        sys.stderr.flush()

    def fail(self, failure: CommandFailed) -> None:
        """An error, read aloud: what, its code, and what to do."""
        if self.as_json:
            sys.stderr.write(orjson.dumps(failure.body()).decode() + "\n")
            return
        self.say(f"loregate: {failure.message} ({failure.code})", RED)
        if failure.remedy:
            self.say(failure.remedy, "")
        if request_id := failure.details.get("request_id"):
            self.say(f"request {request_id}")

    @staticmethod
    def _styled(text: str, style: str, stream: TextIO) -> str:
        return f"\033[{style}m{text}\033[0m" if style and coloured(stream) else text


class WordWrap:
    """Breaks text that comes in pieces into lines of `width` columns, at spaces."""

    def __init__(self, width: int) -> None:
        self._width = max(20, width)
        self._column = 0
        self._word = ""

    def feed(self, text: str) -> str:
        """What can be shown by now; a word that may go on is kept back."""
        return "".join(self._pieces(text))

    def end(self) -> str:
        """The rest."""
        return self._placed()

    def _pieces(self, text: str) -> Iterator[str]:
        for character in text:
            if character == "\n":
                yield self._placed() + "\n"
                self._column = 0
            elif character == " ":
                yield self._placed()
                self._word = " "
            else:
                self._word += character

    def _placed(self) -> str:
        """The word that was kept back, on this line or on the next."""
        word, self._word = self._word, ""
        size = columns(word)
        if self._column and self._column + size > self._width:
            word = "\n" + word.removeprefix(" ")
            self._column = columns(word)
        else:
            self._column += size
        return word


def columns(text: str) -> int:
    """How wide a terminal shows it: most of East Asia's letters take two columns."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
