"""Threads whose statements are not the project's, so that the observer leaves them alone."""

from __future__ import annotations

import os
from threading import get_ident

#: Most processes have none. These last as long as the process, so that their numbers aren't given anew.
threads_left_alone: set[int] = set()
os.register_at_fork(after_in_child=threads_left_alone.clear)


def leave_alone() -> None:
    """This thread's statements, from now on, are the cache's own. To be called by one that never ends."""
    threads_left_alone.add(get_ident())
