"""What a compiled query's columns are, and how a driver's row becomes the row that is kept.

A column whose conversion is Django's own is kept converted. A column that a custom field or expression
converts is kept as the driver (and Django's backend) gave it, and its own converters run at every hit. Where
whole rows are kept as the driver gave them ("driver rows"), all of Django's conversions run at every hit.
"""

from __future__ import annotations

import functools
from typing import Any, Dict, Iterable, List, NamedTuple, Tuple

import django
from django.conf import settings
from django.db.models import Field
from django.db.models.expressions import Col
from django.db.models.functions.datetime import TruncBase

from .. import _engine
from ..databases.ranges import is_range, plain_range, range_from

Converters = Dict[int, Tuple[List[Any], Any]]

_VERSION = f"2;codec {_engine.CODEC_VERSION};django {django.get_version()}"


class Layout(NamedTuple):
    """The columns of one compiled query."""

    #: Part of the key: equal for queries whose kept rows are equal.
    result: str
    #: Part of the entry: another one (a deploy, a migration) makes it a miss.
    fingerprint: int
    #: Positions of columns that convert themselves, and of ranges.
    own: frozenset[int]
    #: Positions of PostgreSQL's ranges, which are kept as plain tuples.
    ranges: frozenset[int]
    #: Rows are kept as the driver gave them.
    driver_rows: bool


#: Layouts by what their columns are. Fields of models live as long as their models do; a reference in the
#: value keeps those of tests from being confused with later ones.
_known: dict[tuple[Any, ...], tuple[list[Any], Layout]] = {}
_MOST_KNOWN = 4096
#: Results with values that the codec doesn't know once they are converted.
_unencodable: set[str] = set()
_NONE: frozenset[int] = frozenset()


def layout_of(compiler: Any) -> Layout:
    """The layout of a compiled query."""
    if _has_composite_fields(compiler):
        return driver_layout(compiler.connection)
    expressions = _expressions(compiler)
    fields = [getattr(expression, "_output_field_or_none", None) for expression in expressions]
    if not all(type(expression) is Col for expression in expressions):
        return _layout(compiler, expressions, fields)
    key = (type(compiler.connection), *map(id, fields))
    found = _known.get(key)
    if found is None:
        layout = _layout(compiler, expressions, fields)
        if not all(hasattr(field, "model") for field in fields):
            return layout
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        found = _known[key] = (fields, layout)
    return found[1]


@functools.lru_cache(maxsize=64)
def _driver_layout(backend: Any, kind: str) -> Layout:
    return Layout(kind, _engine.hash64(f"{_VERSION};{_driver_words(backend)}".encode()), _NONE, _NONE, True)


def driver_layout(wrapper: Any, kind: str = "driver") -> Layout:
    """The layout of rows that are kept as the driver gave them."""
    return _driver_layout(wrapper.__class__, kind)


def is_unencodable(layout: Layout) -> None:
    """Keep rows of this layout as the driver gives them, from now on."""
    if len(_unencodable) < _MOST_KNOWN:
        _unencodable.add(layout.result)
        _known.clear()


def unencodable_layouts() -> int:
    """How many there are: what was known of layouts before another came doesn't count."""
    return len(_unencodable)


def _layout(compiler: Any, expressions: list[Any], fields: list[Any]) -> Layout:
    converters = compiler.get_converters(expressions)
    own = frozenset(position for position, (chain, _) in converters.items() if _first_own(chain) < len(chain))
    columns = [_described(expression, field) for expression, field in zip(expressions, fields)]
    ranges = frozenset([position for position, column in enumerate(columns) if column.is_range])
    own |= ranges
    result = "rows|" + "|".join([column.words for column in columns])
    if result in _unencodable:
        return driver_layout(compiler.connection)
    words = f"{_VERSION};{result};{_driver_words(compiler.connection.__class__)};{sorted(own)}"
    return Layout(result, _engine.hash64(words.encode()), own, ranges, False)


@functools.lru_cache(maxsize=64)
def _driver_words(backend: Any) -> str:
    """The driver with its version: another one may give other types."""
    driver = getattr(backend, "Database", None)
    version = getattr(driver, "__version__", "") or getattr(driver, "sqlite_version", "")
    return f"{_path(backend)} {getattr(driver, '__name__', '')} {version}"


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
    for position in layout.ranges:
        kept[position] = ([_range_to_plain], None)
    return kept


