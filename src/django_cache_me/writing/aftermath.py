"""What may be done once a commit is over and its versions are bumped: reclaiming and warming.

Freshness never waits for this. Reclaiming drops entries of whole tables that are dead anyway; warming runs
the project's warmers, so that the next reader finds an entry. It is done here, after the transaction, or by
a worker (``DJANGO_CACHE_ME_ASYNC_ENABLED``).
"""

from __future__ import annotations

import threading
from typing import AbstractSet, Any, Callable, Iterable

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet
from django.db.models.query import RawQuerySet
from django.utils.module_loading import import_string

from .. import conf
from ..databases.connection import known_store
from ..log import trouble
from ..registry import cache_me_registry

_local = threading.local()


def is_wanted() -> bool:
    """Whether anything is to be done after a commit."""
    return bool(conf.setting("ASYNC_ENABLED") or conf.setting("WARM_ON_INVALIDATE"))


def tables_were_written(wrapper: BaseDatabaseWrapper, tables: AbstractSet[str]) -> None:
    """A statement that writes ``tables`` was executed; its transaction is still open.

    With ``DJANGO_CACHE_ME_ASYNC_ON_COMMIT = False`` a worker is told now.
    """
    if conf.setting("ASYNC_ENABLED") and not conf.setting("ASYNC_ON_COMMIT"):
        _follow(_labels_of(tables), wrapper.alias)


def tables_were_committed(wrapper: BaseDatabaseWrapper, tables: AbstractSet[str]) -> None:
    """``tables`` were written by a commit that is over."""
    if conf.setting("ASYNC_ENABLED") and not conf.setting("ASYNC_ON_COMMIT"):
        return
    labels = _labels_of(tables)
    if labels:
        after_commit(wrapper, lambda: _follow(labels, wrapper.alias))


def model_was_invalidated(model: type[Model], aliases: list[str]) -> None:
    """``model`` was invalidated by hand in the databases ``aliases``: followed up once, in one of them."""
    if not is_wanted() or not aliases:
        return
    labels = [model._meta.label_lower]
    in_transaction = [alias for alias in aliases if connections[alias].in_atomic_block]
    alias = (in_transaction or aliases)[0]
    if in_transaction:
        transaction.on_commit(lambda: _follow(labels, alias), using=alias)
    else:
        _follow(labels, alias)


def after_commit(wrapper: BaseDatabaseWrapper, function: Callable[[], Any]) -> None:
    """Call ``function`` as soon as ``wrapper`` is out of the transaction that is just being committed.

    Within ``commit()`` the driver isn't in autocommit yet; what is called there would begin a transaction.
    So it becomes one more of Django's own commit hooks, which run when autocommit is on again. (Of
    ``run_on_commit``, from 3.2 on, each has the ids of its savepoints, the function, and from 4.2 on whether
    its errors are to be swallowed.)
    """
    if wrapper.get_autocommit():
        function()
        return
    import django

    hook: tuple[Any, ...] = (set(), function)
    if django.VERSION >= (4, 2):
        hook += (True,)
    wrapper.run_on_commit.append(hook)


def follow(label: str, alias: str) -> None:
    """Reclaim and warm ``label``'s model, here and now. Never raises for what a warmer raises."""
    if getattr(_local, "following", False):
        return  # a warmer that writes
    _local.following = True
    try:
        _reclaim(label, alias)
        if conf.setting("WARM_ON_INVALIDATE"):
            for path in _warmers_of(label):
                _warm(path)
    finally:
        _local.following = False


def _follow(labels: Iterable[str], alias: str) -> None:
    if getattr(_local, "following", False):
        return
    from .dispatch import hand_over

    for label in labels:
        if not (conf.setting("ASYNC_ENABLED") and hand_over(label, alias)):
            follow(label, alias)


def _labels_of(tables: AbstractSet[str]) -> list[str]:
    if not tables or not is_wanted() or getattr(_local, "following", False):
        return []
    written = {table.lower() for table in tables}
    return [
        model._meta.label_lower
        for model in cache_me_registry.get_registered_models()
        if model._meta.db_table.strip('"').lower() in written
    ]


def _reclaim(label: str, alias: str) -> None:
    """The table's own entry has one key, and is dead. Others go when room is needed."""
    try:
        store = known_store(connections[alias])
        if store is not None:
            store.delete(f"cache_me:table:{label}")
    except Exception as error:  # whatever the store raises: the commit is over, the page must not break
        trouble("reclaim", "Entries of %s were not reclaimed: %s", label, error)


def _warmers_of(label: str) -> list[str]:
    try:
        return [
            path for name, paths in conf.setting("WARMERS").items() if name.lower() == label for path in paths
        ]
    except (AttributeError, TypeError) as error:  # check E004 says what the setting has to be
        trouble("warmers", "%sWARMERS can't be read: %s", conf.PREFIX, error)
        return []


def _warm(path: str) -> None:
    try:
        _evaluate(import_string(path)())
    except Exception as error:  # a warmer's own
        trouble(f"warmer.{path}", "The warmer %s failed: %s: %s", path, type(error).__name__, error)


def _evaluate(querysets: Any) -> None:
    if isinstance(querysets, (QuerySet, RawQuerySet)):
        len(querysets)
    elif querysets is not None:
        for queryset in querysets:
            _evaluate(queryset)
