"""The rules for writers: what a statement bumps, told from its text and the catalog alone."""

from __future__ import annotations

from typing import Iterable

from .clauses import Clauses
from .known import WIDTHS, Dependency, band, is_known, named_keys
from .tables import Row, Table, World
from .writes import Given, Unknown, Write

#: So many rows are named one by one; more: T.bulk. Hundreds in the engine.
MANY = 3


def bumped(has: Clauses, world: World, write: Write) -> set[Dependency]:
    if write.unreadable:
        return {("all",)}
    found: set[Dependency] = {("any", write.table.name)} if has("write.any") else set()
    if write.kind == "update":
        _update(has, write, found)
    elif write.kind == "delete":
        _delete(has, write, found)
    else:
        _insert(has, write, found)
    for name in acted_on(has, world, write):
        found |= {("any", name), ("bulk", name)}
    return found


# Inserts.


def _insert(has: Clauses, write: Write, found: set[Dependency]) -> None:
    many = len(write.rows) > MANY
    if (many and has("write.bulk_many")) or _inserts_in_bulk(has, write):
        found.add(("bulk", write.table.name))
    if many or _inserts_in_bulk(has, write):
        return
    for row in write.rows:
        pk = tuple(row[name].value for name in write.table.pk if name in row)
        if len(pk) == len(write.table.pk) and has("write.pk_insert"):
            found.add(("pk", write.table.name, pk))
        _values_of_insert(has, write.table, row, found)
        _bands_of_insert(has, write, row, found)


def _inserts_in_bulk(has: Clauses, write: Write) -> bool:
    """An automatic pk doesn't make it one: T.col=v or T~col tells pivots of the row, T~pk tells who waits for
    its pk."""
    if write.kind == "ignore":
        return has("spare.ignore_bulk")
    if write.kind in ("upsert", "replace", "select"):
        return has(f"write.bulk_{write.kind}")
    return False


def _values_of_insert(has: Clauses, table: Table, row: dict[str, Given], found: set[Dependency]) -> None:
    name = table.name
    for column in table.pk + table.columns:
        automatic = table.automatic and column in table.pk
        if column not in row:
            if has("write.set_automatic" if automatic else "write.set_left_out"):
                found.add(("set", name, column))
            continue
        value = row[column].value
        if value is None:  # a known value that no pivot has; but of a pk, no value
            if automatic and has("write.null_pk"):
                found.add(("set", name, column))
        elif not is_known(has, column, value):
            if has("write.set_unknown_insert"):
                found.add(("set", name, column))
        elif has("write.value_insert"):
            found.add(("value", name, column, value))
    if has("write.set_computed_insert"):
        found.update(("set", name, column) for column in table.computed)


def _bands_of_insert(has: Clauses, write: Write, row: dict[str, Given], found: set[Dependency]) -> None:
    table = write.table
    for column in table.pk + table.columns:
        if table.automatic and column in table.pk:  # its bands are nobody's
            continue
        if column in row:
            _band(has, write, column, row[column].value, "insert", found)
        elif has("write.unbanded_left_out"):
            found.add(("unbanded", table.name, column))
    if has("write.unbanded_computed"):
        found |= {("unbanded", table.name, column) for column in table.computed}


def _band(has: Clauses, write: Write, column: str, value: object, kind: str, found: set[Dependency]) -> None:
    """What tells the ranges that a row is written whole with this value: its bands at all levels, or that
    they aren't told one by one. NULL is in no range."""
    name = write.table.name
    if value is None:
        return
    if not (value is not Unknown and is_known(has, column, value)):
        if has("write.unbanded_unknown"):
            found.add(("unbanded", name, column))
    elif column not in write.hints:
        if has("write.unbanded_unhinted"):
            found.add(("unbanded", name, column))
    elif has(f"write.band_{kind}"):
        levels = range(len(WIDTHS)) if has("write.band_every_level") else [0]
        found |= {("band", name, column, level, band(value, level)) for level in levels}


# Updates.


