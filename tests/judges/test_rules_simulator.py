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
    "join.not_in_order": "related",
    "join.order_enforced": "related",
    "join.order_by_source": "chained",
    "value.no_offset": "offset",
    "value.no_aggregate": "aggregate",
    "value.no_group": "group",
    "value.no_window": "window",
    "value.on": "joined",
    "value.position": "position",
    "value.subqueries": "subquery",
    "entry.subquery": "subquery",
    "write.band_key": "range",
    "write.band_every_level": "range",
}
#: What worlds have that these are about, beside what all have.
NEEDS = {
    "joins": ("join.", "value.on", "value.no_window"),
    "more predicates": (
        "outermost",
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
    "join.chain_decides": 15,
    "join.chain_enforced": 5,
    "join.chain_not_null": 2,
    "join.fk_in_row": 2,
    "join.missing": 2,
    "join.not_in_order": 18,
    "join.order_by_source": 2,
    "join.pk_in_row": 6,
    "join.to_one": 5,
    "known.collation": 2,
    "time.draw_after_commit": 2,
    "value.on": 4,
    "value.position": 2,
    "value.subqueries": 7,
    "value.where": 2,
    "write.band_key": 10,
    "write.band_update": 2,
    "write.bulk_pk_update": 6,
    "write.bulk_replace": 4,
    "write.bulk_upsert": 2,
    "write.cascade_down": 6,
    "write.cascade_update": 3,
    "write.set_computed_insert": 2,
    "write.set_computed_update": 3,
    "write.triggers": 3,
    "write.unbanded_computed": 6,
    "write.value_old_rest": 3,
}


def focus(clause):
    """Where to look for what the clause is for."""
    omits = {name for name, about in NEEDS.items() if not any(part in clause for part in about)}
    if clause.startswith("join.chain"):
        return Focus("chained", frozenset(omits))
    kind = KINDS.get(
        clause,
        {"value": "rows", "band": "range", "join": "joined", "witness": "aggregate"}.get(
            clause.partition(".")[0], ""
        ),
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
