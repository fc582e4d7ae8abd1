"""What a connection's open transaction has written, and what that bumps."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from ..databases.catalog import catalog_of, forget
from ..databases.connection import ConnectionState, store_for
from ..databases.drivers import UNKNOWN
from ..databases.identity import Identity, identity_of
from ..databases.statements import UNKNOWN_STATEMENT, Script
from ..exceptions import StoreError
from ..stores.base import Clock, Store
from ..stores.dependencies import ALL, SCHEMA, Dependencies, pack, written
from . import aftermath

_SCHEMA = pack([SCHEMA])


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


def add_writes(wrapper: BaseDatabaseWrapper, state: ConnectionState, script: Script) -> frozenset[int]:
    """Add to the write set of ``state`` what executing ``script`` may write, and say what that is."""
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
    dependencies: set[int] = set()
    tables: set[str] = set()
    if script.writes_anything or script.changes_schema:
        dependencies.add(ALL)
        dependencies.update((SCHEMA,) if script.changes_schema or script.may_commit else ())
    if script.writes and state.writes_elsewhere:
        dependencies.add(ALL)
    if script.written_schemas:
        state.other_databases |= state.driver.other_databases(identity.database, script.written_schemas)
    if script.writes or script.functions:
        if state.driver.status(state.raw) == UNKNOWN:
            dependencies.add(ALL)
        else:
            placed, complete = _placed_tables(wrapper, state, script, identity, store)
            tables |= placed
            if not complete:
                dependencies.add(ALL)
    # Tables that are named are bumped under their own names too: manual and permanent rules build on them.
    tables |= script.writes
    dependencies.update(written(tables))
    state.wrote(dependencies, tables)
    if tables and aftermath.is_wanted():
        aftermath.tables_were_written(wrapper, tables)
    return frozenset(dependencies)


def _placed_tables(
    wrapper: BaseDatabaseWrapper, state: ConnectionState, script: Script, identity: Identity, store: Store
) -> tuple[set[str], bool]:
    """The tables that the named ones carry with them, and whether these are all.

    Proof sketch: a row can be changed by the statement itself (tables named), by foreign keys that act in
    the database (``acted_on``, followed down), by triggers or rules (not complete), or by a function that
    writes (not complete). The catalog was read after the schema's version, so a DDL commit that it missed
    shows in :func:`settled_write_set`.
    """
    version = store.versions(_SCHEMA)
    if version is None:
        return set(), False  # a DDL commit is under way
    if state.schema_version is None:
        state.schema_version = version.versions
    elif state.schema_version != version.versions:
        return set(), False
    catalog = catalog_of(wrapper, identity.database, (version.versions.hex(),))
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
    return touched, complete


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
