"""Whose answer it is: databases that come and go under one name, tenants, pools, replicas."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time

import django
import pytest
from django.db import connections
from django.test import override_settings

from tests.aliases import database
from tests.looking import assert_hit, assert_miss, seen
from tests.shop.models import Category, Tag

_tenant = threading.local()


def tenant(alias):
    return getattr(_tenant, "name", None)


def failing(alias):
    raise LookupError("no tenant")


@contextlib.contextmanager
def serving(alias, name, statement):
    """A request of the tenant ``name``: its session is told so."""
    _tenant.name = name
    try:
        execute(alias, statement)
        yield
    finally:
        _tenant.name = None
        connections[alias].close()


def execute(alias, *statements):
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def names(alias):
    return sorted(category.name for category in Category.objects.using(alias).all())


def make_tables(alias, *rows):
    with connections[alias].schema_editor() as editor:
        editor.create_model(Category)
    for name in rows:
        Category.objects.using(alias).create(name=name)
    connections[alias].close()


# Databases that come and go.


def test_a_recreated_file_is_another_database(sqlite, tmp_path):
    with database("extra", sqlite, NAME=str(tmp_path / "one.sqlite3")):
        for row in "ab":
            make_tables("extra", row)
            assert names("extra") == [row]
            assert assert_hit("extra", lambda: names("extra")) == [row]
            connections["extra"].close()
            os.unlink(tmp_path / "one.sqlite3")


def test_a_restored_file_is_another_database(sqlite, tmp_path):
    path = tmp_path / "one.sqlite3"
    with database("extra", sqlite, NAME=str(path)):
        make_tables("extra", "a")
        shutil.copy(path, tmp_path / "backup")
        Category.objects.using("extra").update(name="b")
        names("extra")
        connections["extra"].close()
        os.replace(tmp_path / "backup", path)
        connections["extra"].ensure_connection()
        assert names("extra") == ["a"]


def test_a_restored_file_is_noticed_within_a_lease_by_who_has_no_connection(sqlite, tmp_path):
    path = tmp_path / "one.sqlite3"
    with database("extra", sqlite, NAME=str(path)):
        make_tables("extra", "a")
        shutil.copy(path, tmp_path / "backup")
        Category.objects.using("extra").update(name="b")
        names("extra")
        connections["extra"].close()
        os.replace(tmp_path / "backup", path)
        time.sleep(1.05)
        assert names("extra") == ["a"]


def test_a_connection_to_a_replaced_file_fills_nothing_for_the_new_one(sqlite, tmp_path):
    """It goes on with the old file, as SQLite does; who connects anew must not be told of that."""
    path = tmp_path / "one.sqlite3"
    with database("extra", sqlite, NAME=str(path)):
        make_tables("extra", "a")
        assert names("extra") == ["a"]
        with database("again", sqlite, NAME=str(tmp_path / "two.sqlite3")):
            make_tables("again", "b")
        os.replace(tmp_path / "two.sqlite3", path)
        names("extra")
        connections["extra"].__dict__.pop("_cache_me_identity", None)  # as a second later
        assert names("extra") == ["a"]
        with database("again", sqlite, NAME=str(path)):
            assert names("again") == ["b"]
            assert names("again") == ["b"]


def test_a_database_of_postgresql_that_is_made_anew_is_another_one(postgresql):
    with database("extra", postgresql, NAME="extra"):
        for row in "ab":
            execute(postgresql, "CREATE DATABASE extra")
            make_tables("extra", row)
            assert names("extra") == [row]
            assert assert_hit("extra", lambda: names("extra")) == [row]
            connections["extra"].close()
            execute(postgresql, "DROP DATABASE extra")


def test_parallel_test_databases_are_apart(alias, tmp_path):
    """Django's test runner gives each process a database of its own, named by a suffix."""
    vendor = connections[alias].vendor
    names_of_both = [str(tmp_path / f"db_{n}") if vendor == "sqlite" else f"parallel_{n}" for n in (1, 2)]
    with contextlib.ExitStack() as stack:
        for number, name in enumerate(names_of_both):
            if vendor != "sqlite":
                execute(alias, f"CREATE DATABASE {name}")
                stack.callback(execute, alias, f"DROP DATABASE {name}")
            stack.enter_context(database(f"p{number}", alias, NAME=name))
            make_tables(f"p{number}", f"row {number}")
        for number in (0, 1):
            assert names(f"p{number}") == [f"row {number}"]
        for number in (0, 1):
            assert assert_hit(f"p{number}", lambda: names(f"p{number}")) == [f"row {number}"]  # noqa: B023
        Category.objects.using("p0").update(name="c")
        assert_hit("p1", lambda: names("p1"))


