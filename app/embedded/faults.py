"""FAULTS: everything that the fake provider can do wrong, by name."""

from __future__ import annotations

from app.embedded.behaviour import LAST, Behaviour, Flapping, Order, dated, refusal

PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"

STATUSES: dict[str, Order] = {
    "400": refusal(400, "invalid_value"),
    "401": refusal(401, "invalid_api_key"),
    "403": refusal(403, "unsupported_country_region_territory"),
    "404": refusal(404, "model_not_found"),
    "408": refusal(408, "timeout"),
    "409": refusal(409, "conflict"),
    "422": refusal(422, "unprocessable"),
    "429": refusal(429, "rate_limit_exceeded"),
    "429_seconds": refusal(429, "rate_limit_exceeded", retry_after="1"),
    "429_milliseconds": refusal(429, "rate_limit_exceeded", retry_after_ms="300"),
    "429_date": lambda: dated(2.0),
    "429_quota": refusal(429, "insufficient_quota"),
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
TELLING: dict[str, Order] = {
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
# By name, so that a table can run over every one.
FAULTS: dict[str, Order] = {**STATUSES, **CONNECTIONS, **TELLING, **ANSWERS}
