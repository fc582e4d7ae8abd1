"""From a queryset to its results: the tier in which Django builds and compiles the query."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet
from django.db.models.query import ModelIterable

from .admission import admitted
from .layout import (
    convert,
    driver_layout,
    is_unencodable,
    kept_converters,
    layout_of,
    own_converters,
)
from .lookup import Question, footing_for
from .replay import is_djangos_iterable, raw_rows, results


def fetch(queryset: QuerySet[Any], only_hits: bool = False) -> list[Any] | None:
    """What iterating ``queryset`` gives, from the cache or through it; None: Django is to fetch as ever.

    With ``only_hits`` the database is not asked.
    """
    plan = admitted(queryset, whole_rows=queryset._iterable_class is ModelIterable)
    if plan is None:
        return None
    alias: str = queryset.db
    footing = footing_for(alias)
    if footing is None:
        return None
    compiler: Any = queryset.query.get_compiler(using=alias)
    try:
        sql, params = compiler.as_sql()
    except EmptyResultSet:
        return []
    if is_djangos_iterable(queryset._iterable_class):
        layout = layout_of(compiler)
    else:
        # Other packages' iterables may do anything with what the compiler gives them: they get what the
        # driver gave, and find everything else as Django made it.
        layout = driver_layout(compiler.connection)

    def ask() -> list[Any]:
        rows = raw_rows(compiler, sql, params)
        return rows if layout.driver_rows else convert(compiler, rows, kept_converters(compiler, layout))

    question = Question(
        alias,
        footing,
        plan,
        queryset.model._meta.label_lower,
        sql,
        params,
        layout.result,
        layout.fingerprint,
        ask,
        unencodable=lambda: is_unencodable(layout),
    )
    rows = question.rows_of_a_hit() if only_hits else question.rows()
    if rows is None:
        return None
    if not layout.driver_rows:
        rows = convert(compiler, rows, own_converters(compiler, layout))
    return results(queryset, alias, compiler, rows, layout.driver_rows)
