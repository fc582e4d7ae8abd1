"""What a method asks the database, found out without asking: it's stopped where it is about to.

All of a queryset's rows are asked for in ``_fetch_all``, all answers of a single row in the compiler's
``execute_sql(SINGLE)``; both are wrapped here already (queryset.py, aggregation.py), and look whether this
thread is capturing.
"""

from __future__ import annotations

import threading
from typing import Any, Callable

from .. import _engine


class Captured(BaseException):
    """Raised at the place where the database would be asked; no handler of Django's may catch it."""

    def __init__(self, queryset: Any = None, compiler: Any = None) -> None:
        super().__init__()
        self.queryset = queryset
        self.compiler = compiler


class _ThisThread(threading.local):
    #: Greenlets that share a thread, and so the engine's depth, don't share this where threads are patched.
    depth = 0


_local = _ThisThread()


def is_capturing() -> bool:
    return _engine.is_capturing() and _local.depth > 0


def capture(method: Callable[[], Any]) -> Captured | None:
    """What ``method`` would ask first; None: nothing. Raises what ``method`` raises before."""
    _engine.enter_capture()
    _local.depth += 1
    try:
        method()
    except Captured as captured:
        return captured
    finally:
        _local.depth -= 1
        _engine.leave_capture()
    return None
