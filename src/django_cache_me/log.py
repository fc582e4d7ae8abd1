"""The debug lines (public promises), and one line per cause and minute for what went wrong."""

from __future__ import annotations

import logging
import sys
import threading
import time

from . import conf

logger = logging.getLogger("django_cache_me")

_REPEAT_AFTER = 60.0  # seconds
_last: dict[str, float] = {}
_lock = threading.Lock()


def debug(line: str) -> None:
    """Write ``line`` to the logger and to stdout, if the debug mode is on."""
    if conf.in_debug_mode():
        text = "[django-cache-me] " + line
        logger.debug(text)
        print(text, file=sys.stdout, flush=True)


def trouble(cause: str, message: str, *args: object) -> None:
    """Log a warning, at most one per ``cause`` and minute. Thread-safe."""
    now = time.monotonic()
    with _lock:
        if now - _last.get(cause, -_REPEAT_AFTER) < _REPEAT_AFTER:
            return
        _last[cause] = now
    logger.warning("[django-cache-me] " + message, *args)
