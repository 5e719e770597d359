"""FAULTS: everything that the fake provider can do wrong, by name."""

from __future__ import annotations

from app.fake_openai.behaviour import (
    LAST,
    Behaviour,
    Flapping,
    Order,
    dated,
    overloaded,
    redirect,
    refusal,
)
from app.fake_openai.bodies import answer_of
from app.fake_openai.completion import usage
from app.fake_openai.gzip_bomb import gzip_bomb
from app.fake_openai.request import ELSEWHERE, LOOP
from app.fake_openai.request_rules import DEPRECATIONS

WRONG = "invalid_request_error"
CUT_OFF = "Could not finish the message because max_tokens or model output limit was reached."
GONE = f"The model `gpt-4-turbo` has been deprecated, learn more here: {DEPRECATIONS}"
QUOTA = "You exceeded your current quota, please check your plan and billing details."
FLAT = {"object": "error", "message": "Internal model error", "type": WRONG, "code": 1500}
PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"

STATUSES: dict[str, Order] = {
    "400": refusal(400, "invalid_value"),
    "401": refusal(401, "invalid_api_key"),
    "403": refusal(403, "unsupported_country_region_territory"),
    "404": refusal(404, "model_not_found"),
    "408": refusal(408, "timeout"),
    "409": refusal(409, "conflict"),
    "422": refusal(422, "unprocessable"),
    "429": overloaded(),
    "429_seconds": overloaded(retry_after="1"),
    "429_milliseconds": overloaded(retry_after_ms="300"),
    "429_date": lambda: dated(2.0),
    "429_quota": refusal(429, "insufficient_quota", QUOTA, type="insufficient_quota"),
    "500": refusal(500, "server_error"),
    "502_page": Behaviour(status=502, raw=PAGE, headers={"content_type": "text/html"}),
    "503": refusal(503, "overloaded"),
    "503_seconds": refusal(503, "overloaded", retry_after="1"),
    "504": refusal(504, "timeout"),
    "529": refusal(529, "overloaded"),
    "content_filter": refusal(400, "content_filter"),
    "context_length_exceeded": refusal(400, "context_length_exceeded"),
    "flapping": Flapping(refusal(503, "overloaded")),
}
CONNECTIONS: dict[str, Order] = {
    "reset": Behaviour(reset=True),
    "silent": Behaviour(silent=True),
    "slow_headers": Behaviour(drip=0.005),
    "cut_headers": Behaviour(cut=0),
    "cut_bytes": Behaviour(cut=100),
    "cut_bytes_reset": Behaviour(cut=100, abort=True),
    "cut": Behaviour(cut_after=4),
    "cut_reset": Behaviour(cut_after=4, abort=True),
    "cut_before_finish": Behaviour(cut_after=LAST),
}
STREAMS: dict[str, Order] = {
    "slow_first_token": Behaviour(first=1.0),
    "slow_tokens": Behaviour(pace=0.05),
    "stall_at_once": Behaviour(stall_after=0),
    "stall": Behaviour(stall_after=4),
    "stall_before_finish": Behaviour(stall_after=LAST),
    "malformed": Behaviour(malformed_after=4),
    "error_midway": Behaviour(error_after=4),
    "endless": Behaviour(endless=True),
    "comments": Behaviour(between="comment"),
    "split": Behaviour(split=7),
    "whole_json": Behaviour(whole=True),
    "no_done": Behaviour(end="closed"),
    "no_done_open": Behaviour(end="silent"),
}
ANSWERS: dict[str, Order] = {
    "no_usage": Behaviour(usage=None),
    "length": Behaviour(finish_reason="length"),
    "filtered": Behaviour(finish_reason="content_filter"),
    "tool_calls": Behaviour(finish_reason="tool_calls"),
    "no_finish_reason": Behaviour(finish_reason=None),
    "refusal": Behaviour(text="", refusal="I can't help with that."),
    "empty": Behaviour(text=""),
    "blank": Behaviour(text=" \n"),
    "page": Behaviour(raw=PAGE, headers={"content_type": "text/html"}),
    "no_completion": Behaviour(body={"choices": []}),
    "wrong_json": Behaviour(text='{"content": "The harbour of Salt'),
    "wrong_schema": Behaviour(text='{"colour": "blue", "lamps": 7}'),
}
REFUSALS: dict[str, Order] = {
    "model_retired": refusal(404, "model_not_found", GONE, type=WRONG),
    "could_not_finish_400": refusal(400, None, CUT_OFF, type=WRONG),
    "flat_error": Behaviour(status=400, body=FLAT),  # Mistral's form
    "numeric_code": refusal(429, 429, "Rate limit exceeded"),  # OpenRouter's and Gemini's
    "gzip_error": lambda: Behaviour(
        status=400, raw=gzip_bomb(), headers={"content_encoding": "gzip"}
    ),
    "redirect": redirect(ELSEWHERE),
    "redirect_loop": redirect(LOOP),
}
WAITS: dict[str, Order] = {
    "retry_after_long": overloaded(retry_after="30"),
    "retry_after_zero": overloaded(retry_after="0"),
    "retry_after_negative": overloaded(retry_after="-1"),
    "retry_after_past": lambda: dated(-3600.0),
    "retry_after_skewed": lambda: dated(1.0, skew=3 * 3600.0),
}
# A second of thoughts, which is longer than tests allow for a first token.
THOUGHTS: dict[str, Order] = {
    "reasoning_content": Behaviour(thinks=1.0, aloud="reasoning_content"),  # DeepSeek's, xAI's
    "reasoning": Behaviour(thinks=1.0, aloud="reasoning"),  # vLLM's, Groq's, OpenRouter's
    "thinking_comments": Behaviour(thinks=1.0, aloud="processing"),  # OpenRouter's
    "choiceless": Behaviour(thinks=1.0, aloud="choiceless", between="choiceless"),  # Azure's
    "empty_deltas": Behaviour(thinks=1.0, aloud="empty", between="empty"),
    "whole_json_slow": Behaviour(whole=True, first=1.0),
    "reasoning_ate_cap": Behaviour(
        text="", finish_reason="length", usage=usage(120, 400, thoughts=400)
    ),
}
FORMS: dict[str, Order] = {
    "gzip_answer": Behaviour(gzip=True),
    "bad_chunks": Behaviour(misframed_after=4),
    "content_list": Behaviour(parts=True),  # Mistral's
    "error_finish": Behaviour(error_after=4, error_in_choice=True),  # OpenRouter's
    "usage_huge": Behaviour(usage=usage(2**40, 2**40)),
    "usage_strings": Behaviour(
        usage={"prompt_tokens": "120", "completion_tokens": "40", "total_tokens": "160"}
    ),
    "usage_negative": Behaviour(usage=usage(-120, -40)),
}
UNASKED_TEXT = "Nobody asked for this."
UNASKED = answer_of(UNASKED_TEXT)
# Good answers; it is their connection that cannot be used again.
REUSE: dict[str, Order] = {
    "unasked_same_segment": Behaviour(after=UNASKED),
    "unasked_idle": Behaviour(after=UNASKED, after_idle=0.05),
    "unasked_next": Behaviour(after=UNASKED, after_next=True),
    "closed_at_once": Behaviour(close_after=0.0),
    "closed_idle": Behaviour(close_after=0.05),
    "reset_idle": Behaviour(close_after=0.05, abort=True),
    "stale": Behaviour(stale=True),
    "stale_reset": Behaviour(stale=True, abort=True),
}
NOVEMBER_2026: dict[str, Order] = {**REFUSALS, **WAITS, **THOUGHTS, **FORMS, **REUSE}

# By name, so that a table can run over every one.
FAULTS: dict[str, Order] = {**STATUSES, **CONNECTIONS, **STREAMS, **ANSWERS, **NOVEMBER_2026}
