"""What users declare of relations whose changes no SQL text tells: ``CacheMeOptions.depends_on``.

A view's rows change when its tables are written; a trigger writes tables that the statement doesn't name.
The declaration works both ways, so that nobody has to know which way it goes: what is read from the relation
rests on the declared tables too, and a write to it bumps these too.
"""

from __future__ import annotations

import functools
from typing import Any, Iterable

from django.apps import apps
from django.db.models import Model

from ..registry import cache_me_registry


def table_name(model: type[Model]) -> str:
    """``model``'s table as the scanner folds it: without quotes and schema."""
    name = model._meta.db_table
    for between in ('"."', "`.`"):
        name = name.rpartition(between)[2]
    return name.strip('"`')


def declared(table: str) -> frozenset[str] | None:
    """The tables that ``table`` is declared to depend on, or None: nothing is declared of it."""
    return _declarations(cache_me_registry.revision).get(table.lower())


def with_declared(tables: Iterable[str]) -> set[str]:
    """``tables`` and all that they are declared to depend on, followed down."""
    found: set[str] = set()
    waiting = list(tables)
    while waiting:
        table = waiting.pop()
        if table not in found:
            found.add(table)
            waiting.extend(declared(table) or ())
    return found


@functools.lru_cache(maxsize=1)
def _declarations(revision: int) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for model in cache_me_registry.get_registered_models():
        options = cache_me_registry.get_options(model)
        assert options is not None
        if options.depends_on is not None:
            tables = frozenset(table for one in options.depends_on for table in _tables(one))
            found[table_name(model).lower()] = tables
    return found


def _tables(one: Any) -> Iterable[str]:
    if isinstance(one, str):
        if "." not in one:
            return [one]
        one = apps.get_model(one)
    related = [one, *one._meta.get_parent_list()]
    return [table_name(model) for model in related if not model._meta.abstract]
