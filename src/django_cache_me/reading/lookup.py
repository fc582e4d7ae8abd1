"""One question to the database, answered from the cache or through it.

The order of the steps is DESIGN.md section 5's. On a hit nothing is asked of the database. On a miss the
versions are taken *before* the database is asked, so that an entry overtaken by a commit is born invalid.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import _engine, conf
from ..counters import count, not_filled, passed
from ..databases.catalog import Catalog, catalog_of
from ..databases.connection import Footing, footing_of, store_for
from ..databases.drivers import driver_for
from ..databases.identity import Identity, identity_of, is_of_this_connection
from ..databases.replicas import clock_a_lag_ago, replica_of
from ..databases.sessions import settle_unknown_outcomes
from ..databases.statements import Script, read_script
from ..exceptions import StoreError
from ..log import debug, trouble
from ..stores.base import Building, Clock, Reading, Row, Store
from ..stores.dependencies import SCHEMA, pack, permanent_of
from . import bypass, misses
from .key import encoded_parameters, key_of, table_key_of
from .policy import Plan
from .rests_on import (
    ReadPlan,
    Taken,
    in_words,
    read_plan_of,
    settled,
    tables_in_words,
    tables_of,
    take_exactly,
)

_SCHEMA = pack([SCHEMA])


def footing_for(alias: str) -> Footing | None:
    """How a read over ``alias`` stands now, or None (counted): it goes past the cache."""
    wrapper = connections[alias]
    if bypass.is_forbidden(wrapper):
        return None
    footing = footing_of(wrapper)
    if not footing.may_hit and footing.overlay is None:
        passed(footing.reason)
        return None
    return footing


class Looked(NamedTuple):
    """What becomes of a question: :meth:`Question.look`."""

    key: str
    #: Why it isn't cached, or "".
    reason: str
    is_hit: bool
    rests_on: list[str]


class _Pass(Exception):
    """This read goes past the cache; the argument says why."""


class Question:
    """One compiled query, with all that tells its entry from every other."""

    __slots__ = (
        "alias",
        "ask",
        "building",
        "fingerprint",
        "footing",
        "keep",
        "label",
        "params",
        "plan",
        "result",
        "settings",
        "shared",
        "sql",
        "unencodable",
        "values",
        "wrapper",
    )

    def __init__(
        self,
        alias: str,
        footing: Footing,
        plan: Plan,
        label: str,
        sql: str,
        params: Any,
        result: str,
        fingerprint: int,
        ask: Callable[[], list[Row]],
        keep: Callable[[list[Row]], list[Any]] | None = None,
        unencodable: Callable[[], None] | None = None,
        building: Building | None = None,
        values: Any = None,
    ) -> None:
        self.alias = alias
        self.wrapper: BaseDatabaseWrapper = connections[alias]
        self.footing = footing
        self.plan = plan
        #: The model's, as keys name it: ``app.model`` in lower case.
        self.label = label
        self.sql = sql
        self.params = params
        #: The kind of result with its columns: part of the key.
        self.result = result
        #: Part of the entry: another one (a deploy, a migration) makes it a miss.
        self.fingerprint = fingerprint
        #: The parameters as the driver gets them, if ``params`` isn't that.
        self.values = params if values is None else values
        #: Asks the database; gives the driver's rows.
        self.ask = ask
        #: Makes of these the rows that are kept.
        self.keep = keep
        #: Called when a value of the rows is of a type that the codec doesn't know.
        self.unencodable = unencodable
        #: Instances are asked for, in place of rows.
        self.building = building
        #: The store that the database's readers and writers share, once it's known.
        self.shared: Store | None = None
        self.settings = conf.all_settings()

    def answer(self) -> list[Any]:
        """The rows or instances, from the cache or through it."""
        try:
            return self._answer_through_the_cache()
        except _Pass as why:
            passed(str(why))
        except StoreError as error:
            _pass_for_want_of_a_store(error)
        return self._built(self._kept(self.ask()))

    def look(self) -> Looked:
        """What becomes of this question. Asks the database for what its answer rests on; fills nothing."""
        try:
            script, identity = self._script(), self._identity()
            key, fingerprint = self._key(identity), self._fingerprint(identity)
            store = self._store(script, identity)
            is_hit = (
                self._snapshot_is_up_to_date(script, store)
                and store.get(key, fingerprint, self.footing.snapshot_clock) is not None
            )
            self.wrapper.ensure_connection()
            shared = store_for(self.wrapper, identity)
            known = self._catalog(shared, identity, self.footing.snapshot_clock)
        except _Pass as why:
            return Looked("", str(why), False, [])
        except StoreError as error:
            return Looked("", str(error), False, [])
        if known is None:
            return Looked("", _why_no_versions(shared), False, [])
        catalog = known[1]
        read_plan = self._read_plan(catalog, script)
        if read_plan.reason:
            return Looked("", read_plan.reason, False, [])
        if self.plan.is_permanent:
            words = sorted(f"{name}.permanent" for name in script.reads)
        elif self._is_exact(store):
            words = in_words(self.wrapper, script, read_plan, self.values, self.ask())
        else:
            words = tables_in_words(script)
        return Looked(key, "", is_hit, words)

    def _is_exact(self, store: Store) -> bool:
        """Whether the answer rests on single rows: not in an overlay, nor in a store without a clock."""
        return self.plan.is_exact and store is self.shared and store.has_clock and not self.plan.is_permanent

    def answer_of_a_hit(self) -> list[Any] | None:
        """The answer if it is in the cache; else None, counted, with the database not asked."""
        try:
            script, identity = self._script(), self._identity()
            key, fingerprint = self._key(identity), self._fingerprint(identity)
            found = self._hit(script, self._store(script, identity), key, fingerprint)
        except _Pass as why:
            passed(str(why))
            return None
        except StoreError as error:
            _pass_for_want_of_a_store(error)
            return None
        if found is None:
            passed("iterator")
        return found

    def _answer_through_the_cache(self) -> list[Any]:
        script, identity = self._script(), self._identity()
        key, fingerprint = self._key(identity), self._fingerprint(identity)
        store = self._store(script, identity)
        found = self._hit(script, store, key, fingerprint)
        if found is None:
            found = self._built(self._miss(script, identity, store, key, fingerprint))
        return found

    def _store(self, script: Script, identity: Identity) -> Store:
        """The shared store, or the transaction's overlay for what the transaction has written."""
        footing = self.footing
        shared = self.shared = store_for(self.wrapper, identity)
        if footing.overlay is not None:
            if footing.overlay.is_touched((SCHEMA,)):
                raise _Pass("changed_schema")  # its tables aren't what others see
            if footing.overlay.is_touched(tables_of(script)):
                return footing.overlay.over(shared) if shared.keeps else shared
            if not footing.may_hit:
                raise _Pass(footing.reason)
        if footing.snapshot_clock is not None and not shared.has_clock:
            raise _Pass("snapshot")
        return shared

    def _kept(self, rows: list[Row]) -> list[Row]:
        return rows if self.keep is None else self.keep(rows)

    def _built(self, rows: list[Row]) -> list[Any]:
        return rows if self.building is None else self.building.of(rows)

    def _script(self) -> Script:
        script = read_script(self.sql, self.wrapper.vendor)
        if not script.readable:
            raise _Pass(script.reason)
        return script

    def _identity(self) -> Identity:
        identity = identity_of(self.wrapper, ask=False)
        if identity is None:
            # The first read through these settings: the connection has to be opened for it anyway.
            self.wrapper.ensure_connection()
            identity = self._asked_identity()
        if identity.uncacheable:
            raise _Pass(identity.uncacheable)
        return identity

    def _asked_identity(self) -> Identity:
        try:
            identity = identity_of(self.wrapper, ask=True)
        except Exception as error:
            trouble("server_facts", "The database %r did not say which one it is: %s", self.alias, error)
            identity = None
        if identity is None:
            raise _Pass("unidentified_database")
        return identity

    def _key(self, identity: Identity) -> str:
        if self.plan.is_table:
            return table_key_of(self.plan.kind, self.label, self.footing.prefix)
        driver = driver_for(self.wrapper)
        assert driver is not None
        if driver.may_read_the_clock(self.params):
            raise _Pass("clock_text")
        params = encoded_parameters(self.params, driver.plain_parameter)
        if params is None:
            raise _Pass("unknown_parameter")
        return key_of(self.plan.kind, self.label, self.sql, params, self.result, self._whose(identity))

    def _whose(self, identity: Identity) -> str:
        """All that shapes the answer beside the query."""
        return identity.key if self.footing.prefix is None else f"{identity.key}\0{self.footing.prefix}"

    def _fingerprint(self, identity: Identity) -> int:
        if not self.plan.is_table:
            return self.fingerprint
        # No digest stands in a table's key, so the entry itself says which text and database it is of.
        return self.fingerprint ^ _engine.hash64(f"{self.sql}\0{self._whose(identity)}".encode())

    def _hit(self, script: Script, store: Store, key: str, fingerprint: int) -> list[Any] | None:
        found = None
        if self._snapshot_is_up_to_date(script, store):
            found = store.get(key, fingerprint, self.footing.snapshot_clock, self.building)
        if found is None:
            if self.settings["EXPLAIN_MISSES"]:
                misses.note(key, self.sql, store.causes_of_miss(key, fingerprint))
            return None
        self.wrapper.validate_no_broken_transaction()
        count("hits")
        if self.settings["DEBUG_MODE"]:
            debug(f"Retrieving data from key '{key}' from cache")
        return found

    def _snapshot_is_up_to_date(self, script: Script, store: Store) -> bool:
        """Whether nothing was written, since the snapshot's clock, to the tables that are read.

        An entry of somebody who read after the snapshot was made may count by all that it rests on, and yet
        not be what the snapshot shows: a row that was deleted in between bumped its own key, on which the
        entry, read without that row, doesn't rest. What rests on whole tables is safe from that.
        """
        clock = self.footing.snapshot_clock
        if clock is None or not self._is_exact(store):
            return True
        return store.versions(pack(tables_of(script)), clock) is not None

    def _miss(
        self, script: Script, identity: Identity, store: Store, key: str, fingerprint: int
    ) -> list[Row]:
        if self.settings["DEBUG_MODE"]:
            debug(f"Cache miss for key '{key}' - hitting database")
        count("misses")
        footing = self.footing
        if self.wrapper.connection is None:
            # What the new connection says of itself counts from now on.
            self.wrapper.ensure_connection()
            footing = footing_of(self.wrapper)
        taken: Taken | None = None
        if footing.may_fill:
            is_its_own = is_of_this_connection(self.wrapper, identity)
            if is_its_own or self._asked_identity().answers_like(identity):
                taken = self._take(script, identity, store, key, footing.snapshot_clock)
            else:
                not_filled("other_database")
        else:
            not_filled(footing.reason or "unfinished_cursor")
        rows = self.ask()
        reading = None if taken is None else settled(taken, store, rows)
        kept = self._kept(rows)
        if reading is not None:
            self._fill(store, key, fingerprint, kept, reading)
        return kept

    def _take(
        self, script: Script, identity: Identity, store: Store, key: str, clock: Clock | None
    ) -> Taken | None:
        """What the answer rests on, taken before the database is asked; None (counted): don't fill.

        A table is only accepted if the catalog, read under the schema's present version, knows it as a plain
        table.
        """
        shared = self.shared
        assert shared is not None
        known = self._catalog(shared, identity, clock)
        if known is None:
            not_filled(_why_no_versions(shared))
            settle_unknown_outcomes(self.wrapper, store)
            return None
        schema, catalog = known
        read_plan = self._read_plan(catalog, script)
        if read_plan.reason:
            not_filled(read_plan.reason)
            return None
        replica = replica_of(self.alias) if self.settings["REPLICAS"] else None
        if replica is not None:
            lagging = clock_a_lag_ago(shared, replica.lag)
            if lagging is None:
                not_filled("replica_lag")
                return None
            clock = lagging if clock is None else shared.older(clock, lagging)
        if self._is_exact(store):
            taken = take_exactly(self.wrapper, store, read_plan, self.values, clock, key)
        else:
            taken = self._take_tables(script, store, clock)
        if taken is None or shared.versions(_SCHEMA) != schema:  # a DDL commit came in between
            not_filled(_why_no_versions(store))
            settle_unknown_outcomes(self.wrapper, store)
            return None
        return taken

    def _catalog(
        self, shared: Store, identity: Identity, clock: Clock | None
    ) -> tuple[Reading, Catalog] | None:
        """The schema's version with the catalog under it; None: a DDL commit is under way, or too young."""
        # A snapshot may show older tables than the schema's present version stands for.
        schema = shared.versions(_SCHEMA, clock)
        if schema is None:
            return None
        return schema, catalog_of(self.wrapper, identity.database, (schema.versions.hex(),))

    def _read_plan(self, catalog: Catalog, script: Script) -> ReadPlan:
        sessions_are_told_apart = self.footing.prefix is not None
        return read_plan_of(catalog, script, self.sql, self.wrapper.vendor, sessions_are_told_apart)

    def _take_tables(self, script: Script, store: Store, clock: Clock | None) -> Taken | None:
        if self.plan.is_permanent:
            dependencies = [permanent_of(name) for name in script.reads]
        else:
            dependencies = tables_of(script)
        reading = store.versions(pack(dependencies), clock)
        return None if reading is None else Taken(reading)

    def _fill(self, store: Store, key: str, fingerprint: int, rows: list[Row], reading: Reading) -> None:
        try:
            outcome = store.put(key, fingerprint, rows, reading, self.plan.timeout)
        except _engine.UnsupportedType as unsupported:
            not_filled(f"unknown_type:{unsupported.args[0]}")
            if self.unencodable is not None:
                self.unencodable()
            return
        if outcome != "stored":
            not_filled(outcome)
            return
        count("fills")
        if self.settings["DEBUG_MODE"]:
            debug(f"Cached queryset with key '{key}' for {_seconds(self.plan.timeout)}")


def _pass_for_want_of_a_store(error: StoreError) -> None:
    """A wrong set-up is an error at start (check E006) and of writes, never of a page that reads."""
    passed("no_store")
    trouble("no_store", "Nothing is cached: %s", error)


def _why_no_versions(store: Store) -> str:
    return "no_store" if store.is_resting else "intent"


def _seconds(timeout: float | None) -> str:
    return "ever" if timeout is None else f"{timeout:g} seconds"
