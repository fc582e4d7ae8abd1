"""Writes: every committed one makes the entries that rest on it misses, none before its commit."""

from __future__ import annotations

import contextlib
import threading

import pytest
from django.db import DatabaseError, IntegrityError, connections, models, transaction

from django_cache_me.databases.connection import state_of
from tests.looking import assert_hit, assert_miss, seen
from tests.shop.models import Animal, Bird, Category, Detail, Plain, Product, ProductProxy, Review, Tag


class Stale(AssertionError):
    pass


def names(alias):
    return sorted(category.name for category in Category.objects.using(alias).filter(name__gt=""))


def warm(alias):
    names(alias)
    assert_hit(alias, lambda: names(alias))


def assert_seen(alias, expected):
    """The next read asks the database, shows ``expected``, and what it filled is right as well."""
    assert assert_miss(alias, lambda: names(alias)) == expected
    assert assert_hit(alias, lambda: names(alias)) == expected


@pytest.fixture
def category(alias):
    category = Category.objects.using(alias).create(name="a")
    warm(alias)
    return category


def save(alias, category):
    category.name = "b"
    category.save()
    return ["b"]


def save_update_fields(alias, category):
    category.name = "b"
    category.save(update_fields=["name"])
    return ["b"]


def create(alias, category):
    Category.objects.using(alias).create(name="b")
    return ["a", "b"]


def delete(alias, category):
    category.delete()
    return []


def queryset_update(alias, category):
    Category.objects.using(alias).filter(pk=category.pk).update(name=models.F("name"))
    Category.objects.using(alias).filter(pk=category.pk).update(name="b")
    return ["b"]


def queryset_delete(alias, category):
    Category.objects.using(alias).filter(name="a").delete()
    return []


def raw_delete(alias, category):
    Category.objects.using(alias).filter(name="a")._raw_delete(alias)
    return []


def bulk_create(alias, category):
    Category.objects.using(alias).bulk_create([Category(name="b"), Category(name="c")])
    return ["a", "b", "c"]


def bulk_update(alias, category):
    category.name = "b"
    Category.objects.using(alias).bulk_update([category], ["name"])
    return ["b"]


def get_or_create(alias, category):
    Category.objects.using(alias).get_or_create(name="b")
    return ["a", "b"]


def update_or_create(alias, category):
    Category.objects.using(alias).update_or_create(pk=category.pk, defaults={"name": "b"})
    return ["b"]


def raw_sql(alias, category):
    with connections[alias].cursor() as cursor:
        cursor.execute("UPDATE shop_category SET name = %s WHERE id = %s", ["b", category.pk])
    return ["b"]


def raw_sql_of_odd_form(alias, category):
    with connections[alias].cursor() as cursor:
        quoted = connections[alias].ops.quote_name("shop_category")
        cursor.execute(f"/* SELECT */ uPdAtE\n{quoted} -- ;\n SET name = 'b; SELECT 1'")
    return ["b; SELECT 1"]


def executemany(alias, category):
    with connections[alias].cursor() as cursor:
        cursor.executemany("INSERT INTO shop_category (name) VALUES (%s)", [["b"], ["c"]])
    return ["a", "b", "c"]


def insert_returning(alias, category):
    with connections[alias].cursor() as cursor:
        cursor.execute("INSERT INTO shop_category (name) VALUES ('b') RETURNING id")
        assert len(cursor.fetchall()) == 1
    return ["a", "b"]


def insert_from_select(alias, category):
    with connections[alias].cursor() as cursor:
        cursor.execute("INSERT INTO shop_category (name) SELECT 'b' FROM shop_category")
    return ["a", "b"]


def write_in_a_cte(alias, category):
    if connections[alias].vendor != "postgresql":
        pytest.skip("only PostgreSQL writes in CTEs")
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "WITH gone AS (DELETE FROM shop_category WHERE name = 'a' RETURNING name)"
            " SELECT count(*) FROM gone"
        )
    return []


