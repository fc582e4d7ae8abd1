"""The driver's cursor, observed."""

from __future__ import annotations

from typing import Any, Callable, Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

from ..databases.connection import SNAPSHOT, ConnectionState, view_of
from ..databases.drivers import IDLE, Driver
from ..databases.identity import is_to_be_asked
from ..databases.statements import COPY, SCRIPTS, UNREADABLE, Script, read_script
from .announcement import Announcement, announce, hear_of_the_end
from .execution import Execution
from .write_set import add_writes, clock_of

#: Driver methods that execute nothing; any other one may write anything (COPY and its like).
_HARMLESS = frozenset(
    "arraysize connection description lastrowid rowcount rownumber query statusmessage name itersize"
    " scrollable withhold setinputsizes setoutputsize mogrify row_factory binary_types closed pgresult_ptr"
    " format adapters pgresult pgconn nextset set_result results scroll string_types tzinfo_factory"
    " typecaster _query _rowcount _results _conn _last_query messages callproc_result cast".split()
)


class _Own:
    """What an observed cursor keeps for itself.

    In an object apart: an attribute that is set on the cursor is meant for the driver's, and the detour by
    ``__setattr__`` would cost each statement more than all the rest.
    """

    __slots__ = (
        "announcement",
        "cursor",
        "driver",
        "is_guarded",
        "is_pending",
        "lazy",
        "state",
        "unfinished",
        "wrapper",
        "written",
    )

    wrapper: BaseDatabaseWrapper
    state: ConnectionState
    driver: Driver
    #: The driver's.
    cursor: Any
    #: A commit that happens only once the rows are fetched or the cursor is closed.
    announcement: Announcement | None
    #: Rows are still to come (counted only where that matters to other statements).
    unfinished: bool
    #: The driver's call may still be at work: its commit is over when the cursor is closed.
    lazy: bool
    #: What the statement that is executed writes: the dependencies that the overlay goes by.
    written: frozenset[int]
    #: The cursor has something that ends its work if it is dropped.
    is_guarded: bool
    #: SQLite: rows of a statement that writes are still to be fetched, and until then nothing that the
    #: connection has written in autocommit is committed (``ConnectionState.pending_writers``).
    is_pending: bool


_NOTHING: frozenset[int] = frozenset()


