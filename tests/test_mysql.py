"""What is special on MariaDB and MySQL: implicit commits, tables without transactions, other databases."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
from django.db import OperationalError, connections, transaction

from django_cache_me.databases.catalog import catalog_of
from django_cache_me.databases.connection import COMMITTED, SNAPSHOT, state_of, view_of
from django_cache_me.databases.drivers import IDLE, OPEN, driver_for
from django_cache_me.databases.identity import identity_of, server_facts
from tests.looking import assert_hit, assert_miss, read_elsewhere, seen
from tests.shop.models import Category, Product, Tag

pytestmark = pytest.mark.usefixtures("mysql")
A = "mysql"


def names(alias=A):
    return sorted(category.name for category in Category.objects.using(alias).filter(name__gt=""))


def execute(*statements, wrapper=None):
    with (wrapper or connections[A]).cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def unobserved(*statements):
    """By the driver alone, as other programs do."""
    with another() as wrapper:
        wrapper.ensure_connection()
        with wrapper.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


@contextlib.contextmanager
def another(**settings):
    """A second connection to the same server."""
    wrapper = connections[A].copy()
    wrapper.settings_dict = {**wrapper.settings_dict, **settings}
    try:
        yield wrapper
    finally:
        wrapper.close()


def others_view():
    """What another thread of the project reads, by the cache or through it."""
    return [name for found in read_elsewhere(A, names) for name in found]


def status(wrapper=None):
    wrapper = wrapper or connections[A]
    return driver_for(wrapper).status(wrapper.connection)


@pytest.fixture
def warm(mysql):
    Category.objects.using(A).create(name="a")
    names()
    assert_hit(A, names)


class TestImplicitCommits:
    """A statement that commits what is open is announced before it is executed."""

    @pytest.fixture(autouse=True)
    def _warm(self, warm):
        pass

    @pytest.mark.parametrize(
        "statements",
        [
            ["ALTER TABLE shop_category COMMENT 'x'"],
            ["TRUNCATE shop_plain"],
            ["CREATE TABLE shop_extra (id int)", "DROP TABLE shop_extra"],
            ["RENAME TABLE shop_plain TO shop_plainer", "RENAME TABLE shop_plainer TO shop_plain"],
            ["START TRANSACTION"],
            ["SET autocommit = 1"],
            ["SET @@session.autocommit = 1, sql_mode = @@sql_mode"],
            ["LOCK TABLES shop_category WRITE", "UNLOCK TABLES"],
            ["ANALYZE TABLE shop_category"],
            ["GRANT SELECT ON shop.* TO reader IDENTIFIED BY 'x'", "DROP USER reader"],
            ["FLUSH TABLES"],
            ["SET PASSWORD FOR root@localhost = ''"],
        ],
        ids=lambda statements: statements[0].partition(" (")[0],
    )
    def test_in_atomic(self, statements):
        with another() as other, pytest.raises(ZeroDivisionError), transaction.atomic(using=A):
            Category.objects.using(A).update(name="b")
            execute(*statements)
            # Whoever looks now, while the transaction's block goes on, sees the commit.
            with other.cursor() as cursor:
                cursor.execute("SELECT name FROM shop_category")
                committed = cursor.fetchall()
            found = others_view()
            raise ZeroDivisionError
        connections[A].close()
        assert [row[0] for row in committed] == found == ["b"]
        assert names() == ["b"]
        assert assert_hit(A, names) == ["b"]

    def test_a_raw_transaction_that_the_server_has_rolled_back(self):
        """The driver takes the transaction for open; what is written next commits itself."""
        for number in range(4):
            Tag.objects.using(A).create(word=f"{number}")
        with another() as other:
            execute("BEGIN", "UPDATE shop_category SET name = 'b'")
            self.be_a_deadlocks_victim(other)
        execute("UPDATE shop_category SET name = 'c'")
        assert others_view() == ["c"]
        execute("ROLLBACK")
        assert names() == ["c"]

    @staticmethod
    def be_a_deadlocks_victim(other):
        with other.cursor() as cursor:
            # The one that has written less is the victim.
            cursor.execute("BEGIN")
            cursor.execute("UPDATE shop_tag SET word = CONCAT(word, 'x')")
            thread = threading.Thread(target=cursor.execute, args=["UPDATE shop_category SET name = 'z'"])
            thread.start()
            time.sleep(0.3)
            with pytest.raises(OperationalError, match="Deadlock"):
                execute("UPDATE shop_tag SET word = CONCAT(word, 'y')")
            thread.join()
            cursor.execute("ROLLBACK")

    def test_a_temporary_table_commits_nothing(self):
        with transaction.atomic(using=A):
            Category.objects.using(A).update(name="b")
            execute("CREATE TEMPORARY TABLE shop_passing (id int)")
            assert status() == OPEN
            transaction.set_rollback(True, using=A)
        connections[A].close()
        assert names() == ["a"]


class TestTransactions:
    def test_status_follows_what_was_executed(self):
        wrapper = connections[A]
        names()
        assert status() == IDLE
        with transaction.atomic(using=A):
            assert status() == IDLE
            list(Category.objects.using(A).no_cache().all())
            assert status() == OPEN, "a read begins the transaction"
        assert status() == IDLE
        execute("BEGIN")
        assert status() == OPEN
        execute("ROLLBACK")
        assert status() == IDLE
        wrapper.set_autocommit(False)
        try:
            execute("SELECT 1")
            assert status() == OPEN
            wrapper.rollback()
            assert status() == IDLE
            execute("SELECT 1")
        finally:
            wrapper.set_autocommit(True)
        assert status() == IDLE

    def test_read_committed_is_djangos_default(self, warm):
        assert view_of(connections[A]) == COMMITTED
        assert state_of(connections[A]).changed == "", "Django's own SET at connect is no change"
        with another() as other, transaction.atomic(using=A):
            list(Tag.objects.using(A).all())
            assert_hit(A, names)
            execute("UPDATE shop_category SET name = 'b'", wrapper=other)
            assert names() == ["b"]

    @pytest.fixture
    def repeatable_read(self):
        wrapper = connections[A]
        wrapper.close()
        before = wrapper.isolation_level
        wrapper.__dict__.pop("isolation_level", None)
        wrapper.settings_dict["OPTIONS"]["isolation_level"] = "repeatable read"
        yield
        wrapper.close()
        wrapper.settings_dict["OPTIONS"].pop("isolation_level")
        wrapper.isolation_level = before

    def test_a_snapshot_neither_hits_what_is_younger_nor_fills_what_is_older(self, warm, repeatable_read):
        assert names() == ["a"]
        assert view_of(connections[A]) == SNAPSHOT
        with another() as other:
            with transaction.atomic(using=A):
                list(Tag.objects.using(A).all())  # makes the snapshot
                assert assert_hit(A, names) == ["a"]
                execute("UPDATE shop_category SET name = 'b'", wrapper=other)
                with seen(A) as result:
                    assert names() == ["a"], "the snapshot's own state"
                assert (result.hits, result.fills) == (0, 0)
            assert assert_miss(A, names) == ["b"]
            assert assert_hit(A, names) == ["b"]

    def test_a_write_makes_no_snapshot(self, warm, repeatable_read):
        names()
        assert_hit(A, names)
        with transaction.atomic(using=A):
            Tag.objects.using(A).create(word="x")
            assert assert_miss(A, names) == ["a"], "the first read is the database's"
            assert assert_hit(A, names) == ["a"]

    def test_read_uncommitted_is_never_cached(self, warm):
        wrapper = connections[A]
        wrapper.close()
        before, wrapper.isolation_level = wrapper.isolation_level, "read uncommitted"
        try:
            wrapper.settings_dict["OPTIONS"]["isolation_level"] = "read uncommitted"
            with another() as other, seen(A) as result:
                other.ensure_connection()
                names()
                names()
            assert result.passed.get("isolation_level", 0) + result.not_filled.get("other_database", 0) >= 1
            assert result.fills == 0
        finally:
            wrapper.settings_dict["OPTIONS"].pop("isolation_level")
            wrapper.isolation_level = before
            wrapper.close()

    @pytest.mark.parametrize(
        "statement",
        [
            "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET tx_isolation = 'SERIALIZABLE'",
            "SET sql_mode = 'ANSI_QUOTES'",
            "USE information_schema",
            "CREATE TEMPORARY TABLE shop_passing (id int)",
        ],
    )
    def test_a_changed_session_goes_alone(self, warm, statement):
        execute(statement, *(["USE shop"] if statement.startswith("USE") else []))
        with seen(A) as result:
            assert names() == ["a"]
        assert result.passed == {"changed_session": 1}
        connections[A].close()
        names()
        assert_hit(A, names)


class TestCatalog:
    def catalog(self):
        wrapper = connections[A]
        wrapper.ensure_connection()
        return catalog_of(wrapper, identity_of(wrapper, ask=True).database, ("test", str(id(object()))))

    @pytest.fixture
    def tables(self):
        made = [
            "CREATE TABLE shop_Mixed (id int PRIMARY KEY) ENGINE=InnoDB",
            "CREATE TABLE shop_my (id int) ENGINE=MyISAM",
            "CREATE TABLE shop_aria (id int) ENGINE=Aria",
            "CREATE TABLE shop_memory (id int) ENGINE=MEMORY",
            "CREATE TABLE shop_parts (id int) ENGINE=InnoDB PARTITION BY HASH (id) PARTITIONS 2",
            "CREATE TABLE shop_versioned (id int) ENGINE=InnoDB WITH SYSTEM VERSIONING",
            "CREATE SEQUENCE shop_sequence",
            "CREATE VIEW shop_seen AS SELECT 1 AS one",
            "CREATE TABLE shop_child (id int, p int, FOREIGN KEY (p) REFERENCES shop_Mixed (id)"
            " ON DELETE CASCADE) ENGINE=InnoDB",
        ]
        execute(*made)
        connections[A].close()
        yield
        execute(
            "DROP TABLE shop_child, shop_Mixed, shop_my, shop_aria, shop_memory, shop_parts, shop_versioned"
        )
        execute("DROP SEQUENCE shop_sequence", "DROP VIEW shop_seen")

    def test_kinds(self, tables):
        kinds = {name: table.kind for name, table in self.catalog().tables.items()}
        assert kinds["shop_mixed"] == kinds["shop_parts"] == kinds["shop_category"] == "table"
        assert kinds["shop_my"] == kinds["shop_aria"] == kinds["shop_memory"] == "non_transactional"
        assert kinds["shop_versioned"] == "system_versioned"
        assert kinds["shop_sequence"] == "sequence"
        assert kinds["shop_seen"] == "view"
        assert self.catalog().tables["shop_mixed"].acted_on == ("shop_child",)

    def test_foreign_keys_of_the_database_carry_the_bump_to_its_children(self, tables):
        execute("INSERT INTO shop_Mixed VALUES (1)", "INSERT INTO shop_child VALUES (1, 1)")
        read = lambda: list(Category.objects.using(A).raw("SELECT id, p FROM shop_child"))  # noqa: E731
        read()
        assert len(assert_hit(A, read)) == 1
        execute("DELETE FROM SHOP_MIXED" if self.folds() else "DELETE FROM shop_Mixed")
        assert assert_miss(A, read) == []

    @staticmethod
    def folds():
        with connections[A].cursor() as cursor:
            cursor.execute("SELECT @@lower_case_table_names")
            return cursor.fetchone()[0] != 0

    def test_tables_without_transactions_are_the_databases_alone(self, tables):
        """What is written to them stays, whatever becomes of the transaction; others aren't bumped by it."""
        read = lambda: list(Category.objects.using(A).raw("SELECT id FROM shop_my"))  # noqa: E731
        with seen(A) as result:
            assert read() == []
        assert result.not_filled == {"non_transactional": 1}
        names()
        with pytest.raises(ZeroDivisionError), transaction.atomic(using=A):
            execute("INSERT INTO shop_my VALUES (1)")
            raise ZeroDivisionError
        assert len(read()) == 1
        execute("INSERT INTO shop_my VALUES (2)")
        assert len(read()) == 2
        assert_hit(A, names)

    def test_who_may_not_see_triggers_counts_each_table_as_having_some(self):
        execute("CREATE USER half", "GRANT SELECT, INSERT ON shop.* TO half")
        try:
            with another(USER="half") as wrapper:
                wrapper.ensure_connection()
                catalog = driver_for(wrapper).read_catalog(wrapper)
                assert catalog.tables["shop_category"].has_triggers
                execute("GRANT TRIGGER ON `sho_`.* TO half")
            with another(USER="half") as wrapper:
                wrapper.ensure_connection()
                catalog = driver_for(wrapper).read_catalog(wrapper)
                assert not catalog.tables["shop_category"].has_triggers
        finally:
            execute("DROP USER half")

    def test_a_table_of_which_the_user_sees_some_columns_is_written_as_a_whole(self):
        """An UPDATE of all that it sees is no UPDATE of all columns: lists by the others must hear of it."""
        execute("CREATE USER half", "GRANT SELECT (id, name), UPDATE (name) ON shop.shop_category TO half")
        execute("GRANT TRIGGER ON shop.* TO half")
        try:
            with another(USER="half") as wrapper:
                wrapper.ensure_connection()
                catalog = driver_for(wrapper).read_catalog(wrapper)
                assert not catalog.tables["shop_category"].has_triggers
                text = "UPDATE shop_category SET name = %s WHERE id = %s"
                assert not catalog.rules.of_write(text, "mysql").is_exact
        finally:
            execute("DROP USER half")
        with another() as wrapper:
            wrapper.ensure_connection()
            catalog = driver_for(wrapper).read_catalog(wrapper)
            assert catalog.rules.of_write(text, "mysql").is_exact


