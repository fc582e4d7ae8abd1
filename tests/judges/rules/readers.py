"""The rules for readers: what an answer rests on.

A rule is chosen for each occurrence of a table. What it tells from the query alone is ``early``; what it
tells from the answer (or from the witness) is ``late``.
"""

from __future__ import annotations

from typing import Callable, List, NamedTuple, Set

from .clauses import Clauses
from .known import WIDTHS, Dependencies, Dependency, Range, band, equalities, named_keys, ranges
from .queries import Join, Name, Query
from .tables import Row, Table

#: So many rows' pks are rested on one by one; more: T.any. Hundreds in the engine.
MANY = 4
#: So many bands at one level are rested on; more: at the next, wider one. Dozens in the engine.
MANY_BANDS = 3

Late = Callable[[List[Row]], Set[Dependency]]


class Plan:
    """What a query's answer rests on."""

    def __init__(self, has: Clauses, query: Query) -> None:
        self.has, self.query = has, query
        self.early: set[Dependency] = set()
        self.late: list[Late] = []
        #: Takes the pks that the witness found.
        self.witness: Late | None = None
        self.rules: list[str] = []

    def rest_on_any(self, table: str) -> None:
        if self.has("entry.any"):
            self.early.add(("any", table))


def plan(has: Clauses, query: Query) -> Plan:
    made = Plan(has, query)
    if has("entry.all"):
        made.early.add(("all",))
    if query.union is not None and has("entry.set_operation"):
        made.rest_on_any(query.base.name)
        made.rules.append("any")
    else:
        _base(made)
    for join in query.joins:
        _joined(made, join)
    if has("entry.subquery"):
        for predicate in query.predicates():
            for table in predicate.tables:
                made.rest_on_any(table)
    return made


def _base(made: Plan) -> None:
    has, query = made.has, made.query
    keys = named_keys(has, query.where, query.base, "m")
    if keys is not None:
        made.rules.append("key")
        _by_key(made, keys)
        return
    shows_its_rows = _shows_its_rows(made)
    pivot = _pivot(made, "value" if shows_its_rows else "witness")
    if pivot is None:
        made.rules.append("any")
        made.rest_on_any(query.base.name)
    elif shows_its_rows:
        made.rules.append(f"value{pivot.rule}")
        _by_value(made, pivot)
    elif query.joins and has("spare.witness_single"):
        made.rules.append("any")
        made.rest_on_any(query.base.name)
    else:
        made.rules.append(f"witness{pivot.rule}")
        _by_witness(made, pivot)


# By key.


def _by_key(made: Plan, keys: frozenset[Row]) -> None:
    """Only the rows of ``keys`` can matter. Each changes and goes by its pk, or in bulk; it comes by its pk
    when the insert knows it, otherwise T~pk is bumped, which matters only if it isn't there yet."""
    has, name = made.has, made.query.base.name
    if has("key.bulk"):
        made.early.add(("bulk", name))
    if has("key.pk"):
        made.early |= {("pk", name, key) for key in keys}
    if has("key.absent"):
        unknown_pk = {("set", name, column) for column in made.query.base.pk}
        made.late.append(lambda rows: set() if _all_present(made, keys, rows) else unknown_pk)


def _all_present(made: Plan, keys: frozenset[Row], rows: list[Row]) -> bool:
    has, query = made.has, made.query
    if not has("key.absent_by_pk"):
        return len(rows) >= len(keys)
    if query.aggregate or query.group:
        return False
    carried = _carried(query, "m", query.base)
    if carried is not None:
        return len({pk_of(row, carried) for row in rows}) >= len(keys)
    return not query.union and not any(join.to_many for join in query.joins) and len(rows) >= len(keys)


# By value, or by band.


class Pivot(NamedTuple):
    """A column that WHERE bounds, and what tells of a row that's written whole, or whose pivot is set."""

    column: str
    dependencies: frozenset[Dependency]
    #: Beside the rule's own name.
    rule: str


def _pivot(made: Plan, clauses: str) -> Pivot | None:
    has, query = made.has, made.query
    for equal in equalities(has, query.where, "m"):
        if not equal.is_in or not has("spare.pivot_in"):
            return _pivot_of_values(made, clauses, equal.column, equal.values)
    for bounded in ranges(has, query.where, query.base, "m"):
        for level in range(len(WIDTHS)):
            bands = _bands(has, bounded, level)
            if bands is not None:
                return _pivot_of_bands(made, bounded.column, level, bands)
    return None


def _pivot_of_values(made: Plan, clauses: str, column: str, values: tuple[object, ...]) -> Pivot:
    """A row is written whole with one of the values (T.col=v), or with one that isn't known (T~col)."""
    has, name = made.has, made.query.base.name
    found: set[Dependency] = set()
    if has(f"{clauses}.pivot"):
        found |= {("value", name, column, value) for value in values}
    if has(f"{clauses}.pivot_set"):
        found.add(("set", name, column))
    return Pivot(column, frozenset(found), "")


