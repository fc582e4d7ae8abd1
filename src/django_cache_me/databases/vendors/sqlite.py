"""SQLite: no server; the file is the database."""

from __future__ import annotations

import os
import threading
import time
import uuid
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from ... import _engine, conf
from ..rules import Column
from ..statements import Script
from .base import IDLE, OPEN, PRIVATE, Catalog, Driver, Identity, Session, Table, digest, settings_key

#: How long (s) a file's identity is believed before the path is looked at again.
_LEASE = 1.0

_KNOWN = "_cache_me_identity"
_OPENED = "_cache_me_opened"

_private_names: dict[str, str] = {}
_lock = threading.Lock()


def _forget_after_fork() -> None:
    # A forked child has its own copy of every in-memory database: another database, another name.
    global _lock
    _lock = threading.Lock()
    _private_names.clear()


os.register_at_fork(after_in_child=_forget_after_fork)


class SQLiteDriver(Driver):
    vendor = "sqlite"
    dialect = "sqlite"
    has_server = False
    snapshots_always = True
    reads_begin_transactions = False  # but for Python 3.12's autocommit=False, where one is always open
    unfinished_cursors_matter = True
    executes_one_statement = True

    def status(self, raw: Any) -> str:
        return OPEN if raw.in_transaction else IDLE

    def commits_by_itself(self, raw: Any, kind: str) -> bool:
        # Python 3.12's attribute; before, and in its legacy mode (-1), isolation_level decides, and the
        # module opens a transaction only for these four.
        autocommit = getattr(raw, "autocommit", -1)
        if autocommit is True or autocommit is False:
            return bool(autocommit)
        return raw.isolation_level is None or kind not in ("insert", "update", "delete", "replace")

    def commits_at_once(self, raw: Any, script: Script) -> bool:
        # Rows that are to be fetched keep the commit waiting.
        return not script.returning and not raw.in_transaction and self.commits_by_itself(raw, script.kind)

    def identity_ends(self, wrapper: BaseDatabaseWrapper) -> float:
        known = wrapper.__dict__.get(_KNOWN)
        return 0.0 if known is None else known[0] + _LEASE

    def session(self, wrapper: BaseDatabaseWrapper) -> Session:
        # SQLite has no server: the locks of a dead process are gone with it, and what its transaction left
        # is rolled back by the next reader.
        return Session(b"process", ends_with_process=True)

    def session_is_gone(self, raw: Any, name: bytes) -> bool:
        return True

    def read_catalog(self, wrapper: BaseDatabaseWrapper) -> Catalog:
        return _read_catalog(wrapper)

    def file_identity(self, wrapper: BaseDatabaseWrapper) -> Identity:
        return _identity(wrapper)

    def has_connected(self, wrapper: BaseDatabaseWrapper) -> None:
        _note_opened_file(wrapper)

    def read_rows(self, raw: Any, sql: str, params: tuple[Any, ...]) -> list[Any]:
        if "%" in sql.replace("%s", ""):  # as Django writes them, with %% for %
            sql = sql.replace("%%", "%") if "%%s" not in sql else ""
        return super().read_rows(raw, sql.replace("%s", "?"), params)


