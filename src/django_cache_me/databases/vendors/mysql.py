"""MariaDB and MySQL, by mysqlclient or PyMySQL.

Neither driver says reliably whether a transaction is open: mysqlclient keeps the server's status to itself,
PyMySQL takes it from answers without rows only. So what was executed decides, on the careful side: a
transaction counts as open until it was surely ended. Under autocommit, where a transaction is begun by a raw
BEGIN alone, the server may have rolled it back meanwhile (a deadlock); there each writing statement counts as
one that commits itself, as well as part of the transaction.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from ..rules import Column, ForeignKey
from ..statements import Script
from .base import IDLE, OPEN, UNKNOWN, Catalog, Driver, ServerFacts, Session, Table, digest

#: The attribute of a driver's connection: a transaction may be open.
_MAY_BE_OPEN = "_cache_me_may_be_open"
_SERVER_STATUS_IN_TRANS = 1
#: The numbers of errors that the client itself finds: the connection is lost, or out of step.
_CLIENT_ERRORS = range(2000, 3000)


class MySQLDriver(Driver):
    vendor = "mysql"
    dialect = "mysql"
    status_is_certain = False
    facts_hold_settings = True

    def supports(self, wrapper: BaseDatabaseWrapper) -> bool:
        # mysql.connector has a backend of the same vendor, and other connections.
        return getattr(getattr(wrapper, "Database", None), "__name__", "") in ("MySQLdb", "pymysql")

    def status(self, raw: Any) -> str:
        if not raw.open or _is_lost(raw):
            return UNKNOWN
        return OPEN if getattr(raw, _MAY_BE_OPEN, False) else IDLE

    def commits_by_itself(self, raw: Any, kind: str) -> bool:
        return not raw.open or bool(raw.get_autocommit())

    def executed(self, raw: Any, script: Script, succeeded: bool) -> None:
        if succeeded and _surely_ends(script):
            self.ended(raw)
        elif not raw.open:
            return
        elif script.begins or script.may_commit or not raw.get_autocommit():
            setattr(raw, _MAY_BE_OPEN, True)

    def ended(self, raw: Any) -> None:
        setattr(raw, _MAY_BE_OPEN, False)

    def is_ended_by_autocommit(self, raw: Any, autocommit: bool) -> bool:
        # SET autocommit = 1 commits only if it was 0.
        return autocommit and raw.open and not raw.get_autocommit()

    def makes_snapshot(self, script: Script) -> bool:
        # Writes and locking reads see what is committed last; the snapshot is made by the first plain read.
        return bool(script.reads) and script.kind == "select" and script.reason != "locking_read"

    def answers_late(self, cursor: Any, script: Script) -> bool:
        # Several statements in one text, a procedure: the server is at work until the last result is taken.
        if script.may_commit:
            return True
        # An unbuffered cursor: the statement ends with its last row.
        return script.returning and any(
            base.__name__ == "SSCursor" for base in type(_innermost(cursor)).__mro__
        )

    def drain(self, raw: Any, cursor: Any) -> None:
        while cursor.nextset():
            pass
        if getattr(raw, _MAY_BE_OPEN, False) and raw.get_autocommit() and not _in_transaction(raw):
            self.ended(raw)

    def session(self, wrapper: BaseDatabaseWrapper) -> Session:
        from ..identity import server_facts

        return Session(f"mysql:{server_facts(wrapper).backend}".encode(), ends_with_process=False)

    def session_is_gone(self, raw: Any, name: bytes) -> bool:
        _, start, number, user = name.decode("utf-8", "replace").split(":", 3)
        own_start = getattr(raw, _START, "")
        if start and own_start and start != own_start:
            return True  # the server was started anew since
        with _plain_cursor(raw) as cursor:
            cursor.execute(_SESSION_SQL, (int(number),))
            (found, own_user, sees_all) = cursor.fetchone()
        # Without the privilege PROCESS a user's sessions are seen by that user alone.
        return not found and (bool(sees_all) or _text(own_user) == user)

    def other_databases(self, database: str, schemas: Iterable[str]) -> set[str]:
        server = database[: database.index(":", len("mysql:"))]
        return {f"{server}:{schema}" for schema in schemas} - {database}

    def read_catalog(self, wrapper: BaseDatabaseWrapper) -> Catalog:
        with _plain_cursor(wrapper.connection) as cursor:
            return _read_catalog(cursor)

    def stores_values_as_given(self, wrapper: BaseDatabaseWrapper) -> bool:
        from ..identity import server_facts

        modes = next((fact for fact in server_facts(wrapper).shaping if fact.startswith("sql_mode=")), "")
        return "STRICT_ALL_TABLES" in modes or "STRICT_TRANS_TABLES" in modes

    def read_rows(self, raw: Any, sql: str, params: tuple[Any, ...]) -> list[Any]:
        with _plain_cursor(raw) as cursor:
            cursor.execute(sql, params)
            return list(cursor.fetchall())

    def ask_server(self, wrapper: BaseDatabaseWrapper) -> ServerFacts:
        with _plain_cursor(wrapper.connection) as cursor:
            return _ask_server(wrapper.connection, cursor)


def _is_lost(raw: Any) -> bool:
    # PyMySQL closes what is lost; mysqlclient remembers the last call's error.
    errno = getattr(raw, "errno", None)
    return errno is not None and errno() in _CLIENT_ERRORS


def _in_transaction(raw: Any) -> bool:
    """Whether a transaction is open, as the server says; True where it can't."""
    with _plain_cursor(raw) as cursor:
        if hasattr(raw, "server_status"):  # PyMySQL: of the last answer that had no rows
            cursor.execute("DO 0")
            return bool(raw.server_status & _SERVER_STATUS_IN_TRANS)
        if "mariadb" not in _text(raw.get_server_info()).lower():
            return True
        cursor.execute("SELECT @@in_transaction")
        return bool(cursor.fetchone()[0])


