"""Reads inside transactions: the overlay of one that has written, snapshots, savepoints, hooks."""

from __future__ import annotations

import contextlib
import threading
import unittest

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction
from django.test import TestCase

import django_cache_me
from django_cache_me.stores import overlay
from tests.aliases import database
from tests.conftest import VENDORS
from tests.looking import assert_hit, assert_miss, is_stored, seen
from tests.shop.models import Category, Product, Tag


def names(alias):
    return sorted(category.name for category in Category.objects.using(alias).filter(name__gt=""))


def words(alias):
    return sorted(Tag.objects.using(alias).filter(word__gt="").values_list("word", flat=True))


@contextlib.contextmanager
def another(alias):
    """A second connection to the same database, as another process would have."""
    wrapper = connections[alias].copy()
    try:
        yield wrapper
    finally:
        wrapper.close()


def write(wrapper, sql, *params):
    with wrapper.cursor() as cursor:
        cursor.execute(sql, params)


class Undo(Exception):
    pass


@contextlib.contextmanager
def undone(alias):
    with contextlib.suppress(Undo), transaction.atomic(using=alias):
        yield
        raise Undo


@pytest.fixture
def dirty(alias):
    """An open transaction that has written "a" into the categories; rolled back at the end."""
    with undone(alias):
        Category.objects.using(alias).create(name="a")
        yield alias


# The own writes.


def test_reads_of_what_was_written_hit_the_overlay(dirty):
    assert assert_miss(dirty, lambda: names(dirty)) == ["a"]
    assert assert_hit(dirty, lambda: names(dirty)) == ["a"]


@pytest.mark.parametrize("read", ["count", "exists", "values", "aggregate", "first", "in_bulk"])
def test_every_kind_of_read_hits_the_overlay(dirty, read):
    queryset = Category.objects.using(dirty).order_by("pk")

    def ask():
        found = getattr(queryset.all(), read)(*([] if read != "aggregate" else [django_max("name")]))
        return list(found) if read == "values" else found

    first = ask()
    assert assert_hit(dirty, ask) == first
    Category.objects.using(dirty).create(name="b")
    assert_miss(dirty, ask)


def django_max(field):
    from django.db.models import Max

    return Max(field)


def test_each_own_write_is_seen_at_once(dirty):
    for name in "bcd":
        names(dirty)
        Category.objects.using(dirty).create(name=name)
        assert assert_miss(dirty, lambda: names(dirty))[-1] == name
    Category.objects.using(dirty).all().delete()
    assert names(dirty) == []


def test_a_write_elsewhere_leaves_the_overlays_entries(dirty):
    names(dirty)
    Tag.objects.using(dirty).create(word="x")
    assert_hit(dirty, lambda: names(dirty))
    assert assert_miss(dirty, lambda: words(dirty)) == ["x"]
    assert_hit(dirty, lambda: words(dirty))


def test_a_join_rests_on_each_of_its_tables(dirty):
    category = Category.objects.using(dirty).get()
    Product.objects.using(dirty).create(name="p", category=category)

    def joined():
        products = Product.objects.using(dirty).filter(name="p").select_related("category")
        return [product.category.name for product in products]

    joined()
    assert_hit(dirty, joined)
    Category.objects.using(dirty).update(name="b")
    assert assert_miss(dirty, joined) == ["b"]


def test_a_cascade_is_seen(dirty):
    category = Category.objects.using(dirty).get()
    Product.objects.using(dirty).create(name="p", category=category)
    products = Product.objects.using(dirty).filter(name="p")
    assert products.all().count() == 1
    category.delete()
    assert products.all().count() == 0


def test_what_was_not_written_still_meets_the_shared_store(alias):
    Tag.objects.using(alias).create(word="x")
    words(alias)
    assert_hit(alias, lambda: words(alias))
    with undone(alias):
        Category.objects.using(alias).create(name="a")
        assert assert_hit(alias, lambda: words(alias)) == ["x"]
        with seen(alias) as result:
            list(Tag.objects.using(alias).filter(word="fill me"))
        assert result.fills == 1
    assert_hit(alias, lambda: list(Tag.objects.using(alias).filter(word="fill me")))


