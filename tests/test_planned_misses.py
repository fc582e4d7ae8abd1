"""Misses of shapes whose plan is known: the database is asked without a Query (reading/planned_misses.py).

What is read is Django's, and is kept as the second tier keeps it; and where anything isn't plain, it is the
second tier that reads.
"""

from __future__ import annotations

import datetime
import decimal
import threading

import pytest
from django.db import connections, transaction
from django.db.models import Avg, Count
from django.db.models.sql.compiler import SQLCompiler
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from django_cache_me import _engine
from django_cache_me.reading import layout, learning
from django_cache_me.reading.planned_misses import FILLER, PlannedMiss
from django_cache_me.registry import cache_me_registry
from tests.looking import assert_hit, assert_miss, seen
from tests.shop.models import Category, Product
from tests.test_chains import ENOUGH, QUERIES, form, goods  # noqa: F401

pytestmark = [
    pytest.mark.skipif(not _engine.CAN_RECORD, reason="nothing is recorded without the GIL"),
    pytest.mark.usefixtures("new_shapes"),
]


@pytest.fixture
def ways(monkeypatch):
    """For each miss of a known plan, whether the plan has asked the database."""
    asked = []
    original = PlannedMiss.__call__

    def call(self, *args):
        at = len(asked)
        asked.append(False)
        found = original(self, *args)
        asked[at] = found is not None
        return found

    monkeypatch.setattr(PlannedMiss, "__call__", call)
    return asked


@pytest.fixture
def shop(alias):
    for number in (1, 2):
        Category.objects.using(alias).create(pk=number, name=f"c{number}")
    for number in range(1, 7):
        Product.objects.using(alias).create(
            pk=number,
            name=f"p{number % 3}",
            category_id=1 if number <= 3 else 2,
            price=decimal.Decimal(number),
            made=datetime.date(2024, 1, number),
        )
    return alias


def category(alias):
    return lambda: Category.objects.using(alias).get(pk=1).name


def write(alias, name):
    Category.objects.using(alias).filter(pk=1).update(name=name)


def learn(read, alias):
    for _ in range(ENOUGH):
        read()
    assert_hit(alias, read)


def execute(alias, *statements):
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def in_another_thread(function):
    failed = []

    def run():
        try:
            function()
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not failed, failed


@pytest.mark.parametrize("name", QUERIES)
def test_a_miss_asks_what_django_asks_and_gives_what_django_gives(goods, name, ways):  # noqa: F811
    manager = Product.objects.db_manager(goods)

    def read():
        return form(QUERIES[name](manager))

    learn(read, goods)
    expected = read()
    Product.objects.using(goods).invalidate_cache()
    ways.clear()
    with CaptureQueriesContext(connections[goods]) as by_plan:
        assert read() == expected
    assert ways == [True], learning.refusals
    assert_hit(goods, read)
    with override_settings(DJANGO_CACHE_ME_ON=False), CaptureQueriesContext(connections[goods]) as by_django:
        assert read() == expected
    assert by_plan.captured_queries[-1]["sql"] == by_django.captured_queries[-1]["sql"]


def test_a_miss_counts_as_one(shop, ways):
    read = category(shop)
    learn(read, shop)
    write(shop, "b")
    ways.clear()
    with seen(shop) as result:
        assert read() == "b"
    assert (result.misses, result.fills, result.hits, len(result.statements)) == (1, 1, 0, 1)
    assert ways == [True]
    with seen(shop) as result:
        assert read() == "b"
    assert (result.misses, result.fills, result.hits, result.statements) == (0, 0, 1, [])


def test_each_kind_of_read_has_the_same_entry_as_by_the_second_tier(shop, ways):
    reads = [
        lambda: Product.objects.using(shop).get(pk=1).price,
        lambda: [one.pk for one in Product.objects.using(shop).filter(category=1).order_by("pk")[:2]],
        lambda: [one.pk for one in Product.objects.using(shop).filter(pk__in=[1, 2, 3]).order_by("pk")],
        lambda: list(Product.objects.using(shop).filter(category=1).values_list("name", flat=True)),
        lambda: Product.objects.using(shop).filter(category=1).count(),
        lambda: Product.objects.using(shop).filter(category=1).exists(),
        lambda: Product.objects.using(shop).filter(category=1).aggregate(Avg("price"), n=Count("id")),
        lambda: [one.category.name for one in Product.objects.using(shop).select_related("category")],
    ]
    for read in reads:
        learn(read, shop)
        Product.objects.using(shop).invalidate_cache()
        ways.clear()
        value = read()
        assert ways == [True]
        with override_settings(DJANGO_CACHE_ME_CHAINS=False):
            assert assert_hit(shop, read) == value


