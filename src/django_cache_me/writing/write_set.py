"""What a connection's open transaction has written, and what that bumps."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from .. import conf
from ..databases.catalog import Catalog, catalog_of, forget
from ..databases.connection import MOST_WRITTEN, SNAPSHOT, ConnectionState, store_for, view_of
from ..databases.drivers import UNKNOWN
from ..databases.identity import Identity, identity_of
from ..databases.statements import UNKNOWN_STATEMENT, Script
from ..exceptions import StoreError
from ..registry import cache_me_registry
from ..stores.base import Clock, Store
from ..stores.dependencies import ALL, SCHEMA, Dependencies, any_of, pack, written
from . import aftermath, causes, single
from .execution import Execution, Placed, WritePlan

_SCHEMA = pack([SCHEMA])
_EXACT_KINDS = frozenset({"insert", "update", "delete"})


#: Texts whose plans are kept, of one catalog.
_MOST_PLANS = 2048
_ANYWHERE = Placed(set(), False)


def place_of(wrapper: BaseDatabaseWrapper) -> tuple[Identity, Store]:
    """The database behind ``wrapper``'s open connection and its store.

    Raises :class:`StoreError` where a write couldn't be told to the other processes.
    """
    identity = _identity_of(wrapper)
    return identity, store_for(wrapper, identity)


def clock_of(wrapper: BaseDatabaseWrapper) -> Clock | None:
    """The store's clock now, or None if there is no store: beginning a transaction writes nothing yet."""
    try:
        return place_of(wrapper)[1].clock()
    except StoreError:
        return None


def _identity_of(wrapper: BaseDatabaseWrapper) -> Identity:
    try:
        identity = identity_of(wrapper, ask=True)
    except Exception as error:
        raise StoreError(
            f"The database {wrapper.alias!r} did not say which one it is ({error}), so that its writes can't "
            "be told to other processes. On PostgreSQL the role needs EXECUTE on pg_control_system() and "
            "pg_control_checkpoint(), which everybody has by default."
        ) from error
    assert identity is not None
    return identity


def add_writes(wrapper: BaseDatabaseWrapper, state: ConnectionState, execution: Execution) -> frozenset[int]:
    """Add to the write set of ``state`` what ``execution`` may write; what the overlay goes by comes back."""
    script = execution.script
    if not (script.writes or script.functions or script.writes_anything or script.changes_schema):
        return frozenset()
    assert state.driver is not None
    identity = _identity_of(wrapper)
    try:
        store = store_for(wrapper, identity)
    except StoreError:
        if script.only_reads and not _may_write(wrapper, script, identity):
            return frozenset()
        raise
    exactly = _exactly_placed(wrapper, state, execution, identity, store)
    if exactly is not None:
        coarse, tables, placed = exactly
    else:
        coarse, tables, placed = _coarsely_placed(wrapper, state, execution, identity, store)
    state.wrote(coarse, tables, placed.exact)
    if conf.setting("EXPLAIN_MISSES"):
        causes.note(wrapper, state, execution, coarse, tables, placed)
    if tables and aftermath.is_wanted():
        aftermath.tables_were_written(wrapper, tables)
    return coarse


def _coarsely_placed(
    wrapper: BaseDatabaseWrapper,
    state: ConnectionState,
    execution: Execution,
    identity: Identity,
    store: Store,
) -> tuple[frozenset[int], frozenset[str], Placed]:
    """The dependencies on whole tables, and the tables, that ``execution`` may write."""
    script = execution.script
    assert state.driver is not None
    coarse: set[int] = set()
    if script.writes_anything or script.changes_schema:
        coarse.add(ALL)
        coarse.update((SCHEMA,) if script.changes_schema or script.may_commit else ())
    if script.writes and state.writes_elsewhere:
        coarse.add(ALL)
    if script.written_schemas:
        state.other_databases |= state.driver.other_databases(identity.database, script.written_schemas)
    placed = Placed(set(), True)
    if script.writes or script.functions:
        if state.driver.status(state.raw) == UNKNOWN:
            placed = _ANYWHERE
        else:
            placed = _placed(wrapper, state, script, identity, store)
        if not placed.complete:
            coarse.add(ALL)
    # Tables that are named are bumped under their own names too: manual and permanent rules build on them.
    tables = placed.tables | script.writes
    coarse.update(written(tables))
    return frozenset(coarse), frozenset(tables), placed


def _catalog(
    wrapper: BaseDatabaseWrapper, state: ConnectionState, identity: Identity, store: Store
) -> Catalog | None:
    """The catalog by which this transaction's writes are placed; None: a DDL commit is, or was, under way."""
    if SCHEMA in state.written:
        return None  # the catalog would show what isn't committed yet, and to all
    # What a snapshot shows of the catalog may be older than the schema's present version.
    in_snapshot = state.clock is not None and store.has_clock and view_of(wrapper) == SNAPSHOT
    version = store.versions(_SCHEMA, state.clock if in_snapshot else None)
    if version is None:
        return None
    if state.schema_version is None:
        state.schema_version = version.versions
    elif state.schema_version != version.versions:
        return None
    return catalog_of(wrapper, identity.database, (version.versions.hex(),))