class ObservedCursor:
    """Stands between Django's cursor wrapper and the driver's cursor, and looks like the latter.

    Made by :func:`observed`. Statements that only read are nearly all, so these, and fetching their rows, go
    by as few calls of Python functions as can be (``make bench``: passing through).
    """

    __slots__ = ("__weakref__", "_guard", "_own")
    _own: _Own
    #: Only where there may be work to end: what has a ``__del__`` costs each cursor.
    _guard: _Guard

    # What executes.

    def execute(self, sql: Any, *args: Any, **kwargs: Any) -> Any:
        own = self._own
        text = sql if type(sql) is str else self._text(sql)
        dialect = own.driver.dialect
        script = SCRIPTS[dialect].get(text) or read_script(text, dialect)
        if not script.only_reads or script.functions:
            single = own.state.single_writes
            is_fresh = own.announcement is None and not own.unfinished and not own.written
            if single is not None and is_fresh and len(args) == 1 and not kwargs:
                intent = single.declare(own.state, text, args[0])
                if intent is not None:
                    try:
                        result = own.cursor.execute(sql, args[0])
                    except BaseException:
                        single.end(own.state, intent)
                        raise
                    single.finish(intent)
                    return self if result is own.cursor else result
            execution = Execution(script, text, (args[0],) if args else ((),))
            return self._observe(execution, own.cursor.execute, (sql, *args), kwargs)
        # What _read() does.
        if own.written or own.announcement is not None or own.is_pending:
            self._finish()
        state, driver = own.state, own.driver
        if state.written and driver.status(state.raw) == IDLE:
            hear_of_the_end(own.wrapper, state)
        if own.unfinished:
            own.unfinished = False
            state.unfinished_cursors -= 1
        if not own.wrapper.autocommit and driver.status(state.raw) == IDLE:
            self._begin_by_reading()
        if driver.wants_to_be_told:
            result = self._call(script, own.cursor.execute, (sql, *args), kwargs)
        elif kwargs or len(args) != 1:
            result = own.cursor.execute(sql, *args, **kwargs)
        else:
            result = own.cursor.execute(sql, args[0])
        if not state.snapshot_exists and driver.makes_snapshot(script):
            state.snapshot_exists = True
        if driver.unfinished_cursors_matter and own.cursor.description is not None:
            own.unfinished = True
            state.unfinished_cursors += 1
            if not own.is_guarded:
                _guard(self)
        # The driver's cursor by itself would not be observed, and this one would be dropped too early.
        return self if result is own.cursor else result

    def executemany(self, sql: Any, *args: Any, **kwargs: Any) -> Any:
        text = sql if type(sql) is str else self._text(sql)
        script = read_script(text, self._own.driver.dialect)
        # An iterator can be gone through but once, and that is the driver's to do.
        several = args[0] if args and isinstance(args[0], (list, tuple)) else None
        execution = Execution(script, text, several)
        return self._observe(execution, self._own.cursor.executemany, (sql, *args), kwargs)

    def _text(self, sql: Any) -> str:
        if isinstance(sql, bytes):
            return sql.decode("utf-8", "surrogateescape")
        as_string = getattr(sql, "as_string", None)  # psycopg's composed SQL
        if as_string is not None:
            return str(as_string(self._own.state.raw))
        return str(sql)

    def _read(self, script: Script, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        self._finish()
        own = self._own
        if not own.wrapper.autocommit and own.driver.status(own.state.raw) == IDLE:
            self._begin_by_reading()
        result = self._call(script, call, args, kwargs)
        self._rows_are_coming(script)
        return self if result is own.cursor else result

    def _begin_by_reading(self) -> None:
        self._own.state.end_transaction()
        self._take_clock()

    def _observe(
        self,
        execution: Execution,
        call: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Any,
        lazy: bool = False,
    ) -> Any:
        script = execution.script
        if script.only_reads and not script.functions:
            return self._read(script, call, args, kwargs)
        self._finish()
        state, driver = self._own.state, self._own.driver
        if script.only_sets and driver.facts_hold_settings and is_to_be_asked(self._own.wrapper):
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
        announcement = announce(self._own.wrapper, state) if commits else None
        try:
            result = self._call(script, call, args, kwargs)
            driver.wait_for_answers(state.raw)
        except BaseException:
            if announcement is not None and not self._waits(announcement):
                announcement.end()
            if unchanged and driver.executes_one_statement and not lazy:
                state.take_change_back()  # what was refused as a whole has changed nothing
            self._after(script)
            raise
        self._rows_are_coming(script)
        lazy = lazy or driver.answers_late(self._own.cursor, script)
        returning = self._own.unfinished and script.returning
        if returning and commits and not lazy:
            self._own.is_pending = True
            state.pending_writers += 1
        if announcement is not None and (lazy or returning):
            self._own.announcement, announcement = announcement, None
            self._own.lazy = lazy
            _guard(self)
        self._after(script)
        if announcement is not None and not self._waits(announcement):
            announcement.finish()
        return self if result is self._own.cursor else result

    def _waits(self, announcement: Announcement) -> bool:
        """Whether the commit only comes when others' rows have been fetched; it is announced until then."""
        state = self._own.state
        if state.pending_writers:
            state.waiting.append(announcement)
        return bool(state.pending_writers)

    def _call(self, script: Script, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        succeeded = False
        try:
            result = call(*args, **kwargs)
            succeeded = True
            return result
        finally:
            self._own.driver.executed(self._own.state.raw, script, succeeded)

    def _before(self, execution: Execution, was_open: bool) -> None:
        state, script = self._own.state, execution.script
        if not was_open and not state.pending_writers:
            hear_of_the_end(self._own.wrapper, state)
            state.end_transaction()
        if not was_open:
            if script.begins or script.is_savepoint:
                # SQLite in autocommit: the release of this savepoint is the commit.
                state.began_by_savepoint = script.is_savepoint and self._own.driver.commits_by_itself(
                    state.raw, script.kind
                )
            if script.begins or script.is_savepoint or not self._own.wrapper.autocommit:
                self._take_clock()
        if script.begins:
            state.snapshot_exists = False
        if script.special_transaction:
            state.special_transaction = script.special_transaction
        if script.session_change:
            state.changed = script.session_change
        self._empty_overlay(script)
        self._own.written = add_writes(self._own.wrapper, state, execution)

    def _take_clock(self) -> None:
        """The statement may begin a transaction. What is not younger than the clock before its snapshot was
        committed before it."""
        if view_of(self._own.wrapper) == SNAPSHOT:
            self._own.state.clock = clock_of(self._own.wrapper)

    def _empty_overlay(self, script: Script) -> None:
        if self._own.state.overlay is not None and (script.rolls_back or script.writes_anything):
            self._own.state.overlay.empty()

    def _after(self, script: Script) -> None:
        self._empty_overlay(script)
        if self._own.written and self._own.state.overlay is not None:
            self._own.state.overlay.wrote(self._own.written)
        self._end_transaction_if_over()

    def _end_transaction_if_over(self) -> None:
        state = self._own.state
        if not state.pending_writers and self._own.announcement is None and not state.in_transaction:
            state.end_transaction()

    def _rows_are_coming(self, script: Script) -> None:
        if self._own.driver.makes_snapshot(script):
            self._own.state.snapshot_exists = True
        if self._own.driver.unfinished_cursors_matter and self._own.cursor.description is not None:
            self._own.unfinished = True
            self._own.state.unfinished_cursors += 1
            _guard(self)

    # What ends a cursor's work.

    def _finish(self) -> None:
        self._drain()
        if self._own.unfinished:
            self._own.unfinished = False
            self._own.state.unfinished_cursors -= 1
        announcement, self._own.announcement = self._own.announcement, None
        if self._own.written and self._own.state.overlay is not None:
            self._own.state.overlay.wrote(self._own.written)
        self._own.written = _NOTHING
        if self._own.is_pending:
            self._own.is_pending = False
            self._no_more_pending(announcement)
        elif announcement is not None:
            self._end_transaction_if_over()
            announcement.finish()

    def _no_more_pending(self, announcement: Announcement | None) -> None:
        """The rows of a statement that writes have been fetched. What was written is committed if it's the
        last such statement; if a transaction has begun meanwhile, only with that, which announces it anew."""
        state = self._own.state
        state.pending_writers -= 1
        if announcement is not None:
            state.waiting.append(announcement)
        if state.pending_writers:
            return
        waiting, state.waiting = state.waiting, []
        self._end_transaction_if_over()
        for one in waiting:
            one.finish()

    def _drain(self) -> None:
        """Wait for what the server is still at work on."""
        lazy, self._own.lazy = self._own.lazy, False
        if not lazy or self._own.announcement is None:
            return
        try:
            self._own.driver.drain(self._own.state.raw, self._own.cursor)
        except Exception:  # of a statement whose answer nobody has asked for
            announcement, self._own.announcement = self._own.announcement, None
            announcement.end()

    def _exhausted(self) -> None:
        if self._own.unfinished and not self._own.lazy:
            self._finish()

    def _failed(self) -> None:
        """Fetching raised."""
        if not self._own.is_pending:
            announcement, self._own.announcement = self._own.announcement, None
            if announcement is not None:
                announcement.end()
        self._finish()

    def fetchone(self) -> Any:
        own = self._own
        try:
            row = own.cursor.fetchone()
        except BaseException:
            self._failed()
            raise
        if row is None and own.unfinished:
            self._exhausted()
        return row

    def fetchmany(self, *args: Any, **kwargs: Any) -> Any:
        own = self._own
        try:
            rows = own.cursor.fetchmany(*args, **kwargs)
        except BaseException:
            self._failed()
            raise
        if not rows and own.unfinished:
            self._exhausted()
        return rows

    def fetchall(self) -> Any:
        own = self._own
        try:
            rows = own.cursor.fetchall()
        except BaseException:
            self._failed()
            raise
        if own.unfinished:
            self._exhausted()
        return rows

    def __iter__(self) -> Iterator[Any]:
        if not self._own.unfinished:
            return iter(self._own.cursor)
        return self._rows()

    def _rows(self) -> Iterator[Any]:
        yield from self._own.cursor
        self._exhausted()

    def __next__(self) -> Any:
        try:
            return next(self._own.cursor)
        except StopIteration:
            self._exhausted()
            raise

    def close(self) -> Any:
        own = self._own
        if own.lazy:
            self._drain()
        try:
            return own.cursor.close()
        finally:
            if own.written or own.announcement is not None or own.is_pending:
                self._finish()
            elif own.unfinished:
                own.unfinished = False
                own.state.unfinished_cursors -= 1

    def __enter__(self) -> ObservedCursor:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.close()

    # All else is the driver's.

    @property
    def rowcount(self) -> Any:  # asked for after each write
        return self._own.cursor.rowcount

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._own.cursor, name)
        if name in _HARMLESS or not callable(attribute):
            return attribute
        return self._driver_call(attribute, COPY if name.startswith("copy") else UNREADABLE)

    def _driver_call(self, method: Callable[..., Any], script: Script) -> Callable[..., Any]:
        def observed(*args: Any, **kwargs: Any) -> Any:
            return self._observe(Execution(script, "", None), method, args, kwargs, lazy=True)

        return observed

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._own.cursor, name, value)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # isinstance(cursor.cursor, sqlite3.Cursor) and its like
        return type(self._own.cursor)


