"""What workers are told to do to themselves at an instant of their next commit."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import threading
from typing import Any, Callable

DIE, STOP = "die", "stop"
#: After the intent was declared and before the commit; after the commit and before the bump; after the bump.
DECLARED, COMMITTED, BUMPED = "declared", "committed", "bumped"


def do(what: str, when: str, commits: int = 1) -> None:
    """Be killed or stopped at that instant of the nth commit from now that has written."""
    from django_cache_me import _engine
    from django_cache_me.writing import announcement, cursor, observer

    left = itertools.count(commits - 1, -1)

    def act() -> None:
        if next(left) <= 0:
            os.kill(os.getpid(), signal.SIGKILL if what == DIE else signal.SIGSTOP)

    if when == DECLARED:
        for module in (cursor, observer):
            setattr(module, "announce", _after(module.announce, act))
    else:
        wrap = _before if when == COMMITTED else _after
        announcement.Announcement.finish = wrap(announcement.Announcement.finish, act)
    step = {DECLARED: "declared", COMMITTED: "executed", BUMPED: "finished"}[when]
    _engine.listen_to_single_writes(lambda what: act() if what == step else None)


def _after(original: Callable[..., Any], act: Callable[[], None]) -> Callable[..., Any]:
    def wrapped(*args: Any) -> Any:
        result = original(*args)
        if result is not None or original.__name__ == "finish":
            act()
        return result

    return wrapped


def _before(original: Callable[..., Any], act: Callable[[], None]) -> Callable[..., Any]:
    def wrapped(*args: Any) -> Any:
        act()
        return original(*args)

    return wrapped


class Interrupted(BaseException):
    """What a server's time limit, or a signal to stop, raises in the middle of anything."""


def interrupt(seconds: float) -> None:
    """Raise :class:`Interrupted` in this thread in so many seconds, and end whatever waits."""

    def raise_it(*args: Any) -> None:
        raise Interrupted

    signal.signal(signal.SIGALRM, raise_it)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def cut(alias: str, seconds: float) -> None:
    """Lose the connection to the server in so many seconds, whoever waits for its answer."""
    from django.db import connections

    connections[alias].ensure_connection()
    raw = connections[alias].connection
    ours = raw.fileno() if hasattr(raw, "fileno") else raw._sock.fileno()
    line = socket.socket(fileno=os.dup(ours))
    threading.Timer(seconds, lambda: line.shutdown(socket.SHUT_RDWR)).start()
