"""Reads: what is cached, what comes out of the cache, and what passes through."""

from __future__ import annotations

import copy
import datetime
import decimal
import pickle
import unittest
import uuid

import pytest
from django.db import connections, models
from django.test import SimpleTestCase, override_settings

from tests.looking import assert_hit, assert_miss, seen
from tests.shop.fields import Money
from tests.shop.models import (
    Animal,
    Bird,
    Category,
    Detail,
    Plain,
    Product,
    ProductProxy,
    ProductQuerySet,
    Purse,
    Review,
    Tag,
)

UTC = datetime.timezone.utc


def make_product(alias, **values):
    category = Category.objects.using(alias).create(name="fruit")
    given = {
        "name": "apple",
        "category": category,
        "price": decimal.Decimal("2.50"),
        "weight": 0.25,
        "made": datetime.date(2024, 2, 29),
        "added": datetime.datetime(2024, 2, 29, 12, 30, 1, 5, tzinfo=UTC),
        "opens": datetime.time(8, 15),
        "lasts": datetime.timedelta(days=2, microseconds=7),
        "code": uuid.UUID(int=5),
        "image": b"\x00\xff",
        "about": {"colours": ["red", None, 1.5], "é": True},
    }
    given.update(values)
    return Product.objects.using(alias).create(**given)


def test_second_read_comes_from_the_cache(alias):
    make_product(alias)
    read = lambda: list(Product.objects.using(alias).filter(name="apple"))  # noqa: E731
    first = assert_miss(alias, read)
    second = assert_hit(alias, read)
    assert first == second


def test_instances_equal_djangos_in_every_attribute(alias):
    make_product(alias)
    query = Product.objects.using(alias).filter(name="apple")
    (plain,) = query.no_cache()
    (missed,) = query.all()
    (hit,) = assert_hit(alias, lambda: list(query.all()))
    for product in (missed, hit):
        assert type(product) is Product
        ours, theirs = dict(product.__dict__), dict(plain.__dict__)
        assert list(ours) == list(theirs)
        states = ours.pop("_state").__dict__, theirs.pop("_state").__dict__
        assert states[0] == states[1]
        assert {name: (type(value), value) for name, value in ours.items()} == {
            name: (type(value), value) for name, value in theirs.items()
        }
    assert hit._state.db == alias
    assert hit._state.adding is False


def test_every_hit_hands_out_fresh_objects(alias):
    make_product(alias)
    query = Product.objects.using(alias).filter(name="apple")
    list(query.all())
    (one,) = assert_hit(alias, lambda: list(query.all()))
    one.about["colours"].append("spoilt")
    one.name = "spoilt"
    (other,) = assert_hit(alias, lambda: list(query.all()))
    assert one is not other
    assert other.about == {"colours": ["red", None, 1.5], "é": True}
    assert other.name == "apple"


def test_get_first_index_and_slices(alias):
    product = make_product(alias)
    for read in (
        lambda: Product.objects.using(alias).get(pk=product.pk),
        lambda: Product.objects.using(alias).first(),
        lambda: Product.objects.using(alias).order_by("name")[0],
        lambda: next(iter(Product.objects.using(alias).order_by("name")[:5])),
    ):
        assert_miss(alias, read)
        assert assert_hit(alias, read) == product


def test_an_empty_answer_is_an_answer(alias):
    with pytest.raises(Product.DoesNotExist):
        assert_miss(alias, lambda: Product.objects.using(alias).get(name="none"))
    with seen(alias) as result, pytest.raises(Product.DoesNotExist):
        Product.objects.using(alias).get(name="none")
    assert result.hits == 1
    assert result.statements == []


def test_deferred_fields_stay_deferred(alias):
    make_product(alias)
    read = lambda: Product.objects.using(alias).only("name").get()  # noqa: E731
    assert_miss(alias, read)
    product = assert_hit(alias, read)
    plain = Product.objects.no_cache().using(alias).only("name").get()
    assert product.get_deferred_fields() == plain.get_deferred_fields() != set()
    with seen(alias) as result:
        assert product.weight == 0.25
    assert len(result.statements) == 1


def test_select_related_objects_come_with_their_state(alias):
    product = make_product(alias)
    Detail.objects.using(alias).create(product=product, text="d")
    read = lambda: Product.objects.using(alias).select_related("category", "detail").get()  # noqa: E731
    assert_miss(alias, read)
    hit = assert_hit(alias, read)
    with seen(alias) as result:
        assert hit.category.name == "fruit"
        assert hit.detail.text == "d"
        assert hit.detail.product is hit
    assert result.statements == []
    assert hit.category._state.db == alias
    assert hit.category._state.adding is False


def test_select_related_that_found_nothing(alias):
    make_product(alias, category=None)
    read = lambda: Product.objects.using(alias).select_related("category").get()  # noqa: E731
    assert_miss(alias, read)
    with seen(alias) as result:
        assert read().category is None
    assert result.statements == []


