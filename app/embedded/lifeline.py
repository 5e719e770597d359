"""The lifeline of a child process: it must not outlive us, even when we are killed by SIGKILL."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # linux/prctl.h
KERNEL_TIES = sys.platform.startswith("linux")
WATCH = 'read _; kill -KILL "$1"'


def tie() -> Callable[[], None] | None:
    """What the child runs between fork and exec so that the kernel ends it with us (Linux only).

    The kernel counts the *thread* that forked as the parent: fork on the main thread. The signal is
    SIGKILL because a paused or busy server would not act on a softer one.
    """
    if not KERNEL_TIES:
        return None
    parent = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork, not after

    def die_with_parent() -> None:
        if prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0 or os.getppid() != parent:
            os._exit(1)  # the parent may have died before the kernel was told

    return die_with_parent


def watch(pid: int) -> subprocess.Popen[bytes]:
    """A helper that ends `pid` when we end, for systems without the above (macOS, the BSDs).

    It waits on a pipe whose other end only we hold: that end closes with us, however we end, and
    the waiting costs nothing. End the helper once `pid` has ended: the number may be used again.
    """
    return subprocess.Popen(  # noqa: S603  # the command is ours
        ["/bin/sh", "-c", WATCH, "loregate-watch", str(pid)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
