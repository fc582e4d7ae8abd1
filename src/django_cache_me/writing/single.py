"""Statements that are commits of their own and write known rows: nearly all that ``Model.save()`` sends.

The observer's long way (cursor.py, write_set.py, announcement.py) works out anew for each statement what all
of a connection have in common: whose database it is, its store, the schema's version, the catalog. What was
found so is kept here, and the engine goes by it from a text's rule to the declared intent in one call. It's
believed only while all that it was worked out of stands; in any doubt it's the long way.

Proof that both ways declare and bump the same: the plan is the long way's own, kept by text, under the same
catalog. It was told row by row then, so the text alone allows it; what else has to hold is looked at for each
statement: no transaction is open, nothing is unsaid of an earlier one, the session is as the server said it,
settings, registry, store and database are the same, and the schema's version (``single_writes.hpp``).
"""

from __future__ import annotations

import time
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
from .execution import Execution, WritePlan, outcome_is_known

_SCHEMA = pack([SCHEMA])
_EVERYTHING = pack([ALL])


class SingleWrites:
    """The short way of one driver connection's statements."""

    __slots__ = ("_engine", "_moment", "_plans", "_store", "_until")

    def __init__(
        self, engine: _engine.SingleWrites, store: Store, plans: dict[Any, Any], until: float
    ) -> None:
        self._moment = conf.moment()
        self._engine = engine
        self._store = store
        #: The catalog's, by text and revision of the registry.
        self._plans = plans
        self._until = until

    def declare(self, state: ConnectionState, text: str, parameters: Any) -> _engine.Intent | None:
        """The intent of executing ``text``, declared; None: nothing is, it's for the long way."""
        plan: WritePlan | None = self._plans.get((text, cache_me_registry.revision))
        if (
            plan is None
            or state._changed
            or state.written
            or state.pending_writers
            or self._moment is not conf.moment()
            or not state.driver.commits_at_once(state.raw, plan.script)  # type: ignore[union-attr]
            or time.monotonic() >= self._until
        ):
            return None
        return self._engine.declare(plan.rule, parameters, plan.others)

    def finish(self, intent: _engine.Intent) -> None:
        """The statement has returned, or its connection says that it's over: bump and withdraw."""
        if not self._engine.finish(intent):
            self._store.bump(_EVERYTHING)
        count("bumps")

    def end(self, state: ConnectionState, intent: _engine.Intent) -> None:
        """After a statement that failed."""
        if outcome_is_known(state):
            self.finish(intent)
            return
        if not self._engine.keep(intent):
            self._store.bump(_EVERYTHING)
        count("bumps")


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
    engine = store.single_writes(SCHEMA, reading, session.name, session.ends_with_process)
    if engine is not None:
        state.single_writes = SingleWrites(engine, store, catalog.write_plans, driver.identity_ends(wrapper))
