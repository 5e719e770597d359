import sys
from typing import Any

# redis-py imports OpenTelemetry where it is installed, 50 ms of each start, for metrics of its own,
# which nobody turns on. What is None in `sys.modules` counts as not installed.
OPENTELEMETRY = "opentelemetry"
modules: dict[str, Any] = sys.modules
if OPENTELEMETRY not in modules:
    modules[OPENTELEMETRY] = None
    import redis.asyncio  # noqa: F401  # for that alone

    del modules[OPENTELEMETRY]
