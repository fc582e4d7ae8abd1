"""What workers are told to do to themselves at an instant of their next commit."""

from __future__ import annotations

import itertools
import os
import signal
from typing import Any, Callable

DIE, STOP = "die", "stop"
#: After the intent was declared and before the commit; after the commit and before the bump; after the bump.
DECLARED, COMMITTED, BUMPED = "declared", "committed", "bumped"


def do(what: str, when: str, commits: int = 1) -> None:
    """Be killed or stopped at that instant of the nth commit from now that has written."""
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
        cls = announcement.Announcement
        setattr(cls, "finish", wrap(cls.finish, act))


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
