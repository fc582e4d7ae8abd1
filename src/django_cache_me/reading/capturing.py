"""What a method asks the database, found out without asking: it's stopped where it is about to.

All of a queryset's rows are asked for in ``_fetch_all``, all answers of a single row in the compiler's
``execute_sql(SINGLE)``; both are wrapped here already (queryset.py, aggregation.py), and look whether this
thread is capturing.
"""

from __future__ import annotations

import threading
from typing import Any, Callable


class Captured(BaseException):
    """Raised at the place where the database would be asked; no handler of Django's may catch it."""

    def __init__(self, queryset: Any = None, compiler: Any = None) -> None:
        super().__init__()
        self.queryset = queryset
        self.compiler = compiler


#: How many captures are under way in all threads: most of the time there's nothing to look for.
under_way = 0


class _ThisThread(threading.local):
    capturing = False


_local = _ThisThread()


def is_capturing() -> bool:
    return under_way > 0 and _local.capturing


def capture(method: Callable[[], Any]) -> Captured | None:
    """What ``method`` would ask first; None: nothing. Raises what ``method`` raises before."""
    global under_way
    under_way += 1
    within = _local.capturing
    _local.capturing = True
    try:
        method()
    except Captured as captured:
        return captured
    finally:
        _local.capturing = within
        under_way -= 1
    return None
