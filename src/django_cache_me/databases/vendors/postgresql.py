"""PostgreSQL, by psycopg 2 or 3."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from ... import _engine
from ..ranges import is_range, plain_range
from ..rules import Column, ForeignKey
from ..statements import Script
from .base import FAILED, IDLE, OPEN, UNKNOWN, Catalog, Driver, ServerFacts, Session, Table

_SAVEPOINT = "django_cache_me"


class PostgreSQLDriver(Driver):
    vendor = "postgresql"
    dialect = "postgresql"

    # libpq's PGTransactionStatusType, the same numbers in psycopg 2 and 3.
    _STATUS = {0: IDLE, 2: OPEN, 3: FAILED}

    def idle_mark(self, wrapper: BaseDatabaseWrapper) -> tuple[tuple[str, ...], int] | None:
        # A closed connection's status is another one.
        return (("pgconn", "transaction_status"), 0) if _is_psycopg3(wrapper) else None

    def status(self, raw: Any) -> str:
        if raw.closed:
            return UNKNOWN
        pgconn = getattr(raw, "pgconn", None)
        number = raw.get_transaction_status() if pgconn is None else pgconn.transaction_status
        return self._STATUS.get(int(number), UNKNOWN)

    def commits_by_itself(self, raw: Any, kind: str) -> bool:
        return bool(raw.autocommit)

    def commits_at_once(self, raw: Any, script: Script) -> bool:
        pgconn = getattr(raw, "pgconn", None)
        if pgconn is None:
            return bool(not raw.closed and raw.get_transaction_status() == 0 and raw.autocommit)
        # A lost connection's status is another one.
        return bool(pgconn.transaction_status == 0 and not pgconn.pipeline_status and raw.autocommit)

    def wait_for_answers(self, raw: Any) -> None:
        # In a pipeline an autocommitted statement commits at the next sync, and libpq says of a transaction
        # only that something is under way. Who leaves an inner pipeline has synchronized.
        pgconn = getattr(raw, "pgconn", None)
        if pgconn is not None and pgconn.pipeline_status and not raw.closed:
            with raw.pipeline():
                pass

    # Django wraps parameters in these, so that the server is told their types.
    _NUMBERS = frozenset({"Int2", "Int4", "Int8", "Oid"})
    _FLOATS = frozenset({"Float4", "Float8"})

    def plain_parameter(self, value: Any) -> Any:
        cls = type(value)
        module, name = cls.__module__, cls.__name__
        if module == "psycopg.types.numeric":
            if name in self._NUMBERS:
                return (name, int(value))
            if name in self._FLOATS:
                return (name, float(value))
        elif module in ("psycopg2._json", "psycopg.types.json"):
            return (name, _json_text(value))
        elif module == "psycopg.dbapi20" and name == "Binary":
            return (name, bytes(value.obj))
        elif module == "psycopg2.extensions" and name == "Binary":
            return (name, bytes(value.adapted))
        elif name == "PostGISAdapter" and hasattr(value, "ewkb"):
            return (name, bytes(value.ewkb), value.srid, bool(value.geography))
        elif module == "ipaddress":
            return (name, str(value))
        elif module == "psycopg2._ipaddress" or (module == "psycopg2.extras" and name == "Inet"):
            return (name, str(value.addr))
        elif is_range(value):
            return plain_range(value)
        return super().plain_parameter(value)

    # Text of some words becomes the time of the statement where it becomes a date or a timestamp; which
    # parameters do, the text of the statement doesn't always say.
    def may_read_the_clock(self, params: Any) -> bool:
        for value in params:
            if isinstance(value, str):
                if _engine.may_read_the_clock(value):
                    return True
                continue
            within = (value.lower, value.upper) if is_range(value) else value
            if isinstance(within, (list, tuple)) and self.may_read_the_clock(within):
                return True
        return False

    def session(self, wrapper: BaseDatabaseWrapper) -> Session:
        from ..identity import server_facts

        facts = server_facts(wrapper)
        return Session(f"postgresql:{facts.backend}".encode(), ends_with_process=False)

    def session_is_gone(self, raw: Any, name: bytes) -> bool:
        pid, _, start = name.decode().partition(":")[2].partition("@")
        with raw.cursor() as cursor:
            cursor.execute(
                # backend_start is hidden (null) from roles that may not see other users' sessions: then
                # any session of that pid counts as the one asked for.
                "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE pid = %s AND (backend_start IS NULL"
                " OR (extract(epoch FROM backend_start) * 1000000)::bigint::text = %s)",
                (int(pid), start),
            )
            row = cursor.fetchone()
        return bool(row[0] == 0)

    def read_catalog(self, wrapper: BaseDatabaseWrapper) -> Catalog:
        return _read_catalog(wrapper)

    def read_rows(self, raw: Any, sql: str, params: tuple[Any, ...]) -> list[Any]:
        if raw.autocommit and self.status(raw) == IDLE:
            return super().read_rows(raw, sql, params)
        # An error (a privilege, a timeout) would end the page's transaction.
        with raw.cursor() as cursor:
            cursor.execute(f"SAVEPOINT {_SAVEPOINT}")
            try:
                rows = super().read_rows(raw, sql, params)
            except BaseException:
                with contextlib.suppress(Exception):  # a lost connection, which says so by itself
                    cursor.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
                    cursor.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
                raise
            cursor.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
            return rows

    def ask_server(self, wrapper: BaseDatabaseWrapper) -> ServerFacts:
        return _ask_server(wrapper.connection)

    def chosen_isolation(self, wrapper: BaseDatabaseWrapper) -> str | None:
        if (wrapper.settings_dict.get("OPTIONS") or {}).get("isolation_level") is None:
            return None
        # An enumeration of psycopg 3, and of psycopg 2 from Django 4.2 on; a plain number before.
        chosen: Any = getattr(wrapper, "isolation_level", None)
        # What has another number is no level that reads may hit in.
        levels = {1: "READ_COMMITTED", 2: "REPEATABLE_READ"}
        name = getattr(chosen, "name", None) or levels.get(chosen, "SERIALIZABLE")
        return str(name).replace("_", " ").lower()


def _is_psycopg3(wrapper: Any) -> bool:
    return bool(getattr(wrapper.Database, "__name__", "") == "psycopg")


def _json_text(value: Any) -> Any:
    """The text that psycopg 2's ``Json`` or psycopg 3's ``Jsonb`` sends."""
    try:
        if type(value).__module__ == "psycopg2._json":
            return value.dumps(value.adapted)
        return (value.dumps or json.dumps)(value.obj)
    except (TypeError, ValueError):  # the driver will say so
        return value


_RELATIONS = """
SELECT c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relispartition, c.relhasrules,
       EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
       EXISTS (SELECT 1 FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid OR i.inhparent = c.oid)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""