def own_converters(compiler: Any, layout: Layout) -> Converters:
    """Converters that run at every hit.

    Backend converters come first, then the field's ``from_db_value``, the expression's own last.
    """
    if not layout.own:
        return {}
    found = all_converters(compiler)
    own: Converters = {}
    for position in layout.own:
        converters, expression = found.get(position, ([], None))
        if position in layout.ranges:
            own[position] = ([_range_from_plain, *converters], expression)
        else:
            own[position] = (converters[_first_own(converters) :], expression)
    return own


def _range_to_plain(value: Any, expression: Any, connection: Any) -> Any:
    return plain_range(value) if is_range(value) else value


def _range_from_plain(value: Any, expression: Any, connection: Any) -> Any:
    return None if value is None else range_from(value)


def _expressions(compiler: Any) -> list[Any]:
    return [column[0] for column in compiler.select[0 : compiler.col_count]]


def convert(compiler: Any, rows: Iterable[Any], converters: Converters) -> list[Any]:
    """``rows`` with ``converters`` applied, as Django's compiler applies them."""
    if not converters:
        return list(rows)
    return list(compiler.apply_converters(rows, converters))


def _first_own(converters: list[Any]) -> int:
    for index, converter in enumerate(converters):
        if not is_djangos(converter):
            return index
    return len(converters)


#: Where Django's conversions to plain values stand. Those of ``django.contrib.gis`` make geometries.
_PLAIN = ("django.db.backends.", "django.db.models.", "django.contrib.postgres.")


def is_djangos(converter: Any) -> bool:
    """Whether a converter is Django's, and shaped by nothing of the project's own.

    Bound methods of a field ask the field: a subclass, a ``decoder``, or an array of custom fields may make
    anything of a value.
    """
    if not str(getattr(converter, "__module__", "")).startswith(_PLAIN):
        return False
    owner = getattr(converter, "__self__", None)
    return owner is None or _is_plain(owner)


def _is_plain(owner: Any) -> bool:
    if not type(owner).__module__.startswith("django."):
        return False
    if isinstance(owner, TruncBase) and _has_pytz_zones():
        return False
    if getattr(owner, "decoder", None) is not None:
        return False
    base_field = getattr(owner, "base_field", None)
    if base_field is None:
        return True
    converter = getattr(base_field, "from_db_value", None)
    return converter is None or is_djangos(converter)


def _is_range_field(field: Any) -> bool:
    return any(
        base.__name__ == "RangeField" and base.__module__ == "django.contrib.postgres.fields.ranges"
        for base in type(field).__mro__
    )


def _has_pytz_zones() -> bool:
    """Whether Django makes datetimes of the current zone with pytz, whose zones the codec doesn't know."""
    return django.VERSION < (4, 0) or getattr(settings, "USE_DEPRECATED_PYTZ", False)


def _has_composite_fields(compiler: Any) -> bool:
    # Django 5.2+: a composite primary key among the selected expressions.
    check = getattr(compiler, "has_composite_fields", None)
    return bool(check and check(_expressions(compiler)))


class _Described(NamedTuple):
    """One column in words that are the same in every process."""

    words: str
    is_range: bool
    #: So that no other has its id.
    field: Any


#: Of fields of models, by their ids.
_described_fields: dict[int, _Described] = {}


def _described(expression: Any, field: Any) -> _Described:
    is_of_model = isinstance(expression, Col) and isinstance(field, Field) and hasattr(field, "model")
    if not is_of_model:
        words = _path(type(expression))
        if field is not None:
            words += ">" + _field_words(field)
        return _Described(words, _is_range_field(field), None)
    known = _described_fields.get(id(field))
    if known is None or known.field is not field:
        words = f"{field.model._meta.label}.{field.name}:{_field_words(field)}"
        known = _described_fields[id(field)] = _Described(words, _is_range_field(field), field)
    return known


_field_cache: dict[int, tuple[Any, str]] = {}


def _field_words(field: Any) -> str:
    """A field's class and what shapes its conversions."""
    known = _field_cache.get(id(field))
    if known is not None and known[0] is field:
        return known[1]
    shaping = [str(getattr(field, name, "")) for name in ("max_digits", "decimal_places", "null")]
    decoder = getattr(field, "decoder", None)
    base_field = getattr(field, "base_field", None)
    shaping.append(_path(decoder) if decoder else "")
    shaping.append(_field_words(base_field) if isinstance(base_field, Field) else "")
    words = f"{_path(type(field))}({','.join(shaping)})"
    if hasattr(field, "model"):  # those of a model live as long as it does; others are made per query
        _field_cache[id(field)] = (field, words)
    return words


def _path(thing: Any) -> str:
    return f"{thing.__module__}.{getattr(thing, '__qualname__', thing)}"
