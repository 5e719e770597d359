"""CommandFailed: why a command ended without what was asked for, and its exit code.

| code | when |
|------|------|
| 0    | it is done |
| 1    | a setting is wrong; or the answer is no: `doctor` found a failure, a text failed a rule |
| 2    | the command line or the request is wrong |
| 3    | no gateway can be reached |
| 4    | the token is missing, refused, expired or lacks a permission |
| 5    | a limit is full |
| 6    | the gateway or its models could not do it; another try may |
| 129, 130, 143 | ended by a closed terminal, by Ctrl-C, by a request to stop |
| 141  | nobody reads the output any more, as behind `head` |
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from app.errors import InvalidRequest
from app.rest.error_pages import EXPLAINED

SAID_NO, WRONG, UNREACHABLE, UNAUTHORIZED, LIMITED, FAILED = 1, 2, 3, 4, 5, 6
PIPE_CLOSED = 128 + signal.SIGPIPE
EXIT_CODES = {
    **dict.fromkeys(("UNAUTHENTICATED", "TOKEN_EXPIRED", "FORBIDDEN"), UNAUTHORIZED),
    "DOCUMENT_NOT_TRUSTED": UNAUTHORIZED,
    **dict.fromkeys(("RATE_LIMIT_EXCEEDED", "TOO_MANY_OPERATIONS"), LIMITED),
    **dict.fromkeys(("QUOTA_EXCEEDED", "BUDGET_EXCEEDED"), LIMITED),
    **dict.fromkeys(("CONTENT_REJECTED", "CANCELLED", "INTERRUPTED"), FAILED),
}
REMEDIES = {
    "UNREACHABLE": "Start one with `loregate dev`, or say in LOREGATE_URL where it is; "
    "`loregate doctor` looks at the settings.",
    "UNAUTHENTICATED": "Put a token into LOREGATE_TOKEN: the Auth Service issues them, and "
    "`loregate token` signs one where it has the secret.",
    "TOKEN_EXPIRED": "Put a new token into LOREGATE_TOKEN and go on; nothing is lost.",
    "NO_ANSWER": "Look whether LOREGATE_URL is the gateway's address, and at what stands before "
    "it, such as a proxy.",
}


class CommandFailed(Exception):
    """`code` as the gateway has it, or one of ours where it said none; `remedy`: what to do.

    `wait`: seconds until another try makes sense, where the gateway says so.
    """

    def __init__(
        self,
        code: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        *,
        status: int = 0,
        wait: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.details = code, message, dict(details or {})
        self.status, self.wait = status, wait

    @property
    def exit_code(self) -> int:
        if self.code == "UNREACHABLE":
            return UNREACHABLE
        return EXIT_CODES.get(self.code, WRONG if 400 <= self.status < 500 else FAILED)

    @property
    def remedy(self) -> str:
        explained = EXPLAINED.get(self.code)
        return REMEDIES.get(self.code) or (explained.remedy if explained else "")

    def body(self) -> dict[str, Any]:
        """The same as JSON has it."""
        told = {"code": self.code, "message": self.message, "details": self.details}
        return {"error": {**told, "remedy": self.remedy, "exit_code": self.exit_code}}


def refusal(status: int, body: Any, wait: float | None = None) -> CommandFailed:
    """What an answer says that is no good one, by REST or by GraphQL."""
    match body:
        case {"code": str(code), "message": str(message)}:
            return CommandFailed(code, message, body.get("details"), status=status, wait=wait)
        case {"errors": [{"message": str(message), "extensions": {"code": str(code), **more}}, *_]}:
            details = {str(name): told for name, told in more.items()}
            return CommandFailed(code, message, details, status=status, wait=wait)
    said = f"Something at this address answered with status {status}, and is no Loregate"
    return CommandFailed("NO_ANSWER", said)


def wrong(error: InvalidRequest) -> CommandFailed:
    """What is wrong with a request, found before it was sent."""
    return CommandFailed(error.code, error.message, error.details, status=error.status)
