"""Which store serves a database."""

from __future__ import annotations

import os
import threading

from .base import Store
from .shared_memory import SharedMemoryStore

_stores: dict[str, Store] = {}
_lock = threading.Lock()


def store_of(database: str, private: bool, is_new: bool) -> Store:
    """The store that holds the versions of ``database`` (its identity as text).

    Raises :class:`~django_cache_me.exceptions.StoreError` where it can't be opened or shared.
    """
    store = _stores.get(database)
    if store is None:
        with _lock:
            store = _stores.get(database)
            if store is None:
                store = SharedMemoryStore(database, private, is_new)
                _stores[database] = store
    return store


def _forget_after_fork() -> None:
    # Private version tables belong to the parent's in-memory databases; files are opened anew.
    global _lock
    _lock = threading.Lock()
    _stores.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