class TestWhichDatabase:
    @pytest.fixture
    def elsewhere(self):
        execute("CREATE DATABASE elsewhere CHARACTER SET utf8mb4")
        wrapper = connections[A].copy()
        wrapper.settings_dict = {**wrapper.settings_dict, "NAME": "elsewhere"}
        connections.databases["elsewhere"] = wrapper.settings_dict
        with connections["elsewhere"].schema_editor() as editor:
            editor.create_model(Category)
        connections["elsewhere"].close()
        try:
            yield "elsewhere"
        finally:
            connections["elsewhere"].close()
            del connections.databases["elsewhere"]
            delattr(connections._connections, "elsewhere")
            execute("DROP DATABASE elsewhere")

    def test_databases_of_one_server_are_apart(self, elsewhere, warm):
        assert names(elsewhere) == []
        Category.objects.using(elsewhere).create(name="there")
        assert assert_hit(A, names) == ["a"]
        assert names(elsewhere) == ["there"]

    @pytest.mark.parametrize("in_atomic", [False, True])
    def test_a_write_into_another_database_is_heard_there(self, elsewhere, in_atomic):
        names(elsewhere)
        assert assert_hit(elsewhere, lambda: names(elsewhere)) == []
        with transaction.atomic(using=A) if in_atomic else contextlib.nullcontext():
            execute("INSERT INTO `elsewhere`.shop_category (name) VALUES ('far')")
        assert names(elsewhere) == ["far"]
        assert assert_hit(elsewhere, lambda: names(elsewhere)) == ["far"]

    def test_a_foreign_key_into_another_database_is_heard_there(self, elsewhere):
        execute(
            "CREATE TABLE elsewhere.shop_follower (id int, c bigint,"
            " FOREIGN KEY (c) REFERENCES shop.shop_category (id) ON DELETE CASCADE)"
        )
        connections[A].close()
        category = Category.objects.using(A).create(name="a")
        execute(f"INSERT INTO elsewhere.shop_follower VALUES (1, {category.pk})")
        read = lambda: list(Category.objects.using(elsewhere).raw("SELECT id, c FROM shop_follower"))  # noqa: E731
        assert len(read()) == 1
        assert len(assert_hit(elsewhere, read)) == 1
        execute("DELETE FROM shop_category")
        assert read() == []
        execute("DROP TABLE elsewhere.shop_follower")
        connections[A].close()

    def test_a_read_of_another_database_goes_to_the_database(self, elsewhere):
        with seen(A) as result:
            list(Category.objects.using(A).raw("SELECT id, name FROM elsewhere.shop_category"))
        assert result.passed == {"other_schema": 1}

    @pytest.mark.parametrize("told_by", ["its being empty", "its migrations"])
    def test_a_database_made_again_has_none_of_the_old_answers(self, elsewhere, told_by):
        """Dropped and restored by other programs, while nobody was connected."""
        restore = [
            "DROP DATABASE elsewhere",
            "CREATE DATABASE elsewhere",
            "CREATE TABLE elsewhere.shop_category LIKE shop.shop_category",
            "CREATE TABLE elsewhere.django_migrations (id int)",
        ]
        if told_by == "its migrations":
            unobserved(*restore)
        Category.objects.using(elsewhere).create(name="old")
        names(elsewhere)
        assert assert_hit(elsewhere, lambda: names(elsewhere)) == ["old"]
        connections[elsewhere].close()
        if told_by == "its being empty":
            unobserved(*restore[:2])
            connections[elsewhere].ensure_connection()
            connections[elsewhere].close()
            unobserved(restore[2])
        else:
            time.sleep(1.1)  # the time of making is told in seconds
            unobserved(*restore)
            connections[elsewhere].ensure_connection()
        assert names(elsewhere) == []

    def test_what_shapes_answers_is_in_the_key(self):
        with another() as one:
            one.ensure_connection()
            before = identity_of(one, ask=True)
        with another(OPTIONS={**connections[A].settings_dict["OPTIONS"], "sql_mode": "ANSI"}) as two:
            two.ensure_connection()
            after = identity_of(two, ask=True)
        assert before.database == after.database
        assert before.key != after.key

    def test_sessions_are_told_apart_and_known_to_be_gone(self):
        driver = driver_for(connections[A])
        connections[A].ensure_connection()
        with another() as one:
            one.ensure_connection()
            session = driver.session(one)
            assert not session.ends_with_process
            raw = connections[A].connection
            server_facts(connections[A])
            assert not driver.session_is_gone(raw, session.name)
            execute("CREATE USER nosy")
            try:
                with another(USER="nosy", NAME="") as nosy:
                    nosy.ensure_connection()
                    server_facts(nosy)
                    assert not driver.session_is_gone(nosy.connection, session.name), "it can't see it"
            finally:
                execute("DROP USER nosy")
        give_up = time.monotonic() + 5
        while not driver.session_is_gone(raw, session.name) and time.monotonic() < give_up:
            time.sleep(0.01)
        assert driver.session_is_gone(raw, session.name)
        of_an_earlier_start = session.name.replace(b"mysql:1", b"mysql:0", 1)
        assert driver.session_is_gone(raw, of_an_earlier_start)


