"""Random tables of one SQLite database, with domains so small that everything meets."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass, field
from typing import NamedTuple, Tuple

Row = Tuple[object, ...]
DOMAINS: dict[str, list[object]] = {
    "id": [1, 2, 3, 4, 5, 6, 7, 8],
    "x": [1, 2, 3],
    "y": [1, 2, 3],
    "fk": [1, 2, 3, 4, 5],
    "a": [0, 1, 1, 2],
    "b": [0, 1, 1, 2],
    "g": [0, 1, 2, 2, 3],
    "u": [0, 1, 2, 3, 4, 5],
    "s": ["a", "A", "b"],
}


@dataclass
class Table:
    name: str
    pk: tuple[str, ...]
    #: All that a statement can set, the pk's aside.
    columns: tuple[str, ...]
    computed: tuple[str, ...] = ()
    fk_to: str | None = None
    fk_not_null: bool = False
    enforced: bool = False
    #: NO ACTION, CASCADE or SET NULL.
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    #: (event, written table, SQL of the trigger's body)
    trigger: tuple[str, str, str] | None = None
    has_default: bool = False
    #: The pks that are there, and those that fk may hold: most draws are near them, so that something
    #: happens.
    keys: list[Row] = field(default_factory=list)
    fk_keys: list[Row] = field(default_factory=list)

    @property
    def all_columns(self) -> tuple[str, ...]:
        return self.pk + self.columns + self.computed

    @property
    def automatic(self) -> bool:
        return len(self.pk) == 1

    def nullable(self, column: str) -> bool:
        return column not in self.pk and not (column == "fk" and self.fk_not_null)

    def ddl(self) -> list[str]:
        parts = (
            ["id INTEGER PRIMARY KEY"] if self.automatic else [f"{name} INTEGER NOT NULL" for name in self.pk]
        )
        parts += [self._column(name) for name in self.columns]
        parts += [f"{name} INTEGER GENERATED ALWAYS AS (a + b)" for name in self.computed]
        if not self.automatic:
            parts.append(f"PRIMARY KEY ({', '.join(self.pk)})")
        made = [f"CREATE TABLE {self.name} ({', '.join(parts)})"]
        if self.trigger:
            event, _, body = self.trigger
            made.append(f"CREATE TRIGGER acts_{self.name} AFTER {event} ON {self.name} BEGIN {body}; END")
        return made

    def _column(self, name: str) -> str:
        if name == "s":
            return "s TEXT COLLATE NOCASE"
        if name == "u":
            return "u INTEGER UNIQUE"
        if name == "b" and self.has_default:
            return "b INTEGER DEFAULT 1"
        if name == "fk":
            made = "fk INTEGER NOT NULL" if self.fk_not_null else "fk INTEGER"
            if self.enforced:
                made += f" REFERENCES {self.fk_to} (id) ON DELETE {self.on_delete} ON UPDATE {self.on_update}"
            return made
        return f"{name} INTEGER"


#: What a world may do without, so that rare things meet undisturbed; and kinds of queries that it may favour.
OMITTED = ("joins", "more predicates", "bulk writes", "odd writes", "interleaving")
FAVOURED = (
    "chained",
    "rows",
    "range",
    "joined",
    "related",
    "subquery",
    "position",
    "offset",
    "window",
    "aggregate",
    "group",
    "exists",
    "union",
)


@dataclass
class World:
    tables: dict[str, Table] = field(default_factory=dict)
    omits: frozenset[str] = frozenset()
    favours: str = "rows"
    only: str = ""

    def children(self, name: str) -> list[Table]:
        return [table for table in self.tables.values() if table.enforced and table.fk_to == name]


class Focus(NamedTuple):
    """Where to look for one thing: the only kind of query, and what worlds do without; empty: everywhere."""

    kind: str = ""
    omits: frozenset[str] = frozenset()


EVERYWHERE = Focus()


def draw_world(r: random.Random, focus: Focus) -> World:
    """p, t and q: p is joined by t, t by q (or each by itself or another); q has a composite pk."""
    p = Table("p", ("id",), ("a", "b"))
    t = Table("t", ("id",), ("a", "b"))
    q = Table("q", ("x", "y"), ("a", "b"))
    never_missing = r.random() < (0.4 if focus.kind == "chained" else 0.15)
    for table, targets in ((p, "pp"), (t, "pppt"), (q, "tttp")):
        if table is not p or r.random() < 0.25:
            _draw_fk(r, table, r.choice(targets), never_missing)
        if r.random() < 0.3:
            table.columns += ("s",)
        if table is not q and r.random() < 0.3:
            table.columns += ("u",)
        if r.random() < 0.4:
            table.computed = ("g",)
        table.has_default = r.random() < 0.7
    world = World({table.name: table for table in (p, t, q)})
    world.omits = frozenset(name for name in OMITTED if r.random() < 0.5)
    world.favours = r.choice(FAVOURED)
    if focus.omits:
        world.omits = focus.omits
    world.only = focus.kind or (world.favours if r.random() < 0.4 else "")
    if r.random() < 0.15:
        _draw_trigger(r, world)
    return world


def _draw_fk(r: random.Random, table: Table, target: str, never_missing: bool) -> None:
    table.columns += ("fk",)
    table.fk_to = target
    table.enforced = never_missing or r.random() < 0.6
    table.fk_not_null = never_missing or r.random() < 0.45
    actions = ["NO ACTION", "CASCADE", "CASCADE"] + ([] if table.fk_not_null else ["SET NULL"])
    table.on_delete = r.choice(actions)
    table.on_update = r.choice(["NO ACTION", "CASCADE"])


def _draw_trigger(r: random.Random, world: World) -> None:
    table, target = r.sample(sorted(world.tables), 2)
    body = r.choice(
        ["UPDATE {0} SET a = 1 - a", "DELETE FROM {0} WHERE a = 1", "UPDATE {0} SET b = 1 WHERE a = 1"]
    )
    event = r.choice(["INSERT", "UPDATE", "DELETE"])
    world.tables[table].trigger = (event, target, body.format(target))


def look(world: World, connection: sqlite3.Connection) -> None:
    """Remember which pks are there."""
    for table in world.tables.values():
        table.keys = connection.execute(f"SELECT {', '.join(table.pk)} FROM {table.name}").fetchall()
    for table in world.tables.values():
        table.fk_keys = world.tables[table.fk_to].keys if table.fk_to else []


def connect(world: World) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    for table in world.tables.values():
        for statement in table.ddl():
            connection.execute(statement)
    return connection


def fill(r: random.Random, world: World, connection: sqlite3.Connection) -> None:
    """Give each table a few new rows, in place of what it holds; foreign keys are as they must be."""
    connection.execute("BEGIN")
    connection.execute("PRAGMA defer_foreign_keys = ON")
    try:
        for name in reversed(list(world.tables)):
            connection.execute(f"DELETE FROM {name}")
        for table in world.tables.values():
            for _ in range(r.randrange(4, 9)):
                _add(r, table, connection)
        connection.execute("COMMIT")
    except sqlite3.IntegrityError:  # what a trigger did: the rows of before will do
        connection.execute("ROLLBACK")


def _add(r: random.Random, table: Table, connection: sqlite3.Connection) -> None:
    row = {name: r.choice(DOMAINS[name]) for name in table.pk + table.columns}
    for name in table.columns:
        if table.nullable(name) and r.random() < {"u": 0.6, "fk": 0.35}.get(name, 0.15):
            row[name] = None
    if row.get("fk") is not None:
        there = [found for (found,) in connection.execute(f"SELECT id FROM {table.fk_to}")]
        if table.fk_to == table.name:
            there.append(row["id"])
        if table.enforced and not there:
            return
        if table.enforced or r.random() < 0.3:
            row["fk"] = r.choice(there or [1])
        elif r.random() < 0.7:  # the next automatic pk
            row["fk"] = max(there, default=0) + 1
    connection.execute(
        f"INSERT OR IGNORE INTO {table.name} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
        tuple(row.values()),
    )