def _pivot_of_bands(made: Plan, column: str, level: int, bands: set[int]) -> Pivot:
    """A row is written whole with a value of the range: then its band is bumped, at this level as at all, or
    else unbanded; or the column is set in a row whose others stay."""
    has, name = made.has, made.query.base.name
    found: set[Dependency] = {("band", name, column, level, number) for number in bands}
    if has("band.unbanded"):
        found.add(("unbanded", name, column))
    if has("band.set"):
        found.add(("partly", name, column))
    return Pivot(column, frozenset(found), " by band")


def _bands(has: Clauses, bounded: Range, level: int) -> set[int] | None:
    """Those that the range touches, none if it's empty; None: too many."""
    first, last = band(bounded.low, level), band(bounded.high, level)
    if last - first >= MANY_BANDS:
        return None
    numbers = set(range(first, last + 1))
    if not has("band.every_band"):
        numbers &= {first, last}
    if not has("band.ends"):
        numbers -= {first, last}
    return numbers


def _shows_its_rows(made: Plan) -> bool:
    """Whether the answer holds the pk of every row that it rests on."""
    has, query = made.has, made.query
    return not (
        (has("value.carries_pks") and _carried(query, "m", query.base) is None)
        or (has("value.no_offset") and query.offset)
        or (has("value.no_aggregate") and query.aggregate)
        or (has("value.no_group") and query.group)
        or (has("value.no_window") and query.window)
        or (has("spare.distinct_joins") and query.distinct and query.joins)
    )


def _by_value(made: Plan, pivot: Pivot) -> None:
    """A row in the answer changes or leaves by its pk, or in bulk. A row outside enters or moves only if

    - the whole of it is written: then its pivot tells;
    - some columns are set while others stay: then one of them is named in the query (T~c), or nothing
    changes.
    """
    has, query, name = made.has, made.query, made.query.base.name
    if has("value.bulk"):
        made.early.add(("bulk", name))
    made.early |= pivot.dependencies
    made.early |= {_named(made, column) for column in _named_columns(made) - {pivot.column}} - {None}
    if has("value.rows"):
        carried = _carried(query, "m", query.base)
        made.late.append(lambda rows: _rows_or_any(has("value.many"), name, _pks(rows, carried)))


def _named(made: Plan, column: str) -> Dependency | None:
    """T~c for a column named beside the pivot, or as little of it as is needed."""
    has, base = made.has, made.query.base
    if column in base.pk and not has("spare.named_pk"):
        return None
    return ("set" if has("spare.named_unknown") else "partly", base.name, column)


def _named_columns(made: Plan) -> set[str]:
    """The base's columns that are named anywhere but as a plain selected column."""
    has, query = made.has, made.query
    named: set[Name] = set(query.group)
    if has("value.where"):
        named.update(*(predicate.named for predicate in query.where))
    if has("value.subqueries"):
        named.update(*(predicate.named_inside for predicate in query.predicates()))
    if has("value.on"):
        named.update(*(join.named() for join in query.joins))
    for order in query.order:
        if has("value.position" if order.is_position else "value.order"):
            named |= order.named
    if has("spare.named_in_select"):
        named.update(*(output.named for output in query.select))
    return {column for alias, column in named if alias == "m"}


def _rows_or_any(or_any: bool, table: str, keys: set[Row]) -> set[Dependency]:
    if len(keys) <= MANY:
        return {("pk", table, key) for key in keys}
    return {("any", table)} if or_any else set()


# The witness.


def _by_witness(made: Plan, pivot: Pivot) -> None:
    """Before the query, the pks of all rows that WHERE lets through are asked for. Each of them may matter,
    and is rested on; a row outside enters as in the rule by value, but it has to pass WHERE (and ON) only:
    what else the query names (ORDER BY, GROUP BY, aggregates, OFFSET) orders and sums rows that are rested on
    anyway.

    Between witness and query, a row that enters bumps what was early, and a row that leaves or changes bumps
    its pk, with a number younger than the clock's reading: either way, the answer is never taken for
    valid."""
    has, query, name = made.has, made.query, made.query.base.name
    if has("witness.bulk"):
        made.early.add(("bulk", name))
    made.early |= pivot.dependencies
    if has("witness.where"):
        named: set[Name] = set()
        named.update(*(predicate.named | predicate.named_inside for predicate in query.predicates()))
        named.update(*(join.named() for join in query.joins))
        columns = {column for alias, column in named if alias == "m"} - {pivot.column}
        made.early |= {_named(made, column) for column in columns} - {None}
    if has("witness.rows"):
        made.witness = lambda pks: _rows_or_any(has("witness.many"), name, set(pks))
    else:
        made.witness = lambda pks: set()


# Joined by key.


def _joined(made: Plan, join: Join) -> None:
    if not _joins_by_key(made, join):
        made.rules.append("join any")
        made.rest_on_any(join.table.name)
        return
    made.rules.append("join key")
    has, query, name = made.has, made.query, join.table.name
    if has("join.bulk"):
        made.early.add(("bulk", name))
    fk = _position(query, (join.alias, "id") if join.to_many else (join.source, "fk"))
    pk = _position(query, (join.alias, "id"))
    made.late.append(lambda rows: _joined_rows(has, name, rows, fk, pk))


