"""Every kind of query: what comes out of the cache equals what Django gives, and no write is missed."""

from __future__ import annotations

import asyncio
import datetime
import decimal

import django
import pytest
from django.db import connections, models
from django.db.models import (
    Avg,
    Case,
    Count,
    Exists,
    F,
    Max,
    OuterRef,
    Prefetch,
    Q,
    StdDev,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.functions import Coalesce, Concat, Lower, Rank, TruncMonth

from tests.looking import assert_hit, assert_miss, seen
from tests.shop.models import Category, Detail, Plain, Product, Review, Tag

from .test_reading import make_product


@pytest.fixture
def shop(alias):
    fruit = Category.objects.using(alias).create(name="fruit")
    roots = Category.objects.using(alias).create(name="roots", parent=fruit)
    for number, name in enumerate(["apple", "pear", "plum", "beet", "fig"]):
        product = make_product(
            alias,
            name=name,
            category=roots if name == "beet" else fruit,
            price=decimal.Decimal(number) + decimal.Decimal("0.25"),
            weight=number / 4,
            made=datetime.date(2024, 1 + number, 1),
            added=datetime.datetime(2024, 1 + number, 1, 12, tzinfo=datetime.timezone.utc),
            active=number != 3,
        )
        Review.objects.using(alias).create(product=product, text=f"{name} is good")
        product.tags.add(Tag.objects.using(alias).get_or_create(word=name[0])[0])
    Detail.objects.using(alias).create(product=product, text="small")
    return alias


def by_pk(alias):
    return Product.objects.using(alias).order_by("pk")


#: Kind of query -> a function of the alias that asks it.
QUERIES = {
    "values": lambda a: list(by_pk(a).values()),
    "values of names": lambda a: list(by_pk(a).values("name", "category__name")),
    "values with expression": lambda a: list(by_pk(a).values(low=Lower("name"))),
    "values_list": lambda a: list(by_pk(a).values_list("name", "price", "made", "added", "code", "about")),
    "values_list of all": lambda a: list(by_pk(a).values_list()),
    "values_list flat": lambda a: list(by_pk(a).values_list("price", flat=True)),
    "values_list named": lambda a: list(by_pk(a).values_list("name", "weight", named=True)),
    "values_list reordered": lambda a: list(by_pk(a).annotate(n=Count("reviews")).values_list("n", "name")),
    "count": lambda a: by_pk(a).filter(active=True).count(),
    "count of all": lambda a: Product.objects.using(a).count(),
    "count distinct": lambda a: by_pk(a).values("category").distinct().count(),
    "count sliced": lambda a: by_pk(a)[1:3].count(),
    "count nought": lambda a: by_pk(a).filter(name="none").count(),
    "exists": lambda a: by_pk(a).filter(name="fig").exists(),
    "exists not": lambda a: by_pk(a).filter(name="none").exists(),
    "aggregate": lambda a: by_pk(a).aggregate(
        total=Sum("price"), mean=Avg("weight"), last=Max("made"), newest=Max("added"), n=Count("*")
    ),
    "aggregate over annotation": lambda a: (
        by_pk(a).annotate(n=Count("reviews")).aggregate(most=Max("n"), dev=StdDev("n"))
    ),
    "aggregate of nothing": lambda a: by_pk(a).filter(name="none").aggregate(total=Sum("price")),
    "annotate": lambda a: [(p.name, p.n) for p in by_pk(a).annotate(n=Count("reviews"))],
    "group by": lambda a: list(
        Product.objects.using(a).values("category__name").annotate(n=Count("pk")).order_by("category__name")
    ),
    "having": lambda a: list(
        Category.objects.using(a).annotate(n=Count("products")).filter(n__gt=1).values_list("name", flat=True)
    ),
    "in_bulk": lambda a: Product.objects.using(a).in_bulk(),
    "in_bulk by field": lambda a: sorted(Tag.objects.using(a).in_bulk(["a", "p"], field_name="word")),
    "first": lambda a: by_pk(a).first(),
    "first of none": lambda a: by_pk(a).filter(name="none").first(),
    "last": lambda a: by_pk(a).last(),
    "earliest": lambda a: Product.objects.using(a).earliest("made"),
    "latest": lambda a: Product.objects.using(a).latest("made"),
    "get": lambda a: Product.objects.using(a).get(name="plum"),
    "dates": lambda a: list(Product.objects.using(a).dates("made", "month")),
    "datetimes": lambda a: list(Product.objects.using(a).datetimes("added", "month")),
    "trunc": lambda a: list(by_pk(a).annotate(m=TruncMonth("added")).values_list("m", flat=True)),
    "distinct": lambda a: list(
        Category.objects.using(a).filter(products__price__gt=1).distinct().order_by("pk")
    ),
    "slice": lambda a: list(by_pk(a)[1:4]),
    "index": lambda a: by_pk(a)[2],
    "union": lambda a: list(
        by_pk(a).filter(name="fig").order_by().union(by_pk(a).filter(name="plum").order_by()).order_by("name")
    ),
    "intersection": lambda a: list(
        Product.objects.using(a)
        .filter(price__gt=1)
        .intersection(Product.objects.using(a).filter(active=True))
    ),
    "difference": lambda a: sorted(
        p.name
        for p in Product.objects.using(a).all().difference(Product.objects.using(a).filter(active=False))
    ),
    "only": lambda a: [p.name for p in by_pk(a).only("name")],
    "defer": lambda a: [p.name for p in by_pk(a).defer("about", "image")],
    "extra": lambda a: [p.twice for p in by_pk(a).extra(select={"twice": "price * 2"})],
    "extra where": lambda a: list(by_pk(a).extra(where=["weight > %s"], params=[0.3])),
    "raw": lambda a: [
        (p.name, p.n)
        for p in Product.objects.using(a).raw("SELECT p.*, 1 AS n FROM shop_product p WHERE price > %s", [1])
    ],
    "raw with names": lambda a: [
        p.name
        for p in Product.objects.using(a).raw(
            "SELECT id, name FROM shop_product WHERE name = %(name)s", {"name": "fig"}
        )
    ],
    "subquery in": lambda a: list(
        by_pk(a).filter(category__in=Category.objects.using(a).filter(name="roots"))
    ),
    "subquery": lambda a: list(
        Category.objects.using(a)
        .annotate(
            best=Subquery(
                Product.objects.filter(category=OuterRef("pk")).order_by("-price").values("name")[:1]
            )
        )
        .order_by("pk")
        .values_list("name", "best")
    ),
    "Exists": lambda a: list(
        Category.objects.using(a).filter(
            Exists(Product.objects.filter(category=OuterRef("pk"), active=False))
        )
    ),
    "window": lambda a: list(
        by_pk(a).annotate(r=Window(Rank(), order_by=F("weight").desc())).values_list("name", "r")
    ),
    "case": lambda a: list(
        by_pk(a)
        .annotate(size=Case(When(weight__gt=0.5, then=Value("big")), default=Value("small")))
        .values_list("name", "size")
    ),
    "functions": lambda a: list(
        by_pk(a).values_list(Concat("name", Value("!")), Coalesce("weight", Value(1.0)))
    ),
    "Q and F": lambda a: list(
        by_pk(a).filter(Q(price__gt=F("weight")) & ~Q(name="fig") | Q(name__startswith="a"))
    ),
    "related manager": lambda a: [r.text for r in Product.objects.using(a).get(name="fig").reviews.all()],
    "m2m manager": lambda a: [t.word for t in Product.objects.using(a).get(name="fig").tags.all()],
    "reverse m2m count": lambda a: Tag.objects.using(a).get(word="p").products.count(),
    "forward FK": lambda a: Product.objects.using(a).get(name="beet").category.parent.name,
    "one-to-one": lambda a: Detail.objects.using(a).get().product.name,
    "reverse one-to-one": lambda a: Product.objects.using(a).get(name="fig").detail.text,
    "select_related": lambda a: [
        r.product.category.name
        for r in Review.objects.using(a).select_related("product__category").order_by("pk")
    ],
    "prefetch_related": lambda a: [
        (p.name, [t.word for t in p.tags.all()], [r.text for r in p.reviews.all()])
        for p in by_pk(a).prefetch_related("tags", "reviews")
    ],
    "prefetch nested": lambda a: [
        [[r.text for r in p.reviews.all()] for p in c.products.all()]
        for c in Category.objects.using(a).order_by("pk").prefetch_related("products__reviews")
    ],
    "Prefetch to_attr": lambda a: [
        [p.name for p in c.cheap]
        for c in Category.objects.using(a)
        .order_by("pk")
        .prefetch_related(Prefetch("products", by_pk(a).filter(price__lt=2), to_attr="cheap"))
    ],
    "contains": lambda a: by_pk(a).filter(active=True).contains(by_pk(a).get(name="fig")),
    "empty list": lambda a: list(by_pk(a).filter(name="none")),
}


def look(value):
    """A result in a form that shows every difference: types, attributes, order."""
    if isinstance(value, models.Model):
        state = {**value._state.__dict__}
        state.pop("peers", None)
        state["fields_cache"] = {name: look(one) for name, one in state.get("fields_cache", {}).items()}
        own = [(name, look(one)) for name, one in value.__dict__.items() if name != "_state"]
        return (type(value), own, sorted(state.items(), key=lambda item: item[0]))
    if isinstance(value, dict):
        return (dict, [(look(key), look(one)) for key, one in value.items()])
    if isinstance(value, (list, tuple)):
        fields = getattr(value, "_fields", None)
        return (type(value) if fields is None else fields, [look(one) for one in value])
    if isinstance(value, models.QuerySet):
        return [look(one) for one in value]
    return (type(value), value)


@pytest.mark.parametrize("kind", QUERIES)
def test_every_kind_of_query(shop, kind, settings_off):
    ask = QUERIES[kind]
    if kind == "contains" and django.VERSION < (4, 0):
        pytest.skip("QuerySet.contains() came with Django 4.0")
    if kind == "raw with names" and not connections[shop].features.supports_paramstyle_pyformat:
        pytest.skip("SQLite takes names from Django 4.2 on")
    if kind in ("intersection", "difference") and not getattr(
        connections[shop].features, f"supports_select_{kind}"
    ):
        pytest.skip("Django 3.2 knows no such set operation of MariaDB")
    with settings_off():
        truth = look(ask(shop))
    assert look(assert_miss(shop, lambda: ask(shop))) == truth
    assert look(assert_hit(shop, lambda: ask(shop))) == truth
    # A write to any of the tables that it reads is seen at once.
    Tag.objects.using(shop).create(word="zest")
    Review.objects.using(shop).all().update(text="bad")
    Detail.objects.using(shop).all().update(text="large")
    Category.objects.using(shop).filter(name="roots").update(name="bulbs")
    Product.objects.using(shop).filter(name="fig").update(price=decimal.Decimal("7.75"), weight=9.5)
    Product.objects.using(shop).create(
        name="kiwi", category=Category.objects.using(shop).first(), made="2025-01-01"
    )
    with settings_off():
        truth = look_or_error(ask, shop)
    assert look_or_error(ask, shop) == truth
    assert look_or_error(ask, shop) == truth


def look_or_error(ask, alias):
    try:
        return look(ask(alias))
    except Exception as error:
        return type(error), str(error)


def test_missing_rows_are_answers_too(shop):
    def read():
        with pytest.raises(Product.DoesNotExist):
            Product.objects.using(shop).get(name="none")

    assert_miss(shop, read)
    assert_hit(shop, read)
    Product.objects.using(shop).create(name="none")
    assert Product.objects.using(shop).get(name="none").name == "none"


def test_iterator_serves_hits_and_streams_misses(shop):
    query = by_pk(shop).filter(active=True)
    for _ in range(2):
        with seen(shop) as result:
            names = [p.name for p in query.iterator()]
        assert result.hits == 0
        assert result.fills == 0
        assert result.passed == {"iterator": 1}
    assert [p.name for p in query] == names
    assert assert_hit(shop, lambda: [p.name for p in query.iterator()]) == names
    assert assert_hit(shop, lambda: [p.name for p in query.iterator(chunk_size=2)]) == names


def test_iterator_prefetches_in_chunks(shop):
    query = by_pk(shop).prefetch_related("tags")
    names = [[t.word for t in p.tags.all()] for p in query]
    if django.VERSION >= (4, 1):
        read = lambda: [[t.word for t in p.tags.all()] for p in query.iterator(chunk_size=100)]  # noqa: E731
        assert assert_hit(shop, read) == names


@pytest.mark.skipif(django.VERSION < (4, 1), reason="asynchronous querysets came with Django 4.1")
def test_asynchronous_forms(shop):
    def ask():
        async def read():
            query = by_pk(shop).filter(active=True)
            return [
                look([p async for p in query]),
                look([p async for p in query.aiterator()]),
                await query.all().acount(),
                await query.all().aexists(),
                look(await query.all().afirst()),
                look(await query.aget(name="fig")),
                look(await query.aaggregate(n=Count("*"))),
                look([v async for v in query.values_list("name", flat=True)]),
                look(await query.ain_bulk()),
            ]

        return asyncio.run(read())

    # Asynchronous reads run in a thread of their own, with a connection of its own.
    connections[shop].close()
    first = ask()
    before = hits()
    assert ask() == first
    assert hits() == before + 9
    Product.objects.using(shop).filter(name="fig").update(price=99)
    assert ask() != first


def hits():
    from django_cache_me import stats

    return stats()["hits"]


def test_pickled_querysets_find_the_entry(shop):
    import pickle

    query = by_pk(shop).filter(active=True)
    list(query)
    again = by_pk(shop).none()
    again.query = pickle.loads(pickle.dumps(query.query))
    assert assert_hit(shop, lambda: list(again)) == list(query)


def test_explain_asks_the_database(shop):
    list(by_pk(shop))
    for _ in range(2):
        assert_miss(shop, lambda: by_pk(shop).explain())


def test_count_of_an_evaluated_queryset_asks_nobody(shop):
    query = by_pk(shop).filter(active=True)
    length = len(query)
    with seen(shop) as result:
        assert query.count() == length
        assert query.exists()
    assert result.statements == []
    assert (result.hits, result.misses) == (0, 0)


def test_policies_hold_for_every_kind(shop):
    for ask in (
        lambda query: query.count(),
        lambda query: query.exists(),
        lambda query: query.aggregate(n=Count("*")),
        lambda query: list(query.values("name")),
        lambda query: list(query.iterator()),
    ):
        for _ in range(2):
            assert_miss(shop, lambda: ask(Product.objects.using(shop).no_cache()))  # noqa: B023
    sql = "SELECT * FROM shop_product"
    for _ in range(2):
        assert_miss(shop, lambda: list(Product.objects.no_cache.raw(sql, using=shop)))
    permanent = Product.objects.using(shop).permanent_cache()
    assert assert_miss(shop, permanent.count) == 5
    Product.objects.using(shop).create(name="kiwi")
    assert assert_hit(shop, permanent.count) == 5
    assert Product.objects.using(shop).count() == 6


def test_models_that_are_not_registered_are_left_alone(shop):
    with seen(shop) as result:
        Plain.objects.using(shop).count()
        list(Plain.objects.using(shop).values("name"))
        list(Plain.objects.using(shop).raw("SELECT * FROM shop_plain"))
    assert (result.hits, result.misses, result.passed) == (0, 0, {})
    cached = lambda: Plain.objects.using(shop).cache().count()  # noqa: E731
    assert_miss(shop, cached)
    assert_hit(shop, cached)


def test_count_inside_of_others_is_not_taken_for_another(shop):
    """An aggregate whose arguments ask on their own gets its own answer."""

    class Asking(models.Value):
        def resolve_expression(self, *args, **kwargs):
            assert Tag.objects.using(shop).count() == 4
            return super().resolve_expression(*args, **kwargs)

    for _ in range(3):
        found = Product.objects.using(shop).annotate(one=Asking(1)).aggregate(n=Sum("one"))
        assert found == {"n": 5}


def test_raw_keeps_its_ways(shop):
    query = Product.objects.using(shop).raw("SELECT id, name FROM shop_product ORDER BY id")
    assert query.columns == ["id", "name"]
    assert [p.name for p in query] == [p.name for p in query.prefetch_related("tags")]
    assert query[0].get_deferred_fields()
    again = Product.objects.using(shop).raw("SELECT id, name FROM shop_product ORDER BY id")
    assert assert_hit(shop, lambda: [p.name for p in again]) == [p.name for p in query]
    with pytest.raises(Exception, match=r"no such table|does not exist|doesn't exist"):
        list(Product.objects.using(shop).raw("SELECT * FROM shop_nowhere"))
