"""A user who has used everything there is, with a word of their own wherever one may stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from uuid_utils import uuid7

from app.events.types import Event
from app.pipeline.directives import CacheUse, Directives
from app.pipeline.lookup import lookup
from app.pipeline.unstored import UnstoredAnswers
from app.redis.budget import ByteBudget
from app.storage.usage import UsageRow
from tests.support.generation_clients import read_to_end, start
from tests.support.rest_bodies import TEXT, THEME, VALIDATION, changed
from tests.support.rest_requests import ask, cache_and_id
from tests.support.service import CHARACTER_INPUT, Service
from tests.support.stored_records import a_record
from tests.support.upstream import GOOD, Behaviour, Upstream, prose

USE = "max-age=600"


@dataclass
class Life:
    """`word` stands in everything that the user says, and in what is answered."""

    found: Service
    provider: Upstream
    sub: str
    word: str
    contents: list[str] = field(default_factory=list)
    running: str = ""
    began: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(seconds=1))

    async def live(self) -> None:
        await self._have_written()
        await self._have_read()
        await self._leave_behind()
        await self._spend_and_rate()
        await self._begin()

    async def _have_written(self) -> None:
        """Cached, repeated, likened, generated, and told by the storyteller."""
        self.provider.always = Behaviour(text=f"{self.word} keeps the lamp of Saltmere.")
        body = changed(TEXT, character_context={"background": self.word, self.word: self.word})
        first = await ask(self.found, TEXT, body, cache=USE, key=f"{self.word}-1", sub=self.sub)
        assert cache_and_id(first)[0] == "MISS"
        self.contents.append(cache_and_id(first)[1])
        again = await ask(self.found, TEXT, body, cache=USE, key=f"{self.word}-2", sub=self.sub)
        assert cache_and_id(again)[0] == "HIT"
        alike = changed(TEXT, character_context={"background": self.word, self.word: "a sage"})
        near = await ask(self.found, TEXT, alike, cache="similar=0.3", sub=self.sub)
        assert cache_and_id(near)[0] == "HIT"
        given = {"characterContent": {**CHARACTER_INPUT, "theme": {"tone": self.word}}}
        ended = await start(self.found, given, sub=self.sub)
        await read_to_end(self.found, ended, sub=self.sub)
        self.contents.append(ended)
        told = changed(TEXT, model={"name": "storyteller"})
        answer = await ask(self.found, TEXT, told, sub=self.sub)
        self.contents.append(cache_and_id(answer)[1])

    async def _have_read(self) -> None:
        """A batch under a key, an analysis that is cached, a validation with rules of their own."""
        self.provider.always = GOOD
        tale = f"{self.word} went under the ice, and {self.word} came back."
        items = [{"id": self.word, "path": THEME, "body": {"content": tale}}]
        headers = {**self.found.headers(sub=self.sub), "Idempotency-Key": f"{self.word}-batch"}
        batch = await self.found.http.post(
            "/api/v2/batch", json={"requests": items}, headers=headers
        )
        assert batch.status_code == 200, batch.text
        rule = {"category": "quality", "name": self.word}
        judged = changed(VALIDATION, content=tale, rules=[rule])
        answer = await ask(self.found, VALIDATION, judged, sub=self.sub)
        self.contents.append(cache_and_id(answer)[1])

    async def _leave_behind(self) -> None:
        """An answer that the database could not take, and an event that is not published yet."""
        asked = lookup(
            self.sub, "f" * 32, Directives(idempotency_key=self.word), CacheUse.BYPASS, 60.0
        )
        unstored = UnstoredAnswers(self.found.parts.redis, ByteBudget(1_000_000))
        await unstored.hold(asked, {"content_id": str(uuid7()), "content": self.word})
        fields = {"type": "content.generated", "id": str(uuid7()), "user_id": self.sub}
        record = a_record(self.sub, answer={"content": self.word})
        await self.found.parts.store.add(record, [Event({**fields, "note": self.word})])

    async def _spend_and_rate(self) -> None:
        now = datetime.now(UTC)
        row = UsageRow(
            str(uuid7()), now, self.contents[0], self.sub, "standard", "character",
            "gpt-4-turbo", "1", answers=1, calls=1, prompt_tokens=70, nano_usd=31,
        )  # fmt: skip
        await self.found.parts.store.ledger.spent([row])
        rated = await self.found.http.put(
            f"/api/v2/content/{self.contents[0]}/rating",
            json={"score": 4, "comment": self.word},
            headers=self.found.headers(sub=self.sub),
        )
        assert rated.status_code == 200, rated.text

    async def _begin(self) -> None:
        """A generation that still runs."""
        self.provider.always = Behaviour(text=f"{self.word} {prose(400)}", pace=0.02)
        given = {"characterContent": {**CHARACTER_INPUT, "theme": {"tone": f"{self.word}!"}}}
        self.running = await start(self.found, given, sub=self.sub)
