"""From a queryset to its results: the tier in which Django builds and compiles the query."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet
from django.db.models.query import ModelIterable

from ..databases.connection import Footing
from ..stores.base import Building
from .admission import admitted
from .building import add_known_related_objects
from .columns import building_of, columns_of
from .layout import Layout, convert, is_unencodable, kept_converters, own_converters
from .lookup import Question, footing_for
from .policy import Plan
from .replay import raw_rows, results


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
    try:
        asked = asked_of(queryset, plan, alias, footing)
    except EmptyResultSet:
        return []
    question, compiler, layout, building = asked
    found = question.answer_of_a_hit() if only_hits else question.answer()
    if found is None:
        return None
    if layout.own:
        found = convert(compiler, found, own_converters(compiler, layout))
    if building is None:
        return results(queryset, alias, compiler, found, layout.driver_rows)
    if layout.own:
        found = building.of(found)
    if queryset._iterable_class is ModelIterable:
        add_known_related_objects(queryset, found)
    return found


class Asked(NamedTuple):
    """A queryset as a question, and how its results are made."""

    question: Question
    compiler: Any
    layout: Layout
    building: Building | None


def asked_of(queryset: QuerySet[Any], plan: Plan, alias: str, footing: Footing) -> Asked:
    """Compiles ``queryset``; raises EmptyResultSet for one that needs no database."""
    compiler: Any = queryset.query.get_compiler(using=alias)
    sql, params = compiler.as_sql()
    columns = columns_of(queryset, compiler)
    layout = columns.layout
    building = building_of(queryset, alias, compiler, columns)

    def ask() -> list[Any]:
        return raw_rows(compiler, sql, params)

    def keep(rows: list[Any]) -> list[Any]:
        if layout.driver_rows:
            return rows
        converters = columns.converters
        if converters is None:
            converters = kept_converters(compiler, layout)
        return convert(compiler, rows, converters)

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
        keep,
        unencodable=lambda: is_unencodable(layout),
        # Columns with conversions of their own have to go through Python first.
        building=None if layout.own else building,
    )
    return Asked(question, compiler, layout, building)
