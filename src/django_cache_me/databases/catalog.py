"""What the SQL text can't say: the database's own word on its tables.

Asked once per database, process and schema version: every DDL statement that an observer sees bumps a
dependency of its own, and a catalog is only believed while that one is unchanged.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Iterable, NamedTuple, Tuple

from django.db.backends.base.base import BaseDatabaseWrapper

from .declared import declared


class Table(NamedTuple):
    """One relation of the database."""

    name: str
    #: "table", or what else it is ("view", "foreign_table", "virtual_table", "row_security" …).
    kind: str
    #: Triggers or rules of the user's own: a write to it may write anything.
    has_triggers: bool
    #: Tables whose rows the database itself changes or deletes when rows of this one are (foreign keys).
    acted_on: tuple[str, ...]


#: Row-level security hides rows; what is written is written to the table alone.
_WITHOUT_WRITES_OF_THEIR_OWN = frozenset({"table", "row_security"})
#: Kinds whose rows change with tables that can be declared.
_DECLARABLE = frozenset({"view", "materialized_view", "foreign_table", "virtual_table"})


class Catalog(NamedTuple):
    """The tables of one database by bare name; a name that stands in several schemas is the worst of them."""

    tables: dict[str, Table]
    #: Lower-case names of functions that may write, beyond what the scanner knows.
    writing_functions: frozenset[str]

    def reason_to_pass(self, tables: Iterable[str], sessions_are_told_apart: bool) -> str:
        """Why an answer that is read from ``tables`` must not be kept, or ""."""
        for name in tables:
            table = self.tables.get(name)
            if table is None:
                return "unknown_table"
            if table.kind == "table" or (table.kind == "row_security" and sessions_are_told_apart):
                continue
            if table.kind not in _DECLARABLE or declared(name) is None:
                return table.kind
        return ""

    def touched_by(self, name: str) -> tuple[set[str], bool]:
        """The tables that a write to ``name`` may change, and whether that is all there is to it.

        A second value of False means: anything may change (unknown table, view, triggers).
        """
        touched: set[str] = set()
        waiting: list[str] = [name]
        while waiting:
            current = waiting.pop()
            if current in touched:
                continue
            table = self.tables.get(current)
            if table is None:
                return touched, False
            others = declared(current)
            if others is None and (table.has_triggers or table.kind not in _WITHOUT_WRITES_OF_THEIR_OWN):
                return touched, False
            touched.add(current)
            waiting.extend(table.acted_on)
            waiting.extend(others or ())
        return touched, True


_Key = Tuple[str, ...]
_catalogs: dict[str, tuple[_Key, Catalog]] = {}
_lock = threading.Lock()


def catalog_of(wrapper: BaseDatabaseWrapper, database: str, schema_version: _Key) -> Catalog:
    """The catalog of ``database``, read over ``wrapper``'s open connection if it isn't known yet.

    ``schema_version`` is anything that differs after a DDL statement. The driver's errors are raised.
    """
    known = _catalogs.get(database)
    if known is not None and known[0] == schema_version:
        return known[1]
    catalog = _READERS[wrapper.vendor](wrapper)
    with _lock:
        _catalogs[database] = (schema_version, catalog)
    return catalog


def forget(database: str) -> None:
    """Forget what is known of ``database``: a DDL statement was executed by this process."""
    with _lock:
        _catalogs.pop(database, None)


def _read_sqlite(wrapper: BaseDatabaseWrapper) -> Catalog:
    raw: Any = wrapper.connection
    cursor = raw.cursor()
    try:
        rows = cursor.execute("SELECT type, name, tbl_name, sql FROM main.sqlite_master").fetchall()
        with_triggers = {tbl_name.lower() for kind, _, tbl_name, _ in rows if kind == "trigger"}
        # The actions work only while PRAGMA foreign_keys is on; off, they are counted all the same.
        actions = cursor.execute(
            'SELECT m.name, f."table" FROM main.sqlite_master AS m, pragma_foreign_key_list(m.name) AS f'
            " WHERE m.type = 'table' AND (f.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT')"
            " OR f.on_update IN ('CASCADE', 'SET NULL', 'SET DEFAULT'))"
        ).fetchall()
    finally:
        cursor.close()
    acted_on: dict[str, set[str]] = {}
    for child, parent in actions:
        acted_on.setdefault(parent.lower(), set()).add(child.lower())
    tables = {}
    for kind, name, _, sql in rows:
        if kind not in ("table", "view"):
            continue
        lower = name.lower()
        virtual = (sql or "").lstrip()[:20].upper() == "CREATE VIRTUAL TABLE"
        what = "virtual_table" if virtual else kind
        tables[lower] = Table(lower, what, lower in with_triggers, tuple(sorted(acted_on.get(lower, ()))))
    # sqlite_sequence and its like are written by SQLite alone.
    return Catalog(tables, frozenset())


_POSTGRESQL_RELATIONS = """
SELECT c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relispartition, c.relhasrules,
       EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
       EXISTS (SELECT 1 FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid OR i.inhparent = c.oid)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""