def several_statements(alias, category):
    if connections[alias].vendor == "sqlite":
        pytest.skip("SQLite's driver takes one statement at a time")
    with connections[alias].cursor() as cursor:
        cursor.execute("BEGIN; UPDATE shop_category SET name = 'b'; COMMIT")
    return ["b"]


def raw_transaction(alias, category):
    with connections[alias].cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE shop_category SET name = 'b'")
        cursor.execute("COMMIT")
    return ["b"]


def raw_savepoint_outside_of_a_transaction(alias, category):
    if connections[alias].vendor != "sqlite":
        pytest.skip("only SQLite begins a transaction by a savepoint")
    with connections[alias].cursor() as cursor:
        cursor.execute("SAVEPOINT one")
        cursor.execute("UPDATE shop_category SET name = 'b'")
        cursor.execute("RELEASE one")
    return ["b"]


def driver_script(alias, category):
    if connections[alias].vendor != "sqlite":
        pytest.skip("SQLite's own call")
    with connections[alias].cursor() as cursor:
        cursor.executescript("UPDATE shop_category SET name = 'b';")
    return ["b"]


def copy(alias, category):
    if connections[alias].vendor != "postgresql":
        pytest.skip("PostgreSQL's own call")
    with connections[alias].cursor() as cursor:
        if not hasattr(cursor, "copy"):
            pytest.skip("psycopg 3's own call")
        with cursor.copy("COPY shop_category (name) FROM STDIN") as rows:
            rows.write_row(["b"])
    return ["a", "b"]


def truncate(alias, category):
    if connections[alias].vendor == "sqlite":
        pytest.skip("SQLite has no TRUNCATE")
    if connections[alias].vendor == "mysql":
        with connections[alias].constraint_checks_disabled():
            execute(alias, "TRUNCATE shop_category")
    else:
        execute(alias, "TRUNCATE shop_category CASCADE")
    return []


def procedure(alias, category):
    if connections[alias].vendor == "sqlite":
        pytest.skip("SQLite has no DO")
    if connections[alias].vendor == "mysql":
        execute(
            alias,
            "CREATE OR REPLACE PROCEDURE rename_all()"
            " BEGIN UPDATE shop_category SET name = 'b'; SELECT 1; END",
            "CALL rename_all()",
        )
    else:
        execute(alias, "DO $$ BEGIN UPDATE shop_category SET name = 'b'; END $$")
    return ["b"]


def volatile_function(alias, category):
    if connections[alias].vendor == "sqlite":
        pytest.skip("functions of SQLite don't write")
    if connections[alias].vendor == "mysql":
        execute(
            alias,
            "CREATE OR REPLACE FUNCTION rename_all() RETURNS int READS SQL DATA"
            " BEGIN UPDATE shop_category SET name = 'b'; RETURN 1; END",
        )
        connections[alias].close()  # its body can't be read
    else:
        execute(
            alias,
            "CREATE OR REPLACE FUNCTION rename_all() RETURNS int LANGUAGE sql AS"
            " $$ UPDATE shop_category SET name = 'b'; SELECT 1 $$",
        )
    warm(alias)
    execute(alias, "SELECT rename_all()")
    return ["b"]


def execute(alias, *statements):
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def view(alias, category):
    if connections[alias].vendor == "sqlite":
        pytest.skip("views of SQLite can't be written")
    with connections[alias].cursor() as cursor:
        cursor.execute("CREATE OR REPLACE VIEW shop_view AS SELECT * FROM shop_category")
    warm(alias)
    with connections[alias].cursor() as cursor:
        cursor.execute("UPDATE shop_view SET name = 'b'")
    return ["b"]


TRIGGERS = {
    "sqlite": [
        "CREATE TRIGGER shop_trigger AFTER INSERT ON shop_tag BEGIN UPDATE shop_category SET name = 'b'; END"
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION shop_rename() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE shop_category SET name = 'b'; RETURN NEW; END $$",
        "CREATE TRIGGER shop_trigger AFTER INSERT ON shop_tag EXECUTE FUNCTION shop_rename()",
    ],
    "mysql": [
        "CREATE TRIGGER shop_trigger AFTER INSERT ON shop_tag"
        " FOR EACH ROW UPDATE shop_category SET name = 'b'"
    ],
}


