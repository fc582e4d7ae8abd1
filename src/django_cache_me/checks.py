"""System checks: wrong settings and places are said at start, each with an id, the wrong value and a hint.

Each id has a section in ``docs/checks.md``. Those of warmers and workers are in ``async_checks.py``.
"""

from __future__ import annotations

import difflib
import os
from functools import partial
from typing import Any, Callable

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import import_string

from . import conf
from .databases.replicas import reason_not_to_believe
from .databases.tenants import reason_not_to_call
from .exceptions import StoreError
from .options import INVALIDATION_MODES
from .registry import cache_me_registry


def hint_for(text: str, check_id: str) -> str:
    """``text`` with the section of the documentation."""
    return f"{text} See docs/checks.md#{check_id.rpartition('.')[2].lower()}."


@register("django_cache_me")
def check_setting_names(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W001: a setting with our prefix that doesn't exist."""
    messages: list[CheckMessage] = []
    for name in dir(settings):
        if not name.startswith(conf.PREFIX) or name[len(conf.PREFIX) :] in conf.DEFAULTS:
            continue
        close = difflib.get_close_matches(name, [conf.PREFIX + known for known in conf.DEFAULTS], n=1)
        text = f"Did you mean {close[0]}?" if close else "Remove it or mend its name."
        messages.append(
            Warning(
                f"There is no setting {name}.",
                hint=hint_for(text, "django_cache_me.W001"),
                id="django_cache_me.W001",
            )
        )
    return messages


def _is_bool(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be True or False"


def _is_timeout(value: Any) -> str | None:
    return None if conf.is_timeout(value) else "must be a positive number of seconds, or None for no end"


def _is_queue(value: Any) -> str | None:
    return None if value is None or (isinstance(value, str) and value) else "must be a queue's name or None"


def _is_cache_alias(value: Any) -> str | None:
    if not isinstance(value, str):
        return "must be an alias of CACHES"
    if value != "default" and value not in settings.CACHES:
        return f"must be an alias of CACHES ({', '.join(sorted(settings.CACHES))})"
    return None


def _is_warmers(value: Any) -> str | None:
    if not isinstance(value, dict):
        return 'must be a dict: {"app.Model": ["dotted.path.to.callable"]}'
    for label, paths in value.items():
        if not isinstance(label, str) or not isinstance(paths, (list, tuple)):
            return 'must be a dict: {"app.Model": ["dotted.path.to.callable"]}'
    return None


def _is_number_of_misses(value: Any) -> str | None:
    return None if type(value) is int and value >= 0 else "must be a whole number, 0 for none"


def _is_invalidation_mode(value: Any) -> str | None:
    return None if value in INVALIDATION_MODES else f"must be {' or '.join(map(repr, INVALIDATION_MODES))}"


_RULES: dict[str, tuple[Callable[[Any], str | None], str]] = {
    "ON": (_is_bool, "E001"),
    "DEBUG_MODE": (_is_bool, "E001"),
    "ASYNC_ENABLED": (_is_bool, "E001"),
    "ASYNC_ON_COMMIT": (_is_bool, "E001"),
    "WARM_ON_INVALIDATE": (_is_bool, "E001"),
    "CHAINS": (_is_bool, "E001"),
    "TIMEOUT": (_is_timeout, "E002"),
    "CELERY_QUEUE": (_is_queue, "E003"),
    "WARMERS": (_is_warmers, "E004"),
    "CACHE": (_is_cache_alias, "E005"),
    "PREFIX": (reason_not_to_call, "E009"),
    "REPLICAS": (reason_not_to_believe, "E010"),
    "INVALIDATION": (_is_invalidation_mode, "E011"),
    "EXPLAIN_MISSES": (_is_number_of_misses, "E012"),
}


@register("django_cache_me")
def check_setting_values(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001 to E005, E009 to E012: a setting of the wrong type or value."""
    messages: list[CheckMessage] = []
    for name, (rule, number) in _RULES.items():
        value = conf.setting(name)
        wrong = rule(value)
        if wrong is not None:
            check_id = f"django_cache_me.{number}"
            messages.append(
                Error(
                    f"{conf.PREFIX}{name} {wrong}, not {value!r}.",
                    hint=hint_for(f"Its default is {conf.DEFAULTS[name]!r}.", check_id),
                    id=check_id,
                )
            )
    return messages


@register("django_cache_me")
def check_store(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E006: a file of the shared-memory store can't be opened or shared."""
    from .stores.places import Place, place, place_at
    from .stores.shared_memory import open_entries

    places: list[Callable[[], Place]] = []
    wrong: list[str] = []
    if cache_me_registry.get_registered_models() and _store_is_of_this_host():
        places.append(place)  # the querysets'; their alias may be none of ours
        wrong += _unshared_versions()
    for alias, entry in settings.CACHES.items():
        if _is_shared_memory(entry.get("BACKEND")):
            name = f"CACHES[{alias!r}]"
            places.append(partial(place_at, entry.get("LOCATION"), entry.get("OPTIONS"), name))
    opened: list[Place] = []
    for find in places:
        try:
            found = find()
            if found not in opened:  # most often the querysets' alias is one of ours
                opened.append(found)
                open_entries(found)
        except StoreError as error:
            wrong.append(str(error))
    return [
        Error(
            text,
            hint=hint_for("Until then nothing is cached.", "django_cache_me.E006"),
            id="django_cache_me.E006",
        )
        for text in dict.fromkeys(wrong)
    ]


def _unshared_versions() -> list[str]:
    """What is wrong with version files that exist, of databases that are known without a connection.

    Those of servers are met at the first connection. None is made here: a database that is new then would no
    longer be taken for one.
    """
    from django.db import connections

    from .databases.identity import identity_of
    from .stores.places import versions_file
    from .stores.shared_memory import open_versions

    wrong: list[str] = []
    for alias in connections:
        identity = identity_of(connections[alias], ask=False)
        if identity is None or identity.is_private:
            continue
        try:
            if os.path.lexists(versions_file(identity.database)[0]):
                open_versions(identity.database, is_new=False)
        except StoreError as error:
            wrong.append(str(error))
    return wrong


@register("django_cache_me")
def check_silent_cache(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W007: the cache that serves as store hides its errors."""
    from .stores.select import DJANGO_CACHE, store_kind

    try:
        if not cache_me_registry.get_registered_models() or store_kind() != DJANGO_CACHE:
            return []
    except StoreError:  # no such backend: Django says so itself
        return []
    alias = conf.cache_alias()
    entry = settings.CACHES[alias]
    options: Any = entry.get("OPTIONS") or {}
    silent = [name for name in ("IGNORE_EXCEPTIONS", "ignore_exc") if options.get(name)]
    general = "DJANGO_REDIS_IGNORE_EXCEPTIONS"
    if entry["BACKEND"].startswith("django_redis.") and "IGNORE_EXCEPTIONS" not in options:
        silent += [general] if getattr(settings, general, False) else []
    return [
        Warning(
            f"CACHES[{alias!r}] hides its errors ({name}): writes that it can't be told of go unnoticed.",
            hint=hint_for("Switch that off; an error of the cache breaks no query.", "django_cache_me.W007"),
            id="django_cache_me.W007",
        )
        for name in silent
    ]


def _store_is_of_this_host() -> bool:
    """Whether querysets are kept in this host's memory alone."""
    from .stores.select import DJANGO_CACHE, store_kind

    try:
        return store_kind() != DJANGO_CACHE
    except StoreError:  # no such backend: Django says so itself
        return False


def _is_elsewhere(host: str) -> bool:
    return bool(host) and not host.startswith("/") and host not in ("localhost", "127.0.0.1", "::1")


def _is_shared_memory(backend: Any) -> bool:
    """Is it the path of our cache backend, or of a subclass?"""
    from .stores.cache_backend import SharedMemoryCache

    try:
        found = import_string(backend)
    except Exception:  # Django says it when the cache is used
        return False
    return isinstance(found, type) and issubclass(found, SharedMemoryCache)


@register("django_cache_me")
def check_databases(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W002: a host-local store beside a database on another host. W003: a database that isn't supported."""
    from django.db import connections

    from .databases.drivers import driver_for

    messages: list[CheckMessage] = []
    if not cache_me_registry.get_registered_models():
        return []
    for alias in connections:
        wrapper = connections[alias]
        host = str(wrapper.settings_dict.get("HOST") or "")
        if _is_elsewhere(host) and _store_is_of_this_host():
            messages.append(
                Warning(
                    f"The database {alias!r} is on another host ({host}), but the store is in the memory "
                    "of this one: writers on other hosts can't be seen from here.",
                    hint=hint_for("With several hosts, use a store that they share.", "django_cache_me.W002"),
                    id="django_cache_me.W002",
                )
            )
        if driver_for(wrapper) is None:
            messages.append(
                Warning(
                    f"The database {alias!r} ({wrapper.vendor}) is served without a cache.",
                    hint=hint_for(
                        "Supported: SQLite, PostgreSQL, MariaDB and MySQL (by mysqlclient or PyMySQL).",
                        "django_cache_me.W003",
                    ),
                    id="django_cache_me.W003",
                )
            )
    return messages
