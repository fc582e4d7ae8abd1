"""Misses of shapes whose plan is known: the database is asked without a Query being built or compiled.

A plan's keys equal the second tier's for all values that it takes, and a key holds SQL, parameters and their
types. So a plan knows what Django would ask the database, and here it is asked: through Django's own compiler
(one that compiled a probe, whose ``as_sql`` gives the plan's text), cursor and converters. While learning,
text and parameters are compared with those that Django compiled, for each probe (learning.py).

The order of the steps is DESIGN.md section 5's, and lookup.py's. What lookup.py works out anew for each read
(settings, identity, store) is kept here for as long as the ground of the connection holds, which the engine
has just looked at; catalog and schema have a proof of their own (``engine/include/cache_me/taken.hpp``). In
any doubt before the database is asked the answer is None, and the second tier does it all.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from .. import _engine, conf
from ..counters import count, not_filled
from ..databases import catalog
from ..databases.connection import OUTSIDE, footing_of, state_of, store_for
from ..databases.drivers import driver_for
from ..databases.identity import identity_of, is_of_this_connection
from ..databases.statements import read_script
from ..exceptions import StoreError
from ..options import CacheMeOptions
from ..stores import shared_memory
from ..stores.dependencies import SCHEMA, pack
from ..stores.shared_memory import milliseconds
from . import capturing
from .aggregation import raw_row
from .layout import Converters, Layout, convert, is_unencodable, kept_converters
from .policy import is_exact, timeout_of
from .replay import raw_rows
from .replaying import DJANGOS
from .rests_on import note_many, read_plan_of, tables_of, witnesses_of, witnesses_pay

FILLER = "_cache_me_filler"
_SCHEMA = pack([SCHEMA])
_MOST_KNOWN = 2048


class _Asking(NamedTuple):
    """How one plan's misses are asked for over one connection."""

    #: The connection's own copy; whoever asks takes it out meanwhile.
    compiler: Any
    converters: Converters
    is_exact: bool
    #: As the store counts: in milliseconds, 0 for no end.
    lifetime: int
    #: What the options said of these two.
    invalidation: Any
    timeout: Any


class Filler:
    """What the misses over one connection have in common, as long as its ground holds."""

    __slots__ = ("_database", "_known", "_terms", "asking", "entries", "ground", "may_fill", "table")

    def __init__(self, wrapper: BaseDatabaseWrapper, ground: _engine.Ground) -> None:
        #: By that this is known to hold, so it is compared and not copied.
        self.ground = ground
        self.asking: dict[PlannedMiss, _Asking] = {}
        self._known: Any = None
        self._terms: dict[tuple[str, bool], tuple[_engine.Terms, Any]] = {}
        identity = identity_of(wrapper, ask=False)
        driver = driver_for(wrapper)
        self.may_fill = (
            identity is not None
            and driver is not None
            and identity.key == ground.whose
            # A file's identity is the same whoever asks; a server's has to be what it said over this
            # connection. Until then the second tier asks it, which makes another ground.
            and (not driver.has_server or is_of_this_connection(wrapper, identity))
            and not conf.setting("EXPLAIN_MISSES")
        )
        if not self.may_fill:
            return
        assert identity is not None
        store = store_for(wrapper, identity)
        entries = shared_memory._entries()
        if not isinstance(store, shared_memory.SharedMemoryStore) or entries is None:
            self.may_fill = False
            return
        self._database = identity.database
        self.entries = entries
        self.table = store.table()

    def terms_of(
        self, wrapper: BaseDatabaseWrapper, sql: str, exact: bool
    ) -> tuple[_engine.Terms, Any] | None:
        """What answers to that text rest on, with the rule if that's single rows; None: not known here.

        Made under the schema's version now, of a catalog that somebody has read under that version.
        """
        known = catalog._catalogs.get(self._database)
        if known is None:
            return None
        if known is not self._known:
            self._terms.clear()
            self._known = known
        found = self._terms.get((sql, exact))
        if found is not None:
            return found
        schema = self.table.read(_SCHEMA)
        if schema is None or known[0] != (schema.hex(),):
            return None
        script = read_script(sql, wrapper.vendor)
        plan = read_plan_of(known[1], script, sql, wrapper.vendor, sessions_are_told_apart=False)
        if not script.readable or plan.reason:
            return None
        rule = plan.rule if exact else None
        always = plan.always if exact else pack(tables_of(script))
        made = (_engine.Terms(rule, always, SCHEMA, schema), rule)
        if len(self._terms) >= _MOST_KNOWN:
            self._terms.clear()
        self._terms[sql, exact] = made
        return made

    def forget_terms(self) -> None:
        """The schema may be another one."""
        self._known = None


def filler_of(wrapper: BaseDatabaseWrapper, ground: _engine.Ground) -> Filler | None:
    """The filler of a connection over whose ``ground`` a read stands just now; None: the second tier's."""
    filler: Filler | None = wrapper.__dict__.get(FILLER)
    if filler is None or filler.ground is not ground:
        filler = wrapper.__dict__[FILLER] = Filler(wrapper, ground)
    return filler if filler.may_fill else None