def _surely_ends(script: Script) -> bool:
    """Whether no transaction is open once ``script`` was executed without an error."""
    if script.kind in ("commit", "rollback"):
        return True
    # DDL commits before and after; but not CREATE and DROP TEMPORARY TABLE.
    return script.kind in ("ddl", "truncate") and not script.session_change


def _innermost(cursor: Any) -> Any:
    return getattr(cursor, "cursor", cursor)  # of Django's CursorWrapper


def _plain_cursor(raw: Any) -> Any:
    """A cursor of the driver's plain kind, whatever kind the project's OPTIONS choose."""
    package = type(raw).__module__.partition(".")[0]
    return raw.cursor(import_module(f"{package}.cursors").Cursor)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _folded(name: Any) -> str:
    """As the scanner folds names: ASCII letters alone."""
    return _text(name).encode("utf-8", "surrogateescape").lower().decode("utf-8", "surrogateescape")


# What the server is and what shapes the session's answers. SHOW VARIABLES gives those that this server has.
_OF_THE_SERVER = ("hostname", "datadir", "port", "socket", "server_uid", "server_uuid")
_SHAPING = tuple(
    "version version_comment lower_case_table_names"
    " sql_mode old_mode sql_auto_is_null sql_select_limit sql_big_selects max_join_size"
    " div_precision_increment group_concat_max_len max_sort_length max_length_for_sort_data"
    " default_week_format lc_time_names"
    " character_set_client character_set_connection character_set_results character_set_database"
    " character_set_collations collation_connection collation_database default_collation_for_utf8mb4"
    " time_zone system_time_zone block_encryption_mode max_allowed_packet max_statement_time"
    " max_execution_time windowing_use_high_precision system_versioning_asof date_format datetime_format"
    " time_format sql_safe_updates note_verbosity".split()
)
_ISOLATION = ("transaction_isolation", "tx_isolation")
_KIND = ("read_only", "super_read_only", "innodb_read_only", "wsrep_on", "group_replication_group_name")
_VARIABLES_SQL = "SHOW VARIABLES WHERE Variable_name IN ({})".format(
    ", ".join(f"'{name}'" for name in (*_OF_THE_SERVER, *_SHAPING, *_ISOLATION, *_KIND))
)
# Uptime is counted to the time at which the statement began, and UNIX_TIMESTAMP() is that time, so that the
# difference is exact.
_STATUS_SQL = """
SELECT VARIABLE_NAME, VARIABLE_VALUE, CAST(UNIX_TIMESTAMP() AS SIGNED) FROM {}.GLOBAL_STATUS
 WHERE VARIABLE_NAME IN ('UPTIME', 'SLAVES_RUNNING')
"""
# A schema has no number of its own: one that was dropped and made again is told by the time at which the
# table of Django's migrations was made.
_SESSION_FACTS_SQL = """
SELECT DATABASE(), CURRENT_USER(), SUBSTRING_INDEX(USER(), '@', 1), CONNECTION_ID(),
       EXISTS(SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()),
       (SELECT CREATE_TIME FROM information_schema.TABLES
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'django_migrations')
"""
_OWN_GRANTS = (
    "GRANTEE = CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@',"
    " QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))"
)
_SESSION_SQL = f"""
SELECT EXISTS(SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = %s),
       SUBSTRING_INDEX(CURRENT_USER(), '@', 1),
       EXISTS(SELECT 1 FROM information_schema.USER_PRIVILEGES
               WHERE PRIVILEGE_TYPE = 'PROCESS' AND {_OWN_GRANTS})
"""
#: The attribute of a driver's connection: when its server was started.
_START = "_cache_me_server_start"
# Servers that speak this protocol in front of several databases.
_CLUSTERS = ("tidb", "vitess", "oceanbase", "singlestore", "starrocks", "clickhouse")


