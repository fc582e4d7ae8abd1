"""Statements that are commits of their own and write known rows: nearly all that ``Model.save()`` sends.

The observer's long way (cursor.py, write_set.py, announcement.py) works out anew for each statement what all
of a connection have in common: whose database it is, its store, the schema's version, the catalog. What was
found so is kept here, and the engine's cursor goes by it from a text to its declared intent, and from the
statement's end to the bump (``engine/python/single_way.hpp``). It's believed only while all that it was
worked out of stands; in any doubt it's the long way.

Proof that both ways declare and bump the same: the plan is the long way's own, kept by text, under the same
catalog. It was told row by row then, so the text alone allows it; what else has to hold is looked at for each
statement: no transaction is open, nothing is unsaid of an earlier one, the session is as the server said it,
settings, registry, store and database are the same, and the schema's version (``single_writes.hpp``).
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from .. import _engine, conf
from ..counters import count
from ..databases.catalog import Catalog
from ..databases.connection import ConnectionState
from ..databases.replicas import replica_of
from ..registry import cache_me_registry
from ..stores.base import Reading, Store
from ..stores.dependencies import ALL, SCHEMA, pack
from . import aftermath
from .execution import Execution, outcome_is_known

_SCHEMA = pack([SCHEMA])
_EVERYTHING = pack([ALL])


def failed(state: ConnectionState, way: _engine.SingleWay, intent: _engine.Intent) -> None:
    """A statement that went this way raised."""
    is_over = way.writes.finish(intent) if outcome_is_known(state) else way.writes.keep(intent)
    if not is_over:
        lost(way)
    count("bumps")


def lost(way: _engine.SingleWay) -> None:
    """The file was replaced, or the schema changed while a statement was under way."""
    way.store.bump(_EVERYTHING)


def remember(
    wrapper: BaseDatabaseWrapper,
    state: ConnectionState,
    store: Store,
    catalog: Catalog,
    execution: Execution,
) -> None:
    """``execution`` goes the long way and is told row by row; the next one may go the short way."""
    driver = state.driver
    assert driver is not None
    if not driver.commits_at_once(state.raw, execution.script) or state.schema_version is None:
        return
    if conf.in_debug_mode() or conf.setting("EXPLAIN_MISSES") or aftermath.is_wanted():
        return  # these want to know of each statement
    if replica_of(wrapper.alias) is not None:
        return
    session = driver.session(wrapper)
    reading = Reading(_SCHEMA, state.schema_version)
    writes = store.single_writes(SCHEMA, reading, session.name, session.ends_with_process)
    if writes is not None:
        state.single_writes = _way(
            store, writes, catalog, driver.commits_at_once, driver.identity_ends(wrapper)
        )


def _way(
    store: Store, writes: _engine.SingleWrites, catalog: Catalog, commits_at_once: Any, until: float
) -> _engine.SingleWay:
    registry: dict[str, Any] = vars(cache_me_registry)
    revision = registry["revision"]
    way = _engine.SingleWay(writes, store, catalog.write_plans, revision, commits_at_once, until)
    for dictionary, name, value in (*conf.watched(), (registry, "revision", revision)):
        way.watch(dictionary, name, value)
    return way