def test_memory_is_private_to_a_connection(sqlite):
    with database("m", sqlite, NAME=":memory:"), database("n", sqlite, NAME=":memory:"):
        for name, row in (("m", "a"), ("n", "b")):
            with connections[name].schema_editor() as editor:
                editor.create_model(Category)
            Category.objects.using(name).create(name=row)
        for name, row in (("m", "a"), ("n", "b")):
            assert names(name) == [row]
            assert assert_hit(name, lambda: names(name)) == [row]  # noqa: B023


# Tenants.


@pytest.fixture
def schemas(postgresql):
    for name in ("blue", "red"):
        execute(
            postgresql,
            f"CREATE SCHEMA {name}",
            f"CREATE TABLE {name}.shop_category (LIKE public.shop_category INCLUDING ALL)",
            f"INSERT INTO {name}.shop_category (name) VALUES ('{name}')",
        )
    connections[postgresql].close()
    yield postgresql
    connections[postgresql].close()
    execute(postgresql, "DROP SCHEMA blue CASCADE", "DROP SCHEMA red CASCADE")
    connections[postgresql].close()


@pytest.mark.parametrize("prefix", [tenant, "tests.test_whose_answer.tenant"])
def test_schemas_of_tenants_are_told_apart_by_the_prefix(schemas, prefix):
    with override_settings(DJANGO_CACHE_ME_PREFIX=prefix):
        for read in (assert_miss, assert_hit):
            for name in ("blue", "red"):
                with serving(schemas, name, f"SET search_path TO {name}"):
                    assert read(schemas, lambda: names(schemas)) == [name]
        assert names(schemas) == []
        with serving(schemas, "blue", "SET search_path TO blue"):
            Category.objects.using(schemas).update(name="navy")
            assert assert_miss(schemas, lambda: names(schemas)) == ["navy"]
        with serving(schemas, "red", "SET search_path TO red"):
            assert names(schemas) == ["red"]


def test_without_a_prefix_they_are_asked_each_time(schemas):
    for name in ("blue", "red", "blue"):
        with serving(schemas, name, f"SET search_path TO {name}"), seen(schemas) as result:
            assert names(schemas) == [name]
        assert result.passed == {"changed_session": 1}


def test_a_prefix_of_none_tells_nobody_apart(schemas):
    with override_settings(DJANGO_CACHE_ME_PREFIX=tenant):
        execute(schemas, "SET search_path TO blue")
        with seen(schemas) as result:
            assert names(schemas) == ["blue"]
        assert result.passed == {"changed_session": 1}


@pytest.mark.parametrize("prefix", [failing, "tests.nowhere.at_all", lambda alias: 7])
def test_a_prefix_that_fails_costs_the_cache_and_nothing_else(alias, prefix):
    names(alias)
    with override_settings(DJANGO_CACHE_ME_PREFIX=prefix), seen(alias) as result:
        assert names(alias) == []
    assert result.passed == {"prefix_failed": 1}
    assert_hit(alias, lambda: names(alias))


def test_a_whole_tables_key_has_the_prefix(alias):
    from tests.shop.models import TableOnly

    with override_settings(DJANGO_CACHE_ME_PREFIX=tenant):
        try:
            for read in (assert_miss, assert_hit):
                for _tenant.name in ("blue", "red"):
                    read(alias, lambda: list(TableOnly.objects.using(alias).all()))
        finally:
            _tenant.name = None


def test_objects_of_the_session_are_never_told_apart(schemas):
    with override_settings(DJANGO_CACHE_ME_PREFIX=tenant), serving(
        schemas, "blue", "SET search_path TO blue"
    ):
        execute(schemas, "CREATE TEMPORARY TABLE shop_category (id int, name text, parent_id int)")
        execute(schemas, "SET work_mem TO '5MB'")
        with seen(schemas) as result:
            assert names(schemas) == []
        assert result.passed == {"changed_session": 1}


@pytest.fixture
def row_security(postgresql):
    execute(
        postgresql,
        "INSERT INTO shop_category (name) VALUES ('blue'), ('red')",
        "CREATE ROLE shopper",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO shopper",
        "ALTER TABLE shop_category ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON shop_category USING (name = current_setting('app.tenant', true))",
    )
    connections[postgresql].close()
    yield postgresql
    connections[postgresql].close()
    execute(
        postgresql,
        "DROP POLICY own ON shop_category",
        "ALTER TABLE shop_category DISABLE ROW LEVEL SECURITY",
        "DROP OWNED BY shopper",
        "DROP ROLE shopper",
    )
    connections[postgresql].close()


def test_rows_of_tenants_are_told_apart_by_the_prefix(row_security):
    with override_settings(DJANGO_CACHE_ME_PREFIX=tenant):
        for read in (assert_miss, assert_hit):
            for name in ("blue", "red"):
                with serving(row_security, name, f"SET ROLE shopper; SET app.tenant = '{name}'"):
                    assert read(row_security, lambda: names(row_security)) == [name]


def test_row_security_without_a_prefix_is_asked_each_time(row_security):
    names(row_security)
    with seen(row_security) as result:
        assert names(row_security) == ["blue", "red"]
    assert result.not_filled == {"row_security": 1}


