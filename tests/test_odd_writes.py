"""Writes that reach the database by roads of their own: procedures, CTEs, pipelines, two-phase commits."""

from __future__ import annotations

import contextlib
import warnings

import pytest
from django.db import DatabaseError, connections, transaction

import django_cache_me
from tests.looking import assert_hit, read_elsewhere, warm_up
from tests.shop.models import Category, Plain


def names(alias):
    return sorted(category.name for category in Category.objects.using(alias).filter(name__gt=""))


def others_view(alias):
    """What another thread reads, twice: through the cache as well as from it."""
    return read_elsewhere(alias, lambda: names(alias), times=2)


@pytest.fixture
def warm(alias):
    Category.objects.using(alias).create(name="a")
    warm_up(alias, lambda: names(alias))
    return alias


@pytest.fixture
def of_postgresql(postgresql):
    Category.objects.using(postgresql).create(name="a")
    warm_up(postgresql, lambda: names(postgresql))
    return postgresql


def execute(alias, *statements):
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


CTES = {
    "sqlite": [
        "WITH one(name) AS (SELECT 'b') UPDATE shop_category SET name = (SELECT name FROM one)",
        "WITH one(name) AS (SELECT 'b') DELETE FROM shop_category WHERE name IN (SELECT name FROM one)",
        "WITH one(name) AS (SELECT 'c') INSERT INTO shop_category (name) SELECT name FROM one",
    ],
    "postgresql": [
        "WITH one(name) AS (SELECT 'b') UPDATE shop_category SET name = one.name FROM one",
        "WITH one AS (UPDATE shop_category SET name = 'c' RETURNING name),"
        " other AS (INSERT INTO shop_plain (name) SELECT name FROM one RETURNING 1) SELECT * FROM other",
        "WITH one(name) AS (SELECT 'd') INSERT INTO shop_category (name) SELECT name FROM one RETURNING id",
    ],
    "mysql": [
        "INSERT INTO shop_category (name) WITH one(name) AS (SELECT 'b') SELECT name FROM one",
        "UPDATE shop_category SET name = (WITH one(name) AS (SELECT 'c') SELECT name FROM one)",
    ],
}


def test_writes_with_ctes(warm):
    for statement in CTES[connections[warm].vendor]:
        execute(warm, statement)
        with connections[warm].cursor() as cursor:
            cursor.execute("SELECT name FROM shop_category ORDER BY name")
            expected = [row[0] for row in cursor.fetchall()]
        assert names(warm) == expected, statement
        assert assert_hit(warm, lambda: names(warm)) == expected, statement
    Plain.objects.using(warm).all().delete()


def test_a_stored_procedure_by_the_drivers_call(mysql):
    Category.objects.using(mysql).create(name="a")
    execute(
        mysql,
        "CREATE OR REPLACE PROCEDURE rename_them(new text)"
        " BEGIN UPDATE shop_category SET name = new; SELECT 1; END",
    )
    connections[mysql].close()
    names(mysql)
    assert_hit(mysql, lambda: names(mysql))
    with connections[mysql].cursor() as cursor:
        cursor.callproc("rename_them", ["b"])
    assert others_view(mysql) == [["b"], ["b"]]
    with transaction.atomic(using=mysql), warnings.catch_warnings():
        with connections[mysql].cursor() as cursor:
            cursor.callproc("rename_them", ["c"])
        assert others_view(mysql) == [["b"], ["b"]], "not committed yet"
    assert others_view(mysql) == [["c"], ["c"]]


def test_prepared_statements(of_postgresql):
    execute(of_postgresql, "PREPARE renaming AS UPDATE shop_category SET name = $1", "EXECUTE renaming('b')")
    assert others_view(of_postgresql) == [["b"], ["b"]]


@pytest.mark.parametrize("committed_by", ["itself", "another"])
def test_a_commit_in_two_phases(of_postgresql, committed_by):
    """What was prepared is committed by whoever asks for it, in a session that has written nothing."""
    alias = of_postgresql
    execute(alias, "BEGIN", "UPDATE shop_category SET name = 'b'", "PREPARE TRANSACTION 'shopping'")
    assert others_view(alias) == [["a"], ["a"]]
    if committed_by == "another":
        connections[alias].close()
    execute(alias, "COMMIT PREPARED 'shopping'")
    assert others_view(alias) == [["b"], ["b"]]


# Pipelines of psycopg 3: the server is asked later than the driver's calls return.


@contextlib.contextmanager
def pipeline(alias):
    connections[alias].ensure_connection()
    raw = connections[alias].connection
    if not hasattr(raw, "pipeline"):
        pytest.skip("psycopg 3's own")
    import psycopg

    if not psycopg.Pipeline.is_supported():
        pytest.skip("libpq has pipelines since 14")
    with raw.pipeline():
        yield


def test_a_pipeline_in_autocommit(of_postgresql):
    alias = of_postgresql
    with pipeline(alias):
        for name in "bcd":
            execute(alias, f"UPDATE shop_category SET name = '{name}'")
            assert others_view(alias) == [[name], [name]]
        Category.objects.using(alias).update(name="e")
    assert others_view(alias) == [["e"], ["e"]]
    assert names(alias) == names(alias) == ["e"]


def test_a_pipeline_in_a_transaction(of_postgresql):
    alias = of_postgresql
    with transaction.atomic(using=alias):
        with pipeline(alias):
            execute(alias, "UPDATE shop_category SET name = 'b'", "UPDATE shop_category SET name = 'c'")
            assert others_view(alias) == [["a"], ["a"]], "not committed yet"
        assert names(alias) == ["c"]
    assert others_view(alias) == [["c"], ["c"]]