def _ask_server(raw: Any, cursor: Any) -> ServerFacts:
    cursor.execute(_VARIABLES_SQL)
    variables = {_text(name).lower(): _text(value) for name, value in cursor.fetchall()}
    start, replicas = _status(cursor, "mariadb" in variables.get("version", "").lower())
    setattr(raw, _START, start)
    cursor.execute(_SESSION_FACTS_SQL)
    (schema, account, user, number, tables, made) = cursor.fetchone()
    own = digest(*((name, variables.get(name)) for name in _OF_THE_SERVER))
    name = "" if schema is None else _text(schema)
    isolation = (variables.get(_ISOLATION[0]) or variables.get(_ISOLATION[1], "")).replace("-", " ").lower()
    return ServerFacts(
        # Names that differ by case share their versions, be they one database or two: texts are folded.
        database=f"mysql:{own}:{_folded(name)}",
        shaping=(
            *(own, name, start, _text(account), str(made)),
            *(f"{shaping}={variables[shaping]}" for shaping in _SHAPING if shaping in variables),
        ),
        backend=f"{start}:{int(number)}:{_text(user)}",
        isolation=isolation,
        uncacheable=_why_uncacheable(variables, replicas, isolation),
        is_new=schema is not None and not tables,
    )


def _status(cursor: Any, is_mariadb: bool) -> tuple[str, int]:
    """When the server was started ("" if it doesn't say), and how many replications run into it (MariaDB)."""
    try:
        cursor.execute(_STATUS_SQL.format("information_schema" if is_mariadb else "performance_schema"))
        rows = cursor.fetchall()
    except Exception:  # a server of a third kind
        return "", 0
    start, replicas = "", 0
    for name, value, now in rows:
        if _text(name).upper() == "UPTIME":
            start = str(int(now) - int(_text(value)))
        else:
            replicas = int(_text(value))
    return start, replicas


def _why_uncacheable(variables: dict[str, str], replicas: int, isolation: str) -> str:
    words = f"{variables.get('version', '')} {variables.get('version_comment', '')}".lower()
    if (
        variables.get("wsrep_on", "OFF").upper() not in ("OFF", "0")
        or variables.get("group_replication_group_name")
        or any(word in words for word in _CLUSTERS)
    ):
        return "cluster"  # commits of other servers arrive by themselves
    if replicas or any(
        variables.get(name, "OFF").upper() not in ("OFF", "0")
        for name in ("read_only", "super_read_only", "innodb_read_only")
    ):
        return "replica"
    # Even single statements would keep what is never committed.
    return "isolation_level" if isolation == "read uncommitted" else ""


# The catalog.
_TABLES_SQL = """
SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
"""
_TRIGGERS_SQL = """
SELECT DISTINCT EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE()
"""
# Triggers are seen by who may make them.
_SEES_TRIGGERS_SQL = f"""
SELECT EXISTS(SELECT 1 FROM information_schema.USER_PRIVILEGES
               WHERE PRIVILEGE_TYPE = 'TRIGGER' AND {_OWN_GRANTS})
    OR EXISTS(SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES
               WHERE PRIVILEGE_TYPE = 'TRIGGER' AND DATABASE() LIKE TABLE_SCHEMA AND {_OWN_GRANTS})
"""
_ACTIONS_SQL = """
SELECT REFERENCED_TABLE_NAME, CONSTRAINT_SCHEMA = DATABASE(), CONSTRAINT_SCHEMA, TABLE_NAME
  FROM information_schema.REFERENTIAL_CONSTRAINTS
 WHERE UNIQUE_CONSTRAINT_SCHEMA = DATABASE()
   AND (DELETE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT')
        OR UPDATE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT'))
"""
_COLUMNS_SQL = """
SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, EXTRA, NUMERIC_SCALE FROM information_schema.COLUMNS
 WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, ORDINAL_POSITION
"""
# COLUMNS hides those that the user may not see, so what looks like the whole row may be a part of it.
_PARTLY_SEEN_SQL = """
SELECT DISTINCT TABLE_NAME FROM information_schema.COLUMN_PRIVILEGES WHERE TABLE_SCHEMA = DATABASE()
"""
_KEYS_SQL = """
SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS
 WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME = 'PRIMARY' ORDER BY TABLE_NAME, SEQ_IN_INDEX
"""
_FOREIGN_KEYS_SQL = """
SELECT TABLE_NAME, MIN(COLUMN_NAME), MIN(REFERENCED_TABLE_NAME), MIN(REFERENCED_COLUMN_NAME)
  FROM information_schema.KEY_COLUMN_USAGE
 WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_SCHEMA = DATABASE()
 GROUP BY TABLE_NAME, CONSTRAINT_NAME HAVING COUNT(*) = 1
"""
#: Types of columns whose values compare as Python's do. Text never does: by collation, and padded.
_TYPES = dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint"), "integer")
_TYPES["date"] = "date"
_MOST_DIGITS = 6
# What a function says of itself (READS SQL DATA) is not enforced.
_FUNCTIONS_SQL = """
SELECT DISTINCT ROUTINE_NAME FROM information_schema.ROUTINES
 WHERE ROUTINE_TYPE <> 'PROCEDURE' AND ROUTINE_SCHEMA <> 'sys'
"""
_TRANSACTIONAL = frozenset({"innodb", "rocksdb"})
# Their rows are in no other table, and no foreign key acts on them.
_PLAIN = frozenset({"myisam", "aria", "memory", "csv", "archive", "blackhole"})


