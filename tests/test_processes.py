"""Several processes on one database: a commit in one is seen by the next read in every other."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest
from django.db import connections

from django_cache_me.stores.select import SHARED_MEMORY, store_kind
from tests.processes import Worker
from tests.shop.models import Category

ROUNDS = int(os.environ.get("CACHE_ME_ROUNDS", "60"))
KILLS = int(os.environ.get("CACHE_ME_KILLS", "12"))


@pytest.fixture
def pair(alias):
    Category.objects.using(alias).create(name="a")
    connections[alias].close()
    with Worker() as one, Worker() as other:
        yield alias, one, other


@pytest.mark.keeps
def test_a_fill_of_one_is_a_hit_of_the_other(pair):
    alias, one, other = pair
    assert one.ask(f"hits_of('{alias}')") == [["a"], 0]
    assert other.ask(f"hits_of('{alias}')") == [["a"], 1]


def test_a_commit_in_one_is_seen_by_the_next_read_in_the_other(pair):
    alias, one, other = pair
    chance = random.Random(7)
    for number in range(ROUNDS):
        writer, reader = chance.sample([one, other], 2)
        write = chance.choice(
            [
                f"Category.objects.using('{alias}').update(name='{number}')",
                f"sql('{alias}', \"UPDATE shop_category SET name = '{number}'\")",
                f"[c.save() for c in Category.objects.using('{alias}').all()"
                f" if not setattr(c, 'name', '{number}')] and None",
            ]
        )
        # Both have an entry before, in half of the rounds by a hit.
        writer.ask(f"names('{alias}')")
        reader.ask(f"names('{alias}')")
        writer.ask(write)
        assert reader.ask(f"names('{alias}')") == [str(number)]
        assert writer.ask(f"names('{alias}')") == [str(number)]


@pytest.mark.keeps
def test_an_open_transaction_of_one_changes_nothing_for_the_other(pair):
    alias, one, other = pair
    other.ask(f"names('{alias}')")
    one.ask(f"state.update(t=transaction.atomic(using='{alias}')) or state['t'].__enter__()")
    one.ask(f"Category.objects.using('{alias}').update(name='b')")
    assert one.ask(f"hits_of('{alias}')") == [["b"], 0]
    assert other.ask(f"hits_of('{alias}')") == [["a"], 1]
    one.ask("state['t'].__exit__(None, None, None)")
    assert other.ask(f"names('{alias}')") == ["b"]


@pytest.mark.keeps
def test_a_rolled_back_transaction_costs_the_other_nothing(pair):
    alias, one, other = pair
    other.ask(f"names('{alias}')")
    one.ask(f"state.update(t=transaction.atomic(using='{alias}')) or state['t'].__enter__()")
    one.ask(f"Category.objects.using('{alias}').update(name='b')")
    one.ask(f"transaction.set_rollback(True, using='{alias}') or state['t'].__exit__(None, None, None)")
    assert other.ask(f"hits_of('{alias}')") == [["a"], 1]


@pytest.mark.keeps
def test_switched_off_in_one_it_still_tells_the_other(pair):
    alias, one, _ = pair
    with Worker(CACHE_ME_TEST_OFF="1") as off:
        assert one.ask(f"names('{alias}')") == ["a"]
        assert one.ask(f"hits_of('{alias}')") == [["a"], 1]
        assert off.ask(f"hits_of('{alias}')") == [["a"], 0]
        off.ask(f"Category.objects.using('{alias}').update(name='b')")
        assert one.ask(f"names('{alias}')") == ["b"]


def test_another_project_on_the_same_database_is_heard(pair):
    """Entries belong to a project, versions to the database."""
    if store_kind() != SHARED_MEMORY:
        pytest.skip("a cache that two projects share is shared with its entries")
    alias, one, _ = pair
    one.ask(f"names('{alias}')")
    with Worker(CACHE_ME_TEST_SECRET="another project") as stranger:
        assert stranger.ask(f"hits_of('{alias}')") == [["a"], 0], "its entries are its own"
        stranger.ask(f"Category.objects.using('{alias}').update(name='b')")
        assert one.ask(f"names('{alias}')") == ["b"]


@pytest.mark.keeps
def test_manual_invalidation_is_heard(pair):
    alias, one, other = pair
    one.ask(f"names('{alias}')")
    assert other.ask(f"hits_of('{alias}')")[1] == 1
    one.ask("cache_me.invalidate_model_cache(Category)")
    assert other.ask(f"hits_of('{alias}')")[1] == 0


def test_a_forked_child_goes_on(sqlite):
    Category.objects.create(name="a")
    names = lambda: [category.name for category in Category.objects.all()]  # noqa: E731
    names()
    connections[sqlite].close()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if names() == ["a"]:
                Category.objects.update(name="b")
                status = 0 if names() == ["b"] else 2
        finally:
            os._exit(status)
    assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 0
    assert names() == ["b"]


def test_a_child_that_is_forked_after_the_parent_has_connected(alias):
    """As servers that load the application first do it: the child lets the parent's connection be."""
    Category.objects.using(alias).create(name="a")
    names = lambda: [category.name for category in Category.objects.using(alias).all()]  # noqa: E731
    names()
    wrapper = connections[alias]
    assert wrapper.connection is not None
    child = os.fork()
    if child == 0:
        status = 1
        try:
            parents, wrapper.connection = wrapper.connection, None
            if names() == ["a"]:
                Category.objects.using(alias).update(name="b")
                status = 0 if names() == names() == ["b"] else 2
            assert parents is not wrapper.connection
        finally:
            os._exit(status)
    assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 0
    assert names() == ["b"]
    Category.objects.using(alias).update(name="c")
    assert names() == names() == ["c"]