def _joined_rows(
    has: Clauses, table: str, rows: list[Row], fk: int | None, pk: int | None
) -> set[Dependency]:
    """A row of T2 is shown only beside the fk that names it: it changes and goes by that pk, or in bulk. A fk
    whose row isn't there is as a key asked for in vain: the row comes by its pk or, if that's not known, by
    T2~pk."""
    keys = set() if fk is None else {(row[fk],) for row in rows if row[fk] is not None}
    missing = keys and (
        pk is None or any(row[pk] is None and (fk is None or row[fk] is not None) for row in rows)
    )
    found: set[Dependency] = set()
    if has("join.pk"):
        found |= _rows_or_any(True, table, keys)
    if missing and has("join.missing") and (pk is not None or not has("spare.join_pk_in_row")):
        found.add(("any", table) if has("spare.join_missing_any") else ("set", table, "id"))
    return found


def _joins_by_key(made: Plan, join: Join) -> bool:
    has, query = made.has, made.query
    if query.aggregate or query.group:
        return False
    if join.to_many and has("join.to_one"):
        return False
    if has("join.fk_in_row") and not join.to_many and _position(query, (join.source, "fk")) is None:
        return False
    pk_in_row = has("join.pk_in_row") and has("spare.join_pk_in_row")
    if pk_in_row and _position(query, (join.alias, "id")) is None:
        return False
    if has("join.inner_enforced") and join.inner and not _source(made, join).enforced:
        return False
    return not _decides_about_others(made, join)


def _source(made: Plan, join: Join) -> Table:
    return made.query.aliases()[join.source]


def _decides_about_others(made: Plan, join: Join) -> bool:
    """Whether the joined row has a say in which rows are in the answer, and in which order: it, or one that
    is joined through it, since its fk chooses that one."""
    has = made.has
    if _is_looked_at(made, join):
        return True
    if join.more is not None and has("join.not_in_on" if join.inner else "spare.left_on"):
        return True
    for other in made.query.joins:
        if other.source == join.alias:
            if has("join.chain_decides") and _is_looked_at(made, other):
                return True
            if other.inner and _may_hide(made, join, other):
                return True
    return False


def _is_looked_at(made: Plan, join: Join) -> bool:
    """Whether WHERE, ORDER BY or an expression names a column of the joined table."""
    has, query = made.has, made.query
    in_where = any(_mentions(join.alias, each.named | each.named_inside) for each in query.where)
    in_order = _mentions(join.alias, _orders_by(made))
    in_select = any(_mentions(join.alias, each.named) for each in query.select)
    return (has("join.not_in_where") and in_where) or (has("join.not_in_order") and in_order) or in_select


def _orders_by(made: Plan) -> frozenset[Name]:
    """The columns of ORDER BY. The key of a table that an inner join over an enforced fk brings along is that
    fk by another name: it's the source that is looked at."""
    has, query = made.has, made.query
    if query.limit is None and not has("spare.unlimited_order"):
        return frozenset()
    found = {name for order in query.order for name in order.named}
    for join in query.joins:
        if (
            (join.alias, "id") in found
            and not join.to_many
            and (_finds_its_row(made, join) or not has("join.order_enforced"))
        ):
            found.remove((join.alias, "id"))
            if has("join.order_by_source"):
                found.add((join.source, "fk"))
    return frozenset(found)


def _finds_its_row(made: Plan, join: Join) -> bool:
    return _source(made, join).enforced and (join.inner or not made.has("spare.order_of_left"))


def _may_hide(made: Plan, join: Join, other: Join) -> bool:
    """Whether the inner join that hangs on this one may find no row, and so hide a row of T. It always finds
    one if this join's row is there whenever T.fk is set, and its fk is set and enforced."""
    has = made.has
    return (
        (has("join.chain_present") and (join.more is not None or not _source(made, join).enforced))
        or (has("join.chain_not_null") and not join.table.fk_not_null)
        or (has("join.chain_enforced") and not join.table.enforced)
        or (has("join.chain_decides") and other.more is not None)
    )


def _mentions(alias: str, names: frozenset[Name]) -> bool:
    return any(name[0] == alias for name in names)


# Answers.


def _position(query: Query, name: Name) -> int | None:
    for position, output in enumerate(query.select):
        if output.column == name:
            return position
    return None


def _carried(query: Query, alias: str, table: Table) -> list[int] | None:
    """Where the answer's rows carry the pk, if they do."""
    positions = [_position(query, (alias, name)) for name in table.pk]
    found = [position for position in positions if position is not None]
    return found if len(found) == len(positions) else None


def pk_of(row: Row, carried: list[int]) -> Row:
    return tuple(row[position] for position in carried)


def _pks(rows: list[Row], carried: list[int] | None) -> set[Row]:
    return set() if carried is None else {pk_of(row, carried) for row in rows}


def early(made: Plan) -> Dependencies:
    return frozenset(made.early)
