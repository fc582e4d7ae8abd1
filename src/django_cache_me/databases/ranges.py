"""PostgreSQL's ranges as psycopg gives and takes them, and as plain values."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any

_MODULES = (
    "psycopg.types.range",
    "psycopg2._range",
    "psycopg2.extras",
    "django.db.backends.postgresql.psycopg_any",
)


def is_range(value: Any) -> bool:
    """Whether ``value`` is a range of psycopg 2 or 3, or one of Django's names for it."""
    cls = type(value)
    return cls.__module__ in _MODULES and cls.__name__.endswith("Range")


def plain_range(value: Any) -> tuple[Any, ...]:
    """The class's name, the bounds' signs (None: an empty range), lower and upper bound."""
    if value.isempty:
        return (type(value).__name__, None, None, None)
    return (type(value).__name__, _signs(value), value.lower, value.upper)


def _signs(value: Any) -> str:
    lower = "[" if value.lower_inc else "("
    return lower + ("]" if value.upper_inc else ")")


def range_from(plain: tuple[Any, ...]) -> Any:
    """What the driver gave, from what :func:`plain_range` made of it."""
    name, signs, lower, upper = plain
    range_class = _range_class(name)
    if signs is None:
        return range_class(empty=True)
    return range_class(lower, upper, signs)


@functools.lru_cache(maxsize=16)
def _range_class(name: str) -> Any:
    # psycopg 3 gives a Range of any kind; psycopg 2 has a class for each.
    module = import_module("psycopg.types.range" if name == "Range" else "psycopg2.extras")
    return getattr(module, name)
