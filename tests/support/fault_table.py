"""TABLE: what becomes of a request whose model does each of `FAULTS`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tests.support.upstream import PROSE

ASKED, NEXT, STORYTELLER = "gpt-4-turbo", "gpt-3.5-turbo", "storyteller"
UPSTREAM = {ASKED: "gpt-6.1-terra", NEXT: "gpt-6-luna"}  # what the provider calls them
OTHER = "Nobody rowed out to look, and in the morning the bell was gone."  # the next model's text

# Seconds. Of the tests' settings: 0.5 to a first token and between two, 3 for a whole call; three
# failures open a breaker for 5.
QUICK = 2.0  # nothing but time-outs of 0.5; what waits for the call's whole time is found
WAITED = 2.9  # twice the second that the provider asked for, once two; or reading 36 KB


@dataclass(frozen=True)
class Row:
    """One fault. `outcomes` are the attempts on the model that has it, by their names.

    impatient: how many of them are made where somebody is ready behind it, if fewer. code: what its
    caller gets where nobody follows, None for the model's own content. follower: who answers where
    somebody does. repeats: requests on a connection that had ended unseen, which are no attempts.
    told: whether text of a failed attempt had been streamed. retry_after: seconds,
    in header and field. counted: whether the gateway counted the tokens. left: whether the provider
    still had something to say when the gateway hung up.
    """

    outcomes: tuple[str, ...] = ("ok",)
    impatient: int | None = None
    code: str | None = None
    retry_after: int | None = None
    follower: str | None = NEXT
    repeats: int = 0
    told: bool = False
    left: bool = False
    finish: str = "stop"
    counted: bool = False
    seconds: float = QUICK
    operation: str = "character"

    @property
    def well(self) -> bool:
        return self.code is None

    def attempts(self, followed: bool) -> tuple[str, ...]:
        return self.outcomes[: self.impatient] if followed else self.outcomes

    def resets(self, *, followed: bool) -> list[str]:
        """The reasons of the resets that a stream has."""
        if not self.told:
            return []
        return list(self.outcomes if followed else self.outcomes[:-1])

    def tried(self, followed: bool) -> list[tuple[str, str]]:
        own = [(ASKED, outcome) for outcome in self.attempts(followed)]
        return [*own, (str(self.follower), "ok")] if followed else own


GOOD = Row()


def away(outcome: str, times: int = 3, retry_after: int = 5, **more: Any) -> Row:
    return Row((outcome,) * times, code="MODEL_UNAVAILABLE", retry_after=retry_after, **more)


def late(outcome: str, **more: Any) -> Row:
    return Row((outcome,), code="MODEL_TIMEOUT", left=True, **more)


def useless(*outcomes: str, **more: Any) -> Row:
    return Row(outcomes, code="MODEL_ERROR", **more)


def rejected(**more: Any) -> Row:
    return Row(("rejected",), code="CONTENT_REJECTED", follower=None, **more)


FAILED, OVERLOADED = away("failed"), away("overloaded")
# A key that is wrong or a model that is not there is a person's to mend: five minutes.
FORBIDDEN = away("forbidden", times=1, retry_after=300)
CUT = useless("cut", told=True)

TABLE: dict[str, Row] = {
    "400": useless("refused"),
    "401": FORBIDDEN,
    "403": FORBIDDEN,
    "404": FORBIDDEN,
    "408": FAILED,
    "409": FAILED,
    "422": useless("refused"),
    "429": OVERLOADED,
    "429_seconds": away("overloaded", seconds=WAITED),
    "429_milliseconds": away("overloaded"),
    # Two seconds, for which nobody waits where another is ready; a second wait would end behind
    # the call's time.
    "429_date": away("overloaded", times=2, impatient=1, retry_after=2, seconds=WAITED),
    "429_quota": FORBIDDEN,
    "500": FAILED,
    "502_page": FAILED,
    "503": FAILED,
    "503_seconds": away("failed", seconds=WAITED),
    "504": FAILED,
    "529": FAILED,
    "content_filter": rejected(),
    # The next model is smaller still; the storyteller takes any prompt.
    "context_length_exceeded": useless("too_long", follower=STORYTELLER),
    "flapping": FAILED,
    "reset": away("unreachable", repeats=1),
    "silent": late("silent"),
    "slow_headers": late("silent"),
    "cut_headers": useless("cut"),
    "cut_bytes": useless("cut"),
    "cut_bytes_reset": useless("cut"),
    "cut": CUT,
    "cut_reset": CUT,
    "cut_before_finish": CUT,
    "slow_first_token": late("silent"),
    "slow_tokens": GOOD,
    "stall_at_once": late("silent"),
    "stall": late("stalled", told=True),
    "stall_before_finish": late("stalled", told=True),
    "malformed": useless("malformed", told=True),
    "error_midway": away("failed", times=1, told=True),
    "endless": useless("malformed", told=True, left=True, seconds=WAITED),
    "comments": GOOD,
    "split": GOOD,
    "whole_json": GOOD,
    "no_done": GOOD,
    "no_done_open": replace(GOOD, left=True),
    "no_usage": replace(GOOD, counted=True),
    "length": replace(GOOD, finish="length"),
    "filtered": rejected(told=True),
    "tool_calls": useless("malformed", told=True),
    "no_finish_reason": CUT,
    "refusal": rejected(),
    "empty": useless("empty"),
    "blank": useless("empty"),
    "page": useless("malformed"),
    "no_completion": useless("cut"),
    "model_retired": FORBIDDEN,
    "could_not_finish_400": useless("exhausted"),
    "flat_error": useless("refused"),
    "numeric_code": OVERLOADED,
    "gzip_error": useless("refused"),
    "redirect": useless("malformed"),
    "redirect_loop": useless("malformed"),
    # Thirty seconds are not waited for, with or without a follower: the call has three.
    "retry_after_long": away("overloaded", times=1, retry_after=30),
    "retry_after_zero": OVERLOADED,
    "retry_after_negative": OVERLOADED,
    "retry_after_past": OVERLOADED,
    "retry_after_skewed": away("overloaded", seconds=WAITED),
    "reasoning_content": GOOD,
    "reasoning": GOOD,
    "thinking_comments": GOOD,
    "choiceless": GOOD,
    "empty_deltas": GOOD,
    "whole_json_slow": GOOD,
    "reasoning_ate_cap": useless("exhausted"),
    "gzip_answer": GOOD,
    "bad_chunks": useless("malformed", told=True),
    "content_list": GOOD,
    "error_finish": away("failed", times=1, told=True),
    "usage_huge": replace(GOOD, counted=True),
    "usage_strings": replace(GOOD, counted=True),
    "usage_negative": replace(GOOD, counted=True),
    "unasked_same_segment": GOOD,
    "unasked_idle": GOOD,
    "closed_at_once": GOOD,
    "closed_idle": GOOD,
    "reset_idle": GOOD,
    "stale": replace(GOOD, repeats=1),
    "stale_reset": replace(GOOD, repeats=1),
    # Prose cannot be wrong; a story is asked for as JSON, once more where it is.
    "wrong_json": useless("invalid", "invalid", operation="story", told=True),
    "wrong_schema": useless("invalid", "invalid", operation="story"),
}


def text_of(model: str) -> str | None:
    """What a model writes in these tests; the storyteller's words are its own."""
    return {ASKED: PROSE, NEXT: OTHER}.get(model)
