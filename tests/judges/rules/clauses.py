"""Each clause of each rule: its name, and why it's there. Leaving one of CLAUSES out gives stale answers;
leaving out all of SPARE gives none: they are in DESIGN.md, but exactness doesn't need them."""

from __future__ import annotations

from typing import Iterable

CLAUSES: dict[str, str] = {
    # What counts as a known value, and where a predicate counts.
    "known.type": (
        "'1' and 1 are one value to an int column, but two to a hash: only the column's own type is known"
    ),
    "known.collation": (
        "'a' and 'A' are one value under NOCASE: only text that compares by its bytes is known"
    ),
    "known.outermost": (
        "col = v inside OR or NOT doesn't bound the rows; only a conjunct of the outermost WHERE does"
    ),
    # Every entry.
    "entry.all": "a write that can't be read or placed bumps D.all alone",
    "entry.any": "without a rule, any write to T may change the answer",
    "entry.subquery": "an occurrence in a subquery shows none of its rows: T.any",
    "entry.set_operation": "the arms of a UNION share their rows: T.any for each arm's tables",
    # By key.
    "key.bulk": "row v may be changed by a write that doesn't name it",
    "key.pk": "row v comes, changes and goes by a write that names it",
    "key.absent": "an absent row may come into being with an automatic or unknown pk: T~pk",
    "key.absent_by_pk": (
        "rows of aggregates, groups and to-many joins don't count the keys found: presence is told by pks "
        "carried, or by counting rows where each key gives one at most; otherwise T~pk"
    ),
    "key.composite": "part of a composite pk names many rows",
    # By value.
    "value.bulk": "as key.bulk",
    "value.pivot": "a whole row written with the pivot's value enters: T.col=v",
    "value.pivot_set": "a row enters when the pivot alone is set, or written with an unknown value: T~col",
    "value.rows": "a row in the result changes or leaves by its pk",
    "value.carries_pks": "a row whose pk isn't in the answer can't be rested on",
    "value.no_offset": (
        "a row skipped by OFFSET moves the page when it leaves, and its pk isn't in the answer"
    ),
    "value.no_aggregate": "an aggregate rests on rows that it doesn't show",
    "value.no_group": "a group rests on rows that it doesn't show",
    "value.no_window": "a window sees the rows that LIMIT cuts off",
    "value.where": "a row enters when a column of WHERE is set: T~c",
    "value.on": "a row enters an inner join when its fk is set: T~c for columns of ON",
    "value.order": "a row enters a slice when a column of ORDER BY is set: T~c",
    "value.position": "ORDER BY 2 names the select list: T~c for all of it",
    "value.subqueries": "a correlated subquery names columns of the outer table: T~c",
    "value.many": "of an answer too long for its rows' pks, T.any is needed",
    # By band: as by value, where WHERE bounds an int column by known values from both sides.
    "band.both_sides": "bounded from one side alone, a row enters with a value in bands without end",
    "band.known_type": "'1' and 1 are one bound of an int column, but of two bands: only ints are known",
    "band.outermost": "as known.outermost: a range inside OR or NOT doesn't bound the rows",
    "band.not_key": "an automatic pk is known to no statement: its bands are never bumped",
    "band.every_band": "a row may enter with any value between the bounds",
    "band.ends": "a row may enter with a bound's own value, in a band that the range doesn't fill",
    "band.unbanded": "a row enters that is written as a whole without a bump of its bands",
    "band.set": "a row enters when the bounded column alone is set: T~col",
    # Joined by key.
    "join.bulk": "as key.bulk",
    "join.pk": "the joined row changes by its pk",
    "join.missing": "a joined row that wasn't found may come: T2.any (or T2~pk, see join.missing_any)",
    "join.fk_in_row": "without T.fk in the answer, nobody knows which row of T2 was joined",
    "join.pk_in_row": "without T2.pk in the answer, a missing row looks like a row of NULLs",
    "join.to_one": "T2.fk = T.pk joins any number of rows: T2.any",
    "join.not_in_where": "a row of T2 that WHERE looks at decides about rows that aren't in the answer",
    "join.not_in_order": "a row of T2 that ORDER BY looks at decides about rows that LIMIT cuts off",
    "join.order_enforced": (
        "ORDER BY T2.pk is ORDER BY T.fk only if no row of T2 is missing: NULL sorts elsewhere than its fk"
    ),
    "join.order_by_source": (
        "T JOIN T2 JOIN T3 ORDER BY T3.pk LIMIT is by T2.fk: so T2 decides about rows that LIMIT cuts off"
    ),
    "join.not_in_on": "JOIN T2 ON T.fk = T2.pk AND more: what more says of T2 may hide a row of T",
    "join.inner_enforced": (
        "INNER JOIN hides a row of T whose T2 is missing, and T2's insert shows it; an enforced foreign key "
        "lets no such row be"
    ),
    # T2 joined by key, though T3 is joined through it (T2.fk = T3.pk): T3 mustn't decide, either.
    "join.chain_decides": (
        "T LEFT JOIN T2 LEFT JOIN T3 WHERE T3.x = 1 (or ORDER BY T3.x LIMIT): T2.fk chooses the T3 "
        "that decides about a row of T outside the answer; so then T2.any"
    ),
    "join.chain_not_null": (
        "T JOIN T2 JOIN T3: a row of T is hidden by a T2.fk that is NULL, until T2 is updated"
    ),
    "join.chain_enforced": (
        "T JOIN T2 JOIN T3: a row of T is hidden by a T2.fk that names no T3, until T2 is updated"
    ),
    "join.chain_present": (
        "T LEFT JOIN T2 JOIN T3: a row of T is hidden by a missing T2, until that is inserted"
    ),
    # The witness: SELECT pk with the same WHERE, before the query itself.
    "witness.before": (
        "a row that leaves between query and witness would be missed; one that enters or changes after the "
        "witness bumps T.col=v, T~c, T.bulk or its pk, all later than the clock's reading"
    ),
    "witness.rows": "each row that WHERE lets through may change the answer",
    "witness.bulk": "as key.bulk",
    "witness.pivot": "as value.pivot",
    "witness.pivot_set": "as value.pivot_set",
    "witness.where": (
        "as value.where; columns of ORDER BY, GROUP BY and SELECT need no T~c, as all rows are known"
    ),
    "witness.many": "more than N rows: T.any, as a late dependency",
    # Time.
    "time.early_first": "versions of what is known from the query are taken before the database is asked",
    "time.clock_first": "the clock is read before the database is asked",
    "time.late_not_younger": (
        "a row's pk is known after the read; its version counts only if not younger than the clock's "
        "reading, else the row may have changed since"
    ),
    "time.draw_after_commit": (
        "a number drawn before the commit can look older than a reading taken before it"
    ),
    "time.bump_after_commit": "a bump before the commit is seen by a reader that still reads the old rows",
    # Writers: which writes bump what.
    "write.any": "every write",
    "write.bulk_predicate": "rows found by a predicate aren't known",
    "write.bulk_pk_update": "an update of a pk makes another row",
    "write.bulk_upsert": (
        "ON CONFLICT DO UPDATE changes a row that it may not name, and leaves its other columns"
    ),
    "write.bulk_replace": "REPLACE deletes rows that it doesn't name",
    "write.bulk_select": "INSERT ... SELECT writes unknown rows",
    "write.bulk_many": "very many rows: T.bulk in place of their pks",
    "write.pk_insert": "T.pk=v, for who found v absent",
    "write.pk_update": "T.pk=v, for who has v in the answer",
    "write.pk_delete": "T.pk=v, for who has v in the answer",
    "write.value_insert": "T.col=v of each known value of a new row",
    "write.value_update": "T.col=v of each known value of an update that sets every column",
    "write.value_pk": (
        "an update that sets every column writes the pk's columns, too, with the values of WHERE: T.x=1 for "
        "pivots on part of a composite pk"
    ),
    "write.value_old_rest": (
        "only an update that sets every column has a known pivot: the columns left may hold any"
    ),
    "write.band_insert": "the bands of each known value of a new row, if the writer believes them in use",
    "write.band_update": "the bands of each known value of an update that sets every column",
    "write.band_key": "as write.value_pk, for ranges on part of a composite pk",
    "write.band_every_level": "a reader rests on the bands of one level: a writer doesn't know of which",
    "write.unbanded_unhinted": "a writer that doesn't believe the bands in use says so, and may be wrong",
    "write.unbanded_unknown": "of an unknown value nobody knows the band",
    "write.unbanded_left_out": "as write.set_left_out",
    "write.unbanded_computed": "as write.set_computed_insert",
    "write.set_partly": "T~c of each column that an update sets while it leaves others",
    "write.set_unknown_update": "T~c of each column that an update of all columns sets to an unknown value",
    "write.set_unknown_insert": "T~c of each column that an insert sets to an unknown value",
    "write.set_left_out": "T~c of each column that an insert leaves out: its default isn't known",
    "write.set_automatic": "T~pk, when the database gives the pk",
    "write.null_pk": "NULL given for an automatic pk (MySQL: 0, too) is no value: the database gives one",
    "write.set_computed_insert": "T~c of computed columns: no statement says their value",
    "write.set_computed_update": "T~c of computed columns: they change though nobody sets them",
    "write.cascade_delete": "a delete acts on children: their any and bulk",
    "write.cascade_update": "an update of a pk acts on children",
    "write.cascade_replace": "REPLACE deletes, and so acts on children",
    "write.cascade_down": "children have children, and triggers",
    "write.triggers": "any and bulk of the tables that a trigger writes",
}