def trigger(alias, category):
    vendor = connections[alias].vendor
    execute(alias, *TRIGGERS[vendor])
    connections[alias].close()
    try:
        warm(alias)
        Tag.objects.using(alias).create(word="x")
    finally:
        execute(alias, "DROP TRIGGER shop_trigger" + (" ON shop_tag" if vendor == "postgresql" else ""))
    return ["b"]


def alter_table(alias, category):
    with connections[alias].cursor() as cursor:
        cursor.execute("ALTER TABLE shop_category ADD COLUMN extra integer")
        cursor.execute("ALTER TABLE shop_category DROP COLUMN extra")
    return ["a"]


WRITES = [
    save,
    save_update_fields,
    create,
    delete,
    queryset_update,
    queryset_delete,
    raw_delete,
    bulk_create,
    bulk_update,
    get_or_create,
    update_or_create,
    raw_sql,
    raw_sql_of_odd_form,
    executemany,
    insert_returning,
    insert_from_select,
    write_in_a_cte,
    several_statements,
    raw_transaction,
    raw_savepoint_outside_of_a_transaction,
    driver_script,
    copy,
    truncate,
    procedure,
    volatile_function,
    view,
    trigger,
    alter_table,
]


#: What the scanner can't read may have changed the session, which is then served by the database alone.
UNREADABLE = [driver_script, truncate, procedure, volatile_function]


def leave_session(alias, write):
    if write in UNREADABLE and state_of(connections[alias]).changed:
        with seen(alias) as result:
            names(alias)
        assert result.passed == {"changed_session": 1}
        connections[alias].close()


@pytest.mark.parametrize("write", WRITES)
def test_autocommitted_write(alias, category, write):
    expected = write(alias, category)
    leave_session(alias, write)
    assert_seen(alias, expected)


IN_ATOMIC = [
    write
    for write in WRITES
    if write
    not in (several_statements, raw_transaction, raw_savepoint_outside_of_a_transaction, driver_script)
]


def skip_implicit_commits(alias, write):
    if connections[alias].vendor == "mysql" and write in (truncate, procedure, alter_table):
        pytest.skip("DDL commits the transaction that it stands in: tests/test_mysql.py")


@pytest.mark.parametrize("write", IN_ATOMIC)
def test_write_in_atomic(alias, category, write):
    if write in (volatile_function, view, trigger):
        pytest.skip("these warm the cache in between, which a transaction that has written doesn't")
    skip_implicit_commits(alias, write)
    with transaction.atomic(using=alias):
        expected = write(alias, category)
        assert names(alias) == expected, "its own writes are seen inside"
    leave_session(alias, write)
    assert_seen(alias, expected)


@pytest.mark.parametrize("write", IN_ATOMIC)
def test_write_rolled_back(alias, category, write):
    if write in (volatile_function, view, trigger):
        pytest.skip("these warm the cache in between, which a transaction that has written doesn't")

    skip_implicit_commits(alias, write)

    class Undo(Exception):
        pass

    with contextlib.suppress(Undo), transaction.atomic(using=alias):
        expected = write(alias, category)
        assert names(alias) == expected
        raise Undo
    leave_session(alias, write)
    assert names(alias) == ["a"]
    assert assert_hit(alias, lambda: names(alias)) == ["a"]


def test_many_to_many_changes(alias):
    product = Product.objects.using(alias).create(name="p")
    one, other = (Tag.objects.using(alias).create(word=word) for word in "ab")
    read = lambda: sorted(tag.word for tag in product.tags.all())  # noqa: E731
    for change, expected in (
        (lambda: product.tags.add(one, other), ["a", "b"]),
        (lambda: product.tags.remove(one), ["b"]),
        (lambda: product.tags.set([one]), ["a"]),
        (lambda: other.products.add(product), ["a", "b"]),
        (lambda: product.tags.through.objects.using(alias).filter(tag=one).delete(), ["b"]),
        (lambda: product.tags.clear(), []),
    ):
        read()
        assert_hit(alias, read)
        change()
        assert assert_miss(alias, read) == expected


