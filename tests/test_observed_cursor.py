"""An observed cursor looks like the driver's: what it executes, fetches, raises and forwards.

What it tells the store is in ``test_writing.py``, ``test_odd_writes.py`` and ``test_pending_writers.py``.
"""

from __future__ import annotations

import gc
import itertools
import sqlite3
import weakref

import pytest
from django.db import Error, connections, transaction

from django_cache_me.databases.connection import state_of
from tests.shop.models import Category

ROWS = "SELECT id FROM shop_category ORDER BY id"


@pytest.fixture
def driver(alias):
    """The observed cursor itself, without Django's wrapper around it."""
    Category.objects.using(alias).bulk_create(Category(pk=number, name=f"c{number}") for number in (1, 2, 3))
    with connections[alias].cursor() as cursor:
        yield cursor.cursor


def plain(rows):
    return [tuple(row) for row in rows]


def test_it_has_the_drivers_class_and_attributes(driver, alias):
    assert type(driver).__name__ == "ObservedCursor"
    assert driver.__class__.__module__.split(".")[0] != "django_cache_me"
    assert isinstance(driver, driver.__class__)
    driver.execute(ROWS)
    assert driver.description[0][0] == "id"
    driver.arraysize = 2
    assert driver.arraysize == 2
    assert len(driver.fetchmany(2)) == 2
    with pytest.raises(AttributeError):
        driver.nothing_of_the_kind  # noqa: B018
    assert weakref.ref(driver)() is driver


def test_it_executes_and_fetches_by_all_ways(driver):
    for _ in range(3):  # seen for the first time, and known
        assert driver.execute(ROWS) in (driver, None, 3)
        assert plain([driver.fetchone()]) == [(1,)]
        assert plain(driver.fetchmany(1)) == [(2,)]
        assert plain(driver.fetchall()) == [(3,)]
        assert driver.fetchone() is None
        assert list(driver.fetchmany(2)) == []
        driver.execute(ROWS, ())
        assert plain(driver) == [(1,), (2,), (3,)]
        driver.execute(ROWS, None)
        assert plain(itertools.islice(iter(driver), 1)) == [(1,)]
        assert len(driver.fetchall()) == 2  # an iterator that is given up leaves the cursor open


def test_sqlites_cursors_are_iterators_of_their_own(sqlite):
    Category.objects.create(name="a")
    with connections[sqlite].cursor() as cursor:
        driver = cursor.cursor
        assert driver.execute("SELECT 1 UNION SELECT 2") is driver
        assert [next(driver), next(driver)] == [(1,), (2,)]
        with pytest.raises(StopIteration):
            next(driver)
        assert state_of(connections[sqlite]).unfinished_cursors == 0


@pytest.mark.parametrize("call", ["execute", "executemany"])
def test_calls_without_a_text_are_type_errors(driver, call):
    with pytest.raises(TypeError):
        getattr(driver, call)()


def test_errors_are_the_drivers_own(driver, alias):
    error = connections[alias].Database.Error
    for _ in range(2):
        with pytest.raises(error), transaction.atomic(using=alias):
            driver.execute("SELECT nothing FROM nowhere")
    # Each driver has an error of its own for that.
    with pytest.raises((error, TypeError, ValueError, IndexError)), transaction.atomic(using=alias):
        driver.execute("SELECT id FROM shop_category WHERE id = %s", ())
    driver.execute(ROWS)
    assert len(driver.fetchall()) == 3


def test_parameters_that_the_driver_refuses_leave_nothing_open(sqlite):
    state = state_of(connections[sqlite])
    for _ in range(3):
        with connections[sqlite].cursor() as cursor, pytest.raises(Error):
            cursor.execute("SELECT id FROM shop_category WHERE id = %s", [object()])
    assert state.unfinished_cursors == 0


def test_a_context_manager_closes_the_drivers(alias):
    with connections[alias].cursor() as cursor:
        with cursor.cursor as observed:
            assert observed is cursor.cursor
            observed.execute(ROWS)
        with pytest.raises(Exception, match=r"(?i)closed"):
            observed.execute(ROWS)
            observed.fetchall()


def test_unfinished_cursors_are_counted_whatever_becomes_of_them(sqlite):
    Category.objects.bulk_create(Category(name=f"c{number}") for number in range(3))
    wrapper = connections[sqlite]
    state = state_of(wrapper)
    first, second = wrapper.cursor(), wrapper.cursor()
    first.execute(ROWS)
    second.execute(ROWS)
    assert state.unfinished_cursors == 2
    first.execute(ROWS)  # again: it is still one
    assert state.unfinished_cursors == 2
    first.close()
    assert state.unfinished_cursors == 1
    del second
    gc.collect()
    assert state.unfinished_cursors == 0
    third = wrapper.cursor()
    third.execute(ROWS)
    third.cursor.itself = third  # on the driver's cursor: a cycle
    del third
    gc.collect()
    assert state.unfinished_cursors == 0


def test_cursors_leave_no_references_behind(sqlite):
    wrapper = connections[sqlite]

    def use():
        with wrapper.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchall()

    for _ in range(100):
        use()
    gc.collect()
    before = sum(issubclass(type(one), sqlite3.Cursor) for one in gc.get_objects())
    kinds = len([one for one in gc.get_objects() if type(one).__name__ in ("ObservedCursor", "CursorFields")])
    for _ in range(100):
        use()
    assert sum(issubclass(type(one), sqlite3.Cursor) for one in gc.get_objects()) == before
    left = [one for one in gc.get_objects() if type(one).__name__ in ("ObservedCursor", "CursorFields")]
    assert len(left) == kinds
