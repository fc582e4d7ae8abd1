"""The first judge: random programs, each read beside what Django alone reads."""

from __future__ import annotations

import random
import tempfile

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from .budget import SECONDS, Budget
from .defects import planted
from .programs import Mismatch, Program, begun, hits

STEPS = 30
NUMBERS = st.tuples(*[st.integers(0, 2**16)] * 4)
#: More than can be had in the time, so that time is what ends it.
PROGRAMS = max(20, int(SECONDS * 20))


def test_every_read_is_what_the_database_says(court, request):
    budget = Budget()
    tried = {"programs": 0, "reads": 0}
    before = hits()

    @settings(
        max_examples=PROGRAMS,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        database=DirectoryBasedExampleDatabase(tempfile.mkdtemp(prefix="cache_me_judge_")),
    )
    @given(st.lists(NUMBERS, min_size=STEPS, max_size=STEPS))
    def judge(steps):
        if budget.is_spent and tried["programs"] >= 2:
            return
        program = Program(court)
        with begun(court):
            program.run(steps)
        tried["programs"] += 1
        tried["reads"] += program.reads

    judge()
    found = hits() - before
    print(f"{request.node.name}: {tried['programs']} programs, {tried['reads']} reads, {found} hits")
    assert tried["programs"] >= 2
    assert found > tried["reads"] / 4, "a judge of misses judges nothing"


DEFECTS = [
    "forget a table",
    "forget the savepoint",
    "forget the own writes",
    "forget other people's commits",
    "forget the row",
    "forget the value",
]


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("court", ["sqlite-wal", "postgresql", "mysql"], indirect=True)
def test_it_finds_a_planted_defect(court, defect):
    wrapper = connections[court[0]]
    if defect == "forget other people's commits" and wrapper.vendor == "sqlite":
        pytest.skip("nobody else can commit while a transaction of SQLite has written")
    chance = random.Random(5)
    budget = Budget(400)
    with planted(defect), pytest.raises(Mismatch):
        while not budget.is_spent:
            steps = [tuple(chance.randrange(2**16) for _ in range(4)) for _ in range(STEPS)]
            with begun(court):
                Program(court).run(steps)