def test_cascades_reach_other_tables(alias):
    category = Category.objects.using(alias).create(name="a")
    child = Category.objects.using(alias).create(name="child", parent=category)
    product = Product.objects.using(alias).create(name="p", category=category)
    Review.objects.using(alias).create(product=product, text="good")
    reviews = lambda: len(Review.objects.using(alias).all())  # noqa: E731
    parents = lambda: Category.objects.using(alias).get(pk=child.pk).parent_id  # noqa: E731
    assert reviews() == 1
    assert parents() == category.pk
    category.delete()
    assert assert_miss(alias, reviews) == 0
    assert assert_miss(alias, parents) is None


def test_cascades_of_the_database_itself(alias):
    wrapper = connections[alias]
    with wrapper.cursor() as cursor:
        cursor.execute("CREATE TABLE acting_parent (id integer PRIMARY KEY)")
        cursor.execute(
            "CREATE TABLE acting_child (id integer PRIMARY KEY,"
            " parent_id integer REFERENCES acting_parent (id) ON DELETE CASCADE)"
        )
        cursor.execute("INSERT INTO acting_parent VALUES (1)")
        cursor.execute("INSERT INTO acting_child VALUES (1, 1)")

    class ActingChild(models.Model):
        id = models.IntegerField(primary_key=True)

        class Meta:
            app_label = "shop"
            db_table = "acting_child"
            managed = False

    read = lambda: len(ActingChild.objects.using(alias).all().cache())  # noqa: E731
    try:
        assert assert_miss(alias, read) == 1
        assert assert_hit(alias, read) == 1
        with wrapper.cursor() as cursor:
            cursor.execute("DELETE FROM acting_parent")
        assert assert_miss(alias, read) == 0
    finally:
        from django.apps import apps

        del apps.all_models["shop"]["actingchild"]
        apps.clear_cache()
        with wrapper.cursor() as cursor:
            cursor.execute("DROP TABLE acting_child")
            cursor.execute("DROP TABLE acting_parent")


def test_inheritance_and_proxies_write_their_tables(alias):
    bird = Bird.objects.using(alias).create(name="owl", wingspan=90)
    animal = lambda: Animal.objects.using(alias).get(pk=bird.pk).name  # noqa: E731
    wings = lambda: Bird.objects.using(alias).get(pk=bird.pk).wingspan  # noqa: E731
    animal()
    wings()
    bird.name, bird.wingspan = "eagle", 200
    bird.save()
    assert assert_miss(alias, animal) == "eagle"
    assert assert_miss(alias, wings) == 200
    product = Product.objects.using(alias).create(name="p")
    read = lambda: ProductProxy.objects.using(alias).get(pk=product.pk).name  # noqa: E731
    read()
    Product.objects.using(alias).update(name="q")
    assert assert_miss(alias, read) == "q"
    ProductProxy.objects.using(alias).update(name="r")
    assert Product.objects.using(alias).get().name == "r"


def test_joined_tables_count(alias):
    category = Category.objects.using(alias).create(name="a")
    product = Product.objects.using(alias).create(name="p", category=category)
    Detail.objects.using(alias).create(product=product, text="d")
    reads = [
        lambda: Product.objects.using(alias).select_related("category").get().category.name,
        lambda: Product.objects.using(alias).get(category__name__in=["a", "b"]).name,
        lambda: Product.objects.using(alias)
        .annotate(n=models.Subquery(Category.objects.using(alias).values("name")[:1]))
        .get()
        .n,
        lambda: len(Product.objects.using(alias).filter(models.Exists(Category.objects.filter(name="a")))),
    ]
    before = [read() for read in reads]
    assert [assert_hit(alias, read) for read in reads] == before
    category.name = "b"
    category.save()
    assert [assert_miss(alias, read) for read in reads] == ["b", "p", "b", 0]