def _read_catalog(cursor: Any) -> Catalog:
    def rows(sql: str) -> list[Any]:
        cursor.execute(sql)
        return list(cursor.fetchall())

    with_triggers = {_folded(name) for (name,) in rows(_TRIGGERS_SQL)}
    sees_triggers = bool(rows(_SEES_TRIGGERS_SQL)[0][0])
    acted_on: dict[str, set[str]] = {}
    elsewhere: dict[str, set[str]] = {}
    for parent, is_here, schema, child in rows(_ACTIONS_SQL):
        if is_here:
            acted_on.setdefault(_folded(parent), set()).add(_folded(child))
        else:
            elsewhere.setdefault(_folded(parent), set()).add(_folded(schema))
    keys: dict[str, list[str]] = {}
    for table_name, column in rows(_KEYS_SQL):
        keys.setdefault(_folded(table_name), []).append(_folded(column))
    partly_seen = {_folded(name) for (name,) in rows(_PARTLY_SEEN_SQL)}
    columns: dict[str, list[Column]] = {}
    for table_name, column, type_name, extra, scale in rows(_COLUMNS_SQL):
        if _folded(table_name) in partly_seen:
            continue
        # DEFAULT_GENERATED is but a default.
        words = _text(extra).lower().replace("default_generated", "")
        computed = "generated" in words or "persistent" in words or "on update" in words
        # What counts by itself makes a value of its own of nought; of a key the engine's rules know that.
        counts = "auto_increment" in words and _folded(column) not in keys.get(_folded(table_name), ())
        what = "" if counts else _TYPES.get(_text(type_name).lower(), "")
        is_decimal = _text(type_name).lower() == "decimal" and scale is not None
        digits = int(scale) if is_decimal and scale <= _MOST_DIGITS else -1
        columns.setdefault(_folded(table_name), []).append(
            Column(_folded(column), what, computed=computed, digits=digits)
        )
    foreign: dict[str, list[ForeignKey]] = {}
    for table_name, column, parent, to_column in rows(_FOREIGN_KEYS_SQL):
        foreign.setdefault(_folded(table_name), []).append(
            (_folded(column), _folded(parent), _folded(to_column))
        )
    tables: dict[str, Table] = {}
    for original, table_type, engine in rows(_TABLES_SQL):
        name = _folded(original)
        # From another database a foreign key may act back on this one.
        triggers = name in with_triggers or name in elsewhere or not sees_triggers
        table = Table(
            name,
            _kind(table_type, engine),
            triggers,
            tuple(sorted(acted_on.get(name, ()))),
            columns=tuple(columns.get(name, ())),
            primary_key=tuple(keys.get(name, ())),
            foreign_keys=tuple(foreign.get(name, ())),
        )
        # T and t are two tables where file names differ by case: which one a folded name means isn't known.
        other = tables.get(name)
        if other is not None:
            worse = other if other.kind != "table" else table
            table = Table(name, worse.kind, table.has_triggers or other.has_triggers, table.acted_on)
        tables[name] = table
    functions = frozenset(_folded(name) for (name,) in rows(_FUNCTIONS_SQL))
    return Catalog(
        tables,
        functions,
        qualified_functions_write=True,
        acts_elsewhere={name: frozenset(schemas) for name, schemas in elsewhere.items()},
    )


def _kind(table_type: Any, engine: Any) -> str:
    kind = _text(table_type).upper()
    if kind != "BASE TABLE":
        # Of a system-versioned table old rows are seen, and dropped, by time.
        return {"VIEW": "view", "SEQUENCE": "sequence", "SYSTEM VERSIONED": "system_versioned"}.get(
            kind, "temporary_table" if "TEMPORARY" in kind else "unknown_kind"
        )
    name = "" if engine is None else _text(engine).lower()
    if name in _TRANSACTIONAL:
        return "table"
    return "non_transactional" if name in _PLAIN else "foreign_table"
