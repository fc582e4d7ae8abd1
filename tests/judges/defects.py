"""Defects that a judge has to find: each leaves out one rule of the protocol.

Planted by name, in this process or (``CACHE_ME_TEST_DEFECT``) in a worker before its first word.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Callable, Iterator
from unittest import mock

from django.db import connections

from django_cache_me.databases import connection
from django_cache_me.reading import lookup, planned_misses
from django_cache_me.registry import cache_me_registry
from django_cache_me.stores import overlay, shared_memory
from django_cache_me.writing import announcement, cursor, observer, single, write_set

_Patch = Callable[[], Any]


def _forget_a_table() -> Any:
    """Writes to areas, to notes and to tables of many-to-many relations are not noted."""
    return _forgetting(lambda table: table.endswith(("_area", "_labels", "_note")))


def _forget_a_label() -> Any:
    """Writes to labels are not noted."""
    return _forgetting(lambda table: table == "judges_label")


def _forgetting(is_forgotten: Callable[[str], bool]) -> Any:
    tables_of, rows_of = write_set.written, write_set._exactly_placed

    def written(tables: Any) -> Any:
        return tables_of(table for table in tables if not is_forgotten(table))

    def exactly_placed(wrapper: Any, state: Any, execution: Any, *place: Any) -> Any:
        if any(map(is_forgotten, execution.script.writes)):
            return None
        return rows_of(wrapper, state, execution, *place)

    return _both(
        mock.patch.object(write_set, "written", written),
        mock.patch.object(write_set, "_exactly_placed", exactly_placed),
    )


def _forget_the_row() -> Any:
    """A write that is known row by row doesn't bump its rows."""
    return _leaving_out(lambda word: ".pk=" in word)


def _forget_the_value() -> Any:
    """A write that is known row by row doesn't bump the values that it writes."""
    return _leaving_out(lambda word: "=" in word and ".pk=" not in word)


def _forget_what_is_set() -> Any:
    """An update in part doesn't bump the columns that it sets."""
    return _leaving_out(lambda word: "~" in word)


def _forget_the_bands() -> Any:
    """A write that is known row by row tells no bands."""
    return _leaving_out(lambda word: "≈" in word)


def _leaving_out(is_left_out: Callable[[str], bool]) -> Any:
    class Rule:
        def __init__(self, rule: Any) -> None:
            self._rule = rule
            self.is_exact, self.may_act = rule.is_exact, rule.may_act

        def dependencies(self, parameters: Any, trusts_values: bool, hinted: int) -> list[int]:
            words = self._rule.words(parameters, trusts_values, hinted)
            return [number for number, word in words if not is_left_out(word)]

    original = write_set._plan_of

    def plan_of(*args: Any) -> Any:
        plan = original(*args)
        return None if plan is None else plan._replace(rule=Rule(plan.rule))

    return mock.patch.object(write_set, "_plan_of", plan_of)


def _forget_the_savepoint() -> Any:
    """A savepoint's rollback leaves the overlay as it is."""
    return mock.patch.object(overlay.Overlay, "empty", return_value=None)


def _forget_other_peoples_commits() -> Any:
    """The overlay doesn't look at the shared versions."""
    original = overlay.Overlay._get

    def get(self: Any, key: str, fingerprint: int, shared: Any) -> Any:
        entry = self._entries.get(key)
        if entry is None:
            return None
        stub = mock.Mock()
        stub.versions.return_value = entry.shared
        return original(self, key, fingerprint, stub)

    return mock.patch.object(overlay.Overlay, "_get", get)


def _forget_the_own_writes() -> Any:
    """A transaction that has written reads from the shared store, and fills it."""

    def footing_of(wrapper: Any) -> Any:
        footing = original(wrapper)
        return connection.OUTSIDE if footing.overlay is not None else footing

    original = connection.footing_of
    return mock.patch.object(lookup, "footing_of", footing_of)


def _take_the_versions_late() -> Any:
    """The versions are taken when the rows have come."""
    settled = lookup.settled

    def settled_late(taken: Any, store: Any, rows: Any) -> Any:
        reading = settled(taken._replace(clock=None), store, rows)
        return None if reading is None else store.versions(reading.dependencies)

    return mock.patch.object(lookup, "settled", settled_late)