def test_it_rests_on_single_rows(shop, ways):
    read = lambda: Product.objects.using(shop).get(pk=1).price  # noqa: E731
    counting = lambda: Product.objects.using(shop).filter(category=1).count()  # noqa: E731
    for one in (read, counting):
        learn(one, shop)
    Product.objects.using(shop).invalidate_cache()
    ways.clear()
    assert (read(), counting()) == (1, 3)
    assert ways == [True, True]
    Product.objects.using(shop).filter(pk=5).update(price=7)
    assert_hit(shop, read)
    assert_hit(shop, counting)
    Product.objects.using(shop).filter(pk=1).update(price=8)
    assert assert_miss(shop, read) == 8
    Product.objects.using(shop).filter(pk=2).update(category=2)
    assert assert_miss(shop, counting) == 2


def test_in_the_mode_model_it_rests_on_tables(shop, ways):
    read = lambda: Product.objects.using(shop).get(pk=1).price  # noqa: E731
    with override_settings(DJANGO_CACHE_ME_INVALIDATION="model"):
        learn(read, shop)
        Product.objects.using(shop).invalidate_cache()
        ways.clear()
        read()
        assert ways == [True]
        Product.objects.using(shop).filter(pk=5).update(price=7)
        assert_miss(shop, read)


def test_what_is_written_while_the_database_is_asked_is_seen(shop, ways):
    if connections[shop].vendor == "sqlite":
        pytest.skip("a write has to wait for the read there")
    read = category(shop)
    learn(read, shop)
    write(shop, "b")
    ways.clear()

    def after(execute, *args):
        result = execute(*args)
        in_another_thread(lambda: write(shop, "late"))
        return result

    with connections[shop].execute_wrapper(after):
        assert read() == "b"
    assert ways == [True]
    assert assert_miss(shop, read) == "late"
    assert_hit(shop, read)


def test_what_is_written_just_before_is_seen(shop, ways):
    read = category(shop)
    learn(read, shop)
    write(shop, "b")
    ways.clear()

    def before(execute, *args):
        in_another_thread(lambda: write(shop, "early"))
        return execute(*args)

    with connections[shop].execute_wrapper(before):
        assert read() == "early"
    assert ways == [True]
    assert assert_miss(shop, read) == "early"  # nobody knows which came first
    assert_hit(shop, read)


def test_ddl_makes_it_the_second_tiers_once(shop, ways):
    read = category(shop)
    learn(read, shop)
    write(shop, "b")
    read()
    execute(shop, "CREATE TABLE shop_passing (id integer)", "DROP TABLE shop_passing")
    ways.clear()
    assert read() == "b"
    write(shop, "c")
    assert read() == "c"
    assert ways == [False, True]


def test_ddl_while_the_database_is_asked_is_noticed(shop, ways):
    read = category(shop)
    learn(read, shop)
    write(shop, "b")
    ways.clear()

    def before(inner, *args):
        in_another_thread(
            lambda: execute(shop, "CREATE TABLE shop_passing (id integer)", "DROP TABLE shop_passing")
        )
        return inner(*args)

    with connections[shop].execute_wrapper(before):
        assert read() == "b"
    assert ways == [True]
    assert_miss(shop, read)


def test_a_transaction_that_has_written_is_the_second_tiers(shop, ways):
    read = category(shop)
    learn(read, shop)
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=shop):
        write(shop, "b")
        ways.clear()
        assert read() == "b"
        assert not any(ways)
        raise ZeroDivisionError
    assert read() == "c1"


