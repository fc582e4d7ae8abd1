"""The rules of DESIGN.md's section 4, alone: none is wrong, and no clause of them is there for nothing."""

from __future__ import annotations

import sqlite3

import pytest

from .rules.clauses import CLAUSES, SPARE
from .rules.tables import Focus
from .rules_simulator import simulate

pytestmark = pytest.mark.skipif(
    sqlite3.sqlite_version_info < (3, 31), reason="SQLite has no computed columns yet"
)


#: Kinds of queries that some clauses are about.
KINDS = {
    "entry.set_operation": "union",
    "key.absent_by_pk": "aggregate",
    "value.no_offset": "offset",
    "value.no_aggregate": "aggregate",
    "value.no_group": "group",
    "value.no_window": "window",
    "value.on": "joined",
    "value.position": "position",
    "value.subqueries": "subquery",
    "entry.subquery": "subquery",
}
#: What worlds have that these are about, beside what all have.
NEEDS = {
    "joins": ("join.", "value.on", "value.no_window"),
    "more predicates": (
        "known.outermost",
        "entry.",
        "value.where",
        "value.sub",
        "witness.where",
        "join.",
        "time.",
        "computed",
        "write.value",
    ),
    "bulk writes": (".bulk", "cascade", "triggers", "entry.", "time."),
    "odd writes": (".bulk", "cascade", "entry."),
    "interleaving": ("time.", "witness.before"),
}


#: Seeds that find rare things soon; others take up to tens of thousands of trials.
SEEDS = {
    "join.chain_decides": 21,
    "join.chain_enforced": 3,
    "join.chain_not_null": 4,
    "join.fk_in_row": 2,
    "join.missing": 3,
    "join.not_in_on": 17,
    "join.not_in_order": 10,
    "join.pk_in_row": 53,
    "known.collation": 2,
    "value.on": 8,
    "value.order": 9,
    "value.position": 4,
    "value.subqueries": 37,
    "value.where": 2,
    "witness.where": 2,
    "write.bulk_many": 2,
    "write.bulk_pk_update": 7,
    "write.bulk_replace": 12,
    "write.cascade_down": 18,
    "write.cascade_replace": 3,
    "write.cascade_update": 6,
    "write.set_left_out": 2,
    "write.set_unknown_insert": 2,
    "write.triggers": 15,
    "write.value_old_rest": 9,
    "write.value_pk": 14,
}


def focus(clause):
    """Where to look for what the clause is for."""
    omits = {name for name, about in NEEDS.items() if not any(part in clause for part in about)}
    if clause.startswith("join.chain"):
        return Focus("chained", frozenset(omits))
    kind = KINDS.get(
        clause, {"value": "rows", "join": "joined", "witness": "aggregate"}.get(clause.partition(".")[0], "")
    )
    return Focus(kind, frozenset(omits))


def test_no_answer_is_stale():
    result = simulate(10000, seed=1)
    assert not result.stale, result.stale
    assert result.near > 1000  # answers that outlived a write to their tables


def test_no_answer_is_stale_without_the_clauses_that_are_only_cautious():
    result = simulate(10000, seed=2, without=SPARE)
    assert not result.stale, result.stale


@pytest.mark.parametrize("clause", CLAUSES)
def test_each_clause_is_missed_when_left_out(clause):
    assert simulate(4000, SEEDS.get(clause, 1), [clause], focus(clause)).stale


def test_unknown_clauses_are_refused():
    with pytest.raises(ValueError, match=r"no such clause: key\.nothing"):
        simulate(1, without=["key.nothing"])