def test_unreadable_sql_touches_everything(dirty):
    words(dirty)
    names(dirty)
    statements = {"sqlite": "PRAGMA incremental_vacuum", "postgresql": "DO $$BEGIN END$$", "mysql": "DO 0"}
    write(connections[dirty], statements[connections[dirty].vendor])
    with seen(dirty) as result:
        names(dirty)
        words(dirty)
    assert result.hits == 0


def test_rows_read_while_a_statement_writes_do_not_outlive_it(sqlite):
    """``executemany`` takes its parameters from a generator, which reads between the rows it writes."""
    with undone(sqlite):
        Category.objects.create(name="a")

        def rows():
            yield ("b",)
            names(sqlite)
            yield ("c",)

        with connections[sqlite].cursor() as cursor:
            cursor.executemany("INSERT INTO shop_category (name) VALUES (%s)", rows())
        assert names(sqlite) == ["a", "b", "c"]


def test_mutable_values_are_not_shared(dirty):
    Product.objects.using(dirty).create(name="p", about={"a": [1]})
    first, second = (Product.objects.using(dirty).get(name="p") for _ in range(2))
    assert first is not second
    first.about["a"].append(2)
    assert Product.objects.using(dirty).get(name="p").about == {"a": [1]}


def test_the_overlay_is_bounded(dirty, monkeypatch):
    monkeypatch.setattr(overlay, "MAX_BYTES", 2000)
    for number in range(50):
        Category.objects.using(dirty).create(name="x" * 45 + str(number))
    with seen(dirty) as result:
        names(dirty)
    assert result.not_filled == {"too_large": 1}
    queries = [Category.objects.using(dirty).filter(name__endswith=f"x{number}") for number in range(50)]
    for queryset in queries:
        list(queryset.all())
    assert_hit(dirty, lambda: list(queries[-1].all()))
    assert_miss(dirty, lambda: list(queries[0].all()))


def test_entries_of_the_overlay_end_by_time(dirty, monkeypatch):
    queryset = Category.objects.using(dirty).filter(name="a").cache(timeout=0.05)
    list(queryset.all())
    assert_hit(dirty, lambda: list(queryset.all()))
    now = overlay.time.monotonic()
    monkeypatch.setattr(overlay.time, "monotonic", lambda: now + 1)
    assert_miss(dirty, lambda: list(queryset.all()))


# What becomes of it.


def test_nothing_of_a_rolled_back_transaction_is_left(alias):
    assert names(alias) == []
    with undone(alias):
        Category.objects.using(alias).create(name="a")
        assert names(alias) == names(alias) == ["a"]
        with another(alias) as other, other.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM shop_category")
            assert cursor.fetchone()[0] == 0
    assert names(alias) == []


def test_the_next_transaction_begins_without_it(alias):
    for name in "ab":
        with undone(alias):
            Category.objects.using(alias).create(name=name)
            assert names(alias) == [name]
            assert assert_hit(alias, lambda: names(alias)) == [name]


def test_a_commit_shows_it_to_all(alias):
    names(alias)
    with transaction.atomic(using=alias):
        Category.objects.using(alias).create(name="a")
        names(alias)
    assert assert_miss(alias, lambda: names(alias)) == ["a"]
    assert_hit(alias, lambda: names(alias))


def test_a_savepoints_rollback_empties_the_overlay(dirty):
    with undone(dirty):
        Category.objects.using(dirty).create(name="b")
        assert names(dirty) == ["a", "b"]
        assert_hit(dirty, lambda: names(dirty))
    assert assert_miss(dirty, lambda: names(dirty)) == ["a"]
    assert assert_hit(dirty, lambda: names(dirty)) == ["a"]


