"""``count()``, ``exists()`` and ``aggregate()``: answers of a single row.

Django builds their queries deep inside ``sql.Query``, differently in each version; what they have in common
is one call of ``SQLCompiler.execute_sql(SINGLE)``. So the call of the queryset's method arms the next such
execution of this thread, and that one is answered with the row as the driver gave it (or through it).
"""

from __future__ import annotations

import functools
import itertools
import threading
from typing import Any, Callable

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.constants import SINGLE

from .. import _engine
from .admission import admitted
from .capturing import Captured, is_capturing
from .layout import driver_layout, is_djangos
from .lookup import Question, footing_for
from .parameters import Unlearnable
from .policy import Plan


class _ThisThread(threading.local):
    #: The plan and label of the method whose row is asked for next, if it's to meet the cache.
    armed: tuple[Plan, str] | None = None


_local = _ThisThread()


def install() -> None:
    setattr(SQLCompiler, "execute_sql", _executing(SQLCompiler.execute_sql))
    for name in ("count", "exists", "aggregate"):
        setattr(QuerySet, name, _arming(getattr(QuerySet, name)))


def _arming(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self._result_cache is not None and original.__name__ != "aggregate":
            return original(self, *args, **kwargs)
        plan = admitted(self, whole_rows=False)
        if plan is None:
            return original(self, *args, **kwargs)
        before = _local.armed
        _local.armed = (plan, self.model._meta.label_lower)
        try:
            return original(self, *args, **kwargs)
        finally:
            _local.armed = before

    return method


def _executing(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def execute_sql(self: Any, result_type: Any = "multi", *args: Any, **kwargs: Any) -> Any:
        if result_type != SINGLE:
            return original(self, result_type, *args, **kwargs)
        if is_capturing():
            raise Captured(compiler=self)
        armed = _local.armed
        if armed is None:
            return original(self, result_type, *args, **kwargs)
        _local.armed = None
        return _row(self, original, *armed)

    return execute_sql


def _row(compiler: Any, execute: Callable[..., Any], plan: Plan, label: str) -> Any:
    footing = footing_for(compiler.using)
    if footing is None:
        return execute(compiler, SINGLE)
    try:
        sql, params = compiler.as_sql()
    except EmptyResultSet:
        return None
    if not sql:
        return None

    def ask() -> list[Any]:
        compiler.as_sql = lambda *args, **kwargs: (sql, params)
        try:
            row = execute(compiler, SINGLE)
        finally:
            del compiler.as_sql
        return [] if row is None else [tuple(row)]

    layout = driver_layout(compiler.connection, "single")
    question = Question(
        compiler.using, footing, plan, label, sql, params, layout.result, layout.fingerprint, ask
    )
    rows = question.answer()
    return rows[0] if rows else None


def raw_row(compiler: Any, sql: str, params: Any) -> list[Any]:
    """The driver's row of a compiled query as a list of one tuple, or of none; past the cache."""
    before, _local.armed = _local.armed, None
    compiler.as_sql = lambda *args, **kwargs: (sql, params)
    try:
        row = compiler.execute_sql(SINGLE)
    finally:
        del compiler.as_sql
        _local.armed = before
    return [] if row is None else [tuple(row)]


def aggregate_plan(compiler: Any) -> _engine.AggregatePlan:
    """How the row that ``compiler`` asks for becomes what ``aggregate()`` gives; raises Unlearnable.

    Django converts the driver's row by the expressions' own converters, and names its values by the aliases.
    """
    selected = compiler.query.annotation_select
    if compiler.select is not None and len(selected) != len(compiler.select):  # None: around a subquery
        raise Unlearnable("columns")
    has_composites = getattr(compiler, "has_composite_fields", None)  # Django 5.2+
    if has_composites is not None and has_composites(selected.values()):
        raise Unlearnable("columns")
    conversions = Conversions(list(selected.values()))
    if not all(map(is_djangos, itertools.chain.from_iterable(conversions(compiler.connection)))):
        raise Unlearnable("own_conversions")
    columns = [(name, one, _is_number(one.output_field)) for name, one in selected.items()]
    return _engine.AggregatePlan(columns, conversions, _CONVERSIONS)


def _is_number(field: Any) -> bool:
    """Whether it's a column of Django's whose values are converted by nothing but themselves."""
    kind = field.get_internal_type()
    is_djangos_own = type(field).__module__ == "django.db.models.fields"
    return is_djangos_own and (kind in ("DecimalField", "FloatField") or kind.endswith("IntegerField"))


_CONVERSIONS = "_cache_me_conversions"
_MOST_CONVERSIONS = 1024


class Conversions:
    """The converters of the columns of one shape, for each connection: kept there, for some hold it."""

    def __init__(self, expressions: list[Any]) -> None:
        self.expressions = expressions

    def __call__(self, connection: Any) -> list[list[Any]]:
        """As Django's ``SQLCompiler.get_converters``."""
        made = [
            [*connection.ops.get_db_converters(one), *one.get_db_converters(connection)]
            for one in self.expressions
        ]
        kept = connection.__dict__.setdefault(_CONVERSIONS, {})
        if len(kept) >= _MOST_CONVERSIONS:
            kept.clear()
        kept[self] = made
        return made
