"""A store that is set up wrongly: said at start, reads pass, and no write goes unheard."""

from __future__ import annotations

import contextlib
import os

import pytest
from django.core.checks import run_checks
from django.db import DatabaseError, connections, transaction
from django.test import override_settings

from django_cache_me import invalidate_model_cache, log, stats
from django_cache_me.exceptions import StoreError
from django_cache_me.stores import select
from tests.looking import assert_hit, seen
from tests.shop.models import Both, Category

BACKEND = "django_cache_me.stores.SharedMemoryCache"


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Each test gets its own stores and log lines."""
    monkeypatch.setattr(select, "_stores", {})
    monkeypatch.setattr(log, "_last", {})


@contextlib.contextmanager
def set_up(location=None, options=None, backend=BACKEND):
    """As a process would be that began with these settings."""
    entry = {
        "BACKEND": backend,
        "LOCATION": str(location or ""),
        "OPTIONS": {} if options is None else options,
    }
    before, select._stores = select._stores, {}
    try:
        with override_settings(CACHES={"default": entry}):
            yield
    finally:
        select._stores = before


#: Entries can't be kept, but the version file is where it should be.
WITHOUT_ENTRIES = {
    "size": ({"size": "x"}, "must be a number of bytes"),
    "enormous": ({"size": 2**80}, "must be a number of bytes"),
    "unknown option": ({"sise": 5 << 20}, "Did you mean 'size'?"),
    "no dict": (["size"], "must be a dict"),
}
#: Nobody can be told of a write.
WITHOUT_VERSIONS = {
    "group": {"options": {"group": "no-such-group-here"}},
    "odd group": {"options": {"group": -5}},
    "directory": {"location": "/nowhere/at/all"},
    "backend": {"backend": "nowhere.at.all.Cache"},
    "options of another backend": {
        "backend": "django.core.cache.backends.filebased.FileBasedCache",
        "options": ["no dict"],
    },
}
#: What a page reads: all kinds of query, transactions, savepoints.
READS = {
    "instances": lambda alias: [one.name for one in Category.objects.using(alias).all()],
    "whole table": lambda alias: [one.name for one in Both.objects.using(alias).all()],
    "permanent": lambda alias: [one.name for one in Category.objects.using(alias).permanent_cache()],
    "values": lambda alias: list(Category.objects.using(alias).values("name")),
    "count": lambda alias: Category.objects.using(alias).count(),
    "exists": lambda alias: Category.objects.using(alias).filter(name="a").exists(),
    "get": lambda alias: Category.objects.using(alias).get(name="a").name,
    "raw": lambda alias: [
        one.name for one in Category.objects.using(alias).raw("SELECT * FROM shop_category")
    ],
    "iterator": lambda alias: [one.name for one in Category.objects.using(alias).iterator()],
    "cursor": lambda alias: sql(alias, "SELECT name FROM shop_category"),
    "unknown function": lambda alias: sql(alias, "SELECT no_such_function_here(1)"),
    "transaction": lambda alias: transaction.atomic(using=alias)(READS["instances"])(alias),
    "savepoint": lambda alias: transaction.atomic(using=alias)(READS["transaction"])(alias),
}


def sql(alias, text):
    with connections[alias].cursor() as cursor:
        try:
            cursor.execute(text)
        except DatabaseError as error:
            return str(error)
        return cursor.fetchall() if cursor.description else None


def errors():
    return [
        message for message in run_checks(tags=["django_cache_me"]) if message.id == "django_cache_me.E006"
    ]


def our_lines(caplog):
    return [record for record in caplog.records if record.name == "django_cache_me"]


@pytest.mark.parametrize("case", WITHOUT_ENTRIES)
def test_without_entries_nothing_breaks(alias, caplog, case):
    """A wrong size or a misspelt option: all is a miss, writes are told to the other processes as ever."""
    options, said = WITHOUT_ENTRIES[case]
    place = os.environ["CACHE_ME_TEST_STORE"]  # its version file is older than two leases
    with set_up(place, options):
        assert said in errors()[0].msg
        Category.objects.using(alias).create(name="a")
        expected = {name: read(alias) for name, read in READS.items()}
        assert expected["instances"] == ["a"]
        with seen(alias) as result:
            assert {name: read(alias) for name, read in READS.items()} == expected
        assert result.hits == result.fills == 0
        assert result.not_filled["no_store"] >= 5
        invalidate_model_cache(Category, using=alias)
        assert len(our_lines(caplog)) == 1
        assert said in our_lines(caplog)[0].getMessage()
    with set_up(place, {"size": 16 << 20}):
        names = lambda: READS["instances"](alias)  # noqa: E731
        names()
        assert_hit(alias, names)
        with set_up(place, options):
            Category.objects.using(alias).update(name="b")
        assert names() == ["b"], "who is set up rightly heard of it"


@pytest.mark.parametrize("case", WITHOUT_VERSIONS)
def test_reads_pass_where_nothing_can_be_shared(alias, caplog, case):
    Category.objects.using(alias).create(name="a")
    with override_settings(DJANGO_CACHE_ME_ON=False):
        expected = {name: read(alias) for name, read in READS.items()}
    with set_up(**WITHOUT_VERSIONS[case]):
        before = stats()["passed"].get("no_store", 0)
        assert {name: read(alias) for name, read in READS.items()} == expected
        assert stats()["passed"]["no_store"] - before >= 8
        assert len(our_lines(caplog)) == 1
        assert "Nothing is cached: " in our_lines(caplog)[0].getMessage()
        if WITHOUT_VERSIONS[case].get("backend", BACKEND) == BACKEND:
            assert errors()


@pytest.mark.parametrize("case", WITHOUT_VERSIONS)
def test_what_can_be_told_nobody_is_not_written(alias, case):
    """Unshared, its commits would not be heard, and others would go on with old entries."""
    with set_up(**WITHOUT_VERSIONS[case]):
        for write in (
            lambda: Category.objects.using(alias).create(name="a"),
            lambda: sql(alias, "INSERT INTO shop_category (name) VALUES ('a')"),
            lambda: Category.objects.using(alias).invalidate_cache(),
        ):
            with pytest.raises(StoreError):
                write()
    assert Category.objects.using(alias).no_cache().count() == 0


def test_a_server_that_is_gone_fills_nothing_and_says_so(sqlite):
    entry = {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": "unix:/nowhere/at/all.sock",
    }
    before, select._stores = select._stores, {}
    try:
        with override_settings(CACHES={"default": entry}), seen(sqlite) as result:
            assert list(Both.objects.using(sqlite).all()) == []
        assert result.not_filled == {"no_store": 1}
    finally:
        select._stores = before


def test_a_function_that_may_write_is_a_write(postgresql):
    sql(postgresql, "CREATE FUNCTION shop_reads() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1'")
    sql(
        postgresql,
        "CREATE FUNCTION shop_writes() RETURNS int LANGUAGE sql AS"
        " 'INSERT INTO shop_category (name) VALUES (''a'') RETURNING 1'",
    )
    try:
        with set_up("/nowhere/at/all"):
            assert sql(postgresql, "SELECT shop_reads()") == [(1,)]
            with pytest.raises(StoreError):
                sql(postgresql, "SELECT shop_writes()")
    finally:
        sql(postgresql, "DROP FUNCTION shop_reads()")
        sql(postgresql, "DROP FUNCTION shop_writes()")
    assert Category.objects.using(postgresql).no_cache().count() == 0