def test_what_was_read_before_a_savepoint_is_right_after_its_rollback(dirty):
    names(dirty)
    with undone(dirty):
        Category.objects.using(dirty).update(name="b")
    assert names(dirty) == ["a"]


def test_a_raw_rollback_to_a_savepoint_counts(dirty):
    wrapper = connections[dirty]
    write(wrapper, "SAVEPOINT here")
    Category.objects.using(dirty).update(name="b")
    names(dirty)
    write(wrapper, "ROLLBACK TO SAVEPOINT here")
    assert names(dirty) == ["a"]


def test_a_released_savepoint_keeps_its_writes(dirty):
    with transaction.atomic(using=dirty):
        Category.objects.using(dirty).update(name="b")
        names(dirty)
    assert names(dirty) == ["b"]
    assert_hit(dirty, lambda: names(dirty))


def test_an_error_inside_leaves_what_django_leaves(dirty):
    Tag.objects.using(dirty).create(word="x")
    names(dirty)
    with pytest.raises(IntegrityError), transaction.atomic(using=dirty):
        Category.objects.using(dirty).update(name="b")
        assert names(dirty) == ["b"]
        Tag.objects.using(dirty).create(word="x")
    assert names(dirty) == ["a"]


def test_a_broken_transaction_raises_on_a_hit_too(alias):
    with contextlib.suppress(transaction.TransactionManagementError), transaction.atomic(using=alias):
        Category.objects.using(alias).create(name="a")
        names(alias)
        Tag.objects.using(alias).create(word="x")
        with contextlib.suppress(IntegrityError), transaction.atomic(using=alias, savepoint=False):
            Tag.objects.using(alias).create(word="x")
        with pytest.raises(transaction.TransactionManagementError):
            names(alias)


def test_a_failed_transaction_of_postgresql_is_asked(postgresql):
    """Without ``atomic`` around it Django doesn't know; the server does, and says so."""
    wrapper = connections[postgresql]
    names(postgresql)
    wrapper.set_autocommit(False)
    try:
        with pytest.raises(DatabaseError), wrapper.cursor() as cursor:
            cursor.execute("SELECT 1/0")
        with pytest.raises(DatabaseError, match="aborted"):
            names(postgresql)
    finally:
        wrapper.rollback()
        wrapper.set_autocommit(True)
    assert names(postgresql) == []


# Other people.


def test_other_peoples_commits_are_seen_under_read_committed(postgresql):
    with undone(postgresql), another(postgresql) as other:
        Category.objects.using(postgresql).create(name="a")
        names(postgresql)
        assert_hit(postgresql, lambda: names(postgresql))
        write(other, "INSERT INTO shop_category (name) VALUES ('b')")
        assert assert_miss(postgresql, lambda: names(postgresql)) == ["a", "b"]
        assert_hit(postgresql, lambda: names(postgresql))


def test_an_intent_of_others_keeps_the_overlay_out(postgresql):
    from django_cache_me.databases.connection import known_store
    from django_cache_me.stores.dependencies import any_of, pack

    with undone(postgresql):
        Category.objects.using(postgresql).create(name="a")
        names(postgresql)
        store = known_store(connections[postgresql])
        intent = store.declare_intent(pack([any_of("shop_category")]), b"process", True)
        with seen(postgresql) as result:
            names(postgresql)
            names(postgresql)
        assert (result.hits, result.fills) == (0, 0)
        store.finish_intent(intent)
        names(postgresql)
        assert_hit(postgresql, lambda: names(postgresql))


# Permanent entries, by hand, DDL.


def test_permanent_entries_outlive_own_writes_and_stay_private(alias):
    permanent = Category.objects.using(alias).permanent_cache.filter(name__gt="")
    with undone(alias):
        Category.objects.using(alias).create(name="a")
        assert [category.name for category in permanent.all()] == ["a"]
        Category.objects.using(alias).create(name="b")
        assert [c.name for c in assert_hit(alias, lambda: list(permanent.all()))] == ["a"]
    assert assert_miss(alias, lambda: list(permanent.all())) == []
    Category.objects.using(alias).invalidate_cache(invalidate_all=True)


