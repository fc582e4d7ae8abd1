"""Prefetches by plans: what comes is Django's own, down to which objects are shared, and nothing is stale."""

from __future__ import annotations

import decimal

import pytest
from django.db import transaction
from django.db.models import Manager, Model, Prefetch, QuerySet
from django.db.models.manager import BaseManager
from django.db.models.signals import post_init
from django.test import override_settings

from django_cache_me import _engine, counters
from django_cache_me.reading import learning

from .shop.models import Category, Product, ProductProxy, Review, Tag

pytestmark = [
    pytest.mark.skipif(not _engine.CAN_RECORD, reason="nothing is recorded without the GIL"),
    pytest.mark.usefixtures("new_shapes"),
]
ENOUGH = 6


@pytest.fixture
def goods(alias):
    categories = [Category.objects.using(alias).create(name=f"c{i}") for i in range(2)]
    tags = [Tag.objects.using(alias).create(word=f"w{i}") for i in range(4)]
    for i in range(12):
        product = Product.objects.using(alias).create(
            name=f"p{i % 3}", category=categories[i % 2], price=decimal.Decimal(i)
        )
        product.tags.set(tags[: i % 4])
        for n in range(i % 3):
            Review.objects.using(alias).create(product=product, text=f"r{i} {n}")
    return alias


def graph(results):
    """All that hangs on results: attributes in their order, and by numbers which objects are the same."""
    seen = {}

    def of(thing):
        if isinstance(thing, (list, dict, QuerySet, Model)):
            if id(thing) in seen:
                return "again", seen[id(thing)][0]
            seen[id(thing)] = (len(seen), thing)
        if isinstance(thing, (list, tuple)):
            return type(thing), [of(one) for one in thing]
        if isinstance(thing, dict):
            return [(str(name), of(value)) for name, value in thing.items()]
        if isinstance(thing, Model):
            own = {name: value for name, value in thing.__dict__.items() if name != "_state"}
            return type(thing), of(own), of(thing._state.__dict__)
        if isinstance(thing, QuerySet):
            own = {name: value for name, value in thing.__dict__.items() if "query" not in name}
            own.pop("_cache_me_chain", None)
            own.pop("_deferred_filter", None)  # Django keeps it until somebody asks for the Query
            found = type(thing), of(own)
            return (*found, str(thing._chain().query))
        return type(thing), thing

    return of(results)


def as_django(ask):
    with override_settings(DJANGO_CACHE_ME_ON=False):
        return ask()


def hits_by_plan(ask, times=ENOUGH):
    for _ in range(times):
        ask()
    before = _engine.recorded_hits()
    ask()
    return _engine.recorded_hits() - before


#: With the hits by plan of one evaluation.
QUERIES = {
    "many to many": (2, lambda a: Product.objects.using(a).order_by("id").prefetch_related("tags")),
    "its other side": (2, lambda a: Tag.objects.using(a).order_by("id").prefetch_related("products")),
    "foreign key": (2, lambda a: Category.objects.using(a).order_by("id").prefetch_related("products")),
    "two": (3, lambda a: Product.objects.using(a).order_by("id").prefetch_related("tags", "reviews")),
    "one after the other": (
        3,
        lambda a: Product.objects.using(a)
        .prefetch_related("reviews")
        .order_by("-id")
        .prefetch_related("tags"),
    ),
    "a slice": (2, lambda a: Product.objects.using(a).order_by("id").prefetch_related("tags")[2:5]),
    "one": (2, lambda a: Product.objects.using(a).filter(price=decimal.Decimal(3)).prefetch_related("tags")),
    "some twice": (
        2,
        lambda a: (
            Product.objects.using(a)
            .filter(tags__word__in=["w0", "w1"])
            .order_by("id")
            .prefetch_related("tags")
        ),
    ),
    "parents twice": (
        2,
        lambda a: (
            Category.objects.using(a).filter(products__name="p1").order_by("id").prefetch_related("products")
        ),
    ),
    "without related": (
        2,
        lambda a: Product.objects.using(a).filter(price=decimal.Decimal(0)).prefetch_related("tags"),
    ),
    "nothing": (1, lambda a: Product.objects.using(a).filter(name="nobody").prefetch_related("tags")),
    "some columns": (
        2,
        lambda a: Product.objects.using(a).only("name").order_by("id").prefetch_related("tags"),
    ),
    "with its category": (
        2,
        lambda a: Product.objects.using(a).select_related("category").order_by("id").prefetch_related("tags"),
    ),
    "taken back": (
        1,
        lambda a: Product.objects.using(a).order_by("id").prefetch_related("tags").prefetch_related(None),
    ),
    # Django's own:
    "over two": (1, lambda a: Category.objects.using(a).order_by("id").prefetch_related("products__tags")),
    "an object": (0, lambda a: Product.objects.using(a).order_by("id").prefetch_related(Prefetch("tags"))),
    "a queryset": (
        0,
        lambda a: Product.objects.using(a)
        .order_by("id")
        .prefetch_related(Prefetch("tags", queryset=Tag.objects.order_by("-word"), to_attr="words")),
    ),
    "the same twice": (1, lambda a: Product.objects.using(a).order_by("id").prefetch_related("tags", "tags")),
    "forwards": (1, lambda a: Product.objects.using(a).order_by("id").prefetch_related("category")),
    "a proxy": (2, lambda a: ProductProxy.objects.using(a).order_by("id").prefetch_related("tags")),
}