def test_annotations_are_set(alias):
    make_product(alias)
    read = lambda: Product.objects.using(alias).annotate(double=models.F("price") * 2).get()  # noqa: E731
    plain = assert_miss(alias, read)
    hit = assert_hit(alias, read)
    assert (type(hit.double), hit.double) == (type(plain.double), plain.double)


def test_forward_and_reverse_access_and_many_to_many(alias):
    product = make_product(alias)
    tag = Tag.objects.using(alias).create(word="ripe")
    product.tags.add(tag)
    Review.objects.using(alias).create(product=product, text="good")

    def product_again():
        return Product(pk=product.pk, category_id=product.category_id)

    def fresh():
        again = product_again()
        again._state.db = alias
        again._state.adding = False
        return again

    for read in (
        lambda: fresh().category.name,
        lambda: [review.text for review in fresh().reviews.all()],
        lambda: [found.word for found in fresh().tags.all()],
        lambda: [found.pk for found in Tag.objects.using(alias).get(word="ripe").products.all()],
    ):
        assert_miss(alias, read)
        assert_hit(alias, read)


def test_prefetched_objects_are_the_parents_own(alias):
    product = make_product(alias)
    Review.objects.using(alias).create(product=product, text="good")
    read = lambda: list(Product.objects.using(alias).prefetch_related("reviews", "tags"))  # noqa: E731
    assert_miss(alias, read)
    (hit,) = assert_hit(alias, read)
    with seen(alias) as result:
        (review,) = hit.reviews.all()
        assert review.product is hit
    assert result.statements == []


def test_inheritance_and_proxies(alias):
    Bird.objects.using(alias).create(name="owl", wingspan=90)
    make_product(alias)
    for read in (
        lambda: Bird.objects.using(alias).get(name="owl").wingspan,
        lambda: Animal.objects.using(alias).get(name="owl").bird.wingspan,
    ):
        assert_miss(alias, read)
        assert assert_hit(alias, read) == 90
    assert_miss(alias, lambda: ProductProxy.objects.using(alias).get())
    assert type(assert_hit(alias, lambda: ProductProxy.objects.using(alias).get())) is ProductProxy


def test_custom_managers_and_querysets_keep_class_and_methods(alias):
    make_product(alias)
    queryset = Product.listing.using(alias)
    assert type(queryset) is ProductQuerySet
    assert_miss(alias, lambda: list(queryset.cheap()))
    assert_hit(alias, lambda: list(queryset.cheap()))
    assert_miss(alias, lambda: list(Product.actives.using(alias)))
    assert_hit(alias, lambda: list(Product.actives.using(alias)))
    for made in (
        queryset.no_cache,
        queryset.no_cache(),
        queryset.permanent_cache,
        queryset.permanent_cache(),
    ):
        assert isinstance(made, ProductQuerySet)
        assert type(made.cheap()) is ProductQuerySet


def test_querysets_pickle_as_they_did(alias):
    product = make_product(alias)
    for query in (
        Product.listing.using(alias).cheap(),
        Product.listing.using(alias).no_cache,
        Product.listing.using(alias).permanent_cache(),
    ):
        again = pickle.loads(pickle.dumps(query))
        assert type(again) is ProductQuerySet
        assert list(again) == [product]
        assert list(copy.deepcopy(query)) == [product]


@pytest.mark.parametrize("spelling", [lambda manager: manager.no_cache, lambda manager: manager.no_cache()])
def test_no_cache_neither_reads_nor_fills(alias, spelling):
    make_product(alias)
    for _ in range(2):
        with seen(alias) as result:
            assert len(spelling(Product.objects.db_manager(alias)).named("apple")) == 1
        assert (result.hits, result.misses, result.fills) == (0, 0, 0)
        assert len(result.statements) == 1
    assert isinstance(spelling(Product.objects), type(Product.objects))
    assert_miss(alias, lambda: list(Product.objects.db_manager(alias).named("apple")))
    with seen(alias) as result:
        list(spelling(Product.objects.using(alias).filter(name="apple")))
    assert (result.hits, result.misses, result.fills) == (0, 0, 0)


def test_related_managers_have_it_too(alias):
    product = make_product(alias)
    with seen(alias) as result:
        list(product.reviews.no_cache.all())
        list(product.reviews.no_cache().all())
        list(product.tags.no_cache().filter(word="x"))
    assert (result.hits, result.misses) == (0, 0)
    assert product.reviews.no_cache.create(text="made").product_id == product.pk


def test_reads_that_always_go_to_the_database(alias):
    product = make_product(alias)
    query = Product.objects.using(alias)
    assert_miss(alias, lambda: query.get(pk=product.pk))
    assert_hit(alias, lambda: query.get(pk=product.pk))
    assert_miss(alias, product.refresh_from_db)
    from django.db import transaction

    with transaction.atomic(using=alias):
        assert_miss(alias, lambda: query.select_for_update().get(pk=product.pk))
    assert_miss(alias, lambda: list(query.order_by("?")))
    assert_miss(alias, lambda: list(query.order_by("?")))


