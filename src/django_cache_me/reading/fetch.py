"""From a queryset to rows: the tier in which Django builds and compiles the query.

The order of the steps is DESIGN.md section 5's. On a hit nothing is asked of the database. On a miss the
versions are taken *before* the database is asked, so that an entry overtaken by a commit is born invalid.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.db.models.query import ModelIterable

from .. import _engine, conf
from ..counters import count, not_filled, passed
from ..databases.catalog import catalog_of
from ..databases.connection import Footing, footing_of, store_for
from ..databases.drivers import driver_for
from ..databases.identity import Identity, identity_of
from ..databases.sessions import settle_unknown_outcomes
from ..databases.statements import Script, read_script
from ..log import debug, trouble
from ..registry import cache_me_registry
from ..stores.base import Reading, Store
from ..stores.dependencies import ALL, SCHEMA, any_of, pack, permanent_of
from . import bypass
from .key import encoded_parameters, key_of, table_key_of
from .layout import Layout, all_converters, convert, kept_converters, layout_of, own_converters
from .policy import NO_CACHE, POLICY, Plan, Policy, plan_of
from .replay import instances, raw_rows

_SCHEMA = pack([SCHEMA])


def fetch(queryset: QuerySet[Any]) -> list[Any] | None:
    """The queryset's instances, from the cache or through it; None: Django is to fetch as ever."""
    policy: Policy | None = getattr(queryset, POLICY)
    options = cache_me_registry.get_options(queryset.model)
    if options is None and policy is None:
        return None
    if not conf.is_on() or (policy is not None and policy.mode == NO_CACHE):
        return None
    if queryset._iterable_class is not ModelIterable:
        passed("not_instances")
        return None
    plan = plan_of(queryset, options, policy)
    if plan is None:
        return None
    reason = bypass.reason_to_pass(queryset)
    if reason is not None:
        passed(reason)
        return None
    return _CompiledRead(queryset, plan).result()


class _Pass(Exception):
    """This read goes past the cache; the argument says why."""