_POSTGRESQL_ACTIONS = """
SELECT parent.relname, child.relname
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class parent ON parent.oid = k.confrelid
  JOIN pg_catalog.pg_class child ON child.oid = k.conrelid
 WHERE k.contype = 'f' AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
"""
# Functions of PostgreSQL itself that are volatile but change no rows of tables.
_POSTGRESQL_HARMLESS = frozenset(
    "random random_normal setseed clock_timestamp timeofday pg_sleep pg_sleep_for pg_sleep_until"
    " gen_random_uuid uuidv4 uuidv7 nextval currval lastval setval"
    " pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_shared"
    " pg_advisory_unlock_all pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_lock"
    " pg_try_advisory_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared"
    " pg_notify pg_is_in_recovery pg_current_wal_lsn pg_relation_size pg_total_relation_size"
    " pg_table_size pg_database_size pg_size_pretty pg_backend_pid pg_cancel_backend"
    " pg_terminate_backend txid_current pg_current_xact_id set_config".split()
)


def _read_postgresql(wrapper: BaseDatabaseWrapper) -> Catalog:
    raw: Any = wrapper.connection
    with raw.cursor() as cursor:
        cursor.execute(_POSTGRESQL_RELATIONS)
        relations = cursor.fetchall()
        cursor.execute(_POSTGRESQL_ACTIONS)
        actions = cursor.fetchall()
        cursor.execute("SELECT DISTINCT proname FROM pg_catalog.pg_proc WHERE provolatile = 'v'")
        volatile = {row[0].lower() for row in cursor.fetchall()}
    acted_on: dict[str, set[str]] = {}
    for parent, child in actions:
        acted_on.setdefault(parent, set()).add(child)
    tables: dict[str, Table] = {}
    for name, relkind, persistence, row_security, partition, rules, triggers, inherits in relations:
        kind = _as_text(relkind)
        if kind == "r" and not partition:
            what = "table"
        else:
            # Partitioned tables too: a write to a partition changes its parent's answers, and back.
            what = {"v": "view", "m": "materialized_view", "f": "foreign_table"}.get(
                kind, "partitioned_table"
            )
        if inherits and what == "table":
            what = "inheritance"
        elif _as_text(persistence) == "t":
            what = "temporary_table"
        elif row_security and what == "table":
            what = "row_security"
        table = Table(name, what, bool(rules or triggers), tuple(sorted(acted_on.get(name, ()))))
        other = tables.get(name)
        if other is not None:
            worse = other if other.kind != "table" else table
            table = Table(name, worse.kind, table.has_triggers or other.has_triggers, table.acted_on)
        tables[name] = table
    return Catalog(tables, frozenset(volatile - _POSTGRESQL_HARMLESS))


def _as_text(value: Any) -> str:
    # psycopg 2 gives PostgreSQL's "char" as str, psycopg 3 as str or bytes.
    return value.decode() if isinstance(value, bytes) else str(value)


_READERS: dict[str, Callable[[BaseDatabaseWrapper], Catalog]] = {
    "sqlite": _read_sqlite,
    "postgresql": _read_postgresql,
}
