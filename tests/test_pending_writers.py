"""SQLite commits what a connection writes in autocommit when the last pending RETURNING is fetched."""

from __future__ import annotations

import sqlite3

import pytest
from django.db import connections, transaction

from tests.looking import assert_hit, read_elsewhere
from tests.shop.models import Category, Tag

pytestmark = pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 35), reason="RETURNING came with 3.35")
LATER = "UPDATE shop_tag SET word = word || 'x' RETURNING id"


def others_view(alias):
    """What another process reads, twice: through the cache as well as from it."""
    return read_elsewhere(alias, lambda: Category.objects.using(alias).get(name__gt="").name, times=2)


@pytest.fixture
def category(sqlite):
    for word in "abc":
        Tag.objects.using(sqlite).create(word=word)
    category = Category.objects.using(sqlite).create(name="old")
    category.save()  # by the short way from now on
    assert others_view(sqlite) == ["old", "old"]
    return category


@pytest.mark.parametrize("how", ["exhausted", "closed", "dropped"])
def test_what_is_written_meanwhile_is_announced_until_then(sqlite, category, how):
    cursor = connections[sqlite].cursor()
    cursor.execute(LATER)
    category.name = "new"
    category.save()
    assert others_view(sqlite) == ["old", "old"]
    assert Category.objects.using(sqlite).get(name__gt="").name == "new", "this connection's own"
    if how == "exhausted":
        cursor.fetchall()
    elif how == "closed":
        cursor.close()
    else:
        del cursor
    assert others_view(sqlite) == ["new", "new"]
    assert_hit(sqlite, lambda: Category.objects.using(sqlite).get(name__gt=""))


def test_two_of_them(sqlite, category):
    first, second = connections[sqlite].cursor(), connections[sqlite].cursor()
    first.execute(LATER)
    second.execute("UPDATE shop_category SET name = 'new' RETURNING id")
    second.fetchall()
    assert others_view(sqlite) == ["old", "old"]
    first.fetchall()
    assert others_view(sqlite) == ["new", "new"]


def test_a_transaction_that_begins_meanwhile_takes_them_along(sqlite, category):
    with connections[sqlite].cursor() as cursor:
        cursor.execute("UPDATE shop_category SET name = 'new' RETURNING id")
        with transaction.atomic(using=sqlite):
            cursor.fetchall()
            assert others_view(sqlite) == ["old", "old"]
        assert others_view(sqlite) == ["new", "new"]


def test_a_loop_over_rows_that_saves(sqlite, category):
    with connections[sqlite].cursor() as cursor:
        cursor.execute(LATER)
        seen_by_others = []
        for _ in cursor:
            category.name += "er"
            category.save()
            seen_by_others += others_view(sqlite)
            assert Category.objects.using(sqlite).get(name__gt="").name == category.name
    # The driver is a row ahead, so the last one was committed when it was saved.
    assert seen_by_others == ["old"] * 4 + ["oldererer"] * 2
    assert others_view(sqlite) == ["oldererer"] * 2


def test_an_audit_row_written_while_an_insert_returns(sqlite, category):
    def audit(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith("INSERT"):
            Category.objects.using(sqlite).filter(pk=category.pk).update(name="audited")
            others_view(sqlite)
        return result

    with connections[sqlite].execute_wrapper(audit):
        Tag.objects.using(sqlite).create(word="d")
    assert others_view(sqlite) == ["audited", "audited"]
