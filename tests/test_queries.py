"""Every kind of query: what comes out of the cache equals what Django gives, and no write is missed."""

from __future__ import annotations

import asyncio
import datetime
import decimal

import django
import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connections, models, transaction
from django.db.models import (
    Avg,
    Case,
    Count,
    Exists,
    F,
    FilteredRelation,
    Max,
    OuterRef,
    Prefetch,
    Q,
    RowRange,
    StdDev,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.functions import Coalesce, Concat, Lag, Lower, Rank, TruncMonth

from tests.judges.models import Area, Item, Note
from tests.looking import assert_hit, assert_miss, seen
from tests.shop.models import Category, Detail, Plain, Product, Review, Tag

from .test_reading import make_product


@pytest.fixture
def shop(alias):
    with transaction.atomic(using=alias):
        stock(alias)
    return alias


def stock(alias):
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
    "prefetch nested in Prefetch": lambda a: [
        [[(t.word, t.pk) for t in p.kept] for p in c.listed]
        for c in Category.objects.using(a)
        .order_by("pk")
        .prefetch_related(
            Prefetch(
                "products",
                by_pk(a).prefetch_related(
                    Prefetch("tags", Tag.objects.using(a).order_by("word"), to_attr="kept")
                ),
                to_attr="listed",
            )
        )
    ],
    "distinct on": lambda a: list(by_pk(a).order_by("category", "-price").distinct("category")),
    "earliest of several": lambda a: Product.objects.using(a).earliest("category", "-price"),
    "latest of several": lambda a: Product.objects.using(a).latest("active", "made"),
    "in_bulk of some": lambda a: Product.objects.using(a).in_bulk(
        list(by_pk(a).values_list("pk", flat=True)[:2])
    ),
    "in_bulk of none": lambda a: Tag.objects.using(a).in_bulk(["none"], field_name="word"),
    "first without order": lambda a: Category.objects.using(a).first(),
    "last reversed": lambda a: by_pk(a).reverse().last(),
    "dates backwards": lambda a: list(Product.objects.using(a).dates("made", "year", order="DESC")),
    "datetimes in a zone": lambda a: list(
        Product.objects.using(a).datetimes("added", "hour", tzinfo=datetime.timezone.utc)
    ),
    "named with expressions": lambda a: list(
        by_pk(a).annotate(low=Lower("name")).values_list("name", "low", "category__name", named=True)
    ),
    "slice with a step": lambda a: by_pk(a)[0:5:2],
    "slice of a union": lambda a: list(by_pk(a).order_by().union(by_pk(a).order_by()).order_by("name")[1:3]),
    "union all of values": lambda a: list(
        by_pk(a)
        .order_by()
        .values_list("name")
        .union(Tag.objects.using(a).order_by().values_list("word"), all=True)
        .order_by("name")
    ),
    "count of a union": lambda a: by_pk(a).order_by().union(by_pk(a).order_by()).count(),
    "exists annotated": lambda a: list(
        Category.objects.using(a)
        .annotate(dear=Exists(Product.objects.filter(category=OuterRef("pk"), price__gt=3)))
        .order_by("pk")
        .values_list("name", "dear")
    ),
    "window with partition and frame": lambda a: list(
        by_pk(a)
        .annotate(
            so_far=Window(
                Sum("weight"),
                partition_by=F("category"),
                order_by=F("pk").asc(),
                frame=RowRange(start=None, end=0),
            ),
            before=Window(Lag("name"), order_by=F("pk").asc()),
        )
        .values_list("name", "so_far", "before")
    ),
    "conditional aggregate": lambda a: Product.objects.using(a).aggregate(
        dear=Count("pk", filter=Q(price__gt=2)), cheap=Sum(Case(When(price__lte=2, then=1), default=0))
    ),
    "conditional order": lambda a: list(
        Product.objects.using(a).order_by(Case(When(name="fig", then=0), default=1), "name")
    ),
    "conditional filter": lambda a: list(
        by_pk(a).filter(
            Case(
                When(active=True, then=Value(True)), default=Value(False), output_field=models.BooleanField()
            )
        )
    ),
    "filter of a window": lambda a: list(
        by_pk(a).annotate(r=Window(Rank(), order_by=F("weight").desc())).filter(r__lte=2)
    ),
    "alias": lambda a: list(by_pk(a).alias(n=Count("reviews")).filter(n=1)),
    "filtered relation": lambda a: list(
        Category.objects.using(a)
        .annotate(dear=FilteredRelation("products", condition=Q(products__price__gt=2)))
        .filter(dear__isnull=False)
        .values_list("name", "dear__name")
        .order_by("dear__name")
    ),
    "extra tables": lambda a: list(
        by_pk(a).extra(
            tables=["shop_category"], where=["shop_category.id = category_id", "shop_category.name = 'roots'"]
        )
    ),
    "extra order": lambda a: list(Product.objects.using(a).extra(order_by=["-name"])),
    "raw with translations": lambda a: [
        p.name
        for p in Product.objects.using(a).raw(
            "SELECT id, word AS w FROM shop_tag ORDER BY id", translations={"w": "name"}
        )
    ],
    "raw prefetched": lambda a: [
        sorted(t.word for t in p.tags.all())
        for p in Product.objects.using(a)
        .raw("SELECT * FROM shop_product ORDER BY id")
        .prefetch_related("tags")
    ],
    "related manager filtered": lambda a: list(
        Category.objects.using(a).get(name="roots").products.filter(price__gt=1).order_by("pk")
    ),
    "related manager counted": lambda a: Category.objects.using(a).get(name="roots").products.count(),
    "children of a self reference": lambda a: [
        [one.name for one in c.children.all()] for c in Category.objects.using(a).order_by("pk")
    ],
    "no rows by name": lambda a: list(by_pk(a).filter(name="none").values_list("name", flat=True)),
    "contains": lambda a: by_pk(a).filter(active=True).contains(by_pk(a).get(name="fig")),
    "empty list": lambda a: list(by_pk(a).filter(name="none")),
}