class PlannedMiss:
    """Asks the database on behalf of one plan (``Plan::miss`` of the engine)."""

    __slots__ = (
        "_as_sql",
        "_building",
        "_compiler",
        "_fingerprint",
        "_is_over",
        "_layout",
        "_mode",
        "_options",
    )

    def __init__(
        self,
        compiler: Any,
        layout: Layout,
        fingerprint: int,
        building: Any,
        mode: Any,
        options: CacheMeOptions,
    ) -> None:
        """``compiler`` has compiled one of the plan's queries; driver rows: it is one of a single row."""
        self._compiler = copy.copy(compiler)
        self._compiler.connection = None  # plans outlive connections
        self._as_sql = type(compiler).as_sql
        self._layout = layout
        self._fingerprint = fingerprint
        #: The engine's plan of results; None: tuples.
        self._building = building
        self._mode = mode
        self._options = options
        self._is_over = False

    def __call__(
        self,
        statement: tuple[str, tuple[Any, ...]],
        key: bytes,
        wrapper: BaseDatabaseWrapper,
        ground: _engine.Ground,
        is_plain: bool,
    ) -> list[Any] | None:
        """The results of ``statement``, from the database and kept under ``key``; None: the second tier's."""
        try:
            filler = filler_of(wrapper, ground)
        except StoreError:  # its file has just gone: the second tier says so
            return None
        if filler is None or self._is_over or capturing.is_capturing():
            return None
        if state_of(wrapper).unfinished_cursors or not (is_plain or footing_of(wrapper) is OUTSIDE):
            return None
        if type(self._compiler).as_sql is not self._as_sql:
            return None  # somebody has changed how queries are compiled
        # Taken out, so that it's nobody else's meanwhile: what is executed may run code of the project's, and
        # that may read as well.
        asking = self._asking(wrapper, filler)
        try:
            return self._results(asking, statement, key, wrapper, filler)
        finally:
            filler.asking[self] = asking

    def _results(
        self,
        asking: _Asking,
        statement: tuple[str, tuple[Any, ...]],
        key: bytes,
        wrapper: BaseDatabaseWrapper,
        filler: Filler,
    ) -> list[Any] | None:
        sql, params = statement
        terms = filler.terms_of(wrapper, sql, asking.is_exact)
        if terms is None:
            return None
        witnessed, rule = "", terms[1]
        if rule is not None and rule.witness_sql:
            witnessed = key.partition(b"\0")[0].decode()
        taken = terms[0].take(filler.table, params, witnessed != "" and witnesses_pay(witnessed, rule))
        if taken is None:
            filler.forget_terms()
            return None
        witnesses = None
        if taken.needs_witnesses:
            witnesses = witnesses_of(wrapper, rule, params)
            if witnesses is None:
                taken = None
            elif len(witnesses) > _engine.MOST_ROWS:
                note_many(witnessed)
        count("misses")
        compiler = asking.compiler
        if self._layout.driver_rows:
            answer = rows = raw_row(compiler, sql, params)
        else:
            answer = raw_rows(compiler, sql, params)
            rows = convert(compiler, answer, asking.converters)
        if taken is not None:
            self._fill(filler, key, rows, taken, answer, witnesses, asking.lifetime)
        if self._building is None:
            return rows
        found: list[Any] = self._building.build(rows, compiler.using, self._mode, wrapper)
        return found

    def _asking(self, wrapper: BaseDatabaseWrapper, filler: Filler) -> _Asking:
        options = self._options
        asking = filler.asking.pop(self, None)
        if (
            asking is not None
            and asking.timeout is options.timeout
            and asking.invalidation is options.invalidation
        ):
            return asking
        compiler = copy.copy(self._compiler)
        compiler.connection = wrapper
        timeout = timeout_of(options, None)
        if len(filler.asking) >= _MOST_KNOWN:
            filler.asking.clear()
        return _Asking(
            compiler,
            {} if self._layout.driver_rows else kept_converters(compiler, self._layout),
            is_exact(options),
            milliseconds(timeout),
            options.invalidation,
            options.timeout,
        )

    def _fill(
        self,
        filler: Filler,
        key: bytes,
        rows: list[Any],
        taken: _engine.Taken,
        answer: list[Any],
        witnesses: list[Any] | None,
        lifetime: int,
    ) -> None:
        try:
            outcome = filler.entries.fill(key, self._fingerprint, rows, taken, answer, witnesses, lifetime)
        except _engine.UnsupportedType as unsupported:
            not_filled(f"unknown_type:{unsupported.args[0]}")
            if not self._layout.driver_rows:
                is_unencodable(self._layout)
            self._is_over = True  # from now on the rows are kept as the driver gives them, under another key
            return
        if outcome == "stored":
            count("fills")
        else:
            not_filled(outcome)


def get_of(model: Any, results: list[Any]) -> Any:
    """What Django's ``get()`` gives or raises for a queryset of ``model`` with these results."""
    method = DJANGOS["get"]
    while hasattr(method, "__wrapped__"):
        method = method.__wrapped__
    return method(_Evaluated(model, results))


class _Evaluated:
    """As much of a queryset as Django's ``get()`` asks of the one that it's called on."""

    combinator = None
    select_for_update = False
    distinct_fields = ()

    def __init__(self, model: Any, results: list[Any]) -> None:
        self.model = model
        self._result_cache = results

    @property
    def query(self) -> Any:
        return self

    def filter(self, *args: Any, **kwargs: Any) -> Any:
        return self

    def can_filter(self) -> bool:
        return False

    def set_limits(self, *args: Any, **kwargs: Any) -> None:
        """All of its rows are there."""

    def __len__(self) -> int:
        return len(self._result_cache)
