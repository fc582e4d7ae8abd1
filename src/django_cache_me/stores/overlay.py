"""The overlay: the private cache of one connection inside a transaction that has written.

Its reads of what it has written must not meet the shared store: others would see rows that may yet be rolled
back, and it would not see its own. They meet the overlay, which is filled by the same rules. An entry counts
while

- the transaction has written nothing since that it rests on: every write statement is noted before *and*
  after it runs, so that what is read in the middle of one (a generator given to ``executemany``) does not
  outlive it;
- the shared versions are as they were before the entry was read, and none carries an intent: under READ
  COMMITTED other people's commits are seen by the very next statement; in a snapshot it costs a miss;
- no savepoint was rolled back since. Which entries a rollback leaves right isn't worked out: it empties all.

The overlay dies with its transaction, so nothing in it is ever of another one.
"""

from __future__ import annotations

import struct
import time
from typing import Any, Iterable, NamedTuple

from .. import _engine
from .base import Building, Clock, Reading, Row, Store
from .dependencies import Dependencies

#: Bytes of rows that one connection keeps; what was put first goes first.
MAX_BYTES = 8 * 1024 * 1024
_MARK = struct.Struct("=Q")


class _Entry(NamedTuple):
    fingerprint: int
    rows: bytes
    #: The transaction's count of writes before the rows were read.
    mark: int
    dependencies: tuple[int, ...]
    #: What the shared store said before the rows were read.
    shared: Reading
    #: The end of its life (monotonic, s), or None.
    end: float | None


class Overlay:
    """Of one connection and one transaction. Serves one thread at a time, like the connection itself; where
    a test shares a connection among threads, an entry that was overtaken by another's write is invalid."""

    __slots__ = ("_bytes", "_entries", "_floor", "_marks", "_writes")

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._bytes = 0
        self._writes = 0
        #: By dependency, the count of writes when it was last written.
        self._marks: dict[int, int] = {}
        #: What was read before this count is of a state that was rolled back.
        self._floor = 0

    def wrote(self, dependencies: Iterable[int]) -> None:
        """The transaction is about to write, or has just written, what ``dependencies`` stand for."""
        self._writes += 1
        for one in dependencies:
            self._marks[one] = self._writes

    def is_touched(self, dependencies: Iterable[int]) -> bool:
        """Whether the transaction has written any of them, rolled back to a savepoint or not."""
        return any(one in self._marks for one in dependencies)

    def empty(self) -> None:
        """A savepoint is rolled back: nothing that was read before counts."""
        self._writes += 1
        self._floor = self._writes
        self._entries.clear()
        self._bytes = 0

    def over(self, shared: Store) -> Store:
        """The store that this transaction reads from, with the versions of ``shared``."""
        return _OverlayStore(self, shared)

    def _get(self, key: str, fingerprint: int, shared: Store) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if (
            entry.fingerprint == fingerprint
            and entry.mark >= self._floor
            and not any(self._marks.get(one, 0) > entry.mark for one in entry.dependencies)
            and (entry.end is None or time.monotonic() < entry.end)
            and shared.versions(entry.shared.dependencies) == entry.shared
        ):
            return entry.rows
        self._drop(key)
        return None

    def _put(self, key: str, entry: _Entry) -> str:
        self._drop(key)
        if len(entry.rows) > MAX_BYTES // 4:
            return "too_large"
        for oldest in list(self._entries):
            if self._bytes + len(entry.rows) <= MAX_BYTES:
                break
            self._drop(oldest)
        self._entries[key] = entry
        self._bytes += len(entry.rows)
        return "stored"

    def _drop(self, key: str) -> bool:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.rows)
        return entry is not None


class _OverlayStore(Store):
    """The reader's part of the store protocol. Clocks mean nothing here: the view is the transaction's."""

    def __init__(self, overlay: Overlay, shared: Store) -> None:
        self._overlay = overlay
        self._shared = shared

    def get(
        self, key: str, fingerprint: int, clock: Clock | None = None, building: Building | None = None
    ) -> list[Any] | None:
        rows = self._overlay._get(key, fingerprint, self._shared)
        if rows is None:
            return None
        if building is None:
            return _engine.decode_rows(rows)
        return building.plan.build_from(rows, building.alias, building.mode)

    def put(
        self, key: str, fingerprint: int, rows: list[Row], reading: Reading, timeout: float | None
    ) -> str:
        mark = _MARK.unpack_from(reading.versions)[0]
        shared = Reading(reading.dependencies, reading.versions[_MARK.size :])
        numbers = struct.unpack(f"={len(reading.dependencies) // 8}Q", reading.dependencies)
        end = None if timeout is None else time.monotonic() + timeout
        entry = _Entry(fingerprint, _engine.encode_rows(rows), mark, numbers, shared, end)
        return self._overlay._put(key, entry)

    def versions(self, dependencies: Dependencies, clock: Clock | None = None) -> Reading | None:
        mark = self._overlay._writes
        shared = self._shared.versions(dependencies)
        return None if shared is None else Reading(dependencies, _MARK.pack(mark) + shared.versions)

    @property
    def is_resting(self) -> bool:
        return self._shared.is_resting

    def unknown_outcomes(self) -> list[tuple[Any, bytes]]:
        return self._shared.unknown_outcomes()

    def settle(self, token: Any) -> None:
        self._shared.settle(token)

    def delete(self, key: str) -> bool:
        return self._overlay._drop(key)
