"""Threads whose statements are not the project's, so that the observer leaves them alone."""

from __future__ import annotations

import threading


class _ThisThread(threading.local):
    left_alone = False


#: Its ``left_alone`` says so of the thread that asks.
this_thread = _ThisThread()


def leave_alone() -> None:
    """This thread's statements, from now on, are the cache's own."""
    this_thread.left_alone = True