def test_in_a_transaction_that_sees_what_is_committed_it_is_the_plans(shop, ways):
    read = category(shop)
    learn(read, shop)
    write(shop, "b")
    is_committed = connections[shop].vendor != "sqlite"
    ways.clear()
    with transaction.atomic(using=shop):
        assert read() == "b"
    assert any(ways) == (is_committed and _sees_commits(shop))


def _sees_commits(alias):
    from django_cache_me.databases.connection import COMMITTED, view_of

    return view_of(connections[alias]) == COMMITTED


def test_a_changed_session_is_the_second_tiers(postgresql, ways):
    Category.objects.using(postgresql).create(pk=1, name="a")
    read = category(postgresql)
    learn(read, postgresql)
    write(postgresql, "b")
    execute(postgresql, "SET work_mem = '5MB'")
    ways.clear()
    assert read() == "b"
    assert not any(ways)


def test_beside_an_unfinished_cursor_nothing_is_filled(sqlite, ways):
    Category.objects.create(pk=1, name="a")
    Category.objects.create(pk=2, name="b")
    read = category(sqlite)
    learn(read, sqlite)
    write(sqlite, "b")
    ways.clear()
    with connections[sqlite].cursor() as cursor:
        cursor.execute("SELECT id FROM shop_category")
        cursor.fetchone()
        with seen(sqlite) as result:
            assert read() == "b"
        assert result.fills == 0
    assert ways == [False]
    with seen(sqlite) as result:
        assert read() == "b"
    assert result.fills == 1


def test_a_closed_connection_is_opened_by_the_second_tier(shop, ways):
    read = category(shop)
    learn(read, shop)
    write(shop, "b")
    connections[shop].close()
    ways.clear()
    assert read() == "b"
    assert not any(ways)
    write(shop, "c")
    assert read() == "c"
    write(shop, "d")
    assert read() == "d"
    assert ways[-1:] == [True]


def test_get_raises_what_django_raises_and_asks_once(shop, ways):
    manager = Product.objects.db_manager(shop)
    manager.create(name="one")
    raising = [
        ({"pk": 77}, Product.DoesNotExist),
        ({"name": "nobody"}, Product.DoesNotExist),
        ({"name": "p2"}, Product.MultipleObjectsReturned),
    ]
    words = []
    with override_settings(DJANGO_CACHE_ME_ON=False):
        for arguments, kind in raising:
            with pytest.raises(kind) as djangos:
                manager.get(**arguments)
            words.append(str(djangos.value))
    for arguments in ({"pk": 1}, {"name": "one"}):
        learn(lambda arguments=arguments: manager.get(**arguments), shop)
    for (arguments, kind), said in zip(raising, words):
        ways.clear()
        with seen(shop) as result, pytest.raises(kind) as raised:
            manager.get(**arguments)
        assert ways == [True], learning.refusals
        assert (result.misses, result.hits, len(result.statements)) == (1, 0, 1)
        assert str(raised.value) == said
        with seen(shop) as result, pytest.raises(kind):
            manager.get(**arguments)
        assert result.statements == []


def test_more_than_get_counts_to_are_told_as_django_tells_it(sqlite, ways):
    for number in range(30):
        Category.objects.create(pk=number + 1, name="same" if number else "one")
    several = pytest.raises(Category.MultipleObjectsReturned, match="more than")
    with override_settings(DJANGO_CACHE_ME_ON=False), several as djangos:
        Category.objects.get(name="same")
    learn(lambda: Category.objects.get(name="one"), sqlite)
    ways.clear()
    with pytest.raises(Category.MultipleObjectsReturned) as raised:
        Category.objects.get(name="same")
    assert ways == [True]
    assert str(raised.value) == str(djangos.value)


def test_errors_of_the_database_are_djangos_and_leave_nothing(shop, ways):
    read = category(shop)
    learn(read, shop)
    write(shop, "b")
    ways.clear()

    def fail(execute, *args):
        raise ZeroDivisionError

    with connections[shop].execute_wrapper(fail), pytest.raises(ZeroDivisionError):
        read()
    assert ways == [False]  # it had no time to say more
    with seen(shop) as result:
        assert read() == "b"
    assert (result.misses, result.fills) == (1, 1)


