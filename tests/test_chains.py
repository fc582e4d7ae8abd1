"""Recorded chains: a hit builds no Query, and nothing else tells a recorded queryset from Django's."""

from __future__ import annotations

import copy
import datetime
import decimal
import gc
import pickle
import threading
import uuid
import warnings
import weakref

import django
import pytest
from django.core.exceptions import FieldError
from django.db import connections, transaction
from django.db.models import Avg, CharField, Count, F, FloatField, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Length
from django.db.models.manager import BaseManager
from django.db.models.signals import post_init
from django.test import override_settings

from django_cache_me import _engine, counters
from django_cache_me.reading import learning, proving
from django_cache_me.reading.replaying import CHAIN

from .shapes.models import Plain
from .shop.models import Category, Detail, Product, Review, Tag

pytestmark = [
    pytest.mark.skipif(not _engine.CAN_RECORD, reason="nothing is recorded without the GIL"),
    pytest.mark.usefixtures("new_shapes"),
]
ENOUGH = 5  # sights after which every step is proven and the plan learnt


@pytest.fixture
def goods(alias):
    category = Category.objects.using(alias).create(name="c")
    for i in range(30):
        Product.objects.using(alias).create(
            name=f"p{i % 3}",
            category=category,
            price=decimal.Decimal(i),
            made=datetime.date(2024, 1, 1 + i % 5),
        )
    return alias


def hits_by_plan(ask, times: int = ENOUGH) -> int:
    """How many hits by a plan one more call makes, once the shape was met often enough."""
    for _ in range(times):
        ask()
    before = _engine.recorded_hits()
    ask()
    return _engine.recorded_hits() - before


def form(results):
    if isinstance(results, list):
        return [form(one) for one in results]
    if isinstance(results, dict):
        return [(name, type(value), value) for name, value in results.items()]
    if hasattr(results, "__dict__"):
        own = {name: value for name, value in results.__dict__.items() if name != "_state"}
        return type(results), own, results._state.db, results._state.adding
    return type(results), results


