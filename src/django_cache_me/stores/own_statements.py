"""Threads whose statements are not the project's, so that the observer leaves them alone."""

from __future__ import annotations

import threading

_local = threading.local()


def leave_alone() -> None:
    """This thread's statements, from now on, are the cache's own."""
    _local.left_alone = True


def is_left_alone() -> bool:
    return getattr(_local, "left_alone", False)
