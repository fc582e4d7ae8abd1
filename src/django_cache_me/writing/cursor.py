"""The driver's cursor, observed: all that isn't a plain read.

The engine's ``ObservedCursor`` (``engine/python/observed_cursor.hpp``) stands between Django's cursor wrapper
and the driver's cursor. Statements that only read, outside of transactions, those that go their short way
(``single.py``) and fetching rows are its own business; everything else comes here, with the cursor's fields.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

from .. import _engine
from ..databases.connection import SNAPSHOT, ConnectionState, view_of
from ..databases.drivers import IDLE, Driver
from ..databases.identity import is_to_be_asked
from ..databases.statements import COPY, SCRIPTS, UNREADABLE, Script, read_script
from . import single
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


class Fields:
    """What an observed cursor keeps for itself: the engine's ``CursorFields``, described.

    Apart from the cursor, whose attributes are the driver's.
    """

    wrapper: BaseDatabaseWrapper
    state: ConnectionState
    driver: Driver
    #: The driver's.
    cursor: Any
    #: What stands around it.
    observed: Any
    #: The driver's texts that only read and aren't to be told of, with whether they make a snapshot.
    plain_reads: dict[str, bool]
    #: A commit that happens only once the rows are fetched or the cursor is closed.
    announcement: Announcement | None
    #: Rows are still to come (counted only where that matters to other statements).
    unfinished: bool
    #: The driver's call may still be at work: its commit is over when the cursor is closed.
    lazy: bool
    #: What the statement that is executed writes: the dependencies that the overlay goes by.
    written: frozenset[int] | None
    #: SQLite: rows of a statement that writes are still to be fetched, and until then nothing that the
    #: connection has written in autocommit is committed (``ConnectionState.pending_writers``).
    is_pending: bool


_MOST_PLAIN_READS = 4096
_observers: dict[Driver, Any] = {}


def observer_of(state: ConnectionState) -> Any:
    """What makes observed cursors of the driver's: ``observe(wrapper, state, cursor)``; None: they aren't
    observed."""
    driver = state.driver
    if driver is None:
        return None
    if driver not in _observers:
        _observers[driver] = _engine.cursor_observer(driver, {}, driver.unfinished_cursors_matter)
    state.observe = _observers[driver]
    return state.observe


# What executes.


def execute(own: Fields, sql: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    text = sql if type(sql) is str else _text(own, sql)
    dialect = own.driver.dialect
    script = SCRIPTS[dialect].get(text) or read_script(text, dialect)
    if script.only_reads and not script.functions:
        if not own.driver.wants_to_be_told and type(sql) is str:
            if len(own.plain_reads) >= _MOST_PLAIN_READS:
                own.plain_reads.clear()
            own.plain_reads[sql] = own.driver.makes_snapshot(script)
        return _read(own, script, own.cursor.execute, (sql, *args), kwargs)
    execution = Execution(script, text, (args[0],) if args else ((),))
    return _observe(own, execution, own.cursor.execute, (sql, *args), kwargs)


def executemany(own: Fields, sql: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    text = sql if type(sql) is str else _text(own, sql)
    script = read_script(text, own.driver.dialect)
    # An iterator can be gone through but once, and that is the driver's to do.
    several = args[0] if args and isinstance(args[0], (list, tuple)) else None
    execution = Execution(script, text, several)
    return _observe(own, execution, own.cursor.executemany, (sql, *args), kwargs)


def _text(own: Fields, sql: Any) -> str:
    if isinstance(sql, bytes):
        return sql.decode("utf-8", "surrogateescape")
    as_string = getattr(sql, "as_string", None)  # psycopg's composed SQL
    if as_string is not None:
        return str(as_string(own.state.raw))
    return str(sql)


def _read(own: Fields, script: Script, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
    finish(own)
    state, driver = own.state, own.driver
    if state.written and driver.status(state.raw) == IDLE:
        hear_of_the_end(own.wrapper, state)
    if not own.wrapper.autocommit and driver.status(state.raw) == IDLE:
        state.end_transaction()
        _take_clock(own)
    result = _call(own, script, call, args, kwargs)
    _rows_are_coming(own, script)
    return result


def _observe(
    own: Fields,
    execution: Execution,
    call: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Any,
    lazy: bool = False,
) -> Any:
    script = execution.script
    if script.only_reads and not script.functions:
        return _read(own, script, call, args, kwargs)
    finish(own)
    state, driver = own.state, own.driver
    if script.only_sets and driver.facts_hold_settings and is_to_be_asked(own.wrapper):
        return call(*args, **kwargs)
    driver.wait_for_answers(state.raw)
    was_open = driver.status(state.raw) != IDLE
    unchanged = not state.changed
    _before(own, execution, was_open)
    commits = (
        script.commits
        or script.may_commit
        or (script.releases and state.began_by_savepoint)
        or (not (was_open and driver.status_is_certain) and driver.commits_by_itself(state.raw, script.kind))
    )
    announcement = announce(own.wrapper, state) if commits else None
    try:
        result = _call(own, script, call, args, kwargs)
        driver.wait_for_answers(state.raw)
    except BaseException:
        if announcement is not None and not _waits(own, announcement):
            announcement.end()
        if unchanged and driver.executes_one_statement and not lazy:
            state.take_change_back()  # what was refused as a whole has changed nothing
        _after(own, script)
        raise
    _rows_are_coming(own, script)
    lazy = lazy or driver.answers_late(own.cursor, script)
    returning = own.unfinished and script.returning
    if returning and commits and not lazy:
        own.is_pending = True
        state.pending_writers += 1
    if announcement is not None and (lazy or returning):
        own.announcement, announcement = announcement, None
        own.lazy = lazy
    _after(own, script)
    if announcement is not None and not _waits(own, announcement):
        announcement.finish()
    return result


def _waits(own: Fields, announcement: Announcement) -> bool:
    """Whether the commit only comes when others' rows have been fetched; it is announced until then."""
    state = own.state
    if state.pending_writers:
        state.waiting.append(announcement)
    return bool(state.pending_writers)