def test_unregistered_tables_matter_too(alias):
    Plain.objects.using(alias).create(name="x")
    read = lambda: len(  # noqa: E731
        Category.objects.using(alias).filter(name__in=Plain.objects.using(alias).values("name"))
    )
    Category.objects.using(alias).create(name="x")
    assert read() == 1
    assert_hit(alias, read)
    Plain.objects.using(alias).all().delete()
    assert assert_miss(alias, read) == 0


# Transactions.


def test_nothing_is_seen_or_bumped_before_the_commit(alias, category):
    with transaction.atomic(using=alias):
        with seen(alias) as result:
            Category.objects.using(alias).update(name="b")
        assert result.bumps == 0
    assert_seen(alias, ["b"])


def test_inner_rollback_and_outer_commit(alias, category):
    with transaction.atomic(using=alias):
        with contextlib.suppress(ZeroDivisionError), transaction.atomic(using=alias):
            Category.objects.using(alias).create(name="undone")
            assert names(alias) == ["a", "undone"]
            raise ZeroDivisionError
        assert names(alias) == ["a"]
        with transaction.atomic(using=alias):
            Category.objects.using(alias).create(name="kept")
        assert names(alias) == ["a", "kept"]
    assert_seen(alias, ["a", "kept"])


def test_nested_savepoints(alias, category):
    with transaction.atomic(using=alias):
        outer = transaction.savepoint(using=alias)
        Category.objects.using(alias).create(name="one")
        inner = transaction.savepoint(using=alias)
        Category.objects.using(alias).create(name="two")
        transaction.savepoint_commit(inner, using=alias)
        transaction.savepoint_rollback(outer, using=alias)
        Category.objects.using(alias).create(name="three")
    assert_seen(alias, ["a", "three"])


def test_outer_rollback_of_an_inner_commit(alias, category):
    with contextlib.suppress(ZeroDivisionError), transaction.atomic(using=alias):
        with transaction.atomic(using=alias):
            Category.objects.using(alias).create(name="undone")
        raise ZeroDivisionError
    assert assert_hit(alias, lambda: names(alias)) == ["a"]


def test_on_commit_hooks_see_the_commit(alias, category):
    found = []
    with transaction.atomic(using=alias):
        Category.objects.using(alias).update(name="b")
        transaction.on_commit(lambda: found.append(names(alias)), using=alias)
        assert found == []
    assert found == [["b"]]


def test_error_inside_atomic(alias, category):
    with pytest.raises(IntegrityError), transaction.atomic(using=alias):
        Tag.objects.using(alias).create(word="same")
        Tag.objects.using(alias).create(word="same")
    assert assert_hit(alias, lambda: names(alias)) == ["a"]
    assert len(Tag.objects.using(alias).all()) == 0


def test_failing_autocommit_statement(alias, category):
    Tag.objects.using(alias).create(word="same")
    words = lambda: len(Tag.objects.using(alias).all())  # noqa: E731
    words()
    with pytest.raises(IntegrityError):
        Tag.objects.using(alias).create(word="same")
    assert words() == 1
    assert assert_hit(alias, words) == 1


def test_manual_commit_and_rollback(alias, category):
    transaction.set_autocommit(False, using=alias)
    try:
        Category.objects.using(alias).update(name="b")
        assert names(alias) == ["b"]
        transaction.commit(using=alias)
        Category.objects.using(alias).update(name="undone")
        transaction.rollback(using=alias)
    finally:
        transaction.set_autocommit(True, using=alias)
    assert_seen(alias, ["b"])


def test_switching_autocommit_on_commits(sqlite):
    Category.objects.create(name="a")
    warm(sqlite)
    wrapper = connections[sqlite]
    transaction.set_autocommit(False)
    Category.objects.update(name="b")
    # Django's own set_autocommit(True) on SQLite lets the driver commit what is open.
    wrapper.set_autocommit(True)
    assert not wrapper.connection.in_transaction
    assert_seen(sqlite, ["b"])


