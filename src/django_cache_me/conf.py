"""The settings, read lazily so that ``override_settings`` works. Names and defaults are public promises."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

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


#: Values of one state of Django's settings: ``override_settings`` puts another holder in its place.
_values: dict[str, Any] = {}
_holder: Any = None
#: Django's ``CACHES`` as it was last seen.
_caches: Any = None
#: Another one whenever these values are forgotten; for what is worked out from them.
revision = object()
#: Django's lazy settings keep their holder and the values that were asked for in this dict, always the same
#: one. To ask it spares a Python function, which Django's own way calls each time.
_lazy: dict[str, Any] = object.__getattribute__(settings, "__dict__")


def setting(name: str) -> Any:
    """The value of ``DJANGO_CACHE_ME_<name>`` now, or its default."""
    global _holder
    holder = _lazy.get("_wrapped")
    if holder is not _holder:
        forget()
        _holder = holder
    try:
        return _values[name]
    except KeyError:
        value = _values[name] = getattr(settings, PREFIX + name, DEFAULTS[name])
        return value


def all_settings() -> dict[str, Any]:
    """All our settings as they are now, for who asks for several. What is given stays as it is."""
    setting("ON")
    values = _values
    if len(values) < len(DEFAULTS):
        values = {name: setting(name) for name in DEFAULTS}
    return values


def of_django(name: str, *default: Any) -> Any:
    """``getattr(settings, name, *default)``, for Django's own settings."""
    try:
        return _lazy[name]
    except KeyError:
        return getattr(settings, name, *default)


def moment() -> object:
    """Stands for our settings and ``CACHES`` as they are now: another object once one of them may differ."""
    global _caches
    if _lazy.get("_wrapped") is not _holder or _lazy.get("CACHES", moment) is not _caches:
        forget()
        setting("CACHE")
        _caches = settings.CACHES
    return revision


def watched() -> list[tuple[dict[str, Any], str, Any]]:
    """Entries of dicts by which moment() is the same one: each holds the very object that it holds now."""
    now = moment()
    return [(_lazy, "_wrapped", _holder), (_lazy, "CACHES", _caches), (globals(), "revision", now)]


def forget(**kwargs: Any) -> None:
    """What was worked out from the settings is not believed any more."""
    global _values, revision
    _values, revision = {}, object()


setting_changed.connect(forget, dispatch_uid="django_cache_me.conf")


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
