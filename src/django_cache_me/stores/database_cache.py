"""The store over Django's ``DatabaseCache``, whose operations are statements on a connection of Django's.

They must neither be part of the user's transaction (a rollback would undo a bump; others would not see an
intent) nor be taken for writes of the user. So they run in a thread of their own, with connections of its
own, which the observer leaves alone.

SQLite lets one connection write at a time. When the cache's table lies in the very file that a transaction is
writing, the intent can't be written before that transaction's COMMIT. There the bump after the commit has to
do: exact, but for a process that is killed between the two (a limit).
"""

from __future__ import annotations

import os
import queue
import threading
from typing import Any, Callable

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import DatabaseCache
from django.db import connections, router

from .base import Intent
from .dependencies import Dependencies
from .django_cache import DjangoCacheStore
from .own_statements import leave_alone


def is_database_cache(alias: str) -> bool:
    return isinstance(caches[alias], DatabaseCache)


class DatabaseCacheStore(DjangoCacheStore):
    @property
    def _cache(self) -> BaseCache:
        return _Apart(self._alias)  # type: ignore[return-value]

    def declare_intent(self, dependencies: Dependencies, session: bytes, ends_with_process: bool) -> Intent:
        if self._is_being_written():
            return Intent(("", dependencies))
        return super().declare_intent(dependencies, session, ends_with_process)

    def _set_stamps(self, stamps: dict[str, str]) -> list[str]:
        # What the database refuses (a lock that isn't released in time) set() passes over in silence.
        own: Any = self._cache
        made: Any = caches[self._alias].make_key
        return [name for name, stamp in stamps.items() if not own._base_set("set", made(name), stamp, None)]

    def _is_being_written(self) -> bool:
        """Whether this thread has a transaction open in the SQLite file that the cache's table lies in."""
        cache: Any = caches[self._alias]
        own = connections[router.db_for_write(cache.cache_model_class)]
        if own.vendor != "sqlite":
            return False
        return any(
            other.connection is not None
            and other.vendor == "sqlite"
            and other.settings_dict["NAME"] == own.settings_dict["NAME"]
            and other.connection.in_transaction
            for other in (connections[alias] for alias in connections)
        )


class _Apart:
    """A cache whose methods run in the thread of their own."""

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args: _worker().call(self._alias, name, args)


class _Worker:
    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="django_cache_me database cache", daemon=True).start()

    def call(self, alias: str, name: str, args: tuple[Any, ...]) -> Any:
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._jobs.put((alias, name, args, answer))
        result, error = answer.get()
        if error is not None:
            raise error
        return result

    def _run(self) -> None:
        leave_alone()
        while True:
            alias, name, args, answer = self._jobs.get()
            try:
                for connection in connections.all():
                    connection.close_if_unusable_or_obsolete()
                answer.put((getattr(caches[alias], name)(*args), None))
            except Exception as error:
                answer.put((None, error))


_lock = threading.Lock()
_the_worker: _Worker | None = None


def _worker() -> _Worker:
    global _the_worker
    with _lock:
        if _the_worker is None:
            _the_worker = _Worker()
        return _the_worker


def _forget_after_fork() -> None:
    global _lock, _the_worker
    _lock = threading.Lock()
    _the_worker = None


os.register_at_fork(after_in_child=_forget_after_fork)
