"""The store protocol."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Tuple

from .. import _engine
from .dependencies import Dependencies

Row = Tuple[Any, ...]


class Reading(NamedTuple):
    """What a reader takes from the store before it asks the database."""

    dependencies: Dependencies
    #: Opaque to all but the store that gave it.
    versions: bytes


class Building(NamedTuple):
    """Results are asked for in place of rows."""

    plan: _engine.ResultPlan
    #: Django's alias of the database that they come from.
    alias: str
    #: Django 6.1's fetch mode, or None.
    mode: Any

    def of(self, rows: list[Any]) -> list[Any]:
        """New results of ``rows``."""
        return self.plan.build(rows, self.alias, self.mode)


class Cause(NamedTuple):
    """What bumped a dependency."""

    #: In words: ``table.pk=5``, ``table.column=3``, ``table~column`` …; "" if nothing was noted.
    dependency: str
    #: The statement.
    sql: str
    #: When it was executed, in seconds since 1970.
    at: float


class Clock(NamedTuple):
    """A reading of a store's clock; opaque to all but the store that gave it."""

    token: Any


class Intent(NamedTuple):
    """A declared intent; opaque to all but the store that gave it."""

    token: Any


class Store:
    """Entries of a project and versions of one physical database.

    Thread-safe. Nothing here raises for a passing fault of the store: a read is a miss, a put is dropped, and
    both are counted. What can't be told of a write raises :class:`~django_cache_me.exceptions.StoreError`.
    """

    #: Whether versions have an order, so that one can be found not to be younger than a reading of the clock.
    has_clock = True
    #: Whether anything is kept. If not, a transaction that has written keeps nothing for itself either.
    keeps = True

    def get(
        self, key: str, fingerprint: int, clock: Clock | None = None, building: Building | None = None
    ) -> list[Any] | None:
        """The rows of a valid entry, or with ``building`` results; made anew at each call. None: a miss.

        With ``clock`` (see :meth:`clock`) the entry counts only if nothing it rests on is younger.
        """
        raise NotImplementedError

    def put(
        self, key: str, fingerprint: int, rows: list[Row], reading: Reading, timeout: float | None
    ) -> str:
        """Keep ``rows`` with the versions of ``reading`` for ``timeout`` seconds (None: no end).

        "stored", or the reason why not. Raises :class:`~django_cache_me._engine.UnsupportedType` for a value
        that the codec doesn't know.
        """
        raise NotImplementedError

    def clock(self) -> Clock:
        """The store's sequence number now: whatever is bumped later is younger."""
        raise NotImplementedError

    def older(self, one: Clock, other: Clock) -> Clock:
        """Of two readings the one that was taken first."""
        raise NotImplementedError

    def versions(self, dependencies: Dependencies, clock: Clock | None = None) -> Reading | None:
        """The versions now, or None if one of them carries an intent, is younger than ``clock``, or the
        store isn't ready: then don't fill."""
        raise NotImplementedError

    def extended(self, reading: Reading, dependencies: Dependencies, clock: Clock | None) -> Reading | None:
        """``reading`` with more dependencies, none of which is younger than ``clock``; else None.

        Only of stores with a clock.
        """
        raise NotImplementedError

    @property
    def is_resting(self) -> bool:
        """Whether it gives no versions because it failed a moment ago."""
        return False

    def mark_bands(self, hints: Dependencies) -> None:
        """Leave word for writers that bands of these columns are asked for (``dependency_rules.hpp``).

        Where nobody hears of it, writers say that they tell no bands, and ranges die of every write.
        """

    def marked_bands(self, hints: Dependencies) -> int:
        """For which of these word was left: a bit for each. It may be wrong in either direction."""
        return 0

    def declare_intent(self, dependencies: Dependencies, session: bytes, ends_with_process: bool) -> Intent:
        """Say that a commit touching ``dependencies`` is under way."""
        raise NotImplementedError

    def finish_intent(self, intent: Intent) -> None:
        """The commit has returned: bump, then withdraw."""
        raise NotImplementedError

    def keep_intent(self, intent: Intent) -> None:
        """The commit's outcome is unknown: bump, and keep the intent until its session is settled."""
        raise NotImplementedError

    def single_writes(
        self, schema: int, reading: Reading, session: bytes, ends_with_process: bool
    ) -> _engine.SingleWrites | None:
        """The engine's short way from a statement to its intent, under that version of ``schema``.

        None: there is none to this store.
        """
        return None

    def bump(self, dependencies: Dependencies) -> None:
        """Make every entry that rests on one of them a miss."""
        raise NotImplementedError

    def unknown_outcomes(self) -> list[tuple[Any, bytes]]:
        """Commits of unknown outcome, each with its session: (token for :meth:`settle`, session)."""
        raise NotImplementedError

    def settle(self, token: Any) -> None:
        """The session behind ``token`` is gone: bump again and withdraw its intent."""
        raise NotImplementedError

    def note_causes(self, causes: Mapping[int, Cause]) -> None:
        """Keep for a while what bumped each of these dependencies, for :meth:`causes_of_miss`."""

    def causes_of_miss(self, key: str, fingerprint: int) -> list[Cause]:
        """Why the entry under ``key``, if one is there, doesn't count: what was noted of each dependency that
        was bumped since it was filled. Empty: it isn't there, or is of another schema."""
        return []

    def delete(self, key: str) -> bool:
        raise NotImplementedError

    def clear(self) -> None:
        """Drop every entry of the project, permanent ones too."""
        raise NotImplementedError

    def stats(self) -> dict[str, Any]:
        raise NotImplementedError
