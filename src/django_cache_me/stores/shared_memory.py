"""The store in the host's shared memory: entries in one file per project, versions in one per database."""

from __future__ import annotations

import json
import os
import struct
import threading
import time
from typing import Any, Mapping

from .. import _engine
from ..exceptions import StoreError
from ..log import trouble
from .base import Building, Cause, Clock, Intent, Reading, Row, Store
from .dependencies import Dependencies
from .places import Place, place, versions_file

_NO_CLOCK = 2**64 - 1
#: Bytes of the epoch, with which a reading begins.
_EPOCH = 8
_EPOCH_AND_VERSION = struct.Struct("=QQ")
#: How long (s) a commit waits for a free record in the version table before it is refused.
_PATIENCE = 10.0
#: Of all keys of querysets, and of no others.
_KEYS_BEGIN = b"cache_me:"
#: How long (ms) it is kept what bumped a dependency.
_NOTES_LIVE = 3600 * 1000


class SharedMemoryStore(Store):
    def __init__(self, database: str, private: bool, is_new: bool) -> None:
        self._database = database
        self._private = private
        self._table = self._open_table(is_new)

    def _open_table(self, is_new: bool) -> _engine.VersionTable:
        if self._private:
            return _engine.VersionTable.private_table()
        return open_versions(self._database, is_new)

    def table(self) -> _engine.VersionTable:
        """The version table; opened anew when its file was replaced."""
        if not self._private and self._table.refresh_needed():
            self._table = self._open_table(is_new=False)
        return self._table

    def get(
        self, key: str, fingerprint: int, clock: Clock | None = None, building: Building | None = None
    ) -> list[Any] | None:
        entries = _entries()
        if entries is None:
            return None
        place, table = self._namespaced(key), self.table()
        newest = _number(clock, table)
        if newest is None:
            return None
        if building is None:
            return entries.get(place, table, fingerprint, newest)
        return entries.get_instances(
            place, table, fingerprint, newest, building.plan, building.alias, building.mode
        )

    def put(
        self, key: str, fingerprint: int, rows: list[Row], reading: Reading, timeout: float | None
    ) -> str:
        entries = _entries()
        if entries is None:
            return "no_store"
        return entries.put(
            self._namespaced(key),
            fingerprint,
            rows,
            reading.dependencies,
            reading.versions,
            milliseconds(timeout),
        )

    def clock(self) -> Clock:
        table = self.table()
        return Clock((table, table.clock()))

    def older(self, one: Clock, other: Clock) -> Clock:
        # One that is of a replaced file compares with nothing now, so it counts as the oldest.
        return min(one, other, key=lambda clock: clock.token[1] if clock.token[0] is self._table else -1)

    def versions(self, dependencies: Dependencies, clock: Clock | None = None) -> Reading | None:
        table = self.table()
        newest = _number(clock, table)
        versions = None if newest is None else table.read(dependencies, newest)
        return None if versions is None else Reading(dependencies, versions)

    def extended(self, reading: Reading, dependencies: Dependencies, clock: Clock | None) -> Reading | None:
        late = self.versions(dependencies, clock)
        if late is None or late.versions[:_EPOCH] != reading.versions[:_EPOCH]:
            return None
        return Reading(
            Dependencies(reading.dependencies + dependencies), reading.versions + late.versions[_EPOCH:]
        )

    def declare_intent(self, dependencies: Dependencies, session: bytes, ends_with_process: bool) -> Intent:
        give_up = time.monotonic() + _PATIENCE
        while True:
            table = self.table()
            try:
                return Intent((table, table.declare(dependencies, session, ends_with_process), dependencies))
            except _engine.EngineError as error:
                message, code = error.args
                if code not in ("exhausted", "incompatible") or time.monotonic() > give_up:
                    raise StoreError(message) from None
            # All records are taken by other commits, or the file was just replaced: nobody would see this
            # commit's intent, so it has to wait.
            time.sleep(0.002)

    def finish_intent(self, intent: Intent) -> None:
        table, token, dependencies = intent.token
        if not table.finish(token):
            self._bump_in_new_file(dependencies)

    def keep_intent(self, intent: Intent) -> None:
        table, token, dependencies = intent.token
        if not table.keep(token):
            self._bump_in_new_file(dependencies)

    def mark_bands(self, hints: Dependencies) -> None:
        self.table().mark(hints)

    def marked_bands(self, hints: Dependencies) -> int:
        return self.table().marked(hints)

    def single_writes(
        self, schema: int, reading: Reading, session: bytes, ends_with_process: bool
    ) -> _engine.SingleWrites | None:
        epoch, version = _EPOCH_AND_VERSION.unpack(reading.versions)
        table = self.table()
        if table.epoch != epoch:
            return None
        return _engine.SingleWrites(table, schema, version, session, ends_with_process)

    def bump(self, dependencies: Dependencies) -> None:
        if not self.table().bump(dependencies):
            self._bump_in_new_file(dependencies)

    def _bump_in_new_file(self, dependencies: Dependencies) -> None:
        """The version file was replaced meanwhile: whoever reads from the new one has to know as well."""
        self._table = self._open_table(is_new=False)
        self._table.bump(dependencies)

    def unknown_outcomes(self) -> list[tuple[Any, bytes]]:
        table = self.table()
        return [((table, outcome), outcome.session) for outcome in table.unknown_outcomes()]

    def settle(self, token: Any) -> None:
        table, outcome = token
        table.settle(outcome)

    def note_causes(self, causes: Mapping[int, Cause]) -> None:
        entries = _entries()
        if entries is not None:
            for dependency, cause in causes.items():
                entries.put_bytes(self._note_of(dependency), json.dumps(cause).encode(), _NOTES_LIVE)

    def causes_of_miss(self, key: str, fingerprint: int) -> list[Cause]:
        entries = _entries()
        if entries is None:
            return []
        causes = []
        for dependency in entries.changed(self._namespaced(key), self.table(), fingerprint):
            note = entries.get_bytes(self._note_of(dependency))
            causes.append(Cause("", "", 0.0) if note is None else Cause(*json.loads(note)))
        return causes

    def _note_of(self, dependency: int) -> bytes:
        return b"cache_me_note:%x\0%s" % (dependency, self._database.encode())

    def delete(self, key: str) -> bool:
        entries = _entries()
        return entries is not None and entries.erase(self._namespaced(key)) == "erased"

    def clear(self) -> None:
        entries = _entries()
        if entries is not None:
            entries.clear(_KEYS_BEGIN)  # others live in the same file (cache_backend.py)

    def stats(self) -> dict[str, Any]:
        entries = _entries()
        return {} if entries is None else entries.stats()

    def _namespaced(self, key: str) -> bytes:
        # A key of a whole table has no digest of the database in it; its place in the store has.
        return f"{key}\0{self._database}".encode()