#: The first version of Django that can ask it.
SINCE = {"contains": (4, 0), "filter of a window": (4, 2)}


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
    if SINCE.get(kind, (3, 2)) > django.VERSION:
        pytest.skip("Django could not ask this yet")
    if kind == "distinct on" and not connections[shop].features.can_distinct_on_fields:
        pytest.skip("this database has no DISTINCT ON")
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


def with_generic_prefetch(alias):
    from django.contrib.contenttypes.prefetch import GenericPrefetch

    lookup = GenericPrefetch(
        "thing", [Area.objects.using(alias).all(), Item.objects.using(alias).only("name")]
    )
    notes = Note.objects.using(alias).order_by("pk").prefetch_related(lookup)
    return [(note.thing.name, bool(note.thing.get_deferred_fields())) for note in notes]


#: What is asked of generic relations, in both directions.
GENERIC = {
    "reverse manager": lambda a: [note.text for note in Item.objects.using(a).get(name="b").notes.all()],
    "reverse prefetch": lambda a: [
        [note.text for note in item.notes.all()]
        for item in Item.objects.using(a).order_by("pk").prefetch_related("notes")
    ],
    "reverse Prefetch": lambda a: [
        [note.text for note in item.kept]
        for item in Item.objects.using(a)
        .order_by("pk")
        .prefetch_related(Prefetch("notes", Note.objects.using(a).filter(text="on a"), to_attr="kept"))
    ],
    "forward": lambda a: [note.thing.name for note in Note.objects.using(a).order_by("pk")],
    "forward prefetch": lambda a: [
        note.thing.name for note in Note.objects.using(a).order_by("pk").prefetch_related("thing")
    ],
    "nested prefetch": lambda a: [
        [note.text for note in item.notes.all()]
        for area in Area.objects.using(a).prefetch_related("items__notes")
        for item in sorted(area.items.all(), key=lambda item: item.name)
    ],
    "filter across": lambda a: list(Item.objects.using(a).filter(notes__text="on b")),
    "count across": lambda a: list(
        Item.objects.using(a).annotate(n=Count("notes")).order_by("pk").values_list("name", "n")
    ),
    "GenericPrefetch": lambda a: with_generic_prefetch(a),
}


@pytest.mark.parametrize("kind", GENERIC)
def test_generic_relations(alias, kind, settings_off):
    if kind == "GenericPrefetch" and django.VERSION < (5, 0):
        pytest.skip("GenericPrefetch came with Django 5.0")
    if alias != "default" and kind in ("forward", "forward prefetch", "GenericPrefetch"):
        # Django itself looks there for what a generic key points to.
        pytest.skip("Django's generic keys find their types in the default database")
    area = Area.objects.using(alias).create(name="area")
    for name in "ab":
        item = Item.objects.using(alias).create(name=name, slug=name, area=area)
        item.notes.create(text=f"on {name}")
    kind_of_area = ContentType.objects.db_manager(alias).get_for_model(Area)
    if alias == "default":
        Note.objects.using(alias).create(content_type=kind_of_area, object_id=area.pk, text="on the area")
    ask = lambda: look(GENERIC[kind](alias))  # noqa: E731
    with settings_off():
        truth = ask()
    assert assert_miss(alias, ask) == truth
    assert assert_hit(alias, ask) == truth
    Item.objects.using(alias).filter(name="a").update(name="c")
    Item.objects.using(alias).get(name="b").notes.create(text="more")
    Note.objects.using(alias).filter(text="on b").delete()
    with settings_off():
        truth = ask()
    assert ask() == truth
    assert ask() == truth


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


