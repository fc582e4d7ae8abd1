"""What a statement's text tells readers and writers alike: known values, and the rows that WHERE names."""

from __future__ import annotations

import itertools
from typing import FrozenSet, Iterable, Tuple

from .clauses import Clauses
from .queries import Equal, Predicate
from .tables import Row, Table

#: ("all",), ("any", T), ("bulk", T), ("pk", T, key), ("value", T, column, value), ("set", T, column), and
#: ("partly", T, column): the part of T~column that updates bump which leave other columns as they are.
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
