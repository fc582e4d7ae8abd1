"""What a compiled query's columns are, and how a driver's row becomes the row that is kept.

A column whose conversion is Django's own is kept converted. A column that a custom field or expression
converts is kept as the driver (and Django's backend) gave it, and its own converters run at every hit.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, NamedTuple, Tuple

import django
from django.db.models import Field, JSONField
from django.db.models.expressions import Col

from .. import _engine

Converters = Dict[int, Tuple[List[Any], Any]]

_VERSION = f"1;codec {_engine.CODEC_VERSION};django {django.get_version()}"


class Layout(NamedTuple):
    """The columns of one compiled query."""

    #: Part of the key: equal for queries whose kept rows are equal.
    signature: str
    #: Part of the entry: another one (a deploy, a migration) makes it a miss.
    fingerprint: int
    #: Positions of columns that convert themselves.
    own: frozenset[int]


#: Layouts by what their columns are. Fields of models live as long as their models do; a reference in the
#: value keeps those of tests from being confused with later ones.
_known: dict[tuple[int, ...], tuple[list[Any], Layout]] = {}
_MOST_KNOWN = 4096


def layout_of(compiler: Any) -> Layout | None:
    """The layout of a compiled query, or None where it can't be told."""
    if _has_composite_fields(compiler):
        return None
    expressions = _expressions(compiler)
    fields = [getattr(expression, "_output_field_or_none", None) for expression in expressions]
    if not all(type(expression) is Col for expression in expressions):
        return _layout(expressions, fields)
    key = tuple(map(id, fields))
    found = _known.get(key)
    if found is None:
        layout = _layout(expressions, fields)
        if layout is None or not all(hasattr(field, "model") for field in fields):
            return layout
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        found = _known[key] = (fields, layout)
    return found[1]


def _layout(expressions: list[Any], fields: list[Any]) -> Layout | None:
    parts = []
    for expression, field in zip(expressions, fields):
        description = _describe(expression, field)
        if description is None:
            return None
        parts.append(description)
    signature = "|".join(parts)
    fingerprint = _engine.hash64(f"{_VERSION};{signature}".encode())
    own = frozenset(position for position, field in enumerate(fields) if _converts_itself(field))
    return Layout(signature, fingerprint, own)


def all_converters(compiler: Any) -> Converters:
    """Django's converters of a compiled query's columns."""
    converters: Converters = compiler.get_converters(_expressions(compiler))
    return converters


def kept_converters(compiler: Any, layout: Layout) -> Converters:
    """Converters whose results are kept."""
    kept: Converters = {}
    for position, (converters, expression) in all_converters(compiler).items():
        kept_first = _first_own(converters) if position in layout.own else len(converters)
        if kept_first:
            kept[position] = (converters[:kept_first], expression)
    return kept


def own_converters(compiler: Any, layout: Layout) -> Converters:
    """Converters that run at every hit.

    Backend converters come first, then the field's ``from_db_value``, the expression's own last.
    """
    if not layout.own:
        return {}
    found = all_converters(compiler)
    return {
        position: (found[position][0][_first_own(found[position][0]) :], found[position][1])
        for position in layout.own
        if position in found
    }


def _expressions(compiler: Any) -> list[Any]:
    return [column[0] for column in compiler.select[0 : compiler.col_count]]


def convert(compiler: Any, rows: Iterable[Any], converters: Converters) -> list[Any]:
    """``rows`` with ``converters`` applied, as Django's compiler applies them."""
    if not converters:
        return list(rows)
    return list(compiler.apply_converters(rows, converters))


def _first_own(converters: list[Any]) -> int:
    for index, converter in enumerate(converters):
        if not getattr(converter, "__module__", "").startswith("django.db.backends."):
            return index
    return len(converters)


def _has_composite_fields(compiler: Any) -> bool:
    # Django 5.2+: a composite primary key among the selected expressions.
    check = getattr(compiler, "has_composite_fields", None)
    return bool(check and check(_expressions(compiler)))


def _converts_itself(field: Any) -> bool:
    """Whether the field has a conversion of its own, beyond Django's."""
    if field is None or not hasattr(field, "from_db_value"):
        return False
    if isinstance(field, JSONField) and field.decoder is not None:
        return True
    return not _is_djangos(type(field), "from_db_value")


def _describe(expression: Any, field: Any) -> str | None:
    """One column in words that are the same in every process, or None if it can't be told."""
    if not _is_djangos(type(expression), "convert_value") or not _is_djangos(
        type(expression), "get_db_converters"
    ):
        return None
    if isinstance(expression, Col) and isinstance(field, Field) and hasattr(field, "model"):
        return f"{field.model._meta.label}.{field.name}:{_field_words(field)}"
    if field is None:
        return _path(type(expression))
    return f"{_path(type(expression))}>{_field_words(field)}"


_field_cache: dict[int, tuple[Any, str]] = {}


def _field_words(field: Any) -> str:
    """A field's class and what shapes its conversions."""
    known = _field_cache.get(id(field))
    if known is not None and known[0] is field:
        return known[1]
    shaping = [
        str(getattr(field, name, ""))
        for name in ("db_type_parameters", "max_digits", "decimal_places", "null")
    ]
    encoder = getattr(field, "decoder", None)
    words = f"{_path(type(field))}({','.join(shaping)},{_path(encoder) if encoder else ''})"
    if hasattr(field, "model"):  # those of a model live as long as it does; others are made per query
        _field_cache[id(field)] = (field, words)
    return words


def _is_djangos(cls: type, method: str) -> bool:
    for base in cls.__mro__:
        if method in base.__dict__:
            return base.__module__.startswith("django.")
    return True


def _path(thing: Any) -> str:
    return f"{thing.__module__}.{getattr(thing, '__qualname__', thing)}"
