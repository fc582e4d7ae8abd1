"""The driver's cursor, observed."""

from __future__ import annotations

from typing import Any, Callable, Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

from ..databases.connection import SNAPSHOT, ConnectionState, view_of
from ..databases.drivers import IDLE, Driver
from ..databases.identity import is_to_be_asked
from ..databases.statements import COPY, UNREADABLE, Script, read_script
from .announcement import Announcement, announce
from .execution import Execution
from .write_set import add_writes, clock_of

#: Driver methods that execute nothing; any other one may write anything (COPY and its like).
_HARMLESS = frozenset(
    "arraysize connection description lastrowid rowcount rownumber query statusmessage name itersize"
    " scrollable withhold setinputsizes setoutputsize mogrify row_factory binary_types closed pgresult_ptr"
    " format adapters pgresult pgconn nextset set_result results scroll string_types tzinfo_factory"
    " typecaster _query _rowcount _results _conn _last_query messages callproc_result cast".split()
)


class ObservedCursor:
    """Stands between Django's cursor wrapper and the driver's cursor, and looks like the latter."""

    __slots__ = (
        "__weakref__",
        "_announcement",
        "_cursor",
        "_driver",
        "_lazy",
        "_state",
        "_unfinished",
        "_wrapper",
        "_written",
    )

    def __init__(self, wrapper: BaseDatabaseWrapper, state: ConnectionState, cursor: Any) -> None:
        assert state.driver is not None
        self._wrapper = wrapper
        self._state = state
        self._driver: Driver = state.driver
        self._cursor = cursor
        #: A commit that happens only once the rows are fetched or the cursor is closed.
        self._announcement: Announcement | None = None
        #: Rows are still to come (counted only where that matters to other statements).
        self._unfinished = False
        #: The driver's call may still be at work: its commit is over when the cursor is closed.
        self._lazy = False
        #: What the statement that is executed writes: the dependencies that the overlay goes by.
        self._written: frozenset[int] = frozenset()

    # What executes.

    def execute(self, sql: Any, *args: Any, **kwargs: Any) -> Any:
        text = self._text(sql)
        script = read_script(text, self._driver.dialect)
        execution = Execution(script, text, (args[0],) if args else ((),))
        return self._observe(execution, self._cursor.execute, (sql, *args), kwargs)

    def executemany(self, sql: Any, *args: Any, **kwargs: Any) -> Any:
        text = self._text(sql)
        script = read_script(text, self._driver.dialect)
        # An iterator can be gone through but once, and that is the driver's to do.
        several = args[0] if args and isinstance(args[0], (list, tuple)) else None
        execution = Execution(script, text, several)
        return self._observe(execution, self._cursor.executemany, (sql, *args), kwargs)

    def _text(self, sql: Any) -> str:
        if type(sql) is str:
            return sql
        if isinstance(sql, bytes):
            return sql.decode("utf-8", "surrogateescape")
        as_string = getattr(sql, "as_string", None)  # psycopg's composed SQL
        if as_string is not None:
            return str(as_string(self._state.raw))
        return str(sql)

    def _observe(
        self,
        execution: Execution,
        call: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Any,
        lazy: bool = False,
    ) -> Any:
        self._finish()
        state, driver, script = self._state, self._driver, execution.script
        if script.only_reads and not script.functions:
            if not self._wrapper.autocommit and driver.status(state.raw) == IDLE:
                state.end_transaction()
                self._take_clock()
            result = self._call(script, call, args, kwargs)
            self._rows_are_coming(script)
            return result
        if script.only_sets and driver.facts_hold_settings and is_to_be_asked(self._wrapper):
            return call(*args, **kwargs)
        driver.wait_for_answers(state.raw)
        was_open = driver.status(state.raw) != IDLE
        unchanged = not state.changed
        self._before(execution, was_open)
        commits = (
            script.commits
            or script.may_commit
            or (script.releases and state.began_by_savepoint)
            or (
                not (was_open and driver.status_is_certain)
                and driver.commits_by_itself(state.raw, script.kind)
            )
        )
        announcement = announce(self._wrapper, state) if commits else None
        try:
            result = self._call(script, call, args, kwargs)
            driver.wait_for_answers(state.raw)
        except BaseException:
            if announcement is not None:
                announcement.end()
            if unchanged and driver.executes_one_statement and not lazy:
                state.take_change_back()  # what was refused as a whole has changed nothing
            self._after(script)
            raise
        self._rows_are_coming(script)
        lazy = lazy or driver.answers_late(self._cursor, script)
        if announcement is not None and (lazy or (self._unfinished and script.returning)):
            self._announcement, announcement = announcement, None
            self._lazy = lazy
        self._after(script)
        if announcement is not None:
            announcement.finish()
        return result

    def _call(self, script: Script, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        succeeded = False
        try:
            result = call(*args, **kwargs)
            succeeded = True
            return result
        finally:
            self._driver.executed(self._state.raw, script, succeeded)

    def _before(self, execution: Execution, was_open: bool) -> None:
        state, script = self._state, execution.script
        if not was_open:
            state.end_transaction()
            if script.begins or script.is_savepoint:
                # SQLite in autocommit: the release of this savepoint is the commit.
                state.began_by_savepoint = script.is_savepoint and self._driver.commits_by_itself(
                    state.raw, script.kind
                )
            if script.begins or script.is_savepoint or not self._wrapper.autocommit:
                self._take_clock()
        if script.begins:
            state.snapshot_exists = False
        if script.special_transaction:
            state.special_transaction = script.special_transaction
        if script.session_change:
            state.changed = script.session_change
        self._empty_overlay(script)
        self._written = add_writes(self._wrapper, state, execution)

    def _take_clock(self) -> None:
        """The statement may begin a transaction. What is not younger than the clock before its snapshot was
        committed before it."""
        if view_of(self._wrapper) == SNAPSHOT:
            self._state.clock = clock_of(self._wrapper)

    def _empty_overlay(self, script: Script) -> None:
        if self._state.overlay is not None and (script.rolls_back or script.writes_anything):
            self._state.overlay.empty()

    def _after(self, script: Script) -> None:
        self._empty_overlay(script)
        if self._written and self._state.overlay is not None:
            self._state.overlay.wrote(self._written)
        self._end_transaction_if_over()

    def _end_transaction_if_over(self) -> None:
        if not self._state.in_transaction and self._announcement is None:
            self._state.end_transaction()

    def _rows_are_coming(self, script: Script) -> None:
        if self._driver.makes_snapshot(script):
            self._state.snapshot_exists = True
        if self._driver.unfinished_cursors_matter and self._cursor.description is not None:
            self._unfinished = True
            self._state.unfinished_cursors += 1

    # What ends a cursor's work.

    def _finish(self) -> None:
        self._drain()
        if self._unfinished:
            self._unfinished = False
            self._state.unfinished_cursors -= 1
        announcement, self._announcement = self._announcement, None
        if self._written and self._state.overlay is not None:
            self._state.overlay.wrote(self._written)
        self._written = frozenset()
        if announcement is not None:
            self._end_transaction_if_over()
            announcement.finish()

    def _drain(self) -> None:
        """Wait for what the server is still at work on."""
        lazy, self._lazy = self._lazy, False
        if not lazy or self._announcement is None:
            return
        try:
            self._driver.drain(self._state.raw, self._cursor)
        except Exception:  # of a statement whose answer nobody has asked for
            announcement, self._announcement = self._announcement, None
            announcement.end()

    def _exhausted(self) -> None:
        if self._unfinished and not self._lazy:
            self._finish()

    def _fetch(self, fetch: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return fetch(*args, **kwargs)
        except BaseException:
            announcement, self._announcement = self._announcement, None
            if announcement is not None:
                announcement.end()
            self._finish()
            raise

    def fetchone(self) -> Any:
        row = self._fetch(self._cursor.fetchone)
        if row is None:
            self._exhausted()
        return row

    def fetchmany(self, *args: Any, **kwargs: Any) -> Any:
        rows = self._fetch(self._cursor.fetchmany, *args, **kwargs)
        if not rows:
            self._exhausted()
        return rows

    def fetchall(self) -> Any:
        rows = self._fetch(self._cursor.fetchall)
        self._exhausted()
        return rows

    def __iter__(self) -> Iterator[Any]:
        if not self._unfinished:
            return iter(self._cursor)
        return self._rows()

    def _rows(self) -> Iterator[Any]:
        yield from self._cursor
        self._exhausted()

    def __next__(self) -> Any:
        try:
            return next(self._cursor)
        except StopIteration:
            self._exhausted()
            raise

    def close(self) -> Any:
        self._drain()
        try:
            return self._cursor.close()
        finally:
            self._finish()

    def __del__(self) -> None:
        if self._unfinished or self._announcement is not None:
            self._drain()
            try:
                self._cursor.close()
            except Exception:  # the connection is closed already: nothing is pending then
                pass
            self._finish()

    def __enter__(self) -> ObservedCursor:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.close()

    # All else is the driver's.

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._cursor, name)
        if name in _HARMLESS or not callable(attribute):
            return attribute
        return self._driver_call(attribute, COPY if name.startswith("copy") else UNREADABLE)

    def _driver_call(self, method: Callable[..., Any], script: Script) -> Callable[..., Any]:
        def observed(*args: Any, **kwargs: Any) -> Any:
            return self._observe(Execution(script, "", None), method, args, kwargs, lazy=True)

        return observed

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ObservedCursor.__slots__:
            object.__setattr__(self, name, value)
        else:
            setattr(self._cursor, name, value)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # isinstance(cursor.cursor, sqlite3.Cursor) and its like
        return type(self._cursor)
