"""Random SELECTs: their SQL, and beside it the facts that the rules look at, as the generator knows them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Iterator, NamedTuple, Sequence, Tuple

from .tables import DOMAINS, FAVOURED, Table, World

#: (alias, column)
Name = Tuple[str, str]
NONE: frozenset[Name] = frozenset()


class Equal(NamedTuple):
    """``alias.column = value`` or ``IN (values)``, each value as the statement holds it."""

    alias: str
    column: str
    values: tuple[object, ...]
    is_in: bool


class Bounds(NamedTuple):
    """``alias.column BETWEEN low AND high``, or one side of it alone; None: no bound on that side."""

    alias: str
    column: str
    low: object
    high: object


class Predicate(NamedTuple):
    sql: str
    named: frozenset[Name]
    equal: Equal | None = None
    #: Equalities inside OR and NOT.
    buried: tuple[Equal, ...] = ()
    #: Tables of its subqueries, and the columns of the outer query that are named in there.
    tables: frozenset[str] = frozenset()
    named_inside: frozenset[Name] = NONE
    bounds: Bounds | None = None
    #: Bounds inside OR and NOT.
    buried_bounds: tuple[Bounds, ...] = ()


class Output(NamedTuple):
    """One item of the select list; ``column`` if it's that column, or an aggregate that looks like it."""

    sql: str
    named: frozenset[Name]
    column: Name | None = None


class Join(NamedTuple):
    alias: str
    table: Table
    #: The alias whose fk is this table's pk; or, to many, whose pk is this table's fk.
    source: str
    inner: bool
    to_many: bool
    more: Predicate | None

    def sql(self) -> str:
        return f"{'JOIN' if self.inner else 'LEFT JOIN'} {self.table.name} AS {self.alias} ON {self.on()}"

    def on(self) -> str:
        mine, its = ("fk", "id") if self.to_many else ("id", "fk")
        return f"{self.source}.{its} = {self.alias}.{mine}" + (f" AND {self.more.sql}" if self.more else "")

    def named(self) -> frozenset[Name]:
        mine, its = ("fk", "id") if self.to_many else ("id", "fk")
        return frozenset({(self.source, its), (self.alias, mine)}) | (self.more.named if self.more else NONE)


class Order(NamedTuple):
    sql: str
    named: frozenset[Name]
    is_position: bool = False


@dataclass
class Query:
    base: Table
    joins: list[Join] = field(default_factory=list)
    #: FROM names the first joined table, and the base is joined to it; of an inner join it's all one.
    turned: bool = False
    where: list[Predicate] = field(default_factory=list)
    select: list[Output] = field(default_factory=list)
    order: list[Order] = field(default_factory=list)
    group: list[Name] = field(default_factory=list)
    distinct: bool = False
    aggregate: bool = False
    window: bool = False
    limit: int | None = None
    offset: int = 0
    #: WHERE of another arm, with the same select list.
    union: list[Predicate] | None = None
    #: Whether the order is total, so that answers are compared as lists.
    total: bool = False

    def aliases(self) -> dict[str, Table]:
        return {"m": self.base, **{join.alias: join.table for join in self.joins}}

    def tables(self, world: World) -> list[Table]:
        """Each table that it reads, once for each occurrence."""
        inside = [name for predicate in self.predicates() for name in sorted(predicate.tables)]
        return [*self.aliases().values(), *(world.tables[name] for name in inside)]

    def named(self) -> list[str]:
        """The columns of any table that it names beside the select list."""
        parts = [each.named | each.named_inside for each in self.predicates()]
        parts += [join.named() for join in self.joins] + [order.named for order in self.order]
        return sorted({column for part in parts for _, column in part})

    def predicates(self) -> Iterator[Predicate]:
        yield from self.where
        yield from self.union or ()
        yield from (join.more for join in self.joins if join.more)

    def _source(self, where: list[Predicate]) -> str:
        parts = [f"FROM {self.base.name} AS m", *(join.sql() for join in self.joins)]
        if self.turned and self.joins:
            first = self.joins[0]
            parts[0] = f"FROM {first.table.name} AS {first.alias}"
            parts[1] = f"JOIN {self.base.name} AS m ON {first.on()}"
        if where:
            parts.append("WHERE " + " AND ".join(predicate.sql for predicate in where))
        return " ".join(parts)

    def sql(self) -> str:
        head = (
            f"SELECT {'DISTINCT ' if self.distinct else ''}{', '.join(output.sql for output in self.select)} "
        )
        parts = [head + self._source(self.where)]
        if self.union is not None:
            parts.append("UNION " + head + self._source(self.union))
        if self.group:
            parts.append("GROUP BY " + ", ".join(f"{alias}.{column}" for alias, column in self.group))
        if self.order:
            parts.append("ORDER BY " + ", ".join(order.sql for order in self.order))
        if self.limit is not None:
            parts.append(f"LIMIT {self.limit}" + (f" OFFSET {self.offset}" if self.offset else ""))
        return " ".join(parts)

    def witness_sql(self, limit: int) -> str:
        pk = ", ".join(f"m.{name}" for name in self.base.pk)
        return f"SELECT DISTINCT {pk} {self._source(self.where)} LIMIT {limit}"


