"""MetricNames: every metric that there is: its name, its kind, what it tells, and its labels.

Labels have values from closed sets: some stand here, the others are known when the gateway starts
(`Configured`). Whatever is in none counts as "other". No label names a user.

Names that begin with `gen_ai_` are OpenTelemetry's semantic conventions for generative AI of
November 2026 in the spelling of Prometheus: `gen_ai.client.inference.duration` in seconds is
`gen_ai_client_inference_duration_seconds`. Each has the conventions' own labels beside `model`,
which is the gateway's name for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

OTHER = "other"


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Across(StrEnum):
    """How a gauge's values of several workers make one. Workers that died have none."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


class Configured(Enum):
    """A set that is known when the gateway starts. All but `MODELS` have "other"; there are no
    budgets where none is configured."""

    MODELS = "models"
    ANY_MODEL = "any model"
    ATTEMPTS = "outcomes of an attempt"
    OPERATIONS = "operations"
    SCOPES = "scopes of limits"
    BUDGETS = "budgets"
    PROMPT_VERSIONS = "versions of prompts"


Values = Collection[str] | Configured


class GenAI(Enum):
    """Which of the conventions' labels a metric has beside its own."""

    CALL = "call"
    TOKENS = "tokens"


CALL_LABELS = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
GENAI_LABELS = {GenAI.CALL: CALL_LABELS, GenAI.TOKENS: (*CALL_LABELS, "gen_ai_token_modality")}


@dataclass(frozen=True, slots=True)
class MetricName:
    """One metric. buckets: upper bounds, of a histogram. across: of a gauge.

    divisor: what its cells hold as whole numbers, so that sums are exact, is so many times more.
    sparse: whether a series is told only once it counted something. Others begin at nought, as
    Prometheus does not see the first rise of a series that appears.
    """

    name: str
    kind: Kind
    help: str
    labels: Mapping[str, Values] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()
    across: Across = Across.SUM
    sparse: bool = False
    genai: GenAI | None = None
    divisor: int = 1


EDGES = ("rest", "graphql", "websocket", OTHER)
STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx", OTHER)
OUTCOMES = ("ok", "degraded", "invalid", "refused", "rejected", "failed", "cancelled", OTHER)
CACHES = ("hit", "miss", "coalesced", "bypass", OTHER)
STATES = ("closed", "open", "half_open")
SCORES = ("1", "2", "3", "4", "5", OTHER)
BELOW = ("400", "408", "413", "414", "431", "503", "dropped", OTHER)

FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)  # s
OWN = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1)  # s
ANSWERS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)  # s
WAITS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)  # s
LAGS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)  # s
# The conventions' own advice, without what no call here may last.
CALLS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRSTS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 20)  # s

MODEL = {"model": Configured.ANY_MODEL}
EACH_MODEL = {"model": Configured.MODELS}
OPERATION = {"operation": Configured.OPERATIONS}
SCOPE = {"scope": Configured.SCOPES}
BUDGET = {"budget": Configured.BUDGETS}
EDGE = {"edge": EDGES}


ALL: list[MetricName] = []


def _counter(
    name: str,
    said: str,
    labels: Mapping[str, Values] | None = None,
    *,
    sparse: bool = False,
    genai: GenAI | None = None,
    divisor: int = 1,
) -> MetricName:
    found = MetricName(
        name, Kind.COUNTER, said, labels or {}, sparse=sparse, genai=genai, divisor=divisor
    )
    ALL.append(found)
    return found


def _gauge(
    name: str,
    said: str,
    labels: Mapping[str, Values] | None = None,
    across: Across = Across.SUM,
) -> MetricName:
    found = MetricName(name, Kind.GAUGE, said, labels or {}, across=across)
    ALL.append(found)
    return found


def _histogram(
    name: str,
    said: str,
    labels: Mapping[str, Values] | None = None,
    buckets: tuple[float, ...] = FAST,
    *,
    sparse: bool = False,
    genai: GenAI | None = None,
) -> MetricName:
    found = MetricName(
        name, Kind.HISTOGRAM, said, labels or {}, buckets, sparse=sparse, genai=genai
    )
    ALL.append(found)
    return found


# -- requests: what came over HTTP, and the handshakes of WebSockets
REQUESTS = _counter(
    "loregate_requests_total", "Requests answered", {"edge": EDGES, "status": STATUSES}
)
REQUEST_SECONDS = _histogram("loregate_request_seconds", "Time to answer a request", EDGE, ANSWERS)
REFUSED_BELOW = _counter(
    "loregate_refused_below_total",
    "Requests and connections refused below the application, by HTTP status; dropped: unanswered",
    {"status": BELOW},
)
UNLISTED_DOCUMENTS = _counter(
    "loregate_unlisted_documents_total", "Requests for a document that is not listed"
)

# -- operations: each that a caller asked for ends in one outcome
OPERATIONS = _counter(
    "loregate_operations_total",
    "Operations that callers asked for, by how each ended",
    {"edge": EDGES, "operation": Configured.OPERATIONS, "outcome": OUTCOMES},
)
CACHE = _counter(
    "loregate_cache_total",
    "Answers of operations, by what the cache did for them",
    {"operation": Configured.OPERATIONS, "result": CACHES},
)
OWN_OVERHEAD = _histogram(
    "loregate_own_overhead_seconds",
    "Time of an operation that was neither a model's nor waiting nor the caller's",
    OPERATION,
    OWN,
)
WAITING = _histogram(
    "loregate_waiting_seconds",
    "Time of an operation in a model's queue, between retries, or for another's answer",
    OPERATION,
    WAITS,
)
RATINGS = _counter(
    "loregate_ratings_total",
    "Ratings of contents",
    {
        "model": Configured.ANY_MODEL,
        "prompt_version": Configured.PROMPT_VERSIONS,
        "score": SCORES,
    },
    sparse=True,
)

