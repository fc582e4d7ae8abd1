"""The rules of DESIGN.md's section 4, alone: none is wrong, and no clause of them is there for nothing."""

from __future__ import annotations

import sqlite3

import pytest

from .rules.clauses import CLAUSES, SPARE
from .rules_simulator import simulate

pytestmark = pytest.mark.skipif(
    sqlite3.sqlite_version_info < (3, 31), reason="SQLite has no computed columns yet"
)


def told(result):
    return "\n".join(stale.story for stale in result.stale)


def test_no_answer_is_stale():
    result = simulate(15000, seed=1)
    assert not result.stale, told(result)
    assert result.near > 1000  # answers that outlived a write to their tables


def test_no_answer_is_stale_without_the_clauses_that_are_only_cautious():
    result = simulate(15000, seed=2, without=SPARE)
    assert not result.stale, told(result)


@pytest.mark.parametrize("clause", CLAUSES)
def test_each_clause_is_needed(clause):
    assert simulate(20000, seed=1, without=[clause]).stale


def test_unknown_clauses_are_refused():
    with pytest.raises(ValueError, match=r"no such clause: key\.nothing"):
        simulate(1, without=["key.nothing"])