def _placed(
    wrapper: BaseDatabaseWrapper, state: ConnectionState, script: Script, identity: Identity, store: Store
) -> Placed:
    """The tables that the named ones carry with them, and whether these are all.

    Proof sketch: a row can be changed by the statement itself (tables named), by foreign keys that act in
    the database (``acted_on``, followed down), by triggers or rules (not complete), or by a function that
    writes (not complete). The catalog was read after the schema's version, so a DDL commit that it missed
    shows in :func:`settled_write_set`.
    """
    catalog = _catalog(wrapper, state, identity, store)
    if catalog is None:
        return _ANYWHERE
    touched: set[str] = set()
    complete = True
    if catalog.may_write(script.functions):
        complete = False
        state.changed = UNKNOWN_STATEMENT
    for name in script.writes:
        carried, known = catalog.touched_by(name)
        touched |= carried
        complete = complete and known
    if catalog.acts_elsewhere:
        assert state.driver is not None
        acting = touched | script.writes if complete else catalog.acts_elsewhere
        schemas = set().union(*(catalog.acts_elsewhere.get(name, ()) for name in acting))
        state.other_databases |= state.driver.other_databases(identity.database, schemas)
    return Placed(touched, complete)


def _exactly_placed(
    wrapper: BaseDatabaseWrapper,
    state: ConnectionState,
    execution: Execution,
    identity: Identity,
    store: Store,
) -> tuple[frozenset[int], frozenset[str], Placed] | None:
    """What is written if it is known row by row; None: it isn't.

    The engine's rule tells what the text writes (``dependency_rules.hpp``). It holds where the session is as
    the server said it at connect (its name resolution, modes and foreign keys), and where nothing but the
    text writes rows of the table.
    """
    script, driver = execution.script, state.driver
    assert driver is not None
    if (
        execution.parameters is None
        or script.kind not in _EXACT_KINDS
        or len(script.writes) != 1
        or script.written_schemas
        or script.writes_anything
        or state.changed
        or driver.status(state.raw) == UNKNOWN
    ):
        return None
    catalog = _catalog(wrapper, state, identity, store)
    if catalog is None:
        return None
    plan = _plan_of(catalog, execution, driver.dialect)
    if plan is None:
        return None
    trusted = driver.stores_values_as_given(wrapper)
    numbers: list[int] = []
    hinted = store.marked_bands(plan.band_hints) if plan.band_hints else 0
    for parameters in execution.parameters:
        numbers += plan.rule.dependencies(parameters, trusted, hinted)
        if len(numbers) > MOST_WRITTEN:
            return None
    if trusted:
        single.remember(wrapper, state, store, catalog, execution)
    return plan.coarse, plan.tables, Placed(set(), True, numbers, plan.rule, hinted)


def _plan_of(catalog: Catalog, execution: Execution, dialect: str) -> WritePlan | None:
    key = (execution.text, cache_me_registry.revision)
    try:
        return catalog.write_plans[key]  # type: ignore[no-any-return]
    except KeyError:
        if len(catalog.write_plans) >= _MOST_PLANS:
            catalog.write_plans.clear()
        plan = catalog.write_plans[key] = _make_plan(catalog, execution, dialect)
        return plan


def _make_plan(catalog: Catalog, execution: Execution, dialect: str) -> WritePlan | None:
    (name,) = execution.script.writes
    if name in catalog.acts_elsewhere or catalog.may_write(execution.script.functions):
        return None
    rule = catalog.rules.of_write(execution.text, dialect)
    if not rule.is_exact or not catalog.writes_only_what_is_said(name, rule.may_act):
        return None
    carried, complete = catalog.touched_by(name, rule.may_act)
    if not complete:
        return None
    coarse = frozenset([any_of(name), *written(carried - {name})])
    tables = frozenset(carried | {name})
    hints = Dependencies(rule.band_hints)
    return WritePlan(rule, coarse, tables, pack(coarse), execution.script, hints)


def _may_write(wrapper: BaseDatabaseWrapper, script: Script, identity: Identity) -> bool:
    """Whether a text that only reads calls a function that may write; asked anew, for nobody tells of DDL."""
    forget(identity.database)
    return catalog_of(wrapper, identity.database, ()).may_write(script.functions)


def settled_write_set(state: ConnectionState, store: Store) -> Dependencies:
    """The write set as it has to be announced just before the commit.

    If a DDL statement was committed since the write set was begun, its tables may carry triggers that the
    catalog didn't show: then everything may have been written.
    """
    dependencies = set(state.written)
    if state.schema_version is not None:
        version = store.versions(_SCHEMA)
        if version is None or version.versions != state.schema_version:
            dependencies.add(ALL)
    return pack(dependencies)


def schema_now(store: Store) -> bytes | None:
    """The schema's version, or None while a DDL commit is under way."""
    version = store.versions(_SCHEMA)
    return None if version is None else version.versions
