"""Away: which of Redis's errors say that it cannot serve us now."""

from __future__ import annotations

from redis import exceptions

# What says that Redis cannot serve us now, as opposed to a command that it rejects.
AWAY = (
    exceptions.ConnectionError,  # also AUTH, LOADING and a pool that is used up
    exceptions.TimeoutError,
    exceptions.ClusterDownError,
    exceptions.ClusterError,
    exceptions.RedisClusterException,  # no RedisError: no node of the cluster can be reached
    exceptions.NoPermissionError,
    exceptions.TryAgainError,
    exceptions.MasterDownError,
    OSError,
    TimeoutError,
)
# Said by a server that may still be read: it is full under `noeviction`, or a replica.
WRITES_REFUSED = (exceptions.OutOfMemoryError, exceptions.ReadOnlyError)
# The same, of which redis-py has no class: it cannot save its data, or has no replicas left.
WRITES_REFUSED_CODES = ("MISCONF", "NOREPLICAS")


def is_away(error: Exception) -> bool:
    """Whether it says that; if not, Redis rejects what was asked, which is ours to mend."""
    return isinstance(error, AWAY) or refuses_writes(error) or _code(error) == "BUSY"


def refuses_writes(error: Exception) -> bool:
    return isinstance(error, WRITES_REFUSED) or _code(error) in WRITES_REFUSED_CODES


def _code(error: Exception) -> str:
    return str(error).partition(" ")[0]
