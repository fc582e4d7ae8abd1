"""Rows to model instances by Django's own code, fed with rows that came from elsewhere.

``ModelIterable`` builds instances with everything that belongs to them (deferred fields, ``select_related``,
annotations, known related objects, fetch modes). It asks the queryset's query for a compiler and that one
for rows; both are stood in for here, so that one source serves Django 3.2 to 6.1.
"""

from __future__ import annotations

from typing import Any, Iterator

from django.db.models import QuerySet


class _Stand:
    """Everything of ``target`` but what is set on the stand-in itself."""

    def __init__(self, target: Any, **own: Any) -> None:
        self.__dict__.update(own)
        self.__dict__["_target"] = target

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)


def instances(queryset: QuerySet[Any], alias: str, compiler: Any, rows: list[Any]) -> list[Any]:
    """The model instances that ``queryset`` would make of ``rows`` (converted, as tuples or lists).

    ``compiler`` is one that has compiled the queryset's query for the database ``alias``.
    """

    def execute_sql(*args: Any, **kwargs: Any) -> list[Any]:
        return rows

    def results_iter(results: Any = None, *args: Any, **kwargs: Any) -> Iterator[Any]:
        return iter(rows)

    fed = _Stand(compiler, execute_sql=execute_sql, results_iter=results_iter)
    query = _Stand(queryset.query, get_compiler=lambda *args, **kwargs: fed)
    stand = _Stand(queryset, query=query, db=alias)
    iterable: Any = queryset._iterable_class
    return list(iterable(stand))


def raw_rows(compiler: Any, sql: str, params: Any) -> list[Any]:
    """The driver's rows of a compiled query: Django's ``execute_sql`` without compiling again."""
    compiler.as_sql = lambda *args, **kwargs: (sql, params)
    try:
        chunks = compiler.execute_sql(chunked_fetch=False)
    finally:
        del compiler.as_sql
    return [row for chunk in chunks for row in chunk]