async def _all(queryset):
    return [one async for one in queryset]


#: Asynchronous form -> a coroutine function of a queryset of products.
ASYNCHRONOUS = {
    "async for": lambda q: _all(q),
    "aiterator": lambda q: _all(q.aiterator()),
    "values_list": lambda q: _all(q.values_list("name", flat=True)),
    "values": lambda q: _all(q.values("name", "category__name")),
    "prefetched": lambda q: _all(q.prefetch_related("tags")),
    "select_related": lambda q: _all(q.select_related("category")),
    "raw": lambda q: _all(q.raw("SELECT id, name FROM shop_product ORDER BY id")),
    "acount": lambda q: q.acount(),
    "aexists": lambda q: q.aexists(),
    "afirst": lambda q: q.afirst(),
    "alast": lambda q: q.alast(),
    "aearliest": lambda q: q.aearliest("made"),
    "alatest": lambda q: q.alatest("made"),
    "aget": lambda q: q.aget(name="fig"),
    "aaggregate": lambda q: q.aaggregate(n=Count("*")),
    "ain_bulk": lambda q: q.ain_bulk(),
    "dates": lambda q: _all(q.dates("made", "month")),
    "slice": lambda q: _all(q[1:3]),
}


@pytest.mark.skipif(django.VERSION < (4, 1), reason="asynchronous querysets came with Django 4.1")
@pytest.mark.parametrize("form", ASYNCHRONOUS)
def test_asynchronous_forms(shop, form, settings_off):
    def ask():
        async def read():
            return look(await ASYNCHRONOUS[form](by_pk(shop).filter(active=True)))

        return asyncio.run(read())

    # Asynchronous reads run in a thread of their own, with a connection of its own.
    connections[shop].close()
    with settings_off():
        truth = ask()
    if form == "aiterator":
        list(by_pk(shop).filter(active=True))  # it fills nothing itself
    assert ask() == truth
    with seen(shop) as result:
        assert ask() == truth
    assert (result.hits >= 1, result.misses, result.passed) == (True, 0, {})
    Product.objects.using(shop).filter(name="fig").update(name="kiwi", price=99, made="2025-01-01")
    Product.objects.using(shop).filter(name="apple").delete()
    with settings_off():
        truth = look_or_error(lambda alias: ask(), shop)
    assert look_or_error(lambda alias: ask(), shop) == truth


@pytest.mark.skipif(django.VERSION < (4, 1), reason="asynchronous querysets came with Django 4.1")
def test_asynchronous_forms_that_ask_the_database(shop):
    connections[shop].close()
    product = by_pk(shop).get(name="fig")
    for ask, reason in (
        (lambda: by_pk(shop).aexplain(), "explain"),
        (lambda: product.arefresh_from_db(), "refresh_from_db"),
    ):
        if reason == "refresh_from_db" and django.VERSION < (4, 2):
            continue  # which brought it

        async def read():
            return await ask()  # noqa: B023

        for _ in range(2):
            with seen(shop) as result:
                asyncio.run(read())
            assert (result.hits, result.passed) == (0, {reason: 1})


def test_pickled_querysets_find_the_entry(shop, settings_off):
    import pickle

    query = by_pk(shop).filter(active=True)
    list(query)
    again = by_pk(shop).none()
    again.query = pickle.loads(pickle.dumps(query.query))
    assert assert_hit(shop, lambda: list(again)) == list(query)
    # A queryset that is pickled takes its results along, those of a hit too.
    with settings_off():
        plain = by_pk(shop).filter(active=True)
        list(plain)
    taken = by_pk(shop).filter(active=True)
    assert_hit(shop, lambda: list(taken))
    with seen(shop) as result:
        assert look(pickle.loads(pickle.dumps(taken))) == look(pickle.loads(pickle.dumps(plain)))
    assert (result.statements, result.hits, result.misses) == ([], 0, 0)


def test_explain_asks_the_database(shop):
    list(by_pk(shop))
    for _ in range(2):
        with seen(shop) as result:
            assert by_pk(shop).explain()
        assert len(result.statements) == 1
        assert (result.hits, result.fills, result.passed) == (0, 0, {"explain": 1})
    with seen(shop) as result:
        Plain.objects.using(shop).explain()
        by_pk(shop).no_cache().explain()
    assert result.passed == {}


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