class _CompiledRead:
    """One read whose query Django has compiled."""

    def __init__(self, queryset: QuerySet[Any], plan: Plan) -> None:
        self.queryset = queryset
        self.plan = plan
        self.alias: str = queryset.db
        self.wrapper: BaseDatabaseWrapper = connections[self.alias]

    def result(self) -> list[Any] | None:
        if bypass.is_forbidden(self.wrapper):
            return None
        footing = footing_of(self.wrapper)
        if not footing.may_hit:
            passed(footing.reason)
            return None
        compiler = self.queryset.query.get_compiler(using=self.alias)
        try:
            sql, params = compiler.as_sql()
        except EmptyResultSet:
            return []
        self.compiler, self.sql, self.params = compiler, sql, params
        try:
            rows = self._rows(footing)
        except _Pass as why:
            passed(str(why))
            rows = convert(compiler, raw_rows(compiler, sql, params), all_converters(compiler))
        return instances(self.queryset, self.alias, compiler, rows)

    def _rows(self, footing: Footing) -> list[Any]:
        script = read_script(self.sql, self.wrapper.vendor)
        if not script.readable:
            raise _Pass(script.reason)
        layout = layout_of(self.compiler)
        if layout is None:
            raise _Pass("custom_columns")
        identity = identity_of(self.wrapper, ask=False)
        if identity is None:
            # The first read through these settings: the connection has to be opened for it anyway.
            self.wrapper.ensure_connection()
            identity = self._asked_identity()
        if identity.uncacheable:
            raise _Pass(identity.uncacheable)
        key = self._key(layout, identity)
        store = store_for(self.wrapper, identity)
        fingerprint = layout.fingerprint
        if self.plan.is_table:
            # No digest stands in a table's key, so the entry itself says which text and database it is of.
            fingerprint ^= _engine.hash64(f"{self.sql}\0{identity.key}".encode())
        rows = store.get(key, fingerprint, footing.snapshot_clock)
        if rows is None:
            return self._miss(footing, script, layout, identity, store, key, fingerprint)
        self.wrapper.validate_no_broken_transaction()
        count("hits")
        debug(f"Retrieving data from key '{key}' from cache")
        return convert(self.compiler, rows, own_converters(self.compiler, layout))

    def _key(self, layout: Layout, identity: Identity) -> str:
        label = self.queryset.model._meta.label_lower
        if self.plan.is_table:
            return table_key_of(self.plan.kind, label)
        driver = driver_for(self.wrapper)
        assert driver is not None
        params = encoded_parameters(self.params, driver.plain_parameter)
        if params is None:
            raise _Pass("unknown_parameter")
        result = "instances|" + layout.signature
        return key_of(self.plan.kind, label, self.sql, params, result, identity.key)

    def _asked_identity(self) -> Identity:
        try:
            identity = identity_of(self.wrapper, ask=True)
        except Exception as error:
            trouble("server_facts", "The database %r did not say which one it is: %s", self.alias, error)
            identity = None
        if identity is None:
            raise _Pass("unidentified_database")
        return identity

    def _miss(
        self,
        footing: Footing,
        script: Script,
        layout: Layout,
        identity: Identity,
        store: Store,
        key: str,
        fingerprint: int,
    ) -> list[Any]:
        debug(f"Cache miss for key '{key}' - hitting database")
        count("misses")
        reading: Reading | None = None
        if self.wrapper.connection is None:
            # What the new connection says of itself counts from now on.
            self.wrapper.ensure_connection()
            footing = footing_of(self.wrapper)
        if footing.may_fill:
            if self._asked_identity() == identity:
                reading = self._reading(script, identity, store, footing.snapshot_clock)
            else:
                not_filled("other_database")
        else:
            not_filled(footing.reason or "unfinished_cursor")
        raw = raw_rows(self.compiler, self.sql, self.params)
        kept = convert(self.compiler, raw, kept_converters(self.compiler, layout))
        if reading is not None:
            self._fill(store, key, fingerprint, kept, reading)
        return convert(self.compiler, kept, own_converters(self.compiler, layout))

    def _reading(self, script: Script, identity: Identity, store: Store, clock: int | None) -> Reading | None:
        """What the answer rests on, taken before the database is asked; None: don't fill.

        Mode "model": a write to any row of any of these tables may change the answer, and each such write
        bumps that table's ``any``, or ``all`` where it can't be placed. A table is only accepted if the
        catalog, read under the schema's present version, knows it as a plain table.
        """
        schema = store.versions(_SCHEMA)
        if schema is None:
            not_filled("intent")
            settle_unknown_outcomes(self.wrapper, store)
            return None
        catalog = catalog_of(self.wrapper, identity.database, (schema.versions.hex(),))
        for name in script.reads:
            table = catalog.tables.get(name)
            if table is None or table.kind != "table":
                not_filled("unknown_table" if table is None else table.kind)
                return None
        if self.plan.is_permanent:
            dependencies = [permanent_of(name) for name in script.reads]
        else:
            dependencies = [ALL, SCHEMA, *(any_of(name) for name in script.reads)]
        reading = store.versions(pack(dependencies), clock)
        if reading is None or store.versions(_SCHEMA) != schema:  # a DDL commit came in between
            not_filled("intent")
            settle_unknown_outcomes(self.wrapper, store)
            return None
        return reading

    def _fill(self, store: Store, key: str, fingerprint: int, rows: list[Any], reading: Reading) -> None:
        try:
            outcome = store.put(key, fingerprint, rows, reading, self.plan.timeout)
        except _engine.UnsupportedType as unsupported:
            not_filled(f"unknown_type:{unsupported.args[0]}")
            return
        if outcome != "stored":
            not_filled(outcome)
            return
        count("fills")
        debug(f"Cached queryset with key '{key}' for {_seconds(self.plan.timeout)}")


def _seconds(timeout: float | None) -> str:
    return "ever" if timeout is None else f"{timeout:g} seconds"