def _take_a_planned_miss_late() -> Any:
    """The same for misses that ask the database by a plan."""
    original = planned_misses.Filler.terms_of
    asked = threading.local()

    class Late:
        def __init__(self, terms: Any, wrapper: Any, sql: str) -> None:
            self._terms, self._wrapper, self._sql = terms, wrapper, sql

        def take(self, table: Any, params: Any, may_witness: bool) -> Any:
            with self._wrapper.cursor() as cursor:
                cursor.execute(self._sql, params)
                asked.rows = list(cursor.fetchall())
            return self._terms.take(table, params, may_witness)

    def terms_of(self: Any, wrapper: Any, sql: str, exact: bool) -> Any:
        found = original(self, wrapper, sql, exact)
        return None if found is None else (Late(found[0], wrapper, sql), found[1])

    def rows(*args: Any) -> Any:
        return asked.rows

    return _both(
        mock.patch.object(planned_misses.Filler, "terms_of", terms_of),
        mock.patch.object(planned_misses, "raw_rows", rows),
    )


def _leave_out_the_intent() -> Any:
    """Nothing is declared before the commit; afterwards all is bumped, if the writer still lives."""

    def declare(self: Any, dependencies: Any, session: bytes, ends_with_process: bool) -> Any:
        return shared_memory.Intent(dependencies)

    def finish(self: Any, intent: Any) -> None:
        self.bump(intent.token)

    return _both(
        mock.patch.object(shared_memory.SharedMemoryStore, "declare_intent", declare),
        mock.patch.object(shared_memory.SharedMemoryStore, "finish_intent", finish),
    )


def _bump_before_the_commit() -> Any:
    """All is bumped and withdrawn before the commit, and nothing after it."""

    def announce(wrapper: Any, state: Any) -> Any:
        made = original(wrapper, state)
        if made is not None:
            made.finish()
        return made

    original = announcement.announce
    return _both(
        mock.patch.object(cursor, "announce", announce), mock.patch.object(observer, "announce", announce)
    )


@contextlib.contextmanager
def _finish_a_single_write_early() -> Iterator[None]:
    """A statement that is a commit of its own is bumped and withdrawn before it's executed, and not after."""
    execute, ways = cursor.execute, {}

    def remember(wrapper: Any, state: Any, store: Any, catalog: Any, execution: Any) -> None:
        original(wrapper, state, store, catalog, execution)
        if state.single_writes is not None:
            ways[id(state.raw)], state.single_writes = (state.single_writes, catalog.write_plans), None

    def execute_late(own: Any, sql: Any, args: Any, kwargs: Any) -> Any:
        way, plans = ways.get(id(own.state.raw), (None, {}))
        plan = plans.get((sql, cache_me_registry.revision))
        if plan is None or own.wrapper.in_atomic_block:
            return execute(own, sql, args, kwargs)
        intent = way.writes.declare(plan.rule, args[0], plan.others)
        if intent is None:
            return execute(own, sql, args, kwargs)
        way.writes.finish(intent)
        return own.cursor.execute(sql, *args, **kwargs)

    original = single.remember
    _forget_short_ways()
    with mock.patch.object(single, "remember", remember), mock.patch.object(cursor, "execute", execute_late):
        cursor.install()
        yield
    cursor.install()


def _go_the_long_way() -> Any:
    """Most defects are planted in the long ways of writes and of misses."""
    _forget_short_ways()
    return _both(
        mock.patch.object(single, "remember", return_value=None),
        mock.patch.object(planned_misses.PlannedMiss, "__call__", return_value=None),
    )


def _forget_short_ways() -> None:
    """Of the connections that there are."""
    for wrapper in connections.all():
        if connection.STATE in wrapper.__dict__:
            wrapper.__dict__[connection.STATE].single_writes = None


@contextlib.contextmanager
def _both(*patches: Any) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        yield


DEFECTS: dict[str, _Patch] = {
    "forget a table": _forget_a_table,
    "forget a label": _forget_a_label,
    "forget the row": _forget_the_row,
    "forget the value": _forget_the_value,
    "forget what is set": _forget_what_is_set,
    "forget the bands": _forget_the_bands,
    "forget the savepoint": _forget_the_savepoint,
    "forget other people's commits": _forget_other_peoples_commits,
    "forget the own writes": _forget_the_own_writes,
    "take the versions late": _take_the_versions_late,
    "take a planned miss's versions late": _take_a_planned_miss_late,
    "leave out the intent": _leave_out_the_intent,
    "bump before the commit": _bump_before_the_commit,
    "finish a single write early": _finish_a_single_write_early,
}


#: These are planted in the short ways.
_SHORT_WAYS = frozenset({"finish a single write early", "take a planned miss's versions late"})


def planted(name: str) -> Any:
    """A context in which that defect is at work."""
    if name in _SHORT_WAYS:
        return DEFECTS[name]()
    return _both(_go_the_long_way(), DEFECTS[name]())
