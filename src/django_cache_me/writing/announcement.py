"""One commit as the other processes see it: an intent before it, bumped versions after it."""

from __future__ import annotations

from typing import Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from ..counters import count
from ..databases.connection import ConnectionState
from ..databases.drivers import Session
from ..exceptions import StoreError
from ..log import trouble
from ..stores.base import Intent, Store
from ..stores.dependencies import ALL, SCHEMA, pack
from ..stores.select import store_of
from . import aftermath, notice
from .execution import outcome_is_known
from .write_set import place_of, schema_now, settled_write_set

_EVERYTHING = pack([ALL])
_EVERYTHING_ELSEWHERE = pack([ALL, SCHEMA])


class Announcement:
    """The intent of one connection's commit. Once declared, always bumped, also on rollback."""

    __slots__ = ("_causes", "_intent", "_others", "_schema", "_state", "_store", "_tables", "_wrapper")

    def __init__(
        self, wrapper: BaseDatabaseWrapper, state: ConnectionState, store: Store, intent: Intent
    ) -> None:
        self._wrapper = wrapper
        self._state = state
        self._store = store
        self._intent: Intent | None = intent
        #: The same in other databases of the server.
        self._others: list[tuple[Store, Intent]] = []
        self._schema = state.schema_version
        self._tables = frozenset(state.written_tables)
        self._causes = state.causes

    def declare_elsewhere(self, databases: Iterable[str], session: Session) -> None:
        """Declare that anything in ``databases`` (identities) may be written too."""
        for database in databases:
            store = store_of(database, private=False, is_new=False)
            intent = store.declare_intent(_EVERYTHING_ELSEWHERE, session.name, session.ends_with_process)
            self._others.append((store, intent))

    def finish(self) -> None:
        """The commit has returned (or was refused by a server that answers): bump and withdraw."""
        intent, self._intent = self._intent, None
        if intent is None:
            return
        if self._causes:
            self._store.note_causes(self._causes)
        self._store.finish_intent(intent)
        for store, other in self._others:
            store.finish_intent(other)
        count("bumps")
        # A trigger that was committed since the write set was settled may have written anything.
        if self._schema is not None and schema_now(self._store) != self._schema:
            self._store.bump(_EVERYTHING)
        notice.tables_were_written(self._tables)
        if aftermath.is_wanted():
            aftermath.tables_were_committed(self._wrapper, self._tables)

    def keep(self) -> None:
        """Nobody knows whether the commit happened: bump, and keep the intent until its session is gone."""
        intent, self._intent = self._intent, None
        if intent is not None:
            self._store.keep_intent(intent)
            for store, other in self._others:
                store.keep_intent(other)
            count("bumps")

    def end(self) -> None:
        """After a statement that failed: finish or keep, as the driver knows the outcome or not."""
        if outcome_is_known(self._state):
            self.finish()
        else:
            self.keep()


def hear_of_the_end(wrapper: BaseDatabaseWrapper, state: ConnectionState) -> None:
    """No transaction is open any more, and nobody was told: the driver's own object has ended it.

    What it had written is bumped now, be it that it was rolled back.
    """
    if not state.written or state.pending_writers or state.raw is None:
        return
    try:
        announcement = announce(wrapper, state)
    except StoreError as error:  # too late to refuse the commit
        trouble("unheard_commit", "A commit past Django could not be announced: %s", error)
        announcement = None
    state.end_transaction()
    if announcement is not None:
        announcement.finish()


def announce(wrapper: BaseDatabaseWrapper, state: ConnectionState) -> Announcement | None:
    """Declare the intents of ``state``'s write set, just before what commits it. None: nothing written."""
    if not state.written:
        return None
    assert state.driver is not None
    _, store = place_of(wrapper)
    session = state.driver.session(wrapper)
    dependencies = settled_write_set(state, store)
    intent = store.declare_intent(dependencies, session.name, session.ends_with_process)
    announcement = Announcement(wrapper, state, store, intent)
    try:
        announcement.declare_elsewhere(state.other_databases, session)
    except StoreError:
        announcement.finish()  # nothing is committed, but what is declared is bumped
        raise
    return announcement