# Predicates.


def literal(value: object) -> str:
    return "NULL" if value is None else f"'{value}'" if isinstance(value, str) else str(value)


def draw_value(r: random.Random, table: Table, column: str) -> object:
    """A value of the column; of keys mostly one that is there, or the next automatic one; at times an int as
    text."""
    value = r.choice(DOMAINS[column])
    kind = r.random()
    keys = table.keys if column == "id" else table.fk_keys if column == "fk" else []
    if keys and kind < 0.85:
        value = r.choice(keys)[0] if kind < 0.65 else max(keys)[0] + 1
    return str(value) if isinstance(value, int) and r.random() < 0.03 else value


def draw_equal(r: random.Random, table: Table, alias: str, column: str, is_in: bool) -> Predicate:
    values = tuple(draw_value(r, table, column) for _ in range(r.randrange(1, 4) if is_in else 1))
    name = f"{alias}.{column}"
    sql = f"{name} IN ({', '.join(map(literal, values))})" if is_in else f"{name} = {literal(values[0])}"
    return Predicate(sql, frozenset({(alias, column)}), Equal(alias, column, values, is_in))


def draw_key(r: random.Random, table: Table, alias: str) -> list[Predicate]:
    """The whole pk, or a part of a composite one."""
    columns = [name for name in table.pk if r.random() < 0.8] or [table.pk[0]]
    return [draw_equal(r, table, alias, name, r.random() < 0.35) for name in columns]


def draw_predicate(r: random.Random, world: World, table: Table, alias: str, depth: int = 0) -> Predicate:
    kind = r.random()
    if depth == 0 and kind < 0.12:
        return _draw_subquery(r, world, table, alias)
    if depth < 2 and kind < 0.24:
        return _draw_buried(r, world, table, alias, depth)
    column = r.choice(table.all_columns)
    name, named = f"{alias}.{column}", frozenset({(alias, column)})
    if kind < 0.4 and table.nullable(column):
        return Predicate(f"{name} IS {r.choice(['', 'NOT '])}NULL", named)
    if kind < 0.58:
        return _draw_bound(r, table, alias, column)
    if kind < 0.61:
        return draw_between(r, table, alias, column)
    if kind < 0.65:
        return Predicate(f"{alias}.a = {alias}.b", frozenset({(alias, "a"), (alias, "b")}))
    return draw_equal(r, table, alias, column, kind > 0.85)


def _draw_bound(r: random.Random, table: Table, alias: str, column: str) -> Predicate:
    sign, value = r.choice(["<", ">", "<=", ">=", "<>"]), draw_value(r, table, column)
    bounds = Bounds(alias, column, value, None) if ">" in sign else Bounds(alias, column, None, value)
    return Predicate(
        f"{alias}.{column} {sign} {literal(value)}",
        frozenset({(alias, column)}),
        bounds=None if sign == "<>" else bounds,
    )


def draw_between(r: random.Random, table: Table, alias: str, column: str) -> Predicate:
    low, high = _draw_ends(r, table, column)
    sql = f"{alias}.{column} BETWEEN {literal(low)} AND {literal(high)}"
    return Predicate(sql, frozenset({(alias, column)}), bounds=Bounds(alias, column, low, high))