def test_manual_invalidation_reaches_the_overlay(dirty):
    permanent = Category.objects.using(dirty).permanent_cache.filter(name__gt="")
    names(dirty)
    list(permanent.all())
    Category.objects.using(dirty).invalidate_cache()
    assert_miss(dirty, lambda: names(dirty))
    assert_hit(dirty, lambda: list(permanent.all()))
    django_cache_me.invalidate_model_cache(Category, invalidate_permanent=True)
    assert_miss(dirty, lambda: names(dirty))
    assert_miss(dirty, lambda: list(permanent.all()))
    names(dirty)
    django_cache_me.invalidate_all_caches()
    assert_miss(dirty, lambda: names(dirty))


def test_a_changed_schema_is_its_own(postgresql):
    with undone(postgresql):
        write(connections[postgresql], "ALTER TABLE shop_tag ADD COLUMN more int")
        with seen(postgresql) as result:
            words(postgresql)
        assert result.passed == {"changed_schema": 1}


def test_nothing_of_the_overlay_stands_in_the_store(dirty, caplog):
    from django.test import override_settings

    with override_settings(DJANGO_CACHE_ME_DEBUG_MODE=True), caplog.at_level("DEBUG", "django_cache_me"):
        names(dirty)
    key = next(m.split("'")[1] for m in caplog.messages if "Cached queryset" in m)
    assert not is_stored(key)


# Tests of users.


class InATestCase(TestCase):
    __test__ = False  # run by the test below, on an empty database
    databases = frozenset({"default"})

    @classmethod
    def setUpTestData(cls):
        Category.objects.create(name="a")

    def test_hits(self):
        assert assert_miss("default", lambda: names("default")) == ["a"]
        assert assert_hit("default", lambda: names("default")) == ["a"]
        Category.objects.create(name="b")
        assert assert_miss("default", lambda: names("default")) == ["a", "b"]

    def test_hits_again(self):
        assert assert_miss("default", lambda: names("default")) == ["a"]
        assert assert_hit("default", lambda: names("default")) == ["a"]

    def test_hooks(self):
        found = []
        with self.captureOnCommitCallbacks(execute=True):
            Category.objects.create(name="b")
            names("default")
            transaction.on_commit(lambda: found.append(names("default")))
        assert found == [["a", "b"]]


def test_a_test_case_of_django_caches_as_outside(sqlite):
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(InATestCase)
    result = unittest.TestResult()
    suite.run(result)
    assert result.testsRun == 3
    assert result.failures + result.errors == []
    assert names(sqlite) == []


def test_hooks_after_the_commit_read_what_was_committed(alias):
    names(alias)
    found = []
    with transaction.atomic(using=alias):
        Category.objects.using(alias).create(name="a")
        names(alias)
        transaction.on_commit(lambda: found.append(names(alias)), using=alias)
        transaction.on_commit(lambda: found.append(names(alias)), using=alias)
    assert found == [["a"], ["a"]]
    assert_hit(alias, lambda: names(alias))


# Autocommit off.


def test_manual_transactions_see_their_own_writes_and_others_do_not(alias):
    wrapper = connections[alias]
    names(alias)
    wrapper.set_autocommit(False)
    try:
        assert names(alias) == []
        Category.objects.using(alias).create(name="a")
        assert names(alias) == ["a"]
        assert assert_hit(alias, lambda: names(alias)) == ["a"]
        wrapper.rollback()
        assert names(alias) == []
        Category.objects.using(alias).create(name="b")
        names(alias)
        wrapper.commit()
        assert names(alias) == ["b"]
        Category.objects.using(alias).create(name="c")
        names(alias)
    finally:
        wrapper.rollback()
        wrapper.set_autocommit(True)
    assert names(alias) == ["b"]