SLOW = "SELECT 1; SELECT SLEEP(0.3); UPDATE shop_category SET name = 'b'"


@pytest.mark.parametrize("how", ["close", "next"])
def test_several_results_are_waited_for(warm, how):
    """The server is at work on the later statements while the first result is read."""
    cursor = connections[A].cursor()
    cursor.execute(SLOW)
    readers = [threading.Timer(delay, others_view) for delay in (0.0, 0.1)]
    for reader in readers:
        reader.start()
    if how == "next":
        cursor.execute("SELECT 1")
    cursor.close()
    for reader in readers:
        reader.join()
    connections[A].close()
    assert names() == ["b"]
    assert assert_hit(A, names) == ["b"]


def test_upserts_and_multiple_tables(warm):
    category = Category.objects.using(A).get()
    product = Product.objects.using(A).create(name="p", category=category)
    for statement in (
        f"INSERT INTO shop_category (id, name) VALUES ({category.pk}, 'b')"
        " ON DUPLICATE KEY UPDATE name = VALUES(name)",
        "UPDATE shop_product p JOIN shop_category c ON p.category_id = c.id SET c.name = 'c'",
        "UPDATE IGNORE shop_category, shop_product SET shop_category.name = 'd'",
        f"REPLACE INTO shop_category SET id = {category.pk + 1}, name = 'e'",
        "DELETE c FROM shop_category AS c WHERE name = 'e'",
    ):
        names()
        execute(statement)
        with connections[A].cursor() as cursor:
            cursor.execute("SELECT name FROM shop_category ORDER BY name")
            expected = [row[0] for row in cursor.fetchall()]
        assert names() == expected, statement
        assert assert_hit(A, names) == expected, statement
    product.delete()