def milliseconds(timeout: float | None) -> int:
    """Seconds of life as the engine counts them; 0: no end."""
    return 0 if timeout is None else max(1, int(timeout * 1000))


def _number(clock: Clock | None, table: _engine.VersionTable) -> int | None:
    """The number that must not be exceeded, or None: the clock is of a file that was replaced since, whose
    numbers don't compare with the new one's."""
    if clock is None:
        return _NO_CLOCK
    of, number = clock.token
    return int(number) if of is table else None


_lock = threading.Lock()
_opened: dict[tuple[str, int], _engine.SharedStore] = {}
#: Files that can't be opened, with the time (monotonic, s) of the next attempt: making one may take a while.
_closed_until: dict[tuple[str, int], float] = {}
_TRY_AGAIN_AFTER = 1.0


def _entries() -> _engine.SharedStore | None:
    try:
        where = place()
    except StoreError as error:
        trouble("entries", "Nothing is cached: %s", error)
        return None
    return entries_at(where)


def entries_at(where: Place) -> _engine.SharedStore | None:
    """The entries at that place, or None while their file can't be opened (logged; reads are misses).

    Thread-safe; a forked child gets what its parent opened.
    """
    key = (where.entries, where.size)
    store = _opened.get(key)
    if store is not None and not store.refresh_needed():
        return store
    if _closed_until.get(key, 0.0) > time.monotonic():
        return None
    with _lock:
        try:
            store = open_entries(where)
        except StoreError as error:
            trouble("entries", "Nothing is cached: %s", error)
            _opened.pop(key, None)
            _closed_until[key] = time.monotonic() + _TRY_AGAIN_AFTER
            return None
        _opened[key] = store
        _closed_until.pop(key, None)
        return store


def open_versions(database: str, is_new: bool) -> _engine.VersionTable:
    """Open or make the version file of a database. StoreError says what to set."""
    path, group = versions_file(database)
    try:
        return _engine.VersionTable.open(path, database, group=group, fresh=is_new)
    except _engine.EngineError as error:
        raise StoreError(error.args[0]) from None


def open_entries(where: Place | None = None) -> _engine.SharedStore:
    """Open or make the entries' file (default: the querysets'). StoreError says what to set."""
    if where is None:
        where = place()
    try:
        return _engine.SharedStore.open(where.entries, where.size, group=where.group)
    except _engine.EngineError as error:
        raise StoreError(error.args[0]) from None


def _forget_after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)
