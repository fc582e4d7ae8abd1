"""Rows to results by Django's own code, fed with rows that came from elsewhere.

A queryset's iterable class makes instances, dicts, tuples … of rows with everything that belongs to them
(deferred fields, ``select_related``, annotations, known related objects, fetch modes). It asks the queryset's
query for a compiler and that one for rows; both are stood in for here, so that one source serves Django 3.2
to 6.1.
"""

from __future__ import annotations

from typing import Any, Iterator

from django.db.models import QuerySet
from django.db.models.query import (
    FlatValuesListIterable,
    ModelIterable,
    NamedValuesListIterable,
    ValuesIterable,
    ValuesListIterable,
)

_DJANGOS = frozenset(
    {ModelIterable, ValuesIterable, ValuesListIterable, NamedValuesListIterable, FlatValuesListIterable}
)


def is_djangos_iterable(iterable_class: Any) -> bool:
    return iterable_class in _DJANGOS


class _Stand:
    """Everything of ``target`` but what is set on the stand-in itself; passes for one of its class."""

    def __init__(self, target: Any, **own: Any) -> None:
        self.__dict__.update(own)
        self.__dict__["_target"] = target

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._target)


def results(
    queryset: QuerySet[Any], alias: str, compiler: Any, rows: list[Any], driver_rows: bool
) -> list[Any]:
    """What iterating ``queryset`` gives if the database ``alias`` answers with ``rows``.

    ``compiler`` is one that has compiled the queryset's query for that database. ``rows`` are converted, as
    tuples or lists; with ``driver_rows`` they are tuples as the driver gives them.
    """
    feed = _fed_with_driver_rows(compiler, rows) if driver_rows else _fed(compiler, rows)
    query = _Stand(queryset.query, get_compiler=lambda *args, **kwargs: feed)
    stand = _Stand(queryset, query=query, db=alias)
    iterable: Any = queryset._iterable_class
    return list(iterable(stand))


def _fed(compiler: Any, rows: list[Any]) -> Any:
    def execute_sql(*args: Any, **kwargs: Any) -> list[Any]:
        return rows

    def results_iter(results: Any = None, tuple_expected: bool = False, **kwargs: Any) -> Iterator[Any]:
        return map(tuple, rows) if tuple_expected else iter(rows)

    return _Stand(compiler, execute_sql=execute_sql, results_iter=results_iter)


def _fed_with_driver_rows(compiler: Any, rows: list[Any]) -> Any:
    # The compiler itself, with all that it does to a driver's rows.
    compiler.execute_sql = lambda *args, **kwargs: iter([rows])
    return compiler


def raw_rows(compiler: Any, sql: str, params: Any) -> list[Any]:
    """The driver's rows of a compiled query: Django's ``execute_sql`` without compiling again."""
    compiler.as_sql = lambda *args, **kwargs: (sql, params)
    try:
        chunks = compiler.execute_sql(chunked_fetch=False)
    finally:
        del compiler.as_sql
    return [row for chunk in chunks for row in chunk]