# -- models
ATTEMPTS = _counter(
    "loregate_model_attempts_total",
    "Attempts on a model, also those that did not come so far as to call it",
    {"model": Configured.ANY_MODEL, "outcome": Configured.ATTEMPTS},
)
INFERENCE = _histogram(
    "gen_ai_client_inference_duration_seconds",
    "Time of a call of a model; error_type is the attempt's outcome, where it failed",
    {"model": Configured.ANY_MODEL, "error_type": Configured.ATTEMPTS},
    CALLS,
    sparse=True,
    genai=GenAI.CALL,
)
FIRST_CHUNK = _histogram(
    "gen_ai_client_inference_time_to_first_chunk_seconds",
    "Time from a call of a model to its first text",
    MODEL,
    FIRSTS,
    genai=GenAI.CALL,
)
INPUT_TOKENS = _counter(
    "gen_ai_client_inference_usage_input_tokens_total",
    "Tokens of prompts, cached ones and failed calls included",
    MODEL,
    genai=GenAI.TOKENS,
)
OUTPUT_TOKENS = _counter(
    "gen_ai_client_inference_usage_output_tokens_total",
    "Tokens of completions, reasoning and failed calls included",
    MODEL,
    genai=GenAI.TOKENS,
)
CACHE_READ_TOKENS = _counter(
    "gen_ai_client_inference_usage_cache_read_input_tokens_total",
    "Tokens of prompts that the provider had cached",
    MODEL,
    genai=GenAI.TOKENS,
)
CACHE_WRITE_TOKENS = _counter(
    "gen_ai_client_inference_usage_cache_write_input_tokens_total",
    "Tokens of prompts that the provider cached from then on",
    MODEL,
    genai=GenAI.TOKENS,
)
REASONING_TOKENS = _counter(
    "gen_ai_client_inference_usage_reasoning_output_tokens_total",
    "Tokens of completions that were reasoning",
    MODEL,
    genai=GenAI.TOKENS,
)
ESTIMATED_TOKENS = _counter(
    "loregate_model_estimated_tokens_total",
    "Tokens, of all the above, that the gateway counted because the provider did not say",
    MODEL,
)
COST = _counter(
    "loregate_model_cost_usd_total",
    "US dollars for calls whose price is known",
    MODEL,
    divisor=10**9,
)
BREAKER_STATE = _gauge(
    "loregate_breaker_state",
    "Whether a model's circuit breaker is in this state",
    {"model": Configured.MODELS, "state": STATES},
    Across.MAX,
)
SHUTDOWN = _gauge(
    "loregate_model_shutdown_timestamp_seconds",
    "When a model is shut down, Unix seconds; 0 unless its provider says so",
    EACH_MODEL,
    Across.MAX,
)
GONE = _gauge(
    "loregate_model_gone", "Whether a model's provider no longer has it", EACH_MODEL, Across.MAX
)
CALLS_RUNNING = _gauge("loregate_model_calls_running", "Calls that run now", MODEL)
CALLS_WAITING = _gauge(
    "loregate_model_calls_waiting", "Calls that wait for a place at the model", MODEL
)
GENERATIONS_RUNNING = _gauge("loregate_generations_running", "Generations that run now")

# -- limits and budgets
REFUSALS = _counter("loregate_limit_refusals_total", "Requests that a limit refused", SCOPE)
HEADROOM = _gauge(
    "loregate_limit_headroom_ratio",
    "Lowest share of a limit that was left to anybody in the last minute, 0 to 1",
    SCOPE,
    Across.MIN,
)
BUDGET_USED = _gauge(
    "loregate_budget_used_ratio",
    "Highest share of a budget that was used in the last minute, 0 to 1 and above",
    BUDGET,
    Across.MAX,
)
BUDGET_REFUSALS = _counter(
    "loregate_budget_refusals_total", "Requests that a budget refused", BUDGET
)
BUDGET_WARNINGS = _counter(
    "loregate_budget_warnings_total", "Periods of a budget that came near its end", BUDGET
)

# -- events
OUTBOX_EVENTS = _gauge(
    "loregate_outbox_events", "Stored events that are not published yet", across=Across.MAX
)
OUTBOX_OLDEST = _gauge(
    "loregate_outbox_oldest_seconds", "Age of the oldest of them; 0: none", across=Across.MAX
)
SUBSCRIPTIONS = _gauge("loregate_subscriptions", "Subscriptions and event streams open now", EDGE)
DELIVERIES = _counter("loregate_event_deliveries_total", "Events sent to subscribers", EDGE)
EVENT_LAG = _histogram(
    "loregate_event_lag_seconds",
    "Time from an event's occurrence until it was sent to a subscriber who was listening",
    buckets=LAGS,
)
SLOW_READERS = _counter(
    "loregate_slow_readers_total",
    "Times that a subscriber fell so far behind that it reads from Redis",
)
OPEN_STREAMS = _gauge("loregate_open_streams", "WebSockets and event streams that are open")

# -- what the gateway stands on
REDIS_UP = _gauge("loregate_redis_up", "Whether Redis answers", across=Across.MIN)
REDIS_SECONDS = _histogram("loregate_redis_seconds", "Time of a call of Redis, failed ones too")
DATABASE_UP = _gauge("loregate_database_up", "Whether the database answers", across=Across.MIN)
DATABASE_SECONDS = _histogram(
    "loregate_database_seconds", "Time of a piece of work in the database, failed ones too"
)
LOOP_LAG = _histogram(
    "loregate_event_loop_lag_seconds",
    "How late the event loop came to a timer, four times a second",
)
TASKS = _gauge("loregate_tasks", "Tasks of the event loop")