@pytest.mark.parametrize("name", QUERIES)
def test_hits_are_djangos_results_down_to_what_is_shared(goods, name):
    least, make = QUERIES[name]

    def ask():
        return list(make(goods))

    assert hits_by_plan(ask) >= least, learning.refusals
    assert graph(ask()) == graph(as_django(ask))


def test_a_hit_asks_and_builds_nothing(goods):
    def ask():
        return list(Product.objects.using(goods).order_by("id").prefetch_related("tags", "reviews"))

    assert hits_by_plan(ask) == 3, learning.refusals
    before = counters.stats()
    products = ask()
    assert counters.stats()["hits"] == before["hits"] + 3
    assert "_query" not in products[0]._prefetched_objects_cache["tags"].__dict__
    # In whatever order: none was asked for.
    assert sorted(tag.word for tag in products[3].tags.all()) == ["w0", "w1", "w2"]
    assert counters.stats()["hits"] == before["hits"] + 3


def test_each_result_is_new(goods):
    def ask():
        return list(Product.objects.using(goods).order_by("id").prefetch_related("tags"))

    assert hits_by_plan(ask) == 2
    one = ask()
    next(iter(one[1].tags.all())).word = "changed"
    one[1]._prefetched_objects_cache["tags"]._result_cache.append(None)
    assert graph(ask()) == graph(as_django(ask))


def test_the_given_querysets_are_ordinary_ones(goods):
    def ask():
        return list(Product.objects.using(goods).order_by("id").prefetch_related("tags", "reviews"))

    assert hits_by_plan(ask) == 3
    product = ask()[11]
    assert [tag.word for tag in product.tags.filter(word__gt="w0").order_by("-word")] == ["w2", "w1"]
    assert product.tags.count() == 3
    assert product.reviews.filter(text="r11 1").get().product is product
    assert all(review.product is product for review in product.reviews.all())
    product.tags.add(Tag.objects.using(goods).get(word="w3"))
    assert product.tags.count() == 4
    product.reviews.all().delete()
    assert [one.reviews.count() for one in ask()][-2:] == [1, 0]


def test_no_write_is_missed(goods):
    def ask():
        found = Product.objects.using(goods).order_by("id").prefetch_related("tags", "reviews")
        return [
            (
                one.name,
                sorted(tag.word for tag in one.tags.all()),
                [review.text for review in one.reviews.all()],
            )
            for one in found
        ]

    assert hits_by_plan(ask) == 3
    first, tag = Product.objects.using(goods).order_by("id")[1], Tag.objects.using(goods).get(word="w0")

    def rename():
        tag.word = "renamed"
        tag.save()

    writes = [
        rename,
        lambda: first.tags.remove(tag),
        lambda: first.tags.add(tag),
        lambda: first.tags.through.objects.using(goods).filter(product=first).delete(),
        lambda: Review.objects.using(goods).create(product=first, text="new"),
        lambda: Review.objects.using(goods).filter(text="new").update(product_id=first.pk + 1),
        lambda: Tag.objects.using(goods).filter(word="w1").delete(),
        lambda: first.delete(),
    ]
    for write in writes:
        ask()
        write()
        assert ask() == as_django(ask)
        assert ask() == as_django(ask)
    with transaction.atomic(using=goods):
        Tag.objects.using(goods).filter(word="w2").update(word="within")
        assert ask() == as_django(ask)
        transaction.set_rollback(True, using=goods)
    assert ask() == as_django(ask)


