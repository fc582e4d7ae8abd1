"""From a queryset to its results: the tier in which Django builds and compiles the query."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet
from django.db.models.query import ModelIterable

from ..databases.connection import Footing
from ..stores.base import Building
from .admission import admitted
from .building import add_known_related_objects, building_plan, fetch_mode
from .layout import (
    Layout,
    convert,
    driver_layout,
    is_unencodable,
    kept_converters,
    layout_of,
    own_converters,
)
from .lookup import Question, footing_for
from .policy import Plan
from .replay import is_djangos_iterable, raw_rows, results
from .rows import rows_plan


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
    building = None
    if not is_djangos_iterable(queryset._iterable_class):
        # Other packages' iterables may do anything with what the compiler gives them: they get what the
        # driver gave, and find everything else as Django made it.
        layout = driver_layout(compiler.connection)
    else:
        layout = layout_of(compiler)
        if not layout.driver_rows:
            building = _building(queryset, alias, compiler)

    def ask() -> list[Any]:
        return raw_rows(compiler, sql, params)

    def keep(rows: list[Any]) -> list[Any]:
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
        keep,
        unencodable=lambda: is_unencodable(layout),
        # Columns with conversions of their own have to go through Python first.
        building=None if layout.own else building,
    )
    return Asked(question, compiler, layout, building)


def _building(queryset: QuerySet[Any], alias: str, compiler: Any) -> Building | None:
    """How the engine makes the results of rows; None: Django makes them."""
    if queryset._iterable_class is not ModelIterable:
        plan = rows_plan(queryset, alias, compiler)
        return None if plan is None else Building(plan, alias, None)
    instances = building_plan(queryset, compiler)
    return None if instances is None else Building(instances.plan, alias, fetch_mode(queryset))
