"""One SQL text as the scanner reads it, remembered per text: what readers and the observer decide by."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

from .. import _engine

#: Why a session is changed: it was told something (``SET``, ``set_config``).
SESSION_CHANGE = "session_change"
#: Why a session is changed: its transactions see other things than the server said at connect.
TRANSACTION_SETTINGS = "transaction_settings"
#: Why a session is changed: bare names mean tables of another database (MySQL's USE).
OTHER_SCHEMA = "other_schema"
#: Why a session is changed: it has temporary tables, views or triggers.
TEMPORARY_OBJECTS = "temporary_objects"
#: Why a session is changed: something was executed in it that can't be read, so it may be anything.
UNKNOWN_STATEMENT = "unknown_statement"

_READING_KINDS = frozenset({"select", "explain", "other_harmless"})
_WRITING_KINDS = frozenset({"insert", "update", "delete", "replace", "merge", "truncate"})
#: Schemas whose tables the catalog knows by their bare names.
_FOREIGN_SCHEMAS = frozenset({"temp", "pg_temp"})


class Script(NamedTuple):
    """What executing one text may do. Texts of several statements are the union of them."""

    #: "select", "insert", … as the scanner says, or "script" for several statements.
    kind: str
    #: Nothing but reading: no write, no transaction control, no change of the session.
    only_reads: bool
    #: Nothing but settings of the session.
    only_sets: bool
    #: The tables read and written, by bare name in the dialect's folding.
    reads: frozenset[str]
    writes: frozenset[str]
    #: MySQL: the other databases whose tables are written.
    written_schemas: frozenset[str]
    #: Anything may have been written: the scanner can't read or place it.
    writes_anything: bool
    changes_schema: bool
    begins: bool
    #: Ends a transaction by committing; or may do so.
    commits: bool
    may_commit: bool
    #: Rolls back, the whole transaction or to a savepoint.
    rolls_back: bool
    is_savepoint: bool
    releases: bool
    #: Why the transaction that it begins or is in must not meet the cache, or "".
    special_transaction: str
    #: Why the session is not what it was afterwards, or "".
    session_change: str
    #: Functions that are called and that the scanner doesn't know to be harmless.
    functions: frozenset[str]
    #: Rows come back from a write.
    returning: bool
    #: Whether a read may be cached, and if not, why.
    readable: bool
    reason: str


#: By dialect and text, what was read; for who asks at each statement.
SCRIPTS: defaultdict[str, dict[str, Script]]
SCRIPTS = defaultdict(dict)
_MOST_SCRIPTS = 4096


def read_script(sql: str, dialect: str) -> Script:
    """Scan ``sql``. Never raises for what stands in it: what can't be understood writes anything."""
    known = SCRIPTS[dialect]
    script = known.get(sql)
    if script is None:
        script = _scan(sql, dialect)
        if len(known) >= _MOST_SCRIPTS:
            known.clear()
        known[sql] = script
    return script


def _scan(sql: str, dialect: str) -> Script:
    try:
        statements: tuple[Any, ...] = tuple(_engine.scan(sql, dialect))
    except UnicodeEncodeError:  # lone surrogates
        return UNREADABLE
    if not statements:
        return UNREADABLE._replace(writes_anything=False, may_commit=False, session_change="")
    first = statements[0]
    several = len(statements) > 1
    # MySQL's schemas are databases of their own, which the catalog and the versions don't tell of.
    elsewhere = dialect == "mysql" and any(schema for s in statements for schema, _ in s.reads)
    kinds = {statement.kind for statement in statements}
    unknown = "unknown" in kinds
    # PostgreSQL's SET neither writes nor commits, in whatever company.
    quiet = _READING_KINDS | {"set"} if dialect == "postgresql" else _READING_KINDS
    writes_anything = unknown or (several and not kinds <= quiet)
    changes = [_session_change(statement) for statement in statements]
    special = [_special_transaction(statement) for statement in statements]
    only_reads = kinds <= _READING_KINDS and not any(changes) and not any(s.writes for s in statements)
    return Script(
        kind="script" if several else first.kind,
        only_reads=only_reads,
        only_sets=kinds == {"set"} and all(s.set_name != "autocommit" for s in statements),
        reads=frozenset(name for s in statements for _, name in s.reads),
        writes=frozenset(name for s in statements for _, name in s.writes),
        written_schemas=_written_schemas(statements) if dialect == "mysql" else frozenset(),
        writes_anything=writes_anything or _writes_elsewhere(statements, dialect),
        changes_schema="ddl" in kinds,
        begins="begin" in kinds,
        commits="commit" in kinds or (dialect == "mysql" and any(map(_commits_implicitly, statements))),
        may_commit=unknown or (several and not kinds <= quiet),
        rolls_back="rollback" in kinds or "rollback_to_savepoint" in kinds,
        is_savepoint="savepoint" in kinds,
        releases="release" in kinds,
        special_transaction=next(filter(None, special), ""),
        session_change=next(filter(None, changes), ""),
        functions=frozenset(name for s in statements for name in s.functions),
        returning=any(s.returning for s in statements),
        readable=not several and first.readable and not first.writes and not elsewhere,
        reason=_reason(first, several, elsewhere),
    )


def _written_schemas(statements: tuple[Any, ...]) -> frozenset[str]:
    return frozenset(schema for s in statements for schema, _ in s.writes if schema)


def _reason(first: Any, several: bool, elsewhere: bool) -> str:
    if several or not first.readable:
        return first.reason or "several_statements"
    return OTHER_SCHEMA if elsewhere else ""


def _commits_implicitly(statement: Any) -> bool:
    """MySQL: what commits the open transaction before it is executed, and begins another one or none."""
    if statement.kind == "set":
        return bool(statement.set_name == "autocommit")
    return statement.kind in ("ddl", "truncate", "begin")


def _session_change(statement: Any) -> str:
    if statement.kind == "unknown":
        return UNKNOWN_STATEMENT
    if statement.temporary:
        return TEMPORARY_OBJECTS
    if not statement.session_change:
        return ""
    if statement.sets_transaction:
        return TRANSACTION_SETTINGS
    return OTHER_SCHEMA if statement.set_name == "use" else SESSION_CHANGE


def _special_transaction(statement: Any) -> str:
    if statement.kind == "begin" and statement.begin_with_options:
        return "special_transaction"
    if statement.kind == "set" and statement.sets_transaction:
        return "special_transaction"
    return ""


def _writes_elsewhere(statements: tuple[Any, ...], dialect: str) -> bool:
    """Whether a table is written whose schema says that the catalog's bare names don't place it."""
    for statement in statements:
        if statement.kind in _WRITING_KINDS and not statement.writes:
            return True
        for schema, _ in statement.writes:
            if schema in _FOREIGN_SCHEMAS or (schema and dialect == "sqlite" and schema != "main"):
                return True
            if schema and dialect == "mysql":  # a database of its own
                return True
    return False


#: A text or a driver's call that can't be read: it may do anything.
UNREADABLE = Script(
    kind="unknown",
    only_reads=False,
    only_sets=False,
    reads=frozenset(),
    writes=frozenset(),
    written_schemas=frozenset(),
    writes_anything=True,
    changes_schema=False,
    begins=False,
    commits=False,
    may_commit=True,
    rolls_back=False,
    is_savepoint=False,
    releases=False,
    special_transaction="",
    session_change=UNKNOWN_STATEMENT,
    functions=frozenset(),
    returning=False,
    readable=False,
    reason="unreadable_text",
)
#: What a call of the driver's own does to tables, when its text isn't looked at (COPY).
COPY = UNREADABLE._replace(kind="copy", session_change="")
