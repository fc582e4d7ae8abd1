"""What has to be asked of a database driver, one class per vendor; nothing else touches a driver's own API.

A vendor without a class here is served by the database alone, and its writes can't be announced: listed as
a limit.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.safestring import SafeString

from .ranges import is_range, plain_range

IDLE, OPEN, FAILED, UNKNOWN = "idle", "open", "failed", "unknown"


class Session(NamedTuple):
    """A server's name for one connection, as a dead writer leaves it behind in the version table."""

    name: bytes
    ends_with_process: bool  # once the process is dead nothing of this session is left to commit


class Driver:
    """What the observer and the readers ask of a driver's connection (``raw``)."""

    vendor: str
    dialect: str
    #: A transaction's reads all see the database as it was at its first read.
    snapshots_always: bool = False
    #: With autocommit off, a read begins a transaction too.
    reads_begin_transactions: bool = True
    #: ``execute`` takes a single statement, so that one which fails has done nothing at all.
    executes_one_statement: bool = False
    #: A cursor that isn't exhausted keeps an old state of the database in view, or its own commit open.
    unfinished_cursors_matter: bool = False

    def status(self, raw: Any) -> str:
        """IDLE: no transaction is open. OPEN: one is. FAILED: one is, and can only be rolled back.
        UNKNOWN: the connection was lost, or is at work."""
        raise NotImplementedError

    def commits_by_itself(self, raw: Any, kind: str) -> bool:
        """Whether a writing statement of ``kind`` commits itself, given that no transaction is open."""
        raise NotImplementedError

    def plain_parameter(self, value: Any) -> Any:
        """A parameter of a type of its own as plain values that tell it from all others.

        What the driver makes of it must follow from these. A value of an unknown type comes back as it is.
        """
        cls = type(value)
        if cls in (list, tuple):
            return cls(self.plain_parameter(one) for one in value)
        if cls is SafeString:
            return ("SafeString", str.__str__(value))
        if isinstance(value, Enum):
            return ("Enum", f"{cls.__module__}.{cls.__qualname__}", value.name, value.value)
        return value

    def may_read_the_clock(self, params: Any) -> bool:
        """Whether the server may turn one of these parameters into the time of the statement."""
        return False

    def session(self, wrapper: BaseDatabaseWrapper) -> Session:
        raise NotImplementedError

    def session_is_gone(self, raw: Any, name: bytes) -> bool:
        """Whether the server has no such session any more. Raises what the driver raises."""
        raise NotImplementedError


class SQLiteDriver(Driver):
    vendor = "sqlite"
    dialect = "sqlite"
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

    def session(self, wrapper: BaseDatabaseWrapper) -> Session:
        # SQLite has no server: the locks of a dead process are gone with it, and what its transaction left
        # is rolled back by the next reader.
        return Session(b"process", ends_with_process=True)

    def session_is_gone(self, raw: Any, name: bytes) -> bool:
        return True


class PostgreSQLDriver(Driver):
    vendor = "postgresql"
    dialect = "postgresql"

    # libpq's PGTransactionStatusType, the same numbers in psycopg 2 and 3.
    _STATUS = {0: IDLE, 2: OPEN, 3: FAILED}

    def status(self, raw: Any) -> str:
        if raw.closed:
            return UNKNOWN
        pgconn = getattr(raw, "pgconn", None)
        number = raw.get_transaction_status() if pgconn is None else pgconn.transaction_status
        return self._STATUS.get(int(number), UNKNOWN)

    def commits_by_itself(self, raw: Any, kind: str) -> bool:
        return bool(raw.autocommit)

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
        elif module == "ipaddress":
            return (name, str(value))
        elif module == "psycopg2._ipaddress" or (module == "psycopg2.extras" and name == "Inet"):
            return (name, str(value.addr))
        elif is_range(value):
            return plain_range(value)
        return super().plain_parameter(value)

    # Text of these words becomes the time of the statement where it becomes a date or a timestamp; which
    # parameters do, the text of the statement doesn't always say. Longer text is no date (MAXDATELEN).
    _CLOCK_WORD = re.compile(r"(?<![a-z])(now|today|tomorrow|yesterday)(?![a-z])", re.IGNORECASE)
    _LONGEST_DATE = 128

    def may_read_the_clock(self, params: Any) -> bool:
        for value in params:
            if isinstance(value, str):
                if len(value) <= self._LONGEST_DATE and self._CLOCK_WORD.search(value):
                    return True
            elif isinstance(value, (list, tuple)) and self.may_read_the_clock(value):
                return True
        return False

    def session(self, wrapper: BaseDatabaseWrapper) -> Session:
        from .identity import server_facts

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


def _json_text(value: Any) -> Any:
    """The text that psycopg 2's ``Json`` or psycopg 3's ``Jsonb`` sends."""
    try:
        if type(value).__module__ == "psycopg2._json":
            return value.dumps(value.adapted)
        return (value.dumps or json.dumps)(value.obj)
    except (TypeError, ValueError):  # the driver will say so
        return value


_DRIVERS: dict[str, Driver] = {driver.vendor: driver for driver in (SQLiteDriver(), PostgreSQLDriver())}


def driver_for(wrapper: BaseDatabaseWrapper) -> Driver | None:
    """The driver's class for this connection, or None if its vendor isn't supported."""
    return _DRIVERS.get(wrapper.vendor)
