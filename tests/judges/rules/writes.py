"""Random writes: their SQL, and beside it the facts that the rules look at, as the generator knows them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import NamedTuple

from .queries import Predicate, Query, draw_key, draw_predicate, draw_value, literal
from .tables import DOMAINS, Table, World


class Unknown:
    """The value of an expression."""


class Given(NamedTuple):
    sql: str
    #: As the statement holds it (None: NULL), or Unknown.
    value: object


@dataclass
class Write:
    #: insert, ignore, replace, upsert, select, update or delete
    kind: str
    table: Table
    sql: str = ""
    #: Of inserts: each row's given columns.
    rows: list[dict[str, Given]] = field(default_factory=list)
    #: Of updates.
    sets: dict[str, Given] = field(default_factory=dict)
    where: list[Predicate] = field(default_factory=list)
    #: Nobody can read or place the statement.
    unreadable: bool = False
    #: Columns whose bands the writer believes to be in use, rightly or not.
    hints: frozenset[str] = frozenset()


KINDS = ["insert", "insert", "update", "update", "delete"]
ODD_KINDS = ["replace", "upsert", "ignore", "select"]


def draw_write(r: random.Random, world: World, near: Query) -> Write:
    """Any write, but mostly one that touches the query's tables, and columns that it names."""
    tables, kind = near.tables(world), r.random()
    if kind < 0.12:  # what may act on them
        tables = [world.tables[table.fk_to] for table in tables if table.fk_to and table.enforced] or tables
    elif kind < 0.2:
        tables = list(world.tables.values())
    odd = "odd writes" not in world.omits and r.random() < 0.25
    write = Write(r.choice(ODD_KINDS if odd else KINDS), r.choice(tables))
    if write.kind == "update":
        _draw_update(r, world, write, near.named())
    elif write.kind == "delete":
        write.where = _draw_where(r, world, write.table)
        write.sql = f"DELETE FROM {write.table.name} AS m{_where(write)}"
    elif write.kind == "select":
        _draw_insert_select(r, world, write)
    else:
        _draw_insert(r, write)
    write.unreadable = "odd writes" not in world.omits and r.random() < 0.03
    write.hints = frozenset(name for name in write.table.all_columns if r.random() < 0.6)
    return write


def draw_given(r: random.Random, table: Table, column: str) -> Given:
    kind = r.random()
    if kind < 0.12 and table.nullable(column):
        return Given("NULL", None)
    if kind > 0.94 and column != "s":
        return Given(f"{literal(r.randrange(3))} + {literal(r.randrange(3))}", Unknown)
    value = draw_value(r, table, column)
    return Given(literal(value), value)


def _draw_insert(r: random.Random, write: Write) -> None:
    table = write.table
    count = 1 if r.random() < 0.75 else r.randrange(2, 6)
    columns = [name for name in table.columns if r.random() < 0.85]
    automatic = table.automatic and r.random() < 0.3
    for _ in range(count):
        row = {} if automatic else {name: _draw_pk(r, table, name, write.kind) for name in table.pk}
        row.update((name, draw_given(r, table, name)) for name in columns)
        write.rows.append(row)
    names = list(write.rows[0])
    verb = {"replace": "INSERT OR REPLACE", "ignore": "INSERT OR IGNORE"}.get(write.kind, "INSERT")
    if names:
        rows = ", ".join("(" + ", ".join(row[name].sql for name in names) + ")" for row in write.rows)
        write.sql = f"{verb} INTO {table.name} ({', '.join(names)}) VALUES {rows}"
        write.sql += _on_conflict(r, write)
    else:
        write.sql = f"{verb} INTO {table.name} DEFAULT VALUES"
        del write.rows[1:]


def _draw_pk(r: random.Random, table: Table, name: str, kind: str) -> Given:
    """Mostly one that isn't there yet, so that the write succeeds; or one that is, to be replaced."""
    if table.automatic and kind != "update" and r.random() < 0.1:
        return Given("NULL", None)
    free = [value for value in DOMAINS[name] if (value,) not in table.keys]
    if table.automatic and free and kind not in ("replace", "upsert") and r.random() < 0.7:
        value = r.choice(free)
        return Given(literal(value), value)
    return draw_given(r, table, name)


def _on_conflict(r: random.Random, write: Write) -> str:
    if write.kind != "upsert":
        return ""
    target = "u" if "u" in write.table.columns and r.random() < 0.5 else ", ".join(write.table.pk)
    change = r.choice(["a = excluded.a", "a = 1", "b = a", "a = 1, b = excluded.a"])
    return f" ON CONFLICT ({target}) DO UPDATE SET {change}"


def _draw_insert_select(r: random.Random, world: World, write: Write) -> None:
    source = r.choice(list(world.tables.values()))
    names = [name for name in ("a", "b", "fk") if name in write.table.columns]
    parts = ["s.b", "s.a", "s.a"][: len(names)]
    if not write.table.automatic:
        names, parts = [*write.table.pk, *names], ["s.a + 1", "s.b", *parts]
    more = draw_predicate(r, world, source, "s", depth=2)
    write.sql = (
        f"INSERT INTO {write.table.name} ({', '.join(names)}) "
        f"SELECT {', '.join(parts)} FROM {source.name} AS s WHERE {more.sql}"
    )


def _draw_update(r: random.Random, world: World, write: Write, near: list[str]) -> None:
    table, kind = write.table, r.random()
    write.where = _draw_where(r, world, table)
    if kind < 0.1 and "bulk writes" not in world.omits:
        names = [r.choice(table.pk), *r.sample(table.columns, r.randrange(2))]
    elif kind < 0.4:
        names = list(table.columns)
    else:
        names = [name for name in table.columns if name in near]
        names = r.sample(names if names and r.random() < 0.6 else table.columns, 1)
        if len(table.columns) > 2 and r.random() < 0.25:
            names += r.sample([name for name in table.columns if name not in names], 1)
    for name in names:
        changed = name in ("a", "b") and r.random() < 0.12
        write.sets[name] = Given(f"({name} + 1) % 3", Unknown) if changed else draw_given(r, table, name)
        if name in table.pk:
            write.sets[name] = _draw_pk(r, table, name, write.kind)
    sets = ", ".join(f"{name} = {given.sql}" for name, given in write.sets.items())
    write.sql = f"UPDATE {table.name} AS m SET {sets}{_where(write)}"


def _draw_where(r: random.Random, world: World, table: Table) -> list[Predicate]:
    kind, where = r.random(), []
    if "bulk writes" in world.omits:
        return draw_key(r, table, "m")
    if kind < 0.7:
        where += draw_key(r, table, "m")
    if kind > 0.6 and kind < 0.96:
        where.append(draw_predicate(r, world, table, "m"))
    r.shuffle(where)
    return where


def _where(write: Write) -> str:
    return " WHERE " + " AND ".join(each.sql for each in write.where) if write.where else ""