def test_off_the_same_keys_come_out(goods):
    def ask():
        list(Product.objects.using(goods).order_by("id").prefetch_related("tags", "reviews"))
        list(Category.objects.using(goods).order_by("id").prefetch_related("products"))

    with override_settings(DJANGO_CACHE_ME_CHAINS=False):
        ask()
    before = counters.stats()
    assert hits_by_plan(ask) == 5
    after = counters.stats()
    assert after["misses"] == before["misses"]
    assert after["hits"] - before["hits"] == 5 * (ENOUGH + 1)


def test_other_instances_are_other_entries(goods):
    def ask(name):
        found = Product.objects.using(goods).filter(name=name).order_by("id").prefetch_related("tags")
        return [sorted(tag.word for tag in one.tags.all()) for one in found]

    for _ in range(ENOUGH):
        for name in ("p0", "p1", "p2"):
            assert ask(name) == as_django(lambda name=name: ask(name))
    assert hits_by_plan(lambda: ask("p1")) == 2


def test_who_listens_to_instances_hears_of_each(goods):
    def ask():
        return list(Product.objects.using(goods).order_by("id").prefetch_related("tags"))

    assert hits_by_plan(ask) == 2
    heard = []

    def listen(sender, instance, **kwargs):
        heard.append(instance)

    post_init.connect(listen, sender=Tag)
    try:
        products = ask()
        tags = [tag for one in products for tag in one.tags.all()]
        assert len(tags) == len(heard) == 18
    finally:
        post_init.disconnect(listen, sender=Tag)
    assert hits_by_plan(ask) == 2


def test_custom_managers_stay_djangos(goods):
    manager = Product._meta.managers_map["actives"]

    def ask():
        found = Category.objects.using(goods).order_by("id").prefetch_related("products")
        return [len(one.products.all()) for one in found]

    Product.objects.using(goods).filter(price__gte=6).update(active=False)
    assert hits_by_plan(ask) == 2
    assert ask() == [6, 6]
    meta = Product._meta
    before = meta.default_manager_name
    try:
        meta.default_manager_name = manager.name
        meta._expire_cache()
        Category.__dict__["products"].__dict__.pop("related_manager_cls", None)
        _engine.forget_shapes()
        for _ in range(ENOUGH):
            assert ask() == [3, 3]
        assert hits_by_plan(ask) == 1
    finally:
        meta.default_manager_name = before
        meta._expire_cache()
        Category.__dict__["products"].__dict__.pop("related_manager_cls", None)
        _engine.forget_shapes()


def test_a_manager_that_is_changed_later_is_asked(goods, monkeypatch):
    def ask():
        found = Category.objects.using(goods).order_by("id").prefetch_related("products")
        return [len(one.products.all()) for one in found]

    assert hits_by_plan(ask) == 2
    manager = type(Product._default_manager)
    monkeypatch.setattr(manager, "get_queryset", lambda self: Manager.get_queryset(self).filter(name="p1"))
    assert ask() == as_django(ask) == [2, 2]


def test_what_django_refuses_it_refuses(goods):
    for _ in range(ENOUGH):
        with pytest.raises(AttributeError, match="nowhere"):
            list(Product.objects.using(goods).prefetch_related("nowhere"))
        with pytest.raises(AttributeError, match="nowhere"):
            list(Product.objects.using(goods).prefetch_related("tags", "nowhere"))
        with pytest.raises(ValueError, match="prefetch"):
            list(Product.objects.using(goods).prefetch_related("name"))
        list(Product.objects.using(goods).prefetch_related("tags"))


def test_related_managers_leave_the_class_of_managers_alone(sqlite):
    category = Category.objects.create(name="c")
    before = BaseManager.creation_counter
    numbers = [category.products.creation_counter for _ in range(5)]
    assert BaseManager.creation_counter == before
    assert numbers == sorted(set(numbers))
    assert numbers[0] > Category.objects.creation_counter


def test_managers_that_make_no_number_of_their_own_come_last(sqlite):
    """As Django has it: the default manager is the first that was made."""

    class Unnumbered(Manager):
        def __init__(self):
            self._constructor_args = ((), {})
            self.model = self.name = self._db = None
            self._hints = {}

    assert Unnumbered().creation_counter > Manager().creation_counter


def test_a_single_instance_and_streams(goods):
    for _ in range(ENOUGH):
        one = Product.objects.using(goods).prefetch_related("tags").get(price=3)
        assert sorted(tag.word for tag in one._prefetched_objects_cache["tags"]) == ["w0", "w1", "w2"]
        one = Product.objects.using(goods).order_by("price").prefetch_related("tags").last()
        assert len(one._prefetched_objects_cache["tags"]) == 3