# Snapshots of PostgreSQL.


@pytest.fixture
def isolated(postgresql):
    """A function that opens a connection whose transactions have another isolation level by default."""
    wrapper = connections[postgresql]
    wrapper.close()

    def choose(level):
        write(wrapper, f"ALTER DATABASE shop SET default_transaction_isolation = '{level}'")
        wrapper.close()

    yield choose
    wrapper.close()
    write(wrapper, "ALTER DATABASE shop RESET default_transaction_isolation")
    wrapper.close()


def test_repeatable_read_hits_what_is_older_than_its_snapshot(postgresql, isolated):
    isolated("repeatable read")
    Category.objects.using(postgresql).create(name="a")
    names(postgresql)
    with transaction.atomic(using=postgresql), another(postgresql) as other:
        with seen(postgresql) as result:
            assert words(postgresql) == []
        assert result.passed == {"first_read_of_snapshot": 1}
        assert assert_hit(postgresql, lambda: names(postgresql)) == ["a"]
        write(other, "UPDATE shop_category SET name = 'b'")
        with seen(postgresql) as result:
            assert names(postgresql) == ["a"], "the snapshot's state"
        assert (result.hits, result.fills) == (0, 0)
    assert names(postgresql) == ["b"]
    assert assert_hit(postgresql, lambda: names(postgresql)) == ["b"]
    with transaction.atomic(using=postgresql), another(postgresql) as other:
        words(postgresql)
        write(other, "UPDATE shop_category SET name = 'c'")
        write(other, "DELETE FROM shop_tag")
        # Filled by others after the snapshot was taken: it's younger.
        assert [row[0] for row in fetched(other, "SELECT name FROM shop_category")] == ["c"]
        assert names(postgresql) == ["b"]


def fetched(wrapper, sql):
    with wrapper.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_repeatable_read_with_own_writes(postgresql, isolated):
    isolated("repeatable read")
    list(Product.objects.using(postgresql).all())
    with undone(postgresql), another(postgresql) as other:
        Category.objects.using(postgresql).create(name="a")
        assert names(postgresql) == ["a"]
        assert assert_hit(postgresql, lambda: names(postgresql)) == ["a"]
        write(other, "INSERT INTO shop_category (name) VALUES ('b')")
        write(other, "INSERT INTO shop_tag (word) VALUES ('x')")
        assert names(postgresql) == ["a"]
        assert words(postgresql) == []
        assert_hit(postgresql, lambda: list(Product.objects.using(postgresql).all()))
    assert names(postgresql) == ["b"]
    assert words(postgresql) == ["x"]


def test_a_hit_before_the_snapshot_would_be_older_than_it(postgresql, isolated):
    """With autocommit off and nothing read yet, the first read makes the snapshot."""
    isolated("repeatable read")
    names(postgresql)
    wrapper = connections[postgresql]
    wrapper.set_autocommit(False)
    try:
        with seen(postgresql) as result:
            names(postgresql)
        assert result.passed == {"first_read_of_snapshot": 1}
        assert_hit(postgresql, lambda: names(postgresql))
    finally:
        wrapper.rollback()
        wrapper.set_autocommit(True)


def test_serializable_never_hits(postgresql, isolated):
    isolated("serializable")
    names(postgresql)
    with transaction.atomic(using=postgresql):
        words(postgresql)
        with seen(postgresql) as result:
            names(postgresql)
        assert result.passed == {"isolation_level": 1}
        Category.objects.using(postgresql).create(name="a")
        with seen(postgresql) as result:
            names(postgresql)
        assert result.passed == {"isolation_level": 1}


