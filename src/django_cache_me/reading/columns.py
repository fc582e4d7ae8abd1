"""What follows from a compiled query's columns: the layout of its rows, and what builds its results.

To look at each column of each query is most of what a miss costs. Where the columns are a model's own (all,
or those that ``only()`` and ``defer()`` leave), they follow from the model, and what was found for them is
kept with the connection, for as long as the settings stay.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.db.models.query import ModelIterable
from django.db.models.sql import Query

from .. import conf
from ..stores.base import Building
from .building import BuildingPlan, building_plan, fetch_mode, may_build
from .layout import Converters, Layout, driver_layout, kept_converters, layout_of, unencodable_layouts
from .replay import is_djangos_iterable
from .rows import rows_plan

_KNOWN = "_cache_me_columns"
_MOST_KNOWN = 1024


class Columns(NamedTuple):
    layout: Layout
    #: Converters whose results are kept; None: they're to be asked for.
    converters: Converters | None
    #: What builds instances; None: Django, or they're no instances.
    instances: BuildingPlan | None


def columns_of(queryset: QuerySet[Any], compiler: Any) -> Columns:
    """The columns of ``queryset``, whose query ``compiler`` has compiled."""
    key = _key(queryset)
    if key is None:
        return _look(queryset, compiler)
    known = _known(compiler.connection)
    found = known.get(key)
    if found is None:
        if len(known) >= _MOST_KNOWN:
            known.clear()
        found = _look(queryset, compiler)
        if not found.layout.driver_rows:
            found = found._replace(converters=kept_converters(compiler, found.layout))
        known[key] = found
    return found


def building_of(queryset: QuerySet[Any], alias: str, compiler: Any, columns: Columns) -> Building | None:
    """How the engine makes the results of rows; None: Django makes them."""
    if columns.layout.driver_rows:
        return None
    if queryset._iterable_class is not ModelIterable:
        plan = rows_plan(queryset, alias, compiler)
        return None if plan is None else Building(plan, alias, None)
    instances = columns.instances
    if instances is None or not may_build(queryset) or not instances.holds_now():
        return None
    return Building(instances.plan, alias, fetch_mode(queryset))


def _look(queryset: QuerySet[Any], compiler: Any) -> Columns:
    if not is_djangos_iterable(queryset._iterable_class):
        # Other packages' iterables may do anything with what the compiler gives them: they get what the
        # driver gave, and find everything else as Django made it.
        return Columns(driver_layout(compiler.connection), None, None)
    layout = layout_of(compiler)
    instances = None
    if queryset._iterable_class is ModelIterable and not layout.driver_rows:
        instances = building_plan(compiler)
    return Columns(layout, None, instances)


def _key(queryset: Any) -> Any:
    """What the columns follow from, if that's little; else None."""
    query = queryset.query
    if (
        type(query) is not Query
        or not query.default_cols
        or query.annotations
        or query.extra
        or query.select
        or query.select_related
        or query.combinator
        or queryset._iterable_class is not ModelIterable
    ):
        return None
    names, defer = query.deferred_loading
    return (queryset.model, query.model, frozenset(names), defer)


def _known(wrapper: Any) -> dict[Any, Columns]:
    """What is known of columns over that connection: its converters belong to it."""
    now = (conf.moment(), unencodable_layouts())
    known = wrapper.__dict__.get(_KNOWN)
    if known is None or known[0] != now:
        known = wrapper.__dict__[_KNOWN] = (now, {})
    found: dict[Any, Columns] = known[1]
    return found