def test_volatile_functions_pass_through_and_are_counted(alias):
    from django.db.models.functions import Now

    make_product(alias)
    for _ in range(2):
        with seen(alias) as result:
            list(Product.objects.using(alias).annotate(now=Now()))
        assert result.hits == 0
        assert sum(result.passed.values()) == 1


def test_unregistered_models_are_not_cached_unless_asked_for(alias):
    Plain.objects.using(alias).create(name="x")
    for _ in range(2):
        assert_miss(alias, lambda: list(Plain.objects.using(alias).all()))
    assert_miss(alias, lambda: list(Plain.objects.using(alias).all().cache(timeout=5)))
    assert_hit(alias, lambda: list(Plain.objects.using(alias).all().cache(timeout=5)))
    Plain.objects.using(alias).update(name="y")
    assert assert_miss(alias, lambda: Plain.objects.using(alias).all().cache()[0]).name == "y"


def test_fields_with_own_conversion_run_it_at_every_hit(alias):
    Purse.objects.using(alias).create(owner="me", money=Money(5))
    read = lambda: Purse.objects.using(alias).get(owner="me").money  # noqa: E731
    assert assert_miss(alias, read) == Money(5)
    one, other = assert_hit(alias, read), assert_hit(alias, read)
    assert one == other == Money(5)
    assert one is not other


def test_converters_of_others_run_at_every_hit(alias):
    make_product(alias)

    class Odd(models.Func):
        function = "COALESCE"
        output_field = models.IntegerField()

        def convert_value(self, value, expression, connection):
            return Money(value)

    read = lambda: (  # noqa: E731
        Product.objects.using(alias).annotate(odd=Odd(models.Value(1), models.Value(2))).get().odd
    )
    first = assert_miss(alias, read)
    second = assert_hit(alias, read)
    assert first == second == Money(1)
    assert first is not second


def test_parameters_of_unknown_type_pass_through(sqlite):
    class OddInt(int):
        pass

    class OddField(models.IntegerField):
        def get_db_prep_value(self, value, connection, prepared=False):
            return OddInt(value)

    Product.objects.create(name="x")
    read = lambda: list(  # noqa: E731
        Product.objects.annotate(odd=models.Value(3, output_field=OddField())).filter(name="x")
    )
    for _ in range(2):
        with seen(sqlite) as result:
            assert read()[0].odd == 3
        assert result.hits == 0
        assert result.passed == {"unknown_parameter": 1}


def test_the_switch_passes_everything_through(alias):
    make_product(alias)
    read = lambda: list(Product.objects.using(alias).filter(name="apple"))  # noqa: E731
    read()
    with override_settings(DJANGO_CACHE_ME_ON=False):
        assert_miss(alias, read)
        Product.objects.using(alias).update(name="pear")
    assert assert_miss(alias, read) == []


def test_a_hit_opens_no_connection(alias):
    product = make_product(alias)
    read = lambda: Product.objects.using(alias).select_related("category").get(pk=product.pk)  # noqa: E731
    read()
    connections[alias].close()
    before = read()
    assert before == product
    assert connections[alias].connection is None


def test_a_forbidden_database_forbids_hits_too(sqlite):
    make_product(sqlite)
    list(Product.objects.all())

    class Forbidden(SimpleTestCase):
        def test(self):
            list(Product.objects.all())

    result = unittest.TestResult()
    unittest.TestSuite([Forbidden("test")]).run(result)
    assert len(result.errors + result.failures) == 1
    assert "Database" in (result.errors + result.failures)[0][1]


def test_a_broken_transaction_raises_on_hits_too(alias):
    from django.db import transaction
    from django.db.transaction import TransactionManagementError

    make_product(alias)
    list(Product.objects.using(alias).filter(name="apple"))
    with transaction.atomic(using=alias):
        transaction.set_rollback(True, using=alias)
        with pytest.raises(TransactionManagementError):
            list(Product.objects.using(alias).filter(name="apple"))


def test_timeouts_end_entries(alias):
    import time

    make_product(alias)
    read = lambda: list(Product.objects.using(alias).filter(name="apple").cache(timeout=0.2))  # noqa: E731
    read()
    assert_hit(alias, read)
    time.sleep(0.25)
    assert_miss(alias, read)


def test_parameters_that_the_server_reads_the_clock_for(postgresql):
    """PostgreSQL makes the time of the statement of 'now' and 'today', wherever a date is asked for."""
    make_product(postgresql)
    sql = "SELECT * FROM shop_product WHERE made <= %s"
    far = "now" + 150 * ","  # what isn't of a date doesn't count, however long it is
    for params in (["today"], ["NOW"], ["yesterday 12:00"], [far], [["a", "tomorrow"]]):
        text = sql if isinstance(params[0], str) else "SELECT * FROM shop_product WHERE name = ANY(%s)"
        for _ in range(2):
            with seen(postgresql) as result:
                list(Product.objects.using(postgresql).raw(text, params))
            assert result.hits == 0
            assert result.passed == {"clock_text": 1}
    known = lambda: list(Product.objects.using(postgresql).filter(name="snowtoday"))  # noqa: E731
    known()
    assert_hit(postgresql, known)