def _update(has: Clauses, write: Write, found: set[Dependency]) -> None:
    table, name = write.table, write.table.name
    if has("write.bulk_pk_update") and set(table.pk) & set(write.sets):
        found.add(("bulk", name))
        return
    keys = _rows_named(has, write, found)
    if has("write.pk_update"):
        found |= {("pk", name, key) for key in keys}
    whole = set(write.sets) >= set(table.columns)
    if whole:
        _update_of_all(has, write, keys, found)
    elif has("write.set_partly"):
        for column in set(write.sets) - set(table.pk):  # of a pk, T.bulk says all
            found |= {("set", name, column), ("partly", name, column)}
    if not whole and not has("write.value_old_rest"):
        found -= {("set", name, column) for column in write.sets}
        found -= {("partly", name, column) for column in write.sets}
        _update_of_all(has, write, keys, found)
    if has("write.set_computed_update"):
        for column in table.computed:
            found |= {("set", name, column), ("partly", name, column)}


def _update_of_all(has: Clauses, write: Write, keys: Iterable[Row], found: set[Dependency]) -> None:
    """The row is as if inserted anew: each column is known (T.col=v) or not (T~col)."""
    table, name = write.table, write.table.name
    for column, given in write.sets.items():
        _band(has, write, column, given.value, "update", found)
        if given.value is None:
            continue
        if given.value is Unknown or not is_known(has, column, given.value):
            if has("write.set_unknown_update"):
                found.add(("set", name, column))
        elif has("write.value_update"):
            found.add(("value", name, column, given.value))
    if has("write.value_pk"):
        found |= {("value", name, column, value) for key in keys for column, value in zip(table.pk, key)}
    if has("write.band_key") and not table.automatic:
        for key in keys:
            for column, value in zip(table.pk, key):
                _band(has, write, column, value, "update", found)
    if has("spare.unbanded_computed"):
        found |= {("unbanded", name, column) for column in table.computed}


# Deletes.


def _delete(has: Clauses, write: Write, found: set[Dependency]) -> None:
    keys = _rows_named(has, write, found)
    if has("write.pk_delete"):
        found |= {("pk", write.table.name, key) for key in keys}
    if has("spare.computed_delete"):
        found |= {("set", write.table.name, column) for column in write.table.computed}


# Rows and tables.


def _rows_named(has: Clauses, write: Write, found: set[Dependency]) -> frozenset[Row]:
    """The pks that WHERE names; if it names none, or very many, the write is in bulk."""
    keys = named_keys(has, write.where, write.table, "m")
    if keys is not None and len(keys) <= MANY:
        return keys
    if has("write.bulk_predicate" if keys is None else "write.bulk_many"):
        found.add(("bulk", write.table.name))
    return frozenset()


def acted_on(has: Clauses, world: World, write: Write) -> set[str]:
    """The tables that the database writes of its own accord: by foreign keys and triggers, and so on down."""
    found: set[str] = set()
    rest = list(_acted_on_by_keys(has, world, write)) + _acted_on_by_trigger(has, world, write.table.name)
    while rest:
        name = rest.pop()
        if name not in found:
            found.add(name)
            if has("write.cascade_down"):
                rest += [child.name for child in world.children(name)]
                rest += _acted_on_by_trigger(has, world, name)
    return found


def _acted_on_by_keys(has: Clauses, world: World, write: Write) -> Iterable[str]:
    for child in world.children(write.table.name):
        if (
            (write.kind == "delete" and has("write.cascade_delete") and child.on_delete != "NO ACTION")
            or (write.kind == "replace" and has("write.cascade_replace") and child.on_delete != "NO ACTION")
            or ("id" in write.sets and has("write.cascade_update") and child.on_update != "NO ACTION")
        ):
            yield child.name


def _acted_on_by_trigger(has: Clauses, world: World, name: str) -> list[str]:
    """Whatever the statement: an upsert updates, REPLACE deletes, a trigger's event is not worked out."""
    trigger = world.tables[name].trigger
    if trigger is None or not has("write.triggers"):
        return []
    return [name, trigger[1]]
