"""Operations that a model answers with prose, such as a backstory."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel
from typing_extensions import Doc

from app.operations.descriptions import graphql
from app.operations.fields import Answer
from app.operations.operation import DraftRejected, Operation, R


class Prose(BaseModel):
    """A draft that is simply text."""

    text: str


class ProseOperation(Operation[R, Prose]):
    """An operation whose model answers with prose."""

    draft_type = Prose
    streams = True

    def check(self, request: R, text: str) -> Prose:
        text = text.strip()
        if not text:
            raise DraftRejected(["the answer was empty"])
        return Prose(text=text)

    def answer(self, request: R, draft: Prose) -> dict[str, Any]:
        parent = self.parent(request)
        return {"content": draft.text, "parent_content_id": str(parent) if parent else None}


@graphql("GeneratedContent", "Generated prose about a character or a campaign.")
class TextAnswer(Answer):
    content: Annotated[str, Doc("The prose.")]
    parent_content_id: Annotated[UUID | None, Doc("The content that this one continues.")]
