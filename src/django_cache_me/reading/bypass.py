"""Reads that always go to the database, whatever the options say."""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from .. import _engine


class _ThisThread(threading.local):
    #: Of refreshes within each other.
    depth = 0


_local = _ThisThread()
_INSTALLED = "_cache_me_refreshes"


def install() -> None:
    """Let ``Model.refresh_from_db`` (deferred fields and ``arefresh_from_db`` too) ask the database."""
    original = Model.refresh_from_db
    if getattr(original, _INSTALLED, False):
        return

    @functools.wraps(original)
    def refresh_from_db(self: Model, *args: Any, **kwargs: Any) -> Any:
        depth = _local.depth
        _local.depth = depth + 1
        _engine.enter_bypass()
        try:
            return original(self, *args, **kwargs)
        finally:
            _local.depth = depth
            _engine.leave_bypass()

    setattr(refresh_from_db, _INSTALLED, True)
    Model.refresh_from_db = refresh_from_db  # type: ignore[method-assign]


def reason_to_pass(queryset: Any) -> str | None:
    """Why this read (a queryset's or a raw queryset's) must not meet the cache, or None."""
    if _local.depth:
        return "refresh_from_db"
    if getattr(queryset.query, "select_for_update", False):  # Django calls it for_write too
        return "select_for_update"
    if getattr(queryset, "_for_write", False):
        return "for_write"
    if asyncio._get_running_loop() is not None:
        # Django refuses (SynchronousOnlyOperation) or was told not to; either way it's its own answer.
        return "event_loop"
    return None


def is_forbidden(wrapper: BaseDatabaseWrapper) -> bool:
    """Whether a test tool forbids the database here; then even a hit must raise what the tool raises.

    Django's SimpleTestCase puts a ``_DatabaseFailure`` in the place of ``connection.cursor``; pytest-django
    puts its ``_blocking_wrapper`` in the place of ``ensure_connection``.
    """
    if "cursor" in wrapper.__dict__ and type(wrapper.__dict__["cursor"]).__name__ == "_DatabaseFailure":
        return True
    return getattr(BaseDatabaseWrapper.ensure_connection, "__name__", "") == "_blocking_wrapper"