def test_closing_the_connection_rolls_back(alias, category):
    wrapper = connections[alias]
    transaction.set_autocommit(False, using=alias)
    Category.objects.using(alias).update(name="undone")
    wrapper.close()
    assert assert_hit(alias, lambda: names(alias)) == ["a"]


def test_insert_returning_commits_with_the_fetch(sqlite):
    """SQLite keeps an autocommitted ``INSERT … RETURNING`` open until its rows are fetched."""
    Category.objects.create(name="a")
    warm(sqlite)
    wrapper = connections[sqlite]
    other = wrapper.copy()
    try:
        with wrapper.cursor() as cursor:
            cursor.execute("INSERT INTO shop_category (name) VALUES ('b'), ('c') RETURNING id")
            cursor.fetchone()
            with seen(sqlite) as result:
                names(sqlite)
            assert result.hits == 0, "the commit is under way"
            assert result.fills == 0
            with other.cursor() as reader:
                reader.execute("SELECT count(*) FROM shop_category")
                assert reader.fetchone() == (1,), "SQLite has not committed yet; else this test shows nothing"
            assert len(cursor.fetchall()) == 1
        assert_seen(sqlite, ["a", "b", "c"])
    finally:
        other.close()


def test_cursor_dropped_without_fetching(sqlite):
    import gc

    Category.objects.create(name="a")
    warm(sqlite)
    cursor = connections[sqlite].cursor()
    cursor.execute("INSERT INTO shop_category (name) VALUES ('b') RETURNING id")
    del cursor
    gc.collect()
    assert_seen(sqlite, ["a", "b"])


def test_no_fill_while_a_cursor_is_unfinished(sqlite):
    """An unfinished cursor keeps an old state of a SQLite database in view."""
    Category.objects.bulk_create([Category(name=name) for name in "abc"])
    cursor = connections[sqlite].cursor()
    cursor.execute("SELECT name FROM shop_category")
    cursor.fetchone()
    with seen(sqlite) as result:
        names(sqlite)
    assert result.not_filled == {"unfinished_cursor": 1}
    cursor.fetchall()
    assert_miss(sqlite, lambda: names(sqlite))
    assert_hit(sqlite, lambda: names(sqlite))


def test_two_databases_are_two(sqlite):
    Category.objects.using("other").all().delete()
    for database in ("default", "other"):
        Category.objects.using(database).create(name="a")
        names(database)
    Category.objects.using("default").update(name="b")
    assert assert_hit("other", lambda: names("other")) == ["a"]
    assert assert_miss("default", lambda: names("default")) == ["b"]
    with transaction.atomic(using="default"), transaction.atomic(using="other"):
        Category.objects.using("default").update(name="c")
        assert names("other") == ["a"]
        Category.objects.using("other").update(name="d")
    assert names("default") == ["c"]
    assert names("other") == ["d"]
    connections["other"].close()


def test_clean_transactions_hit(alias, category):
    """ATOMIC_REQUESTS opens a transaction around each view; reading is as fast in there."""
    with transaction.atomic(using=alias):
        list(Tag.objects.using(alias).all())
        assert assert_hit(alias, lambda: names(alias)) == ["a"]
        list(Tag.objects.using(alias).filter(word="x"))
    with transaction.atomic(using=alias):
        list(Category.objects.using(alias).filter(name="zzz"))
        if connections[alias].vendor == "sqlite":  # its first read makes the snapshot
            list(Tag.objects.using(alias).filter(word="x").no_cache())
        assert_hit(alias, lambda: list(Tag.objects.using(alias).filter(word="x")))


def test_a_snapshot_neither_hits_what_is_younger_nor_fills_what_is_older(sqlite):
    Category.objects.create(name="a")
    wrapper = connections[sqlite]
    with wrapper.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")
    other = wrapper.copy()
    try:
        with transaction.atomic():
            with wrapper.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM shop_category")
                cursor.fetchall()
            with other.cursor() as writer:
                writer.execute("UPDATE shop_category SET name = 'b'")
            with seen(sqlite) as result:
                assert names(sqlite) == ["a"], "the snapshot's own state"
            assert (result.hits, result.fills) == (0, 0)
        assert_seen(sqlite, ["b"])
    finally:
        other.close()
        wrapper.close()
        with wrapper.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=DELETE")
        wrapper.close()


