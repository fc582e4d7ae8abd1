"""What a statement's text tells readers and writers alike: known values, and the rows that WHERE names."""

from __future__ import annotations

import itertools
from typing import FrozenSet, Iterable, NamedTuple, Tuple

from .clauses import Clauses
from .queries import Equal, Predicate
from .tables import Row, Table

#: ("all",), ("any", T), ("bulk", T), ("pk", T, key), ("value", T, column, value), ("set", T, column), and
#: ("partly", T, column): the part of T~column that updates bump which leave other columns as they are;
#: ("band", T, column, level, n), and ("unbanded", T, column): a row is written whole, its bands not told.
Dependency = Tuple[object, ...]
Dependencies = FrozenSet[Dependency]


def is_known(has: Clauses, column: str, value: object) -> bool:
    """A value of the column's own type, and text only where it compares by its bytes."""
    if isinstance(value, str):
        return not has("known.collation") if column == "s" else not has("known.type")
    return isinstance(value, int)


def equalities(has: Clauses, where: Iterable[Predicate], alias: str) -> list[Equal]:
    """The conjuncts ``col = v`` and ``col IN (…)`` of the outermost WHERE whose values are all known."""
    found: list[Equal] = []
    for predicate in where:
        found += [predicate.equal] if predicate.equal else []
        found += [] if has("known.outermost") else predicate.buried
    return [
        equal
        for equal in found
        if equal.alias == alias and all(is_known(has, equal.column, value) for value in equal.values)
    ]


#: How wide a band is at each level. Powers of 64 in the engine.
WIDTHS = (1, 2)


def band(value: object, level: int) -> int:
    """The band that holds the value. Of text, which has none, one that its bytes might be taken for."""
    number = value if isinstance(value, int) else int.from_bytes(str(value)[:1].encode(), "big")
    return number // WIDTHS[level]


class Range(NamedTuple):
    column: str
    low: object
    high: object


def ranges(has: Clauses, where: Iterable[Predicate], table: Table, alias: str) -> list[Range]:
    """The columns of ints that the outermost WHERE bounds by known values from both sides."""
    lows: dict[str, object] = {}
    highs: dict[str, object] = {}
    for predicate in where:
        found = [predicate.bounds] if predicate.bounds else []
        found += [] if has("band.outermost") else predicate.buried_bounds
        for bounds in found:
            if bounds.alias != alias or (has("band.not_key") and (bounds.column,) == table.pk):
                continue
            for end, ends in ((bounds.low, lows), (bounds.high, highs)):
                if end is not None and (isinstance(end, int) or not has("band.known_type")):
                    ends.setdefault(bounds.column, end)
    if not has("band.both_sides"):
        for column in {*lows, *highs}:
            lows.setdefault(column, highs.get(column))
            highs.setdefault(column, lows.get(column))
    return [Range(column, low, highs[column]) for column, low in lows.items() if column in highs]


def named_keys(has: Clauses, where: Iterable[Predicate], table: Table, alias: str) -> frozenset[Row] | None:
    """The only pks that WHERE lets through, if each of the pk's columns is bound to known values."""
    bound: dict[str, tuple[object, ...]] = {}
    for equal in equalities(has, where, alias):
        bound.setdefault(equal.column, equal.values)
    columns = [bound.get(name) for name in table.pk]
    if not has("key.composite"):  # takes the missing columns for something that they needn't be
        columns = [values or (1,) for values in columns] if any(columns) else columns
    if all(columns):
        return frozenset(itertools.product(*(values for values in columns if values)))
    return None