def _read_catalog(wrapper: BaseDatabaseWrapper) -> Catalog:
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
        columns = cursor.execute(
            "SELECT m.name, x.name, x.type, x.pk, x.hidden FROM main.sqlite_master AS m,"
            " pragma_table_xinfo(m.name) AS x WHERE m.type = 'table' ORDER BY m.name, x.cid"
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
        own = [column[1:] for column in columns if column[0] == name]
        tables[lower] = Table(
            lower,
            what,
            lower in with_triggers,
            tuple(sorted(acted_on.get(lower, ()))),
            # A constraint of the table may delete the rows that are in a new one's way (ON CONFLICT REPLACE).
            columns=()
            if "CONFLICT" in (sql or "").upper()
            else tuple(_column(one[0], one[1], bool(one[3]), sql or "") for one in own),
            primary_key=tuple(_folded(one[0]) for one in sorted(own, key=lambda one: one[2]) if one[2]),
            # PRAGMA foreign_keys is each connection's own: that other programs have it on isn't known.
        )
    # sqlite_sequence and its like are written by SQLite alone.
    return Catalog(tables, frozenset())


def _folded(name: str) -> str:
    """As the scanner folds names: ASCII letters alone."""
    return name.encode("utf-8", "surrogateescape").lower().decode("utf-8", "surrogateescape")


def _column(name: str, declared: str, computed: bool, sql: str) -> Column:
    """A column by its declared type, whose affinity makes stored values comparable with parameters
    (https://www.sqlite.org/datatype3.html)."""
    words = declared.upper()
    digits = -1
    if "INT" in words:
        what = "integer"
    elif "CHAR" in words or "CLOB" in words or "TEXT" in words:
        # A collation of one of the columns; which, the declaration isn't read for.
        what = "" if "COLLATE" in sql.upper() else "text"
    else:
        what = {"BOOL": "boolean", "BOOLEAN": "boolean", "DATE": "date"}.get(words, "")
        # Compared as numbers, stored as binary floating point: nothing is rounded, but no digit is sure,
        # either.
        if words.startswith(("DECIMAL", "NUMERIC")) and "BLOB" not in words:
            digits = 2
    return Column(_folded(name), what, computed=computed, digits=digits)


def _identity(wrapper: BaseDatabaseWrapper) -> Identity:
    now = time.monotonic()
    # The same, for this connection object, without looking at all of its settings.
    known = wrapper.__dict__.get(_KNOWN)
    sources = (wrapper.settings_dict["NAME"], wrapper.timezone_name, conf.of_django("USE_TZ"))
    if known is not None and now - known[0] < _LEASE and known[1] == sources:
        identity: Identity = known[2]
        return identity
    name = str(wrapper.settings_dict["NAME"])
    if wrapper.is_in_memory_db():  # type: ignore[attr-defined]
        return _memory_identity(wrapper, name)
    shaping = settings_key(wrapper)
    path = _path(name)
    found = _engine.file_identity(path)
    opened = wrapper.__dict__.get(_OPENED)
    if opened is not None and opened[0] is wrapper.connection and opened[1] != found:
        # An open connection goes on with the file that it has opened, whatever has its name by now.
        database = f"sqlite:{opened[1]}"
        return Identity(database, digest("sqlite", shaping, (database,)), False, "replaced_file")
    if found is None:
        # No file yet: whoever connects makes it. Until then nothing can be read, so any name will do that
        # no file can have.
        return Identity(f"{PRIVATE}:missing:{path}", "", is_new=True, uncacheable="no_database_file")
    database = f"sqlite:{found}"
    identity = Identity(
        database=database,
        key=digest("sqlite", shaping, (database,)),
        is_new=_is_empty(path),
        uncacheable="",
    )
    wrapper.__dict__[_KNOWN] = (now, sources, identity)
    return identity


def _note_opened_file(wrapper: BaseDatabaseWrapper) -> None:
    """``wrapper`` has just opened its SQLite file: which one is that?"""
    wrapper.__dict__.pop(_KNOWN, None)
    if not wrapper.is_in_memory_db():  # type: ignore[attr-defined]
        found = _engine.file_identity(_path(str(wrapper.settings_dict["NAME"])))
        wrapper.__dict__[_OPENED] = (wrapper.connection, found)


def _is_empty(path: str) -> bool:
    try:
        return os.path.getsize(path) == 0
    except OSError:
        return False


def _path(name: str) -> str:
    if name.startswith("file:"):
        name = name[len("file:") :].partition("?")[0]
        if name.startswith("//"):
            name = "/" + name[2:].partition("/")[2]
    return os.path.realpath(name)


def _memory_identity(wrapper: BaseDatabaseWrapper, name: str) -> Identity:
    if "mode=memory" in name and "cache=shared" in name:
        holder = name  # shared by all connections of this process that use this name
    else:
        known = wrapper.__dict__.get("_cache_me_memory")
        if known is None or known[0] is not wrapper.connection:
            known = (wrapper.connection, uuid.uuid4().hex)
            wrapper.__dict__["_cache_me_memory"] = known
        holder = known[1]
    with _lock:
        unique = _private_names.setdefault(holder, uuid.uuid4().hex)
    database = f"{PRIVATE}:sqlite:{unique}"
    return Identity(
        database=database,
        key=digest("sqlite", settings_key(wrapper), (database,)),
        is_new=True,
        uncacheable="",
    )
