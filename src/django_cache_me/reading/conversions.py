"""Whose code a query's values went through on their way to its parameters.

A plan is found from a few values and used for all of their kinds (learning.py). That's right for Django's own
fields, which treat all values of a kind alike or are tried with those that they don't; a project's field may
do with each value as it likes.
"""

from __future__ import annotations

from typing import Any, Iterator

from django.db.models.sql import Query

#: What a field's class turns a lookup's value into a parameter by.
_METHODS = ("get_prep_value", "get_db_prep_value", "to_python", "get_lookup", "get_transform")


def lookups_of(query: Any) -> Iterator[Any]:
    """The lookups of a ``Query``, those of the queries within it, too."""
    inner = getattr(query, "inner_query", None)  # an aggregate's
    if inner is not None:
        yield from lookups_of(inner)
    yield from _lookups_in(query.where)


def _lookups_in(node: Any) -> Iterator[Any]:
    for child in getattr(node, "children", ()):
        if hasattr(child, "children"):
            yield from _lookups_in(child)
            continue
        yield child
        for side in (child, getattr(child, "lhs", None), getattr(child, "rhs", None)):
            within = side if isinstance(side, Query) else getattr(side, "query", None)
            if isinstance(within, Query):
                yield from lookups_of(within)


def are_djangos(query: Any) -> bool:
    """Whether all values of ``query`` were converted by Django's own code."""
    return all(_is_djangos(lookup) for lookup in lookups_of(query))


def _is_djangos(lookup: Any) -> bool:
    if not _is_of_django(type(lookup)):
        return False
    expression = getattr(lookup, "lhs", None)
    while expression is not None:  # a column, or transforms of one
        if not _is_of_django(type(expression)):
            return False
        try:
            fields = list(_fields(expression.output_field))
        except Exception:  # of what has none, or none that is known yet
            return False
        if not all(map(_converts_as_django_does, fields)):
            return False
        expression = getattr(expression, "lhs", None)
    return True


def _fields(field: Any) -> Iterator[Any]:
    """A field, and what a foreign key refers to."""
    yield field
    yield from getattr(field, "foreign_related_fields", ())


def _converts_as_django_does(field: Any) -> bool:
    for name in _METHODS:
        owner = next((cls for cls in type(field).__mro__ if name in cls.__dict__), None)
        if name in vars(field) or (owner is not None and not _is_of_django(owner)):
            return False
    return True


def _is_of_django(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "django"