def test_a_read_within_a_read_of_the_same_shape(shop, ways):
    read = category(shop)
    other = lambda: Category.objects.using(shop).get(pk=2).name  # noqa: E731
    learn(read, shop)
    write(shop, "b")
    found = []

    def within(execute, *args):
        if not found:
            found.append(None)
            found[0] = other()
        return execute(*args)

    ways.clear()
    with connections[shop].execute_wrapper(within):
        assert read() == "b"
    assert found == ["c2"]
    assert ways == [True, True]


def test_a_compiler_that_somebody_changes_is_asked(shop, ways, monkeypatch):
    read = category(shop)
    learn(read, shop)
    write(shop, "b")
    original = SQLCompiler.as_sql
    monkeypatch.setattr(SQLCompiler, "as_sql", lambda self, *args, **kwargs: original(self, *args, **kwargs))
    ways.clear()
    assert read() == "b"
    assert ways == [False]


def test_whoever_watches_execute_sql_sees_it(shop, ways, monkeypatch):
    read = category(shop)
    learn(read, shop)
    write(shop, "b")
    heard = []
    original = SQLCompiler.execute_sql

    def execute_sql(self, *args, **kwargs):
        heard.append(self.as_sql())
        return original(self, *args, **kwargs)

    monkeypatch.setattr(SQLCompiler, "execute_sql", execute_sql)
    ways.clear()
    assert read() == "b"
    assert ways == [True]
    assert len(heard) == 1
    assert "shop_category" in heard[0][0]


def test_a_value_that_the_codec_does_not_know_makes_it_the_second_tiers(shop, ways, monkeypatch, request):
    read = category(shop)
    learn(read, shop)
    write(shop, "b")
    read()
    write(shop, "c")

    class Entries:
        def fill(self, *args):
            raise _engine.UnsupportedType("odd.Type", 0)

    monkeypatch.setattr(connections[shop].__dict__[FILLER], "entries", Entries())
    monkeypatch.setattr(layout, "_unencodable", set())
    request.addfinalizer(layout._known.clear)
    ways.clear()
    with seen(shop) as result:
        assert read() == "c"
    assert result.not_filled == {"unknown_type:odd.Type": 1}
    for _ in range(3):
        assert read() == "c"
    assert ways[:2] == [True, False]
    assert not any(ways[1:])


def test_options_that_change_count_at_once(shop, monkeypatch):
    read = category(shop)
    learn(read, shop)
    write(shop, "b")
    read()
    lifetimes = []

    class Entries:
        def fill(self, *args):
            lifetimes.append(args[-1])
            return "stored"

    options = cache_me_registry.get_options(Category)
    for timeout, milliseconds in ((options.timeout, 300_000), (7, 7_000), (0.5, 500)):
        monkeypatch.setattr(options, "timeout", timeout)
        write(shop, f"{timeout}")
        read()
        if FILLER in connections[shop].__dict__:
            monkeypatch.setattr(connections[shop].__dict__[FILLER], "entries", Entries())
        write(shop, f"{timeout}!")
        read()
        assert lifetimes[-1:] == [milliseconds]


def test_with_misses_explained_it_is_the_second_tiers(shop, ways):
    read = category(shop)
    with override_settings(DJANGO_CACHE_ME_EXPLAIN_MISSES=5):
        learn(read, shop)
        write(shop, "b")
        ways.clear()
        assert read() == "b"
        assert ways == [False]


class _ToTheSame:
    def db_for_read(self, model, **hints):
        return "default"


def test_routers_are_asked_once(sqlite, ways):
    Category.objects.create(pk=1, name="a")
    with override_settings(DATABASE_ROUTERS=[f"{__name__}._ToTheSame"]):
        read = lambda: Category.objects.get(pk=1).name  # noqa: E731
        learn(read, sqlite)
        write(sqlite, "b")
        ways.clear()
        assert read() == "b"
        assert ways == [True]


def test_known_related_objects_are_given(shop, ways):
    owner = Category.objects.using(shop).get(pk=1)

    def read():
        return [one.category for one in owner.products.filter(name="p1")]

    learn(read, shop)
    Product.objects.using(shop).invalidate_cache()
    ways.clear()
    assert all(one is owner for one in read())
    assert ways == [True]