LEVELS = {"read committed": "hit", "repeatable read": "hit", "serializable": "isolation_level"}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("like", [name for name in VENDORS if name != "default"])
def test_levels_of_isolation_in_the_settings(like, level, request):
    """OPTIONS["isolation_level"], as Django's documentation has it."""
    request.getfixturevalue(like)
    options = {**connections.databases[like].get("OPTIONS", {}), "isolation_level": level}
    if like == "postgresql":
        options["isolation_level"] = _number_of(level)
    Category.objects.using(like).create(name="a")
    with database("isolated", like, OPTIONS=options):
        names("isolated")
        assert_hit("isolated", lambda: names("isolated"))
        with transaction.atomic(using="isolated"), another(like) as other:
            words("isolated")  # makes the snapshot, where there is one
            with seen("isolated") as result:
                assert names("isolated") == ["a"]
            assert (result.passed or {"hit": result.hits}) == {LEVELS[level]: 1}
            if level == "serializable" and like == "mysql":
                return  # its reads lock what they have read
            write(other, "UPDATE shop_category SET name = 'b'")
            expected = ["b"] if level == "read committed" else ["a"]
            assert names("isolated") == names("isolated") == expected
        assert names("isolated") == names("isolated") == ["b"]


def _number_of(level):
    name = level.replace(" ", "_").upper()
    try:
        from django.db.backends.postgresql.psycopg_any import IsolationLevel
    except ImportError:  # Django before 4.2
        from psycopg2 import extensions

        return getattr(extensions, f"ISOLATION_LEVEL_{name}")
    return getattr(IsolationLevel, name)


# Commits that fail, and threads.


def test_a_commit_that_fails_shows_nothing(alias):
    """A deferred constraint is looked at in COMMIT; SQLite leaves the transaction open then, others don't."""
    names(alias)
    with pytest.raises(IntegrityError), transaction.atomic(using=alias):
        Category.objects.using(alias).create(name="a", parent_id=987654)
        assert names(alias) == ["a"]
    assert names(alias) == []
    assert names(alias) == []
    Category.objects.using(alias).create(name="b")
    assert names(alias) == ["b"]


def test_a_failed_commit_of_a_manual_transaction(alias):
    wrapper = connections[alias]
    if wrapper.vendor == "mysql":
        pytest.skip("constraints are looked at with each statement")
    names(alias)
    wrapper.set_autocommit(False)
    try:
        Category.objects.using(alias).create(name="a", parent_id=987654)
        with pytest.raises(IntegrityError):
            wrapper.commit()
        if wrapper.vendor == "sqlite":
            assert names(alias) == ["a"], "still open"
            Category.objects.using(alias).update(parent=None)
            wrapper.commit()
        else:
            assert names(alias) == []
    finally:
        wrapper.rollback()
        wrapper.set_autocommit(True)
    expected = ["a"] if wrapper.vendor == "sqlite" else []
    assert names(alias) == expected
    assert assert_hit(alias, lambda: names(alias)) == expected


def test_a_thread_does_not_see_anothers_transaction(postgresql):
    found = {}

    def elsewhere(name):
        found[name] = names(postgresql)
        connections[postgresql].close()

    def run(name):
        thread = threading.Thread(target=elsewhere, args=(name,))
        thread.start()
        thread.join()

    with transaction.atomic(using=postgresql):
        Category.objects.using(postgresql).create(name="a")
        names(postgresql)
        run("before")
    run("after")
    assert found == {"before": [], "after": ["a"]}
    assert_hit(postgresql, lambda: names(postgresql))


def test_threads_that_share_a_connection_share_its_overlay(sqlite):
    """As Django's LiveServerTestCase does with an in-memory database."""
    wrapper = connections[sqlite]
    wrapper.ensure_connection()
    wrapper.inc_thread_sharing()
    try:
        with undone(sqlite):
            Category.objects.create(name="a")
            names(sqlite)
            found = []

            def elsewhere():
                connections[sqlite] = wrapper
                found.append(names(sqlite))
                Category.objects.update(name="b")
                found.append(names(sqlite))

            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            assert names(sqlite) == ["b"]
            assert found == [["a"], ["b"]]
    finally:
        wrapper.dec_thread_sharing()