def draw_range(r: random.Random, table: Table, alias: str, column: str) -> list[Predicate]:
    """BETWEEN, or a bound for each side; at times with one of the two beside it; rarely one side alone."""
    kind = r.random()
    if kind < 0.5:
        return [draw_between(r, table, alias, column)]
    low, high = _draw_ends(r, table, column)
    named, name = frozenset({(alias, column)}), f"{alias}.{column}"
    sides = [
        Predicate(f"{name} {sign} {literal(end)}", named, bounds=bounds)
        for sign, end, bounds in (
            (r.choice([">=", ">"]), low, Bounds(alias, column, low, None)),
            (r.choice(["<=", "<"]), high, Bounds(alias, column, None, high)),
        )
    ]
    if kind < 0.56:
        return [r.choice(sides)]
    return [draw_between(r, table, alias, column), r.choice(sides)] if kind < 0.62 else sides


def _draw_ends(r: random.Random, table: Table, column: str) -> tuple[object, object]:
    """Mostly the lower one first; at times beyond all values that there are; rarely ints as text."""
    low, high = draw_value(r, table, column), draw_value(r, table, column)
    if not isinstance(low, int) or not isinstance(high, int):
        return low, high
    if r.random() < 0.95:
        low, high = min(low, high), max(low, high)
    low, high = low - r.choice([0, 0, 0, 1, 2]), high + r.choice([0, 0, 0, 1, 2])
    return (str(low), str(high)) if r.random() < 0.05 else (low, high)


def _draw_buried(r: random.Random, world: World, table: Table, alias: str, depth: int) -> Predicate:
    parts = [draw_predicate(r, world, table, alias, depth + 1) for _ in range(2)]
    if r.random() < (0.25 if depth else 0.5):
        parts[0] = draw_between(r, table, alias, r.choice(table.all_columns))
    named = parts[0].named | parts[1].named
    buried = tuple(part.equal for part in parts if part.equal) + parts[0].buried + parts[1].buried
    bounds = [((part.bounds,) if part.bounds else ()) + part.buried_bounds for part in parts]
    if r.random() < 0.3:
        return Predicate(f"NOT ({parts[0].sql})", parts[0].named, None, buried[:1], buried_bounds=bounds[0])
    return Predicate(
        f"({parts[0].sql} OR {parts[1].sql})", named, None, buried, buried_bounds=bounds[0] + bounds[1]
    )


def _draw_subquery(r: random.Random, world: World, table: Table, alias: str) -> Predicate:
    inner = r.choice(list(world.tables.values()))
    more = draw_predicate(r, world, inner, "s", depth=2)
    outer = (
        r.choice("ab") if r.random() < 0.5 else r.choice([name for name in table.all_columns if name != "s"])
    )
    mine = r.choice([name for name in inner.all_columns if name != "s"])
    named = frozenset({(alias, outer)})
    sql = f"SELECT s.{mine} FROM {inner.name} AS s WHERE {more.sql}"
    if r.random() < 0.4:
        return Predicate(f"{alias}.{outer} IN ({sql})", named, None, (), frozenset({inner.name}))
    sql = f"{r.choice(['', 'NOT '])}EXISTS ({sql} AND s.{mine} = {alias}.{outer})"
    return Predicate(sql, NONE, None, (), frozenset({inner.name}), named)


# Whole queries.

JOINING = ("joined", "related", "chained")


def draw_query(r: random.Random, world: World) -> Query:
    kind = world.only or (world.favours if r.random() < 0.4 else r.choice(("rows", *FAVOURED)))
    query = Query(r.choice(list(world.tables.values())))
    if kind in JOINING:  # q is joined to t, and that to p
        query.base = world.tables["q" if kind == "chained" else r.choice("pttq")]
    if "joins" not in world.omits and (kind in JOINING or r.random() < 0.4):
        _draw_joins(r, world, query, kind)
        query.turned = _may_turn(query) and r.random() < 0.5
    likely = 0.9 if kind == "range" else 0.35 if world.favours == "range" else 0.15
    of_joined = {"joined": 0.3, "related": 0.05}.get(kind, 0.15)
    query.where = _draw_where(r, world, query, of_joined, likely)
    if kind == "subquery":
        query.where.append(_draw_subquery(r, world, query.base, "m"))
    if kind == "aggregate":
        _draw_aggregate(r, query)
    elif kind == "group":
        _draw_group(r, query)
    else:
        _draw_rows(r, world, query, kind)
    return query