# Pools.


@pytest.mark.skipif(django.VERSION < (5, 1), reason="Django has pools since 5.1")
def test_a_pool_hands_on_a_changed_session(postgresql):
    pytest.importorskip("psycopg_pool")
    with database("pooled", postgresql, OPTIONS={"pool": {"min_size": 1, "max_size": 1}}, CONN_MAX_AGE=0):
        Category.objects.using("pooled").create(name="a")
        names("pooled")
        connections["pooled"].close()
        assert_hit("pooled", lambda: names("pooled"))
        execute("pooled", "CREATE TEMPORARY TABLE shop_category (id int, name text, parent_id int)")
        connections["pooled"].close()

        found = []

        def another_request():
            connections["pooled"].ensure_connection()
            with seen("pooled") as result:
                found.append(names("pooled"))
            found.append(result.passed)
            connections["pooled"].close()

        thread = threading.Thread(target=another_request)
        thread.start()
        thread.join()
        assert found == [[], {"changed_session": 1}]


@pytest.mark.skipif(django.VERSION < (5, 1), reason="Django has pools since 5.1")
def test_a_pool_hands_it_back_changed(postgresql):
    """What was known of it before counts no more, whatever the first statement is."""
    pytest.importorskip("psycopg_pool")
    with database("pooled", postgresql, OPTIONS={"pool": {"min_size": 1, "max_size": 1}}, CONN_MAX_AGE=0):
        Category.objects.using("pooled").create(name="a")
        connections["pooled"].close()

        def another_request():
            execute("pooled", "CREATE TEMPORARY TABLE shop_category (id int, name text, parent_id int)")
            connections["pooled"].close()

        thread = threading.Thread(target=another_request)
        thread.start()
        thread.join()
        execute("pooled", "SELECT 1")
        with seen("pooled") as result:
            assert names("pooled") == []
        assert result.passed == {"changed_session": 1}


@pytest.mark.skipif(django.VERSION < (5, 1), reason="Django has pools since 5.1")
def test_a_pooled_connection_is_asked_once_what_it_is(postgresql):
    pytest.importorskip("psycopg_pool")
    with database("pooled", postgresql, OPTIONS={"pool": {"min_size": 1, "max_size": 1}}, CONN_MAX_AGE=0):
        for _ in range(3):
            Category.objects.using("pooled").create(name="a")
            connections["pooled"].close()
        execute(postgresql, "SELECT 1")
        # The write's own announcement and the reads agree on the database that they speak of.
        assert len(names("pooled")) == 3
        assert len(assert_hit("pooled", lambda: names("pooled"))) == 3


# Replicas.


@pytest.fixture
def replica(sqlite, tmp_path):
    """A copy of the database, brought up to date by hand; and a clock that the test moves."""
    path = str(tmp_path / "replica.sqlite3")

    def catch_up():
        connections["replica"].close()
        shutil.copy(connections.databases[sqlite]["NAME"], path)

    with database("replica", sqlite, NAME=path):
        catch_up()
        yield catch_up


@pytest.fixture
def moved(monkeypatch):
    from django_cache_me.databases import replicas

    real = replicas.time.monotonic
    ahead = [0.0]
    monkeypatch.setattr(replicas.time, "monotonic", lambda: real() + ahead[0])
    replicas._samples.clear()

    def move(seconds):
        ahead[0] += seconds

    return move


LAG = {"replica": {"of": "default", "lag": 5}}


def test_a_replica_fills_only_what_is_older_than_its_lag(sqlite, replica, moved):
    Category.objects.create(name="a")
    with override_settings(DJANGO_CACHE_ME_REPLICAS=LAG):
        with seen("replica") as result:
            assert names("replica") == [], "it lags behind"
        assert result.not_filled == {"replica_lag": 1}
        replica()
        moved(6)
        assert names("replica") == ["a"]
        assert assert_hit("replica", lambda: names("replica")) == ["a"]
        Category.objects.create(name="b")
        assert assert_miss("replica", lambda: names("replica")) == ["a"], "lagging again, and asked"
        moved(3)
        replica()
        with seen("replica") as result:
            assert names("replica") == ["a", "b"]
        assert result.fills == 0
        moved(6)
        names("replica")
        assert assert_hit("replica", lambda: names("replica")) == ["a", "b"]


def test_a_replicas_entries_are_its_own(sqlite, replica, moved):
    Category.objects.create(name="a")
    with override_settings(DJANGO_CACHE_ME_REPLICAS=LAG):
        assert names(sqlite) == ["a"]
        assert names("replica") == []


def test_what_is_not_written_fills_at_a_replica_at_once(sqlite, replica, moved):
    with override_settings(DJANGO_CACHE_ME_REPLICAS=LAG):
        names("replica")
        moved(6)
        Category.objects.create(name="a")
        list(Tag.objects.using("replica").all())
        assert_hit("replica", lambda: list(Tag.objects.using("replica").all()))
