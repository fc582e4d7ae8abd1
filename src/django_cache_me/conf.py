"""The settings, read lazily so that ``override_settings`` works. Names and defaults are public promises."""

from __future__ import annotations

from typing import Any

from django.conf import settings

PREFIX = "DJANGO_CACHE_ME_"

#: Every setting with its default, by its name without the prefix.
DEFAULTS: dict[str, Any] = {
    "ON": True,
    "DEBUG_MODE": False,
    "TIMEOUT": 300,
    "ASYNC_ENABLED": False,
    "ASYNC_ON_COMMIT": True,
    "CELERY_QUEUE": None,
    "WARM_ON_INVALIDATE": False,
    "WARMERS": {},
    "CACHE": "default",
}


def setting(name: str) -> Any:
    """The value of ``DJANGO_CACHE_ME_<name>`` now, or its default."""
    return getattr(settings, PREFIX + name, DEFAULTS[name])


def is_on() -> bool:
    return bool(setting("ON"))


def in_debug_mode() -> bool:
    return bool(setting("DEBUG_MODE"))


def default_timeout() -> int | None:
    """Seconds of life of an entry whose model sets none; None: as long as the store keeps it."""
    timeout: int | None = setting("TIMEOUT")
    return timeout
