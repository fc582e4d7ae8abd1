"""What each vendor's module gives: its driver, the catalog's form, and the two identities' parts."""

from __future__ import annotations

import copy
import hashlib
from enum import Enum
from types import MappingProxyType
from typing import Any, Iterable, Mapping, NamedTuple

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.safestring import SafeString

from ... import conf
from ..declared import declared
from ..rules import Column, ForeignKey, Rules
from ..statements import Script

IDLE, OPEN, FAILED, UNKNOWN = "idle", "open", "failed", "unknown"


class Session(NamedTuple):
    """A server's name for one connection, as a dead writer leaves it behind in the version table."""

    name: bytes
    ends_with_process: bool  # once the process is dead nothing of this session is left to commit


class Driver:
    """What the observer and the readers ask of a driver's connection (``raw``)."""

    vendor: str
    dialect: str
    #: There is a server to be asked (``ask_server``); else the database is a file (``file_identity``).
    has_server: bool = True
    #: Whether :meth:`status` knows. Else OPEN means that a transaction may be open, and IDLE is sure.
    status_is_certain: bool = True
    #: What is SET before the server is asked what it is shapes its answer to that, and needs no mark.
    facts_hold_settings: bool = False
    #: A transaction's reads all see the database as it was at its first read.
    snapshots_always: bool = False
    #: With autocommit off, a read begins a transaction too.
    reads_begin_transactions: bool = True
    #: ``execute`` takes a single statement, so that one which fails has done nothing at all.
    executes_one_statement: bool = False
    #: Whether :meth:`executed` does anything: it isn't called for nothing.
    wants_to_be_told: bool = False
    #: A cursor that isn't exhausted keeps an old state of the database in view, or its own commit open.
    unfinished_cursors_matter: bool = False

    def __init_subclass__(cls) -> None:
        cls.wants_to_be_told = cls.executed is not Driver.executed

    def supports(self, wrapper: BaseDatabaseWrapper) -> bool:
        """Whether ``wrapper`` (of this vendor) uses a driver that is known here."""
        return True

    def status(self, raw: Any) -> str:
        """IDLE: no transaction is open. OPEN: one is. FAILED: one is, and can only be rolled back.
        UNKNOWN: the connection was lost, or is at work."""
        raise NotImplementedError

    def idle_mark(self, wrapper: BaseDatabaseWrapper) -> tuple[tuple[str, ...], int] | None:
        """By which attribute of an attribute … of a connection, and which number there, :meth:`status` is
        IDLE, for the engine to look at; None: it has to be asked."""
        return None

    def commits_by_itself(self, raw: Any, kind: str) -> bool:
        """Whether a writing statement of ``kind`` commits itself, given that no transaction is open."""
        raise NotImplementedError

    def commits_at_once(self, raw: Any, script: Script) -> bool:
        """Whether it is sure that no transaction is open, and that ``script``, which writes, commits before
        the driver's ``execute`` returns."""
        return False

    def executed(self, raw: Any, script: Script, succeeded: bool) -> None:
        """Told after each statement, where the driver itself keeps no count of transactions."""

    def ended(self, raw: Any) -> None:
        """Told after each commit and rollback by the driver's own methods."""

    def is_ended_by_autocommit(self, raw: Any, autocommit: bool) -> bool:
        """Whether setting ``autocommit`` is going to commit what is open, and :meth:`ended` is to be told."""
        return False

    def makes_snapshot(self, script: Script) -> bool:
        """Whether executing ``script`` in a transaction fixes the snapshot that its reads see."""
        return bool(script.reads or script.writes)

    def answers_late(self, cursor: Any, script: Script) -> bool:
        """Whether the server may still be executing ``script`` when the driver's ``execute`` has returned."""
        return False

    def wait_for_answers(self, raw: Any) -> None:
        """Wait until the server has executed all that it was sent, where the driver itself doesn't (psycopg's
        pipelines). Raises what the driver raises for a statement that failed."""

    def drain(self, raw: Any, cursor: Any) -> None:
        """Wait until what was executed with ``cursor`` is over. Raises what the driver raises."""

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

    def read_catalog(self, wrapper: BaseDatabaseWrapper) -> Catalog:
        """The tables, as told over ``wrapper``'s open connection. Raises what the driver does."""
        raise NotImplementedError

    def file_identity(self, wrapper: BaseDatabaseWrapper) -> Identity:
        """The identity of a database without a server."""
        raise NotImplementedError

    def has_connected(self, wrapper: BaseDatabaseWrapper) -> None:
        """Told as soon as ``wrapper`` has a new connection."""

    def identity_ends(self, wrapper: BaseDatabaseWrapper) -> float:
        """Until when (monotonic, s) an open connection's identity is believed without another look at it."""
        return float("inf")

    def other_databases(self, database: str, schemas: Iterable[str]) -> set[str]:
        """The identities of ``schemas`` on the server of ``database``, but for that one."""
        return set()

    def ask_server(self, wrapper: BaseDatabaseWrapper) -> ServerFacts:
        """What the server says of itself and of ``wrapper``'s connection. Raises what the driver does."""
        raise NotImplementedError

    def chosen_isolation(self, wrapper: BaseDatabaseWrapper) -> str | None:
        """The level that the project's settings give every transaction, or None: the session's default."""
        return None

    def stores_values_as_given(self, wrapper: BaseDatabaseWrapper) -> bool:
        """Whether a value that doesn't fit its column is an error, in place of being made to fit."""
        return True

    def read_rows(self, raw: Any, sql: str, params: tuple[Any, ...]) -> list[Any]:
        """The rows of a query of our own, with Django's placeholders; not observed, not logged."""
        cursor = raw.cursor()
        try:
            cursor.execute(sql, params)
            return list(cursor.fetchall())
        finally:
            cursor.close()


