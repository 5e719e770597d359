"""Rating: what a user says of a content: a score, and perhaps a few words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, ValidationError
from typing_extensions import Doc

from app.errors import InvalidRequest
from app.operations.fields import NotBoolean, Request
from app.operations.operation import field_errors

SCORES = (1, 2, 3, 4, 5)
MAX_COMMENT = 1_000  # characters


def _storable(text: str) -> str:
    if "\0" in text:  # PostgreSQL stores none
        raise ValueError("a character of code 0 stands in it")
    return text


class RatingRequest(Request):
    """A score and a comment; the last one of a content counts."""

    score: Annotated[int, Field(ge=1, le=5), NotBoolean, Doc("1 (poor) to 5 (excellent).")]
    comment: Annotated[
        Annotated[str, StringConstraints(max_length=MAX_COMMENT), AfterValidator(_storable)] | None,
        Doc("At most 1,000 characters; without one an earlier comment is gone."),
    ] = None


def read_rating(raw: bytes | dict[str, Any]) -> RatingRequest:
    """The rating, checked. Raises `InvalidRequest` naming every bad field."""
    try:
        if isinstance(raw, bytes):
            return RatingRequest.model_validate_json(raw)
        return RatingRequest.model_validate(raw)
    except ValidationError as error:
        raise InvalidRequest(field_errors(error)) from None
