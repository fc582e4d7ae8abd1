"""What a method asks the database, found out without asking: it's stopped where it is about to.

All of a queryset's rows are asked for in ``_fetch_all``, all answers of a single row in the compiler's
``execute_sql(SINGLE)``; both are wrapped here already (queryset.py, aggregation.py), and look whether this
thread is capturing.
"""

from __future__ import annotations

from typing import Any, Callable

from .. import _engine


class Captured(BaseException):
    """Raised at the place where the database would be asked; no handler of Django's may catch it."""

    def __init__(self, queryset: Any = None, compiler: Any = None) -> None:
        super().__init__()
        self.queryset = queryset
        self.compiler = compiler


is_capturing = _engine.is_capturing


def capture(method: Callable[[], Any]) -> Captured | None:
    """What ``method`` would ask first; None: nothing. Raises what ``method`` raises before."""
    _engine.enter_capture()
    try:
        method()
    except Captured as captured:
        return captured
    finally:
        _engine.leave_capture()
    return None