SPARE: dict[str, str] = {
    "spare.named_pk": (
        "T~pk for a pk named beside the pivot (ORDER BY pk): its only bumps are inserts, and those are told "
        "by the pivot; updates of a pk bump T.bulk"
    ),
    "spare.named_unknown": (
        "T~c for columns beside the pivot needs no bump by inserts or updates of all columns: those are "
        "told by the pivot; only updates that leave others matter"
    ),
    "spare.named_in_select": "T~c of columns in expressions of the select list: their rows are known by pk",
    "spare.distinct_joins": "DISTINCT across joins loses no row of T, as each carries its pk",
    "spare.join_missing_any": (
        "T2~pk does instead of T2.any where a joined row wasn't found: it's the rule by key"
    ),
    "spare.join_pk_in_row": "with T2~pk always, T2's pk need not be in the answer, only T.fk",
    "spare.unlimited_order": (
        "ORDER BY T2.x without a LIMIT orders rows that are all rested on, with their rows of T2"
    ),
    "spare.order_of_left": "LEFT JOIN T2 over an enforced fk ORDER BY T2.pk is ORDER BY T.fk, too",
    "spare.left_on": (
        "LEFT JOIN T2 ON T.fk = T2.pk AND more: T2's row is rested on by the fk, found or not, and hides no "
        "row of T"
    ),
    "spare.ignore_bulk": "ON CONFLICT DO NOTHING writes each row as it's given, or not at all",
    "spare.unbanded_computed": "an update of all columns bumps T~c of computed ones already",
    "spare.computed_delete": "a delete sets no computed column",
    "spare.witness_single": "a witness with the same joins does for joins, too: T2 has its own rule",
    "spare.pivot_in": "col IN (v, w) is a pivot like col = v, with T.col=v and T.col=w",
}


class Clauses:
    """``has(name)``: whether the clause stands."""

    def __init__(self, without: Iterable[str] = ()) -> None:
        self.without = frozenset(without)
        unknown = self.without - set(CLAUSES) - set(SPARE)
        if unknown:
            raise ValueError(f"no such clause: {', '.join(sorted(unknown))}")

    def __call__(self, name: str) -> bool:
        return name not in self.without