def _call(own: Fields, script: Script, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
    succeeded = False
    try:
        result = call(*args, **kwargs)
        succeeded = True
        return result
    finally:
        own.driver.executed(own.state.raw, script, succeeded)


def _before(own: Fields, execution: Execution, was_open: bool) -> None:
    state, script = own.state, execution.script
    if not was_open and not state.pending_writers:
        hear_of_the_end(own.wrapper, state)
        state.end_transaction()
    if not was_open:
        if script.begins or script.is_savepoint:
            # SQLite in autocommit: the release of this savepoint is the commit.
            state.began_by_savepoint = script.is_savepoint and own.driver.commits_by_itself(
                state.raw, script.kind
            )
        if script.begins or script.is_savepoint or not own.wrapper.autocommit:
            _take_clock(own)
    if script.begins:
        state.snapshot_exists = False
    if script.special_transaction:
        state.special_transaction = script.special_transaction
    if script.session_change:
        state.changed = script.session_change
    _empty_overlay(own, script)
    own.written = add_writes(own.wrapper, state, execution)


def _take_clock(own: Fields) -> None:
    """The statement may begin a transaction. What is not younger than the clock before its snapshot was
    committed before it."""
    if view_of(own.wrapper) == SNAPSHOT:
        own.state.clock = clock_of(own.wrapper)


def _empty_overlay(own: Fields, script: Script) -> None:
    if own.state.overlay is not None and (script.rolls_back or script.writes_anything):
        own.state.overlay.empty()


def _after(own: Fields, script: Script) -> None:
    _empty_overlay(own, script)
    if own.written and own.state.overlay is not None:
        own.state.overlay.wrote(own.written)
    _end_transaction_if_over(own)


def _end_transaction_if_over(own: Fields) -> None:
    state = own.state
    if not state.pending_writers and own.announcement is None and not state.in_transaction:
        state.end_transaction()


def _rows_are_coming(own: Fields, script: Script) -> None:
    if own.driver.makes_snapshot(script):
        own.state.snapshot_exists = True
    if own.driver.unfinished_cursors_matter and own.cursor.description is not None:
        own.unfinished = True
        own.state.unfinished_cursors += 1


# What ends a cursor's work.


def finish(own: Fields) -> None:
    drain(own)
    if own.unfinished:
        own.unfinished = False
        own.state.unfinished_cursors -= 1
    announcement, own.announcement = own.announcement, None
    if own.written and own.state.overlay is not None:
        own.state.overlay.wrote(own.written)
    own.written = None
    if own.is_pending:
        own.is_pending = False
        _no_more_pending(own, announcement)
    elif announcement is not None:
        _end_transaction_if_over(own)
        announcement.finish()


def _no_more_pending(own: Fields, announcement: Announcement | None) -> None:
    """The rows of a statement that writes have been fetched. What was written is committed if it's the
    last such statement; if a transaction has begun meanwhile, only with that, which announces it anew."""
    state = own.state
    state.pending_writers -= 1
    if announcement is not None:
        state.waiting.append(announcement)
    if state.pending_writers:
        return
    waiting, state.waiting = state.waiting, []
    _end_transaction_if_over(own)
    for one in waiting:
        one.finish()


def drain(own: Fields) -> None:
    """Wait for what the server is still at work on."""
    lazy, own.lazy = own.lazy, False
    if not lazy or own.announcement is None:
        return
    try:
        own.driver.drain(own.state.raw, own.cursor)
    except Exception:  # of a statement whose answer nobody has asked for
        announcement, own.announcement = own.announcement, None
        announcement.end()


def exhausted(own: Fields) -> None:
    if own.unfinished and not own.lazy:
        finish(own)


def failed(own: Fields) -> None:
    """Fetching raised."""
    if not own.is_pending:
        announcement, own.announcement = own.announcement, None
        if announcement is not None:
            announcement.end()
    finish(own)


def rows(own: Fields) -> Iterator[Any]:
    # Not "yield from": given up, that would close the driver's cursor.
    for row in own.cursor:  # noqa: UP028
        yield row
    exhausted(own)


def dropped(own: Fields) -> None:
    """Nobody has the cursor any more."""
    drain(own)
    try:
        own.cursor.close()
    except Exception:  # the connection is closed already: nothing is pending then
        pass
    finish(own)


def driver_call(own: Fields, method: Callable[..., Any], name: str) -> Callable[..., Any]:
    script = COPY if name.startswith("copy") else UNREADABLE

    def observed(*args: Any, **kwargs: Any) -> Any:
        result = _observe(own, Execution(script, "", None), method, args, kwargs, lazy=True)
        return own.observed if result is own.cursor else result

    return observed


def install() -> None:
    """Give the engine's cursors what isn't theirs to decide; once per process."""
    _engine.install_cursors(
        {
            "execute": execute,
            "executemany": executemany,
            "drain": drain,
            "finish": finish,
            "exhausted": exhausted,
            "failed": failed,
            "rows": rows,
            "dropped": dropped,
            "driver_call": driver_call,
            "harmless": _HARMLESS,
            "state": ConnectionState,
            "single_failed": single.failed,
            "single_lost": single.lost,
        }
    )