def _draw_where(
    r: random.Random, world: World, query: Query, of_joined: float = 0.15, of_range: float = 0.15
) -> list[Predicate]:
    base, where, kind = query.base, [], r.random()
    if r.random() < of_range:
        columns: Sequence[str] = base.pk + base.columns + base.computed
        columns = r.choice(["ab", columns, columns if base.automatic else base.pk])
        if r.random() < 0.85 or "more predicates" in world.omits:
            where += draw_range(r, base, "m", r.choice(columns))
        else:
            where.append(_draw_buried(r, world, base, "m", 0))
    elif kind < 0.2:
        where += draw_key(r, base, "m")
    elif kind < 0.96:
        column = r.choice("ab") if r.random() < 0.6 else r.choice(base.pk[:-1] + base.columns + base.computed)
        where.append(draw_equal(r, base, "m", column, r.random() < 0.1))
    for alias, table in query.aliases().items():
        if "more predicates" not in world.omits and r.random() < (0.5 if alias == "m" else of_joined):
            where.append(draw_predicate(r, world, table, alias))
    r.shuffle(where)
    return where


def _draw_joins(r: random.Random, world: World, query: Query, kind: str) -> None:
    source, table = "m", query.base
    for alias in ("j1", "j2"):
        many = [other for other in world.tables.values() if other.fk_to == table.name and table.automatic]
        if source == "m" and many and kind != "chained" and r.random() < 0.2:
            query.joins.append(Join(alias, r.choice(many), source, r.random() < 0.5, True, None))
            return
        if table.fk_to is None:
            return
        joined = world.tables[table.fk_to]
        more = draw_predicate(r, world, joined, alias, depth=2) if r.random() < 0.15 else None
        query.joins.append(Join(alias, joined, source, r.random() < 0.55, False, more))
        source, table = alias, joined
        if kind != "chained" and r.random() < 0.6:
            return


def _may_turn(query: Query) -> bool:
    return bool(query.joins) and query.joins[0].inner and not query.joins[0].to_many


def _plain(alias: str, column: str) -> Output:
    return Output(f"{alias}.{column}", NONE, (alias, column))


def _draw_aggregate(r: random.Random, query: Query) -> None:
    query.aggregate = query.total = True
    alias, table = r.choice(list(query.aliases().items()))
    column = r.choice([name for name in table.all_columns if name != "s"])
    name, named = f"{alias}.{column}", frozenset({(alias, column)})
    pk = query.base.pk[0]
    kinds = [
        [Output("COUNT(*)", NONE)],
        [Output(f"SUM({name})", named)],
        [Output(f"COUNT(DISTINCT {name})", named)],
        [Output("COUNT(*)", NONE), Output(f"MAX(m.{pk})", frozenset({("m", pk)}), ("m", pk))],
        [Output("COUNT(*)", NONE), Output(f"MIN({name})", named)],
    ]
    query.select = r.choice(kinds)


def _draw_group(r: random.Random, query: Query) -> None:
    query.group = [
        ("m", r.choice([name for name in ("a", "b", "fk", "g") if name in query.base.all_columns]))
    ]
    query.select = [_plain(*name) for name in query.group] + [Output("COUNT(*)", NONE)]
    pk = query.base.pk[0]
    query.select.append(Output(f"MIN(m.{pk})", frozenset({("m", pk)}), ("m", pk)))
    if r.random() < 0.5:
        query.order = [Order(f"m.{column}", frozenset({(alias, column)})) for alias, column in query.group]
        query.total = True
        _draw_limit(r, query, r.choice(["group", "offset"]))