_ACTIONS = """
SELECT parent.relname, child.relname
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class parent ON parent.oid = k.confrelid
  JOIN pg_catalog.pg_class child ON child.oid = k.conrelid
 WHERE k.contype = 'f' AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
"""
# Domains have names of their own, and other rules than their types.
_COLUMNS = """
SELECT c.relname, a.attname, t.typname, a.atttypmod, a.attgenerated <> '',
       coalesce(l.collisdeterministic, true),
       (SELECT array_position(i.indkey::int2[], a.attnum) FROM pg_catalog.pg_index i
         WHERE i.indrelid = c.oid AND i.indisprimary)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
 WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
 ORDER BY c.oid, a.attnum
"""
# Enforced: checked for all rows (not NOT VALID), by triggers that are at work.
_FOREIGN_KEYS = """
SELECT child.relname, a.attname, parent.relname, b.attname
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class parent ON parent.oid = k.confrelid
  JOIN pg_catalog.pg_class child ON child.oid = k.conrelid
  JOIN pg_catalog.pg_attribute a ON a.attrelid = child.oid AND a.attnum = k.conkey[1]
  JOIN pg_catalog.pg_attribute b ON b.attrelid = parent.oid AND b.attnum = k.confkey[1]
 WHERE k.contype = 'f' AND k.convalidated AND array_length(k.conkey, 1) = 1
   AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgenabled = 'D')
"""
#: Type names of columns whose values compare as Python's do.
_TYPES = {
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "bool": "boolean",
    "uuid": "uuid",
    "date": "date",
    "text": "text",
    "varchar": "text",
}
_HEADER_OF_TYPMOD = 4  # what PostgreSQL adds to varchar's length and numeric's digits
_MOST_DIGITS = 6
_OLDEST_WITH_THESE = 120000
# Functions of PostgreSQL itself that are volatile but change no rows of tables.
_HARMLESS = frozenset(
    "random random_normal setseed clock_timestamp timeofday pg_sleep pg_sleep_for pg_sleep_until"
    " gen_random_uuid uuidv4 uuidv7 nextval currval lastval setval"
    " pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_shared"
    " pg_advisory_unlock_all pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_lock"
    " pg_try_advisory_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared"
    " pg_notify pg_is_in_recovery pg_current_wal_lsn pg_relation_size pg_total_relation_size"
    " pg_table_size pg_database_size pg_size_pretty pg_backend_pid pg_cancel_backend"
    " pg_terminate_backend txid_current pg_current_xact_id set_config".split()
)


