"""What state a connection is in: which transaction is open, what it has written, whether its session changed.

The state hangs on Django's DatabaseWrapper and belongs to one driver connection: a reconnect begins a new
one. It is filled by the observer and read by the readers; like the connection itself, it serves one thread
at a time.
"""

from __future__ import annotations

from typing import Any, Collection, Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from ..log import trouble
from ..stores.base import Cause, Clock, Store
from ..stores.dependencies import ALL, SCHEMA, pack, written
from ..stores.overlay import Overlay
from ..stores.select import store_of
from .drivers import FAILED, OPEN, UNKNOWN, Driver, driver_for
from .identity import Identity, identity_of, server_facts
from .raw_connections import remember, remembered_of
from .statements import OTHER_SCHEMA, SESSION_CHANGE, TEMPORARY_OBJECTS, UNKNOWN_STATEMENT
from .tenants import NoPrefix, prefix_of

#: The attribute of a connection of Django's that holds its state.
STATE = "_cache_me_state"
_EVERYTHING = pack([ALL, SCHEMA])
_CHANGED = "changed"
#: Dependencies of one write set that are named one by one: fewer than an intent's record holds.
MOST_WRITTEN = 200

#: What the reads of a transaction see: each statement what is committed then; all of them one snapshot; or
#: something that no rule here covers.
COMMITTED, SNAPSHOT, OTHER = "committed", "snapshot", "other"


class ConnectionState:
    """One driver connection, as far as caching is concerned."""

    __slots__ = (
        "_changed",
        "began_by_savepoint",
        "causes",
        "clock",
        "coarse",
        "driver",
        "observe",
        "other_databases",
        "overlay",
        "pending_writers",
        "raw",
        "schema_version",
        "single_writes",
        "snapshot_exists",
        "special_transaction",
        "unfinished_cursors",
        "view",
        "waiting",
        "written",
        "written_tables",
    )

    def __init__(self, raw: Any, driver: Driver | None) -> None:
        self.raw = raw
        self.driver = driver
        self._changed: str = remembered_of(raw, _CHANGED, "")
        #: Cursors that were executed and not yet exhausted or closed (SQLite).
        self.unfinished_cursors = 0
        #: Those of them whose statements write in autocommit (RETURNING). SQLite commits what any statement
        #: has written only when none of them is left.
        self.pending_writers = 0
        #: The writers' own: announcements of what is committed then.
        self.waiting: list[Any] = []
        #: COMMITTED, SNAPSHOT or OTHER; "" until it is asked for.
        self.view = ""
        #: The writers' own: what makes observed cursors, once it is known.
        self.observe: Any = None
        #: The writers' own: the short way of statements that are commits of their own, if it is known.
        self.single_writes: Any = None
        self.end_transaction()

    @property
    def changed(self) -> str:
        """Why this session's answers are its own until it is closed, or ""; a pool hands it on so."""
        return self._changed

    @changed.setter
    def changed(self, reason: str) -> None:
        # What is worse stays: objects of its own can't be told apart by a prefix.
        if self._changed in ("", SESSION_CHANGE):
            self._changed = reason
            remember(self.raw, _CHANGED, reason)

    def take_change_back(self) -> None:
        """The one statement that would have changed the session failed."""
        self._changed = ""
        remember(self.raw, _CHANGED, "")

    def end_transaction(self) -> None:
        #: The write set: dependencies that the open transaction's writes will bump.
        self.written: set[int] = set()
        #: Those of them that aren't about single rows and values.
        self.coarse: set[int] = set()
        self.written_tables: set[str] = set()
        #: Which statement has added each of them, if anybody wants to know.
        self.causes: dict[int, Cause] = {}
        #: Other databases of the same server that were written to, by their identities.
        self.other_databases: set[str] = set()
        #: What the transaction's own reads are kept in, once it has written.
        self.overlay: Overlay | None = None
        #: The version of the schema by which the write set was worked out.
        self.schema_version: bytes | None = None
        #: Why this transaction's reads must not meet the cache, or "".
        self.special_transaction = ""
        self.began_by_savepoint = False
        #: The store's clock before the transaction began, where reads see a snapshot.
        self.clock: Clock | None = None
        self.snapshot_exists = False

    def wrote(self, coarse: Collection[int], tables: Iterable[str], exact: Collection[int] = ()) -> None:
        """Add to the write set; called before a statement that writes, and again after it.

        ``exact``: dependencies on single rows and values of ``tables``.
        """
        self.coarse.update(coarse)
        self.written.update(coarse)
        self.written.update(exact)
        self.written_tables.update(tables)
        if len(self.written) > MOST_WRITTEN:
            self.fold()
        if self.written:
            if self.overlay is None:
                self.overlay = Overlay()
            self.overlay.wrote(coarse)

    def fold(self) -> None:
        """Say ``bulk`` of each written table in place of its rows and values: every entry rests on that or on
        ``any``."""
        self.coarse.update(written(self.written_tables))
        self.written = set(self.coarse)

    @property
    def writes_elsewhere(self) -> bool:
        """Whether the session has objects of its own (temporary triggers, attached databases).

        A write may reach tables by them that the catalog doesn't tell of.
        """
        if self.driver is None or not self.changed:
            return False
        if self.changed in (TEMPORARY_OBJECTS, UNKNOWN_STATEMENT, OTHER_SCHEMA):
            return True
        return self.driver.dialect == "sqlite"

    @property
    def is_told_apart(self) -> bool:
        """Whether a prefix tells this session from those that see other things: it was but told whom it
        serves (``SET``, ``set_config``), and has no objects of its own."""
        return self.driver is not None and self.driver.dialect != "sqlite" and self.changed == SESSION_CHANGE

    @property
    def in_transaction(self) -> bool:
        """Whether one is open, be it that it can only be rolled back."""
        if self.raw is None or self.driver is None:
            return False
        return self.driver.status(self.raw) in (OPEN, FAILED)

    @property
    def is_dirty(self) -> bool:
        return bool(self.written)