def test_a_pipeline_around_a_raw_transaction(of_postgresql):
    alias = of_postgresql
    with pipeline(alias):
        execute(alias, "BEGIN", "UPDATE shop_category SET name = 'b'", "COMMIT")
    assert others_view(alias) == [["b"], ["b"]]
    with contextlib.suppress(ZeroDivisionError), transaction.atomic(using=alias):
        with pipeline(alias):
            execute(alias, "UPDATE shop_category SET name = 'c'")
        raise ZeroDivisionError
    assert others_view(alias) == [["b"], ["b"]]
    assert names(alias) == ["b"]


def test_a_transaction_in_a_pipeline(of_postgresql):
    alias = of_postgresql
    with pipeline(alias):
        with transaction.atomic(using=alias):
            Category.objects.using(alias).update(name="b")
            assert names(alias) == ["b"]
            assert others_view(alias) == [["a"], ["a"]]
        assert others_view(alias) == [["b"], ["b"]]
        with pytest.raises(DatabaseError):
            execute(alias, "UPDATE shop_category SET name = 'c' WHERE 1 / 0 = 1")
        Category.objects.using(alias).create(name="d")
        assert others_view(alias) == [["b", "d"], ["b", "d"]]
    assert names(alias) == names(alias) == ["b", "d"]


# The driver's own connection.


def test_what_the_drivers_own_cursor_writes_is_told_by_hand(warm):
    """docs/limits.md: nobody sees it. Django's cursor has the driver's calls, too."""
    raw = connections[warm].connection
    with contextlib.closing(raw.cursor()) as cursor:
        cursor.execute("UPDATE shop_category SET name = 'b'")
    django_cache_me.invalidate_model_cache(Category)
    assert names(warm) == names(warm) == ["b"]
    assert others_view(warm) == [["b"], ["b"]]


def test_copy_by_a_cursor_that_serves_djangos(of_postgresql):
    """``connection.cursor().cursor`` is as near to the driver as is seen."""
    alias = of_postgresql
    with connections[alias].cursor() as cursor:
        if not hasattr(cursor.cursor, "copy"):
            pytest.skip("psycopg 3's own call")
        with transaction.atomic(using=alias):
            with cursor.cursor.copy("COPY shop_category (name) FROM STDIN") as rows:
                rows.write_row(["b"])
                assert others_view(alias) == [["a"], ["a"]]
            assert others_view(alias) == [["a"], ["a"]], "not committed yet"
        assert others_view(alias) == [["a", "b"], ["a", "b"]]
        with cursor.cursor.copy("COPY shop_category (name) FROM STDIN") as rows:
            rows.write_row(["c"])
            assert others_view(alias) == [["a", "b"], ["a", "b"]]
    assert others_view(alias) == [["a", "b", "c"], ["a", "b", "c"]]


# Texts that write and are read like queries.


def test_a_raw_queryset_that_writes_is_executed_each_time(alias):
    if connections[alias].vendor == "mysql":
        pytest.skip("MariaDB has no UPDATE … RETURNING")
    Category.objects.using(alias).create(name="a")
    sql = "UPDATE shop_category SET name = name || 'x' RETURNING id, name"
    for expected in ("ax", "axx", "axxx"):
        names(alias)
        assert [category.name for category in Category.objects.using(alias).raw(sql)] == [expected]
        assert names(alias) == [expected]


@pytest.mark.parametrize("made", ["SELECT name INTO shop_made FROM shop_category", "CREATE TABLE"])
def test_tables_made_of_queries(of_postgresql, made):
    alias = of_postgresql
    if made == "CREATE TABLE":
        made = "CREATE TABLE shop_made AS SELECT name FROM shop_category"
    read = lambda: list(Category.objects.using(alias).raw("SELECT 1 AS id, name FROM shop_made"))  # noqa: E731
    try:
        for name in "bc":
            Category.objects.using(alias).update(name=name)
            execute(alias, made)
            assert [row.name for row in read()] == [row.name for row in read()] == [name]
            execute(alias, "ALTER TABLE shop_made RENAME TO shop_old", "DROP TABLE shop_old")
    finally:
        execute(alias, "DROP TABLE IF EXISTS shop_made")
        connections[alias].close()


@pytest.mark.parametrize("next_one", ["write", "read", "atomic", "close"])
def test_a_commit_past_django_is_heard_at_the_next_statement(warm, next_one):
    execute(warm, "BEGIN")
    Category.objects.using(warm).update(name="b")
    cursor = connections[warm].connection.cursor()
    cursor.execute("COMMIT")
    cursor.close()
    if next_one == "write":
        Plain.objects.using(warm).create()
    elif next_one == "read":
        execute(warm, "SELECT 1")
    elif next_one == "atomic":
        with transaction.atomic(using=warm):
            Plain.objects.using(warm).create()
    else:
        connections[warm].close()
    assert others_view(warm) == [["b"], ["b"]]


@pytest.mark.parametrize("sql", ["SELECT name FROM shop_category", "UPDATE shop_category SET name = name"])
def test_what_execute_returns_may_be_used_by_itself(warm, sql):
    """The drivers' cursors return themselves, or None."""
    with connections[warm].cursor() as cursor:
        cursor.execute("SELECT 1")
        django_gives = type(cursor.cursor.execute(sql))
    if django_gives in (type(None), int):
        pytest.skip("this driver returns no cursor")
    result = connections[warm].cursor().execute(sql)
    assert result.rowcount in (1, -1)
    if sql.startswith("SELECT"):
        assert [name for (name,) in result.fetchall()] == ["a"]