def _draw_rows(r: random.Random, world: World, query: Query, kind: str) -> None:
    query.distinct = kind == "rows" and r.random() < 0.2
    for alias, table in query.aliases().items():
        query.select += _draw_columns(r, query, alias, table, kind)
    if kind == "exists":
        query.select = [Output("1", NONE)]
    elif kind == "window":
        query.window = True
        query.select.append(r.choice(WINDOWS))
    elif r.random() < 0.08 and not query.distinct:
        query.select.append(Output("m.a + m.b", frozenset({("m", "a"), ("m", "b")})))
    if kind == "union":
        _draw_union(r, world, query)
    elif kind in ("window", "offset", "exists", "position") or r.random() < 0.6:
        _draw_order(r, query, kind)


WINDOWS = [Output("COUNT(*) OVER ()", NONE), Output("SUM(m.b) OVER ()", frozenset({("m", "b")}))]


def _draw_union(r: random.Random, world: World, query: Query) -> None:
    query.joins = []
    query.where, query.union = _of_base(query.where), _draw_where(r, world, query)
    # 'a' and 'A' are one to UNION, and any of them may be shown.
    columns = [each for each in query.select if each.column and each.column[0] == "m"]
    query.select = [each for each in columns if each.column != ("m", "s")] or [_plain("m", "a")]


def _of_base(where: list[Predicate]) -> list[Predicate]:
    return [each for each in where if all(alias == "m" for alias, _ in each.named | each.named_inside)]


def _draw_columns(r: random.Random, query: Query, alias: str, table: Table, kind: str) -> list[Output]:
    # 'a' and 'A' are one to DISTINCT, and any of them may be shown.
    names = [name for name in table.all_columns if not (query.distinct and name == "s")]
    chance = r.random() * (3 if kind in JOINING and alias == "m" else 1)
    if chance < 0.4:
        names = [name for name in names if r.random() < 0.5 or (name in table.pk and r.random() < 0.6)]
    elif chance < 0.5:
        names = [name for name in names if name not in table.pk]
    return [_plain(alias, name) for name in names] or ([_plain(alias, "a")] if alias == "m" else [])


def _draw_order(r: random.Random, query: Query, kind: str) -> None:
    limited = kind not in ("rows", "range", "joined", "chained", "subquery") or r.random() < 0.7
    if query.distinct:
        query.order = [
            Order(output.sql, frozenset({output.column})) for output in query.select if output.column
        ]
        r.shuffle(query.order)
        query.total = len(query.order) == len(query.select)
        if not query.total:
            return
    else:
        _draw_order_of_rows(r, query, kind, limited)
    if limited:
        _draw_limit(r, query, kind)


def _draw_order_of_rows(r: random.Random, query: Query, kind: str, limited: bool) -> None:
    for alias, table in query.aliases().items():
        likely = {"joined": 0.4, "chained": 0.2, "position": 0.15}.get(kind, 0.7 if alias == "m" else 0.15)
        if r.random() < likely:
            column = r.choice(table.all_columns)
            query.order.append(
                Order(f"{alias}.{column}{r.choice(['', ' DESC'])}", frozenset({(alias, column)}))
            )
    related = [join.alias for join in query.joins if not join.to_many]
    if related and r.random() < {"related": 0.8, "chained": 0.4}.get(kind, 0.1):
        alias = related[-1] if kind == "chained" else r.choice(related)
        column = "id" if r.random() < 0.7 else r.choice(query.aliases()[alias].all_columns)
        query.order = [Order(f"{alias}.{column}{r.choice(['', ' DESC'])}", frozenset({(alias, column)}))]
    if kind == "position" or r.random() < 0.05:
        position = r.randrange(len(query.select))
        output = query.select[position]
        named = output.named | ({output.column} if output.column else NONE)
        query.order.insert(0, Order(str(position + 1), named, is_position=True))
    if limited or r.random() < 0.3:
        _make_total(query)


def _make_total(query: Query) -> None:
    for alias, table in query.aliases().items():
        if alias == "m" or any(join.alias == alias and join.to_many for join in query.joins):
            query.order += [Order(f"{alias}.{name}", frozenset({(alias, name)})) for name in table.pk]
    query.total = True


def _draw_limit(r: random.Random, query: Query, kind: str) -> None:
    query.limit = r.choice([1, 1, 2, 3])
    if r.random() < (0.95 if kind == "offset" else 0.1):
        query.offset = r.randrange(1, 3)
