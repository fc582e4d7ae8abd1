"""The second judge: processes that write, publish and read at once. The third: the same, with kill -9."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import pytest
from django.db import connections

from tests.crashing import BUMPED, COMMITTED, DECLARED, DIE
from tests.processes import Worker

from . import load
from .budget import SECONDS, Budget

#: Commits of each writer, and kills: as many as it takes time for, on a slow machine too.
LEAST = 6


@pytest.fixture
def alias(court, tmp_path):
    """The main alias of the court's database, with the writers' rows."""
    alias = court[0].rpartition("_")[0]
    load.prepare(alias)
    connections[alias].close()
    return alias


@contextlib.contextmanager
def workers(count, defect=""):
    environment = {"CACHE_ME_TEST_DEFECT": defect} if defect else {}
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Worker(**environment)) for _ in range(count)]


def session(alias, path, processes, seconds):
    """Two write and two read at once; what the readers found, and what is wrong at rest."""
    writers, readers = processes[: load.WRITERS], processes[load.WRITERS :]
    for number, worker in enumerate(writers):
        worker.send(f"load.write_numbers('{alias}', '{path}', {number}, {seconds})")
    for number, worker in enumerate(readers):
        worker.send(f"load.read_numbers('{alias}', '{path}', {number}, {seconds})")
    found = [worker.receive() for worker in processes]
    at_rest = [wrong for worker in processes for wrong in worker.ask(f"load.at_rest('{alias}')")]
    return found[: load.WRITERS], found[load.WRITERS :], at_rest


def test_no_read_is_older_than_what_was_published(alias, tmp_path, request):
    reads = hits = 0
    with workers(4) as processes:
        for _ in range(10):  # one will do, unless the machine is busy otherwise
            commits, found, at_rest = session(alias, tmp_path / "numbers", processes, SECONDS)
            reads, hits = (
                number + sum(one[name] for one in found)
                for name, number in (("reads", reads), ("hits", hits))
            )
            assert [one["wrong"] for one in found] == [[], []]
            assert at_rest == []
            if min(commits) >= LEAST:
                break
    print(f"{request.node.name}: {sum(commits)} commits, {reads} reads, {hits} hits")
    assert min(commits) >= LEAST
    assert hits > reads / 50, "a judge of misses judges nothing"


# Readers and writers of a rollback journal keep each other out, so that races are rare there.
NOT_THE_ROLLBACK_JOURNAL = pytest.mark.parametrize("court", ["sqlite-wal", "postgresql"], indirect=True)


@pytest.mark.parametrize(
    ("court", "defect"),
    [
        ("sqlite-wal", "bump before the commit"),
        ("sqlite-wal", "forget a label"),
        ("postgresql", "bump before the commit"),
        ("postgresql", "take the versions late"),
        ("postgresql", "take a planned miss's versions late"),
        ("postgresql", "forget a label"),
        ("postgresql", "forget the row"),
        ("sqlite-wal", "finish a single write early"),
    ],
    indirect=["court"],
)
def test_it_finds_a_planted_defect(alias, tmp_path, defect):
    if "planned" in defect and os.environ.get("CACHE_ME_TEST_NO_CHAINS"):
        pytest.skip("without chains no miss is planned")
    budget = Budget(40)
    with workers(4, defect) as processes:
        while not budget.is_spent:
            _, found, at_rest = session(alias, tmp_path / "numbers", processes, 2)
            if at_rest or any(one["wrong"] for one in found):
                return
    pytest.fail(f"{defect!r} was not found")


def kill_writers(alias, path, processes, budget, seed=3):
    """Kill writers at random instants; after each, readers must say what the database says."""
    parent, *readers = processes
    chance = random.Random(seed)
    kills, wrong = 0, []
    while not (budget.is_spent and kills >= LEAST) and not wrong:
        write = f"load.write_numbers('{alias}', '{path}', {kills % load.WRITERS}, 9)"
        instant = chance.choice(["at random", DECLARED, COMMITTED, COMMITTED, BUMPED])
        if instant == "at random":
            child = parent.ask(f'spawn("{write}")')
            time.sleep(chance.uniform(0.01, 0.1))
            os.kill(child, signal.SIGKILL)
        else:
            commits = chance.randrange(1, 6)
            child = parent.ask(f"spawn(\"(do('{DIE}', '{instant}', {commits}), {write})\")")
        while parent.ask(f"os.waitpid({child}, os.WNOHANG)[0]") == 0:
            for reader in readers:
                reader.ask(f"[read('{alias}') for read in load.READS] and None")
        kills += 1
        for reader in readers:
            wrong += reader.ask(f"load.at_rest('{alias}')")
    return kills, wrong


def test_nothing_is_stale_after_kills(alias, tmp_path, request):
    with workers(3) as processes:
        kills, wrong = kill_writers(alias, tmp_path / "numbers", processes, Budget())
    print(f"{request.node.name}: {kills} kills")
    assert wrong == []
    assert kills >= LEAST


@NOT_THE_ROLLBACK_JOURNAL
def test_it_finds_that_the_intent_is_left_out(alias, tmp_path):
    with workers(3, "leave out the intent") as processes:
        _, wrong = kill_writers(alias, tmp_path / "numbers", processes, Budget(40))
    assert wrong