class _Guard:
    """Goes with its cursor, and ends its work then."""

    __slots__ = ("own",)
    own: _Own

    def __del__(self) -> None:
        own = self.own
        if own.unfinished or own.announcement is not None or own.is_pending:
            dropped = _new(ObservedCursor)
            _keep(dropped, own)
            dropped._drain()
            try:
                own.cursor.close()
            except Exception:  # the connection is closed already: nothing is pending then
                pass
            dropped._finish()


_new = object.__new__
#: These set past ``__setattr__``.
_keep = ObservedCursor.__dict__["_own"].__set__
_keep_guard = ObservedCursor.__dict__["_guard"].__set__


def _guard(cursor: ObservedCursor) -> None:
    own = cursor._own
    if not own.is_guarded:
        own.is_guarded = True
        guard = _new(_Guard)
        guard.own = own
        _keep_guard(cursor, guard)


def observed(wrapper: BaseDatabaseWrapper, state: ConnectionState, cursor: Any) -> ObservedCursor:
    """The driver's ``cursor`` with an observer around it. (In one function: each cursor is made here.)"""
    own = _new(_Own)
    own.wrapper = wrapper
    own.state = state
    assert state.driver is not None
    own.driver = state.driver
    own.cursor = cursor
    own.announcement = None
    own.unfinished = own.lazy = own.is_guarded = own.is_pending = False
    own.written = _NOTHING
    around = _new(ObservedCursor)
    _keep(around, own)
    return around
