"""The settings, read lazily so that ``override_settings`` works. Names and defaults are public promises."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

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
    "PREFIX": None,
    "INVALIDATION": "exact",
    "EXPLAIN_MISSES": 0,
    "REPLICAS": {},
    "CHAINS": True,
}


#: Past LazyObject's own look-up, which is Python code.
_get = object.__getattribute__
#: Values of one state of Django's settings: ``override_settings`` puts another holder in its place.
_values: dict[str, Any] = {}
_holder: Any = None
#: Another one whenever these values are forgotten; for what is worked out from them.
revision = object()


def setting(name: str) -> Any:
    """The value of ``DJANGO_CACHE_ME_<name>`` now, or its default."""
    global _holder, revision
    holder = _get(settings, "_wrapped")
    if holder is not _holder:
        _values.clear()
        _holder, revision = holder, object()
    try:
        return _values[name]
    except KeyError:
        value = _values[name] = getattr(settings, PREFIX + name, DEFAULTS[name])
        return value


@receiver(setting_changed, dispatch_uid="django_cache_me.conf")
def _forget(setting: str, **kwargs: Any) -> None:
    global revision
    _values.clear()
    revision = object()


def is_on() -> bool:
    return bool(setting("ON"))


def in_debug_mode() -> bool:
    return bool(setting("DEBUG_MODE"))


def default_timeout() -> float | None:
    """Seconds of life of an entry whose model sets none; None: as long as the store keeps it.

    What can't be right counts as the default, with a line in the log: servers of applications run no checks.
    """
    timeout: Any = setting("TIMEOUT")
    if (type(timeout) is int and 0 < timeout <= LONGEST_TIMEOUT) or timeout is None or is_timeout(timeout):
        return timeout  # type: ignore[no-any-return]
    from .log import trouble

    default: int = DEFAULTS["TIMEOUT"]
    trouble("timeout", "%sTIMEOUT can't be %r; %d seconds hold.", PREFIX, timeout, default)
    return default


def cache_alias() -> str:
    """The alias of ``CACHES`` that decides on the store. (Some objects that it can't be have no hash.)"""
    return str(setting("CACHE"))


#: In seconds; some three million years, and still a whole number of milliseconds in every store.
LONGEST_TIMEOUT = 10**14


def is_timeout(value: Any) -> bool:
    """Whether ``value`` is None or a positive number of seconds."""
    if value is None:
        return True
    # Not-a-number is in no range.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= LONGEST_TIMEOUT