def _read_catalog(wrapper: BaseDatabaseWrapper) -> Catalog:
    raw: Any = wrapper.connection
    with raw.cursor() as cursor:
        cursor.execute(_RELATIONS)
        relations = cursor.fetchall()
        cursor.execute(_ACTIONS)
        actions = cursor.fetchall()
        cursor.execute("SELECT DISTINCT proname FROM pg_catalog.pg_proc WHERE provolatile = 'v'")
        volatile = {row[0].lower() for row in cursor.fetchall()}
        columns, keys, foreign = _read_columns(raw, cursor)
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
        table = Table(
            name,
            what,
            bool(rules or triggers),
            tuple(sorted(acted_on.get(name, ()))),
            columns=tuple(columns.get(name, ())),
            primary_key=tuple(column for _, column in sorted(keys.get(name, ()))),
            foreign_keys=tuple(foreign.get(name, ())),
        )
        other = tables.get(name)
        if other is not None:
            # Which of them a bare name means isn't known, so nor are its columns.
            worse = other if other.kind != "table" else table
            table = Table(name, worse.kind, table.has_triggers or other.has_triggers, table.acted_on)
        tables[name] = table
    return Catalog(tables, frozenset(volatile - _HARMLESS))


def _read_columns(
    raw: Any, cursor: Any
) -> tuple[dict[str, list[Column]], dict[str, list[tuple[int, str]]], dict[str, list[ForeignKey]]]:
    """By table: its columns, the positions and names of its primary key's, its enforced foreign keys."""
    columns: dict[str, list[Column]] = {}
    keys: dict[str, list[tuple[int, str]]] = {}
    foreign: dict[str, list[ForeignKey]] = {}
    info = getattr(raw, "info", raw)
    if info.server_version < _OLDEST_WITH_THESE:
        return columns, keys, foreign
    cursor.execute(_COLUMNS)
    for table, name, type_name, modifier, generated, deterministic, position in cursor.fetchall():
        what = _TYPES.get(type_name, "")
        if what == "text" and not deterministic:
            what = ""
        most = max(modifier - _HEADER_OF_TYPMOD, 0) if type_name == "varchar" else 0
        digits = _digits(modifier) if type_name == "numeric" else -1
        columns.setdefault(table, []).append(Column(name, what, most, bool(generated), digits))
        if position is not None:
            keys.setdefault(table, []).append((position, name))
    cursor.execute(_FOREIGN_KEYS)
    for table, *key in cursor.fetchall():
        foreign.setdefault(table, []).append((key[0], key[1], key[2]))
    return columns, keys, foreign


def _digits(modifier: int) -> int:
    """How many digits behind the point a numeric column of that type modifier keeps, if they are few."""
    if modifier < _HEADER_OF_TYPMOD:
        return -1  # any number of them
    digits = (modifier - _HEADER_OF_TYPMOD) & 0xFFFF
    return digits if digits <= _MOST_DIGITS else -1


def _as_text(value: Any) -> str:
    # psycopg 2 gives PostgreSQL's "char" as str, psycopg 3 as str or bytes.
    return value.decode() if isinstance(value, bytes) else str(value)


def _ask_server(raw: Any) -> ServerFacts:
    with raw.cursor() as cursor:
        cursor.execute(_FACTS_SQL)
        row = cursor.fetchone()
    (system, oid, pid, start, isolation, in_recovery, tables, *shaping) = row
    return ServerFacts(
        database=f"postgresql:{system}:{oid}",
        shaping=tuple(str(fact) for fact in (system, oid, in_recovery, *shaping)),
        backend=f"{pid}@{start}",
        isolation=str(isolation),
        uncacheable="in_recovery" if in_recovery else "",
        is_new=not tables,
    )


_FACTS_SQL = """
SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system())::text,
       (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())::text,
       pg_backend_pid()::text,
       (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint::text FROM pg_catalog.pg_stat_activity
         WHERE pid = pg_backend_pid()),
       current_setting('default_transaction_isolation'),
       pg_is_in_recovery(),
       EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')),
       current_user::text, session_user::text,
       current_setting('search_path'), current_setting('TimeZone'), current_setting('DateStyle'),
       current_setting('IntervalStyle'), current_setting('bytea_output'),
       current_setting('extra_float_digits'), current_setting('row_security'),
       current_setting('standard_conforming_strings'), current_setting('server_version_num'),
       pg_postmaster_start_time()::text,
       (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())::text
"""