def state_of(wrapper: BaseDatabaseWrapper) -> ConnectionState:
    """The state of ``wrapper``'s present driver connection (or of its having none)."""
    state: ConnectionState | None = wrapper.__dict__.get(STATE)
    raw = wrapper.connection
    if state is None or state.raw is not raw:
        state = ConnectionState(raw, driver_for(wrapper))
        wrapper.__dict__[STATE] = state
    return state


def store_for(wrapper: BaseDatabaseWrapper, identity: Identity) -> Store:
    """The store of the database behind ``wrapper``. Raises StoreError where it can't be shared."""
    return store_of(identity.database, identity.is_private, identity.is_new)


def known_store(wrapper: BaseDatabaseWrapper) -> Store | None:
    """The store, if that is known without asking the database anything."""
    identity = identity_of(wrapper, ask=False)
    return None if identity is None else store_for(wrapper, identity)


class Footing:
    """How a read stands to the shared store."""

    __slots__ = ("may_fill", "may_hit", "overlay", "prefix", "reason", "snapshot_clock")

    def __init__(
        self,
        may_hit: bool,
        may_fill: bool,
        reason: str = "",
        snapshot_clock: Clock | None = None,
        overlay: Overlay | None = None,
        prefix: str | None = None,
    ) -> None:
        self.may_hit = may_hit
        self.may_fill = may_fill
        #: Why it may do neither.
        self.reason = reason
        #: In a snapshot: only what is not younger than this counts.
        self.snapshot_clock = snapshot_clock
        #: The transaction has written: reads of what it has written meet this in place of the shared store,
        #: whatever else stands here.
        self.overlay = overlay
        #: Whom the session serves, where the project tells that.
        self.prefix = prefix


OUTSIDE = Footing(may_hit=True, may_fill=True)