QUERIES = {
    "get": lambda m: m.get(name="p1", price=decimal.Decimal(1)),
    "all": lambda m: list(m.all()),
    "filter": lambda m: list(m.filter(name="p1").exclude(price=decimal.Decimal(4)).order_by("-id")),
    "contains": lambda m: list(
        m.filter(name__contains="p", made__lte=datetime.date(2024, 1, 3)).order_by("id")
    ),
    "slice": lambda m: list(m.filter(active=True).order_by("id")[3:9]),
    "from": lambda m: list(m.order_by("id")[25:]),
    "index": lambda m: m.order_by("id")[4],
    "reverse": lambda m: list(m.order_by("id").reverse()[:2]),
    "distinct": lambda m: list(m.order_by("name").values_list("name", flat=True).distinct()),
    "select_related": lambda m: list(
        m.select_related("category").filter(category__name="c").order_by("id")[:3]
    ),
    "only": lambda m: list(m.only("name").order_by("id")[:3]),
    "defer": lambda m: list(m.defer("name").order_by("id")[:3]),
    "values": lambda m: list(m.order_by("id").values("id", "name", "price")),
    "values_list": lambda m: list(m.order_by("id").values_list("id", "name")),
    "all values": lambda m: list(m.order_by("id").values()),
    "all of a list": lambda m: list(m.order_by("id").values_list()),
    "named": lambda m: list(m.order_by("id").values_list("price", "name", named=True)),
    "values of another table": lambda m: list(m.order_by("id").values("category__name", "about")),
    "first": lambda m: m.filter(name="p2").first(),
    "last": lambda m: m.order_by("id").last(),
    "none found": lambda m: m.filter(name="nobody").first(),
    "count": lambda m: m.filter(name="p2").count(),
    "count of a slice": lambda m: m.order_by("id")[:7].count(),
    "exists": lambda m: m.filter(name="p2").exists(),
    "exists not": lambda m: m.filter(name="nobody").exists(),
    "aggregate": lambda m: m.filter(name="p2").aggregate(
        Avg("price"),
        Max("made"),
        Min("name"),
        Count("about", distinct=True),
        n=Count("*"),
        s=Sum(F("weight")),
    ),
    "aggregate of nothing": lambda m: m.filter(name="nobody").aggregate(Sum("price"), n=Count("*")),
    "aggregate of a slice": lambda m: m.order_by("id")[:7].aggregate(top=Max("price")),
    "aggregate over a join": lambda m: m.aggregate(Count("category__name", distinct=True)),
    "aggregate of times": lambda m: m.aggregate(Max("added"), Min("made")),
    "none": lambda m: list(m.filter(category=None)),
    "in": lambda m: list(m.filter(name__in=["p1", "p0"]).order_by("id")[:7]),
    "in a set": lambda m: m.filter(weight=0.5, price__gte=decimal.Decimal(0), name__in={"p2"}).count(),
    "late values": lambda m: list(m.filter(id__gt=0).order_by("id").filter(weight=0.5)[:4]),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_shape_is_learnt_and_its_hits_are_djangos_results(goods, name):
    manager = Product.objects.db_manager(goods)

    def ask():
        return QUERIES[name](manager)

    assert hits_by_plan(ask) == 1, learning.refusals
    recorded = form(ask())
    with override_settings(DJANGO_CACHE_ME_ON=False):
        assert form(ask()) == recorded


class Double(Sum):
    template = "2 * %(function)s(%(distinct)s%(expressions)s)"


OPAQUE = {
    "a filter": lambda: Count("id", filter=Q(name="p1")),
    "an output field": lambda: Sum("weight", output_field=FloatField()),
    "an expression": lambda: Sum(F("weight") + 1),
    "a subclass": lambda: Double("weight"),
    "a template": lambda: Sum("weight", template="3 * %(function)s(%(expressions)s)"),
}


@pytest.mark.parametrize("name", OPAQUE)
def test_an_aggregate_that_is_anything_more_is_djangos(goods, name):
    manager = Product.objects.db_manager(goods)
    plain = manager.aggregate(n=Sum("weight"), c=Count("id"))
    assert hits_by_plan(lambda: manager.aggregate(n=Sum("weight"), c=Count("id"))) == 1
    expected = {
        "a filter": 10,
        "an output field": plain["n"],
        "an expression": plain["n"] + 30,
        "a subclass": 2 * plain["n"],
        "a template": 3 * plain["n"],
    }
    for _ in range(ENOUGH):
        assert manager.aggregate(n=OPAQUE[name]()) == {"n": expected[name]}
        with pytest.raises((TypeError, FieldError)):
            manager.aggregate(n=F("price"))  # no aggregate
    assert hits_by_plan(lambda: manager.aggregate(n=Sum("weight"), c=Count("id"))) == 1


def test_an_aggregate_that_was_changed_is_another(goods):
    manager = Product.objects.db_manager(goods)
    total = Sum("weight")
    whole = manager.aggregate(n=total)["n"]
    assert hits_by_plan(lambda: manager.aggregate(n=total)) == 1
    total.extra = {"template": "2 * %(function)s(%(expressions)s)"}
    assert manager.aggregate(n=total)["n"] == 2 * whole
    del total.extra["template"]
    assert hits_by_plan(lambda: manager.aggregate(n=total)) == 1
    total.source_expressions[0].name = "id"
    assert manager.aggregate(n=total) == {"n": sum(manager.values_list("id", flat=True))}
    total.source_expressions[0].name = "weight"
    total.convert_value = lambda value, expression, connection: -value
    assert manager.aggregate(n=total)["n"] in (-whole, whole)  # as Django has it
    with override_settings(DJANGO_CACHE_ME_ON=False):
        as_django_has_it = manager.aggregate(n=total)
    assert manager.aggregate(n=total) == as_django_has_it


def test_a_plan_holds_nobodys_connection(goods):
    def ask():
        return Product.objects.using(goods).aggregate(Avg("price"), Max("added"), Min("weight"), Max("made"))

    found = []

    def learn():
        assert hits_by_plan(ask) == 1, learning.refusals
        wrapper = connections[goods]
        found.append(weakref.ref(wrapper))
        wrapper.close()

    thread = threading.Thread(target=learn)
    thread.start()
    thread.join()
    del thread
    gc.collect()
    assert found[0]() is None
    before = _engine.recorded_hits()
    recorded = form(ask())
    assert _engine.recorded_hits() == before + 1
    with override_settings(DJANGO_CACHE_ME_ON=False):
        assert form(ask()) == recorded


def test_converted_numbers_are_of_their_own_rows(goods):
    manager = Product.objects.db_manager(goods)

    def ask(name):
        found = manager.filter(name=name).aggregate(
            Avg("price"), Sum("price"), Max("id"), Avg("id"), Sum("weight"), Min("added"), n=Count("*")
        )
        return [(key, type(value), str(value)) for key, value in found.items()]

    for turn in range(2 * ENOUGH):
        names = ["p0", "p1", "p2", "nobody"]
        answers = [ask(name) for name in names]
        with override_settings(DJANGO_CACHE_ME_CHAINS=False, DJANGO_CACHE_ME_ON=False):
            assert [ask(name) for name in names] == answers
        for _ in range(ENOUGH if turn % 2 else 0):
            assert [ask(name) for name in names] == answers
        number = turn - 4
        manager.filter(name="p1").update(price=decimal.Decimal(number), weight=-0.0 if turn % 3 else number)


def test_all_rows_are_no_column_of_that_name(goods):
    manager = Product.objects.db_manager(goods)
    assert hits_by_plan(lambda: manager.aggregate(n=Count("*"))) == 1
    with pytest.raises(FieldError):
        manager.aggregate(n=Count(F("*")))


def test_aliases_and_their_order_are_djangos(goods):
    manager = Product.objects.db_manager(goods)
    asks = [
        lambda: manager.aggregate(Sum("weight"), b=Count("id"), a=Max("id")),
        lambda: manager.aggregate(Sum("weight"), a=Count("id"), b=Max("id")),
    ]
    for ask in asks:
        assert hits_by_plan(ask) == 1, learning.refusals
        with override_settings(DJANGO_CACHE_ME_ON=False):
            expected = ask()
        assert list(ask().items()) == list(expected.items())
        ask()["more"] = 1  # each is the caller's own
        assert list(ask()) == list(expected)
    for _ in range(ENOUGH):
        with pytest.raises(TypeError):
            manager.aggregate(Count("*"))  # has no alias
        with pytest.raises(TypeError):
            manager.aggregate("weight")


def test_off_the_same_keys_come_out(goods):
    manager = Product.objects.db_manager(goods)
    with override_settings(DJANGO_CACHE_ME_CHAINS=False):
        for ask in QUERIES.values():
            ask(manager)
        shapes = _engine.shapes()
    assert shapes == 0
    before = counters.stats()
    for _ in range(ENOUGH):
        for ask in QUERIES.values():
            ask(manager)
    after = counters.stats()
    assert after["misses"] == before["misses"]
    assert after["hits"] - before["hits"] == ENOUGH * len(QUERIES)


def test_other_values_are_other_entries(goods):
    def names(name):
        return list(Product.objects.using(goods).filter(name=name).values_list("name", flat=True))

    for name in ("p0", "p1", "p2", "p0", "p1", "p2"):
        assert set(names(name)) == {name}
    before = _engine.recorded_hits()
    assert [set(names(name)) for name in ("p0", "p1", "nobody")] == [{"p0"}, {"p1"}, set()]
    assert _engine.recorded_hits() == before + 2


def test_a_write_is_seen_at_once(goods):
    def ask():
        return list(
            Product.objects.using(goods).filter(name="p1").order_by("id").values_list("price", flat=True)
        )

    assert hits_by_plan(ask) == 1
    first = Product.objects.using(goods).filter(name="p1").order_by("id")[0]
    first.price = decimal.Decimal("77.70")
    first.save()
    assert ask()[0] == decimal.Decimal("77.70")
    with transaction.atomic(using=goods):
        first.price = decimal.Decimal("88.80")
        first.save()
        assert ask()[0] == decimal.Decimal("88.80")
        transaction.set_rollback(True, using=goods)
    assert ask()[0] == decimal.Decimal("77.70")


def test_querysets_are_lazy_until_somebody_asks_for_the_query(sqlite):
    for _ in range(3):
        queryset = Product.objects.filter(name="a").order_by("id")
    assert CHAIN in queryset.__dict__
    assert "_query" not in queryset.__dict__
    # What is changed in the Query counts.
    queryset.query.set_limits(0, 1)
    assert CHAIN not in queryset.__dict__
    assert queryset.query.is_sliced
    assert "LIMIT 1" in str(queryset.query)


def test_a_getter_of_ones_own_is_asked_for_the_query(sqlite):
    asked = []

    def getter(self):
        asked.append(True)
        return QuerySet.query.fget(self)

    class Asking(QuerySet):
        query = QuerySet.query.getter(getter)

    for _ in range(ENOUGH):
        asked.clear()
        list(Asking(Product).filter(name="p1"))
        assert asked


def test_errors_come_where_they_always_came(sqlite):
    for _ in range(ENOUGH):
        with pytest.raises(FieldError):
            Product.objects.filter(nothing=1)
        with pytest.raises(ValueError, match="number"):
            Product.objects.filter(id="x")
        with pytest.raises((TypeError, AssertionError)):  # before Django 4.0 an assertion
            Product.objects.order_by("id")[:3].filter(id=1)
        with pytest.raises((ValueError, AssertionError), match="egative"):
            Product.objects.order_by("id")[-1]
        with pytest.raises(Product.DoesNotExist, match="Product matching query does not exist"):
            Product.objects.get(id=1)
        Product.objects.filter(id=1)
    with pytest.raises((ValueError, TypeError)):
        Product.objects.filter(id="x")


def test_a_value_that_a_field_refuses_keeps_the_step_djangos(sqlite):
    for _ in range(ENOUGH):
        Product.objects.filter(code="00000000-0000-0000-0000-000000000001")
    with pytest.raises(Exception, match="UUID"):
        Product.objects.filter(code="no uuid")


def test_warnings_come_each_time(sqlite):
    for _ in range(ENOUGH):
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            Product.objects.filter(added=datetime.datetime(2024, 1, 1))
        assert any("naive" in str(one.message) for one in heard)


def test_mutable_values_are_as_they_were_at_the_call(goods):
    ids = list(Product.objects.using(goods).order_by("id").values_list("id", flat=True)[:3])
    for _ in range(ENOUGH):
        wanted = list(ids)
        queryset = Product.objects.using(goods).filter(id__in=wanted)
        wanted.clear()
        assert len(queryset) == 3
        category = Category(pk=12345)
        queryset = Product.objects.using(goods).filter(category=category)
        category.pk = Category.objects.using(goods).get().pk
        assert len(queryset) == 0
        assert len(Product.objects.using(goods).filter(category=category)) == 30


def test_integers_out_of_a_columns_range(goods):
    manager = Product.objects.db_manager(goods)

    def found(number):
        try:
            return list(manager.filter(id=number))
        except Exception as error:  # before Django looks itself: what the driver says, or the server
            return type(error)

    with override_settings(DJANGO_CACHE_ME_ON=False):
        expected = [found(1 << 70), found(-(1 << 70))]
    for _ in range(ENOUGH):
        assert [found(1 << 70), found(-(1 << 70))] == expected
        assert manager.filter(id__gt=0).count() == 30


def test_columns_that_are_narrower_than_the_widest_integer(alias):
    for number in (1, 2**31 - 1, -(2**31)):
        Plain.objects.using(alias).create(name="n", number=number)

    def ask(number):
        plains = Plain.objects.using(alias)
        return (
            plains.filter(number=number).count(),
            [one.number for one in plains.filter(number__gte=number).order_by("number")],
            [one.number for one in plains.filter(number__lt=number).order_by("number")],
        )

    assert hits_by_plan(lambda: ask(1)) == 3, learning.refusals
    for number in (2**31 - 1, 2**31, 2**40, 2**63, -(2**31), -(2**31) - 1, -(2**40), -(2**63) - 1):
        expected = []
        for how in ({"DJANGO_CACHE_ME_CHAINS": False}, {}, {}):
            with override_settings(**how):
                try:
                    expected.append(ask(number))
                except OverflowError as error:  # SQLite's driver, where Django doesn't look before
                    expected.append(type(error))
        assert expected[0] == expected[1] == expected[2]


def test_related_managers(goods):
    category = Category.objects.using(goods).get()

    def ask():
        found = list(category.products.filter(name="p1").order_by("id"))
        assert all(one.category is category for one in found)
        return len(found)

    assert hits_by_plan(ask) == 1, learning.refusals
    assert ask() == 10
    assert hits_by_plan(lambda: list(category.products.all())) == 1
    assert hits_by_plan(lambda: category.products.count()) == 1
    other = Category.objects.using(goods).create(name="other")
    assert list(other.products.filter(name="p1").order_by("id")) == []


def test_many_to_many(goods):
    product = Product.objects.using(goods).order_by("id")[0]
    tag = Tag.objects.using(goods).create(word="w")
    product.tags.add(tag)
    assert hits_by_plan(lambda: list(product.tags.all())) == 1, learning.refusals
    assert list(product.tags.filter(word="w")) == [tag]
    product.tags.remove(tag)
    assert list(product.tags.all()) == []


def test_foreign_keys(goods):
    product = Product.objects.using(goods).order_by("id")[0]

    def ask():
        product._state.fields_cache.clear()
        return product.category

    assert hits_by_plan(ask) == 1, learning.refusals
    assert ask().name == "c"
    detail = Detail.objects.using(goods).create(product=product, text="t")
    review = Review.objects.using(goods).create(product=product, text="t")

    def reverse():
        product._state.fields_cache.clear()
        return product.detail

    assert hits_by_plan(reverse) == 1, learning.refusals
    assert reverse() == detail
    assert list(product.reviews.all()) == [review]


def test_prefetches(goods):
    def ask():
        return [len(one.products.all()) for one in Category.objects.using(goods).prefetch_related("products")]

    for _ in range(ENOUGH):
        assert ask() == [30]


def test_refreshing_asks_the_database(goods):
    product = Product.objects.using(goods).order_by("id")[0]
    assert hits_by_plan(lambda: Product.objects.using(goods).get(pk=product.pk)) == 1
    before = counters.stats()["hits"]
    product.refresh_from_db()
    assert counters.stats()["hits"] == before


def test_the_switches_count_at_once(goods):
    def ask():
        return Product.objects.using(goods).filter(name="p1").count()

    assert hits_by_plan(ask) == 1
    with override_settings(DJANGO_CACHE_ME_ON=False):
        before = counters.stats()
        ask()
        assert counters.stats() == before
    assert hits_by_plan(ask) == 1
    before = _engine.recorded_hits()
    Product.objects.using(goods).filter(name="p1").no_cache().count()
    assert _engine.recorded_hits() == before


def test_the_debug_lines_are_the_second_tiers(goods, capsys):
    def ask():
        return Product.objects.using(goods).filter(name="p1").count()

    assert hits_by_plan(ask) == 1
    with override_settings(DJANGO_CACHE_ME_DEBUG_MODE=True):
        ask()
        assert "Retrieving data from key 'cache_me:queryset:shop.product:" in capsys.readouterr().out


def test_options_that_change(goods):
    from django_cache_me.registry import cache_me_registry

    def ask():
        return Product.objects.using(goods).filter(name="p1").count()

    options = cache_me_registry.get_options(Product)
    assert hits_by_plan(ask) == 1
    options.cache_queryset = False
    try:
        before = counters.stats()
        ask()
        assert counters.stats()["hits"] == before["hits"]
    finally:
        del options.cache_queryset
    ask()
    assert counters.stats()["hits"] == before["hits"] + 1


def test_a_broken_transaction_raises(goods):
    def ask():
        return Product.objects.using(goods).filter(name="p1").count()

    assert hits_by_plan(ask) == 1
    with transaction.atomic(using=goods):
        transaction.set_rollback(True, using=goods)
        with pytest.raises(transaction.TransactionManagementError):
            ask()


def test_a_forbidden_database_raises(goods, monkeypatch):
    def ask():
        return Product.objects.using(goods).filter(name="p1").count()

    assert hits_by_plan(ask) == 1

    class _DatabaseFailure:
        def __call__(self):
            raise AssertionError("forbidden")

    monkeypatch.setattr(connections[goods], "cursor", _DatabaseFailure())
    before = _engine.recorded_hits()
    try:
        ask()
    except AssertionError:
        pass
    assert _engine.recorded_hits() == before


def test_listeners_of_init_are_heard(goods):
    def ask():
        return list(Product.objects.using(goods).filter(name="p1"))

    assert hits_by_plan(ask) == 1
    heard = []

    def listen(**kwargs):
        heard.append(kwargs["instance"])

    post_init.connect(listen, sender=Product)
    try:
        assert len(ask()) == len(heard) == 10
    finally:
        post_init.disconnect(listen, sender=Product)


def test_a_lookup_that_is_registered_later(goods):
    def ask():
        return [len(list(Product.objects.using(goods).filter(name__length=2)))]

    assert hits_by_plan(lambda: list(Product.objects.using(goods).filter(name="p1"))) == 1
    assert _engine.shapes()
    CharField.register_lookup(Length)
    try:
        assert _engine.shapes() == 0
        assert ask() == [30]
    finally:
        CharField._unregister_lookup(Length)
    if django.VERSION >= (4, 2):  # before, Django itself goes on with what it has looked up
        with pytest.raises(FieldError):
            ask()


def test_methods_that_are_replaced_are_called(goods, monkeypatch):
    def ask():
        return list(Product.objects.using(goods).filter(name="p1"))

    assert hits_by_plan(ask) == 1
    called = []
    original = QuerySet._fetch_all

    def _fetch_all(self):
        called.append(self)
        original(self)

    monkeypatch.setattr(QuerySet, "_fetch_all", _fetch_all)
    ask()
    assert called
    monkeypatch.undo()
    # setattr() would leave the bound method behind in the manager, and so in its copies.
    monkeypatch.setitem(vars(Product.objects), "get_queryset", lambda: called)
    assert Product.objects.all() is called


def test_writes_ask_a_get_queryset_that_somebody_has_put_there_later(goods, monkeypatch):
    product = Product.objects.using(goods).first()
    original = BaseManager.get_queryset
    asked = []

    def get_queryset(self):
        asked.append(self.name)
        return original(self)

    monkeypatch.setattr(BaseManager, "get_queryset", get_queryset)
    product.save()
    assert "_base_manager" in asked


class Guarded(QuerySet):
    """Its answers depend on something that no chain knows."""

    wanted = "p1"

    def filter(self, *args, **kwargs):
        return super().filter(*args, **kwargs).exclude_others()

    def exclude_others(self):
        return super().filter(name=Guarded.wanted)


def test_overridden_methods_are_called_each_time(goods, monkeypatch):
    manager = Guarded.as_manager()
    manager.model = Product
    manager = manager.db_manager(goods)
    ids = list(Product.objects.using(goods).order_by("id").values_list("id", flat=True)[:3])
    for wanted in ("p0", "p1", "p2") * ENOUGH:
        monkeypatch.setattr(Guarded, "wanted", wanted)
        found = [one.name for one in manager.filter(id__in=ids)]
        assert found == [wanted]
        assert manager.filter(id__in=ids).count() == 1
        for number, key in enumerate(ids):
            if wanted == f"p{number}":
                assert manager.get(id=key).name == wanted
            else:
                with pytest.raises(Product.DoesNotExist):
                    manager.get(id=key)


def test_a_miss_learns_nothing_anew(goods):
    def ask():
        return Product.objects.using(goods).filter(name="p1").count()

    assert hits_by_plan(ask) == 1
    node = None
    for name in ("one", "two", "three"):
        chain = Product.objects.using(goods).filter(name="p1").__dict__[CHAIN]
        longer = _engine.longer_chain(chain, "count", (), {}, False, False)
        assert node is None or _engine.node_of(longer).sights == node
        node = _engine.node_of(longer).sights
        Product.objects.using(goods).create(name=name)
        ask()


def test_copies_and_pickles(goods):
    for _ in range(ENOUGH):
        queryset = Product.objects.using(goods).filter(name="p1").order_by("id")
        for made in (
            copy.copy(queryset),
            copy.deepcopy(queryset),
            pickle.loads(pickle.dumps(queryset)),
            queryset.all(),
        ):
            assert [one.pk for one in made] == [one.pk for one in queryset]
            assert str(made.query) == str(queryset.query)
    assert pickle.loads(pickle.dumps(QuerySet.filter)) is QuerySet.filter


def test_expressions_and_combinations_are_djangos(goods):
    manager = Product.objects.db_manager(goods)
    for _ in range(ENOUGH):
        assert manager.filter(name="p1").filter(Q(name="p1") | Q(name="p2")).count() == 10
        assert manager.filter(price=F("price")).count() == 30
        assert (manager.filter(name="p1") | manager.filter(name="p2")).count() == 20
        assert manager.filter(name="p1").annotate(n=Length("name")).first().n == 2
        assert manager.filter(name="p1").union(manager.filter(name="p2")).count() == 20
        assert manager.filter(id__in=manager.filter(name="p1")).count() == 10
        assert manager.filter(name="p1").update(weight=1.0) == 10


def test_every_thread_has_its_own_ground(goods):
    def ask():
        return Product.objects.using(goods).filter(name="p1").count()

    assert hits_by_plan(ask) == 1
    before = _engine.recorded_hits()
    answers = []

    def run():
        try:
            answers.extend(ask() for _ in range(50))
        finally:
            connections[goods].close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [10] * 200
    assert _engine.recorded_hits() == before + 200


def test_nothing_is_left_behind(sqlite):
    Product.objects.create(name="a")

    def work():
        for i in range(20):
            list(Product.objects.filter(name="a").order_by("id")[: i + 1])
            Product.objects.get(name="a")
            Product.objects.filter(name=str(i)).exists()

    for _ in range(3):
        work()
    gc.collect()
    before, chains = len(gc.get_objects()), _chains()
    work()
    gc.collect()
    assert len(gc.get_objects()) - before < 50
    assert _chains() == chains  # those that other tests' modules hold


def _chains():
    return sum(type(one) is _engine.Chain for one in gc.get_objects())


def test_shapes_are_bounded(sqlite):
    for i in range(21000):
        _engine.longer_chain(_engine.root_chain(Product), "order_by", (f"x{i}",), {}, False, False)
    assert _engine.shapes() <= 20000


def test_an_in_of_any_length_is_one_shape(goods):
    ids = list(Product.objects.using(goods).order_by("id").values_list("id", flat=True))

    def ask(number):
        wanted = [*ids[:number], ids[0]]
        return list(
            Product.objects.using(goods).filter(id__in=wanted).order_by("id").values_list("id", flat=True)
        )

    for number in (1, 2, 3, 4, 5):
        assert ask(number) == ids[:number]
    before, shapes = _engine.recorded_hits(), _engine.shapes()
    for number in (30, 7, 30, 7, 1, 5):
        assert ask(number) == ids[:number]
    assert _engine.recorded_hits() == before + 4, learning.refusals
    assert _engine.shapes() == shapes
    assert list(Product.objects.using(goods).filter(id__in=[])) == []


def test_values_do_not_make_shapes(sqlite):
    for i in range(50):
        list(Product.objects.filter(name=str(i), code=uuid.UUID(int=i)).order_by("id")[i : i + 3])
    before = _engine.shapes()
    for i in range(50, 100):
        list(Product.objects.filter(name=str(i), code=uuid.UUID(int=i)).order_by("id")[i : i + 3])
    assert _engine.shapes() == before


def test_first_sights_are_djangos(sqlite):
    assert proving.PROVE_AT == learning.LEARN_AT == 2
    queryset = Product.objects.filter(name="a")
    assert CHAIN not in queryset.__dict__
