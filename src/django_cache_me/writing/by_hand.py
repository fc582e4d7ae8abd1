"""Invalidation by hand. It acts at once and, inside a transaction, again at the commit."""

from __future__ import annotations

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from ..databases.connection import state_of
from ..databases.declared import table_name
from ..log import trouble
from ..registry import cache_me_registry
from ..stores.dependencies import ALL, pack, permanent_of, written
from . import aftermath, notice
from .write_set import place_of


def invalidate_model_cache(
    model: type[Model],
    invalidate_permanent: bool = False,
    using: str | None = None,
    follow_up: bool = True,
) -> None:
    """Make every entry that rests on ``model``'s tables a miss, in every process.

    Permanent entries stay unless ``invalidate_permanent``. Without ``using``: in every database where the
    routers allow the model. ``follow_up``: reclaim and warm afterwards, if the settings say so.
    """
    tables = _tables_of(model)
    dependencies = set(written(tables))
    if invalidate_permanent:
        dependencies.update(permanent_of(table) for table in tables)
    aliases = [using] if using is not None else _aliases_of(model)
    for alias in aliases:
        _bump(connections[alias], dependencies, tables)
    if follow_up:
        aftermath.model_was_invalidated(model, aliases)
    notice.model_was_invalidated(model._meta.label_lower, invalidate_permanent)


def invalidate_all_caches() -> None:
    """Make every entry of every registered model a miss, permanent ones too, and empty the store."""
    dependencies = {ALL}
    for model in cache_me_registry.get_registered_models():
        dependencies.update(permanent_of(table) for table in _tables_of(model))
    for alias in connections:
        store = _bump(connections[alias], dependencies, set())
        if store is not None:
            store.clear()
    for model in cache_me_registry.get_registered_models():
        notice.model_was_invalidated(model._meta.label_lower, permanent=True)


def _bump(wrapper: BaseDatabaseWrapper, dependencies: set[int], tables: set[str]):  # type: ignore[no-untyped-def]
    """Bump now, and add to the write set of an open transaction. None: the database can't be asked."""
    try:
        wrapper.ensure_connection()
    except Exception as error:
        trouble(
            f"by_hand.{wrapper.alias}",
            "No connection to %r, nothing was invalidated in it: %s",
            wrapper.alias,
            error,
        )
        return None
    state = state_of(wrapper)
    if state.driver is None:
        return None
    _, store = place_of(wrapper)
    store.bump(pack(dependencies))
    if state.in_transaction:
        state.wrote(dependencies, tables)
    return store


def _tables_of(model: type[Model]) -> set[str]:
    """The bare names of the tables that hold ``model``'s rows, its parents' included.

    Each as the model has it and as SQLite's and MySQL's are folded: ASCII letters to lower case.
    """
    models: list[type[Model]] = [model, *model._meta.get_parent_list()]
    names = {table_name(related) for related in models if not related._meta.abstract}
    return names | {name.encode().lower().decode() for name in names}


def _aliases_of(model: type[Model]) -> list[str]:
    return [alias for alias in connections if router.allow_migrate_model(alias, model)]