def test_higher_isolation_goes_to_the_database(postgresql):
    Category.objects.using(postgresql).create(name="a")
    warm(postgresql)
    with transaction.atomic(using=postgresql):
        with connections[postgresql].cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with seen(postgresql) as result:
            names(postgresql)
        assert result.passed == {"special_transaction": 1}
    assert_hit(postgresql, lambda: names(postgresql))
    with connections[postgresql].cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        with seen(postgresql) as result:
            names(postgresql)
        assert result.passed == {"special_transaction": 1}
        cursor.execute("ROLLBACK")
    assert_hit(postgresql, lambda: names(postgresql))


@pytest.mark.parametrize(
    "change",
    [
        "SET search_path TO public, pg_catalog",
        "SELECT set_config('search_path', 'public', false)",
        "CREATE TEMPORARY TABLE shadow (id integer)",
        "SET ROLE postgres",
    ],
)
def test_changed_sessions_are_served_by_the_database(postgresql, change):
    Category.objects.using(postgresql).create(name="a")
    warm(postgresql)
    with connections[postgresql].cursor() as cursor:
        cursor.execute(change)
    with seen(postgresql) as result:
        names(postgresql)
    assert result.passed == {"changed_session": 1}
    connections[postgresql].close()
    names(postgresql)  # DDL, of temporary tables too, has bumped everything
    assert_hit(postgresql, lambda: names(postgresql))


def test_what_a_temporary_trigger_writes_is_seen(sqlite):
    Category.objects.create(name="a")
    with connections[sqlite].cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TRIGGER shadow AFTER INSERT ON shop_tag"
            " BEGIN UPDATE shop_category SET name = 'b'; END"
        )
    reader = threading.Thread(target=lambda: (warm(sqlite), connections[sqlite].close()))
    reader.start()
    reader.join()
    Tag.objects.create(word="x")
    connections[sqlite].close()
    assert_seen(sqlite, ["b"])


def test_a_statement_that_failed_has_not_changed_the_session(sqlite):
    warm(sqlite)
    with pytest.raises(DatabaseError), connections[sqlite].cursor() as cursor:
        cursor.execute("NO SUCH STATEMENT")
    assert_miss(sqlite, lambda: names(sqlite))
    assert_hit(sqlite, lambda: names(sqlite))


def test_attached_databases_change_the_session(sqlite, tmp_path):
    Category.objects.create(name="a")
    warm(sqlite)
    with connections[sqlite].cursor() as cursor:
        cursor.execute("ATTACH DATABASE %s AS aux", [str(tmp_path / "aux.sqlite3")])
    with seen(sqlite) as result:
        names(sqlite)
    assert result.passed == {"changed_session": 1}
    connections[sqlite].close()
    assert_hit(sqlite, lambda: names(sqlite))


def test_views_and_unknown_tables_are_served_by_the_database(alias):
    wrapper = connections[alias]
    with wrapper.cursor() as cursor:
        cursor.execute("DROP VIEW IF EXISTS shop_a_view")
        cursor.execute("CREATE VIEW shop_a_view AS SELECT id, name FROM shop_category")

    class Viewed(models.Model):
        name = models.CharField(max_length=50)

        class Meta:
            app_label = "shop"
            db_table = "shop_a_view"
            managed = False

    try:
        for _ in range(2):
            with seen(alias) as result:
                list(Viewed.objects.using(alias).all().cache())
            assert result.not_filled == {"view": 1}
    finally:
        from django.apps import apps

        del apps.all_models["shop"]["viewed"]
        apps.clear_cache()
        with wrapper.cursor() as cursor:
            cursor.execute("DROP VIEW shop_a_view")