def test_killed_writers_leave_no_stale_entry(alias):
    """kill -9 at random instants: whatever the database then says is what every reader says."""
    Category.objects.using(alias).create(name="0")
    connections[alias].close()
    chance = random.Random(11)
    with Worker() as reader, Worker() as other:
        for kill in range(KILLS):
            with Worker() as writer:
                writer.send(
                    f"[Category.objects.using('{alias}').update(name='{kill}-%d' % n) for n in range(100000)]"
                )
                end = time.monotonic() + chance.uniform(0.05, 0.3)
                while time.monotonic() < end:
                    reader.ask(f"names('{alias}')")
                writer.kill()
            truth = _without_cache(alias)
            for process in (reader, other, reader):
                deadline = time.monotonic() + 5
                found = process.ask(f"names('{alias}')")
                # PostgreSQL may still be at the dead client's statement: then the database itself changes.
                while found != truth and time.monotonic() < deadline:
                    truth = _without_cache(alias)
                    found = process.ask(f"names('{alias}')")
                assert found == truth
        if store_kind() != SHARED_MEMORY:
            return  # intents of the dead stand for their time of grace
        # The dead writers' intents are gone: reads become hits again.
        deadline = time.monotonic() + 5
        while reader.ask(f"hits_of('{alias}')")[1] == 0:
            assert time.monotonic() < deadline, "an intent of a dead writer stays for ever"
            time.sleep(0.02)


def test_no_read_goes_back_in_time(alias):
    """Each commit publishes its number once it has returned; no later read may show an older one."""
    Category.objects.using(alias).create(name="0")
    connections[alias].close()
    published = [0]
    read = 0
    failures = []
    with Worker() as writer, Worker() as one, Worker() as other:

        def write():
            for number in range(1, ROUNDS * 3):
                writer.ask(f"Category.objects.using('{alias}').update(name='{number}')")
                published[0] = number

        def look(process):
            nonlocal read
            while thread.is_alive() or read < 4:
                before = published[0]
                found = int(process.ask(f"names('{alias}')")[0])
                read += 1
                if found < before:
                    failures.append((before, found))

        thread = threading.Thread(target=write)
        readers = [threading.Thread(target=look, args=(process,)) for process in (one, other)]
        for started in (thread, *readers):
            started.start()
        for started in (thread, *readers):
            started.join()
    assert failures == []


def test_a_stopped_writer_blocks_nobody(postgresql):
    """A writer that is stopped in the middle of its commits: readers go to the database meanwhile."""
    Category.objects.using(postgresql).create(name="a")
    with Worker() as one, Worker() as other:
        other.ask(f"names('{postgresql}')")
        one.send(f"[Category.objects.using('{postgresql}').update(name=str(n)) for n in range(300)] and None")
        time.sleep(0.05)
        os.kill(one.process.pid, signal.SIGSTOP)
        try:
            for _ in range(20):
                # The server may still be at work on what it was sent before.
                before = _without_cache(postgresql)
                answer = other.ask(f"names('{postgresql}')")
                assert answer in (before, _without_cache(postgresql))
        finally:
            os.kill(one.process.pid, signal.SIGCONT)
        one.receive()
        assert other.ask(f"names('{postgresql}')") == ["299"]


def _without_cache(alias):
    try:
        return sorted(category.name for category in Category.objects.using(alias).no_cache().all())
    finally:
        connections[alias].close()