def footing_of(wrapper: BaseDatabaseWrapper) -> Footing:
    """How a read over ``wrapper`` stands to the shared store now (DESIGN, "Transactions")."""
    try:
        prefix = prefix_of(wrapper.alias)
    except NoPrefix:
        return _alone("prefix_failed")
    state = state_of(wrapper)
    if state.driver is None:
        return _alone("unsupported_database")
    if state.raw is None:
        footing = OUTSIDE
    elif state.changed and not (prefix is not None and state.is_told_apart):
        return _alone("changed_session")
    else:
        footing = _footing_of_open(wrapper, state, state.driver)
    if prefix is None:
        return footing
    return Footing(
        footing.may_hit, footing.may_fill, footing.reason, footing.snapshot_clock, footing.overlay, prefix
    )


def _footing_of_open(wrapper: BaseDatabaseWrapper, state: ConnectionState, driver: Driver) -> Footing:
    status = driver.status(state.raw)
    if status == UNKNOWN:
        return _alone("connection_state")
    if status == FAILED:
        return _alone("failed_transaction")  # the database says what it says then
    # SQLite keeps the state that an unfinished cursor began to read in view of the whole connection.
    settled = not (driver.unfinished_cursors_matter and state.unfinished_cursors)
    if status != OPEN:
        if state.is_dirty:
            return _alone("unfinished_write")  # it commits when its last row is fetched
        begins = driver.reads_begin_transactions and not wrapper.get_autocommit()
        if begins and view_of(wrapper) != COMMITTED:
            return _alone("first_read_of_snapshot")
        return OUTSIDE if settled else Footing(may_hit=True, may_fill=False)
    if state.special_transaction:
        return _alone(state.special_transaction)
    view = view_of(wrapper)
    if view == OTHER:
        return _alone("isolation_level")
    footing = OUTSIDE if view == COMMITTED else _in_snapshot(state, settled)
    if not state.is_dirty:
        return footing
    return Footing(footing.may_hit, settled, footing.reason, footing.snapshot_clock, overlay=state.overlay)


def _in_snapshot(state: ConnectionState, settled: bool) -> Footing:
    if state.clock is None:
        return _alone("snapshot_of_unknown_age")
    if not state.snapshot_exists:
        return _alone("first_read_of_snapshot")
    return Footing(may_hit=True, may_fill=settled, snapshot_clock=state.clock)


def _alone(reason: str) -> Footing:
    return Footing(may_hit=False, may_fill=False, reason=reason)


def view_of(wrapper: BaseDatabaseWrapper) -> str:
    """What a transaction of ``wrapper``'s open connection sees, if it is begun plainly."""
    state = state_of(wrapper)
    if not state.view:
        assert state.driver is not None
        state.view = SNAPSHOT if state.driver.snapshots_always else _VIEWS.get(_isolation(wrapper), OTHER)
    return state.view


#: SERIALIZABLE never hits: what it doesn't read from the server, the server can't watch for it.
_VIEWS = {"read committed": COMMITTED, "repeatable read": SNAPSHOT}


def _isolation(wrapper: BaseDatabaseWrapper) -> str:
    driver = state_of(wrapper).driver
    assert driver is not None
    return driver.chosen_isolation(wrapper) or server_facts(wrapper).isolation


def look_at_new_connection(sender: object, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    """Receiver of ``connection_created``: ask the server what it is, outside of any transaction."""
    driver = state_of(connection).driver
    if driver is None:
        return
    driver.has_connected(connection)
    if not driver.has_server:
        return
    try:
        identity = identity_of(connection, ask=True)
        if identity is not None and identity.is_new:
            # It may stand in the place of one that was dropped (MySQL: it has the same name).
            store_for(connection, identity).bump(_EVERYTHING)
    except Exception as error:  # whatever the driver raises: the page must not break here
        trouble("server_facts", "A database server did not say which one it is: %s", error)
