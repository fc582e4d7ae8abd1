"""Which store serves a database: the project's ``CACHES`` entry decides (SPEC.md, "Stores")."""

from __future__ import annotations

import os
import threading
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from .. import conf
from ..exceptions import StoreError
from .base import Store

SHARED_MEMORY, DUMMY, DJANGO_CACHE = "shared_memory", "dummy", "django_cache"

_stores: dict[tuple[str, ...], Store] = {}
_lock = threading.Lock()


def store_of(database: str, private: bool, is_new: bool) -> Store:
    """The store that holds the versions of ``database`` (its identity as text).

    Raises :class:`~django_cache_me.exceptions.StoreError` where it can't be opened or shared.
    """
    key = key_of(database)
    store = _stores.get(key)
    if store is None:
        with _lock:
            store = _stores.get(key)
            if store is None:
                store = _stores[key] = _make(key[0], database, private, is_new)
    return store


def key_of(database: str) -> tuple[str, ...]:
    """By what stores are told from each other."""
    kind = store_kind()
    return (kind, database) if kind != DJANGO_CACHE else (kind, database, conf.cache_alias(), str(_entry()))


#: The holder of the settings that the kind was last read from, the alias, and the kind.
_last: tuple[Any, str, str] | None = None


def store_kind() -> str:
    """SHARED_MEMORY, DUMMY or DJANGO_CACHE. Raises StoreError for a backend that can't be imported."""
    global _last
    alias = conf.cache_alias()
    last, caches = _last, conf.of_django("CACHES")
    if last is None or last[0] is not caches or last[1] != alias:
        last = _last = (caches, alias, _kind_of(str(_entry().get("BACKEND", ""))))
    return last[2]


def _entry() -> dict[str, Any]:
    entry: dict[str, Any] = settings.CACHES.get(conf.cache_alias(), {})
    return entry


def _kind_of(backend: str) -> str:
    from django.core.cache.backends.dummy import DummyCache
    from django.core.cache.backends.locmem import LocMemCache

    from .cache_backend import SharedMemoryCache

    if not backend:
        return SHARED_MEMORY
    try:
        backend_class = import_string(backend)
    except ImportError as error:
        raise StoreError(f"The BACKEND of CACHES[{conf.setting('CACHE')!r}] can't be used: {error}") from None
    # LocMemCache is private to a process; Django's own default.
    if issubclass(backend_class, (LocMemCache, SharedMemoryCache)):
        return SHARED_MEMORY
    return DUMMY if issubclass(backend_class, DummyCache) else DJANGO_CACHE


def _make(kind: str, database: str, private: bool, is_new: bool) -> Store:
    if kind == DJANGO_CACHE:
        from .database_cache import DatabaseCacheStore, is_database_cache
        from .django_cache import DjangoCacheStore

        alias = conf.cache_alias()
        try:
            store_class = DatabaseCacheStore if is_database_cache(alias) else DjangoCacheStore
        except Exception as error:  # whatever the backend's class raises for its options
            raise StoreError(f"CACHES[{alias!r}] can't be used: {error}") from error
        return store_class(alias, database)
    if kind == DUMMY:
        from .dummy import DummyStore

        return DummyStore(database, private, is_new)
    from .shared_memory import SharedMemoryStore

    return SharedMemoryStore(database, private, is_new)


def _forget_after_fork() -> None:
    # Private version tables belong to the parent's in-memory databases; files are opened anew.
    global _lock
    _lock = threading.Lock()
    _stores.clear()
    conf.forget()  # for what holds one of them


os.register_at_fork(after_in_child=_forget_after_fork)