class Table(NamedTuple):
    """One relation of the database."""

    name: str
    #: "table", or what else it is ("view", "foreign_table", "virtual_table", "row_security" …). Rows of a
    #: "non_transactional" one are its own alone, too.
    kind: str
    #: Triggers or rules of the user's own: a write to it may write anything.
    has_triggers: bool
    #: Tables whose rows the database itself changes or deletes when rows of this one are (foreign keys).
    acted_on: tuple[str, ...]
    #: Of a plain table whose name says which one it is; else nothing is known of single rows.
    columns: tuple[Column, ...] = ()
    primary_key: tuple[str, ...] = ()
    #: Those that the database enforces.
    foreign_keys: tuple[ForeignKey, ...] = ()


#: Row-level security hides rows, and a table without transactions writes them at once; what is written is
#: written to the table alone.
_WITHOUT_WRITES_OF_THEIR_OWN = frozenset({"table", "row_security", "non_transactional"})
#: Kinds whose rows change with tables that can be declared.
_DECLARABLE = frozenset({"view", "materialized_view", "foreign_table", "virtual_table"})


class Catalog:
    """The tables of one database by bare name; a name that stands in several schemas is the worst of them."""

    def __init__(
        self,
        tables: dict[str, Table],
        writing_functions: frozenset[str],
        qualified_functions_write: bool = False,
        acts_elsewhere: Mapping[str, frozenset[str]] = MappingProxyType({}),
    ) -> None:
        self.tables = tables
        #: Lower-case names of functions that may write, beyond what the scanner knows.
        self.writing_functions = writing_functions
        #: A function that is called by a qualified name is a user's, and may write.
        self.qualified_functions_write = qualified_functions_write
        #: MySQL: the other databases with rows which foreign keys change or delete with those of a table.
        self.acts_elsewhere = acts_elsewhere
        #: What answers rest on and writes bump, as far as single rows are concerned.
        self.rules = Rules(
            (table.name, table.columns, table.primary_key, table.foreign_keys)
            for table in tables.values()
            if table.kind == "table" and table.columns
        )
        #: The writers' own: what they have worked out from this catalog, by text.
        self.write_plans: dict[Any, Any] = {}
        #: And the readers'.
        self.read_plans: dict[Any, Any] = {}

    def may_write(self, functions: Iterable[str]) -> bool:
        """Whether one of ``functions`` (as the scanner names them) may write."""
        return any(
            name.rpartition(".")[2] in self.writing_functions
            or ("." in name and self.qualified_functions_write)
            for name in functions
        )

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

    def touched_by(self, name: str, acts: bool = True) -> tuple[set[str], bool]:
        """The tables that a write to ``name`` may change, and whether that is all there is to it.

        Without ``acts`` no row of it goes and no key changes, so that foreign keys have nothing to act on. A
        second value of False means: anything may change (unknown table, view, triggers).
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
            if acts or current != name:
                waiting.extend(table.acted_on)
            waiting.extend(others or ())
        return touched, True

    def writes_only_what_is_said(self, name: str, acts: bool) -> bool:
        """Whether a write to ``name`` changes no other rows of it than those that its text tells of.

        Foreign keys may lead back to the table, and so may what is declared of it (triggers).
        """
        table = self.tables.get(name)
        if table is None or declared(name) is not None:
            return False
        if not acts:
            return True
        return not any(name in self.touched_by(child)[0] for child in table.acted_on)


PRIVATE = "private"


class Identity(NamedTuple):
    """Whose answer it is."""

    #: Names the physical database, as text; ``private:…`` for one that only this process can see.
    database: str
    #: Digest over all that shapes an answer read through these settings.
    key: str
    #: Whether the database holds nothing yet, so that no other process can know older answers of it.
    is_new: bool
    #: A reason why reads can't be cached at all through these settings, or "".
    uncacheable: str

    def answers_like(self, other: Identity) -> bool:
        """Whether what is read here may be kept as an answer of ``other``."""
        return not self.uncacheable and (self.database, self.key) == (other.database, other.key)

    @property
    def is_private(self) -> bool:
        return self.database.startswith(PRIVATE)


class ServerFacts(NamedTuple):
    """What a server says of itself and of one session."""

    #: Names the physical database.
    database: str
    #: All that shapes the session's answers.
    shaping: tuple[str, ...]
    #: Names the session, as long as the server knows of it; the driver's own form.
    backend: str
    #: Of transactions that are begun plainly, in SQL's words and lower case.
    isolation: str
    #: Why its answers can't be cached, or "".
    uncacheable: str
    #: It has no tables yet.
    is_new: bool


_SETTINGS_KEY = "_cache_me_settings_key"


def settings_key(wrapper: BaseDatabaseWrapper) -> tuple[Any, ...]:
    """All of the project's settings that shape what this connection answers; one object while they stay."""
    own = wrapper.settings_dict
    named = (own.get("NAME"), own.get("HOST"), own.get("PORT"), own.get("USER"))
    sources = (named, wrapper.timezone_name, conf.of_django("USE_TZ"))
    known = wrapper.__dict__.get(_SETTINGS_KEY)
    if known is not None and known[0] == sources and known[1] == own.get("OPTIONS"):
        found: tuple[Any, ...] = known[2]
        return found
    made = (
        type(wrapper).__module__,
        *map(str, named),
        repr(sorted((own.get("OPTIONS") or {}).items(), key=str)),
        str(wrapper.timezone_name),
        bool(settings.USE_TZ),
    )
    try:
        options = copy.deepcopy(own.get("OPTIONS"))
    except Exception:  # whatever stands in there
        return made
    wrapper.__dict__[_SETTINGS_KEY] = (sources, options, made)
    return made


def digest(*parts: Any) -> str:
    state = hashlib.sha256()
    for part in parts:
        text = repr(part).encode("utf-8", "backslashreplace")
        state.update(len(text).to_bytes(8, "little") + text)
    return state.hexdigest()[:32]
