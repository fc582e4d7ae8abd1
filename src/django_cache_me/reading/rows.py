"""Plans for ``values()`` and ``values_list()``: which columns go where is found out by asking Django.

Django's iterable classes are given one row of marks; where the marks come out is where the columns go. So
annotations, ``extra()``, fields in another order than the columns, and all that differs from version to
version need no rules of ours. What comes out in any other form is left to Django, row by row.
"""

from __future__ import annotations

from typing import Any, Tuple

from django.db.models import QuerySet
from django.db.models.query import (
    FlatValuesListIterable,
    NamedValuesListIterable,
    ValuesIterable,
    ValuesListIterable,
)

from .. import _engine
from .replay import results

_KINDS = frozenset({ValuesIterable, ValuesListIterable, NamedValuesListIterable, FlatValuesListIterable})

_Key = Tuple[Any, ...]
_plans: dict[_Key, _engine.RowsPlan | None] = {}
_MOST_PLANS = 2048


class _Mark:
    """Stands for the value of one column."""

    __slots__ = ("column",)

    def __init__(self, column: int) -> None:
        self.column = column


def rows_plan(queryset: QuerySet[Any], alias: str, compiler: Any) -> _engine.RowsPlan | None:
    """The plan for a queryset of no instances whose query ``compiler`` has compiled; None: Django builds.

    Not for queries whose rows are kept as the driver gave them.
    """
    asked: Any = queryset
    if asked._iterable_class not in _KINDS:
        return None
    query = asked.query
    key = (
        asked._iterable_class,
        asked._fields,
        len(compiler.select),
        tuple(query.extra_select),
        query.values_select,
        tuple(query.annotation_select),
        tuple(getattr(query, "selected", None) or ()),  # Django 5.2+
    )
    try:
        if key in _plans:
            return _plans[key]
    except TypeError:  # something that can't be hashed stands in there
        return None
    if len(_plans) >= _MOST_PLANS:
        _plans.clear()
    plan = _plans[key] = _make(queryset, alias, compiler)
    return plan


def _make(queryset: QuerySet[Any], alias: str, compiler: Any) -> _engine.RowsPlan | None:
    marks = tuple(_Mark(column) for column in range(len(compiler.select)))
    try:
        (result,) = results(queryset, alias, compiler, [marks], driver_rows=False)
    except IndexError:  # of some unions' columns the compiler doesn't tell
        return None
    if type(result) is _Mark:
        return _engine.RowsPlan(None, (), [result.column])
    if type(result) is dict:
        names, items = tuple(result), list(result.values())
    elif isinstance(result, tuple):
        names, items = (), list(result)
    else:
        return None
    if not all(type(item) is _Mark for item in items) or not all(type(name) is str for name in names):
        return None
    return _engine.RowsPlan(type(result), names, [item.column for item in items])
