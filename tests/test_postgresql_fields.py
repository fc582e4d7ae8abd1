"""Fields, aggregates and functions of ``django.contrib.postgres``."""

from __future__ import annotations

import pytest
from django.contrib.postgres.aggregates import ArrayAgg, BoolOr, JSONBAgg
from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db import connections, models
from django.db.models import Count

from tests.looking import assert_hit, assert_miss, seen
from tests.pgfields.models import FIELDS, MODELS
from tests.shop.models import Category, Product
from tests.test_fields import WAYS, _plain, unshared
from tests.test_queries import look

pytestmark = pytest.mark.usefixtures("postgresql")
A = "postgresql"


#: Names of django.contrib.postgres.fields that aren't columns of their own, and where they are tested.
ELSEWHERE = {
    "RangeField": "the base of the ranges",
    "ContinuousRangeField": "the base of some ranges",
    "JSONField": "gone since 4.0; Django's own is in test_fields",
    **dict.fromkeys(
        ("CIText", "CICharField", "CIEmailField", "CITextField"),
        "gone since 5.1: text under another collation, by a type of the database",
    ),
}


def test_no_field_of_postgresql_is_forgotten():
    from django.contrib.postgres import fields, search

    named = {
        name
        for module in (fields, search)
        for name, one in vars(module).items()
        if isinstance(one, type)
        and issubclass(one, models.Field)
        and one.__module__.startswith("django.contrib")
    }
    left = {name for name in named - set(ELSEWHERE) if not name.startswith("_")}
    # The last two are types of expressions, which no column has.
    assert left - {"SearchConfigField", "SearchQueryField"} <= set(FIELDS)


@pytest.mark.parametrize("kind", FIELDS)
def test_every_field_in_every_way(kind, settings_off):
    model = MODELS[kind]
    for value in [None, *FIELDS[kind][1]]:
        model.objects.using(A).create(value=value)
    connections[A].close()
    for way, ask_of in WAYS.items():
        ask = lambda: ask_of(model.objects.using(A).order_by("pk"))  # noqa: B023, E731
        with settings_off():
            truth = look(ask())
        assert look(ask()) == truth, way
        if way == "raw" and "Range" in kind:
            continue  # kept as the driver gives them, and the codec knows no ranges
        first, second = assert_hit(A, ask), assert_hit(A, ask)
        assert look(first) == truth, way
        assert look(second) == truth, way
        unshared(_plain(first), _plain(second))
    for value in FIELDS[kind][1]:
        query = lambda: list(model.objects.using(A).filter(value=value))  # noqa: B023, E731
        with settings_off():
            truth = look(query())
        assert look(query()) == truth
        with seen(A) as result:
            assert look(query()) == truth
        assert result.hits == 1, (value, vars(result))


def test_ranges_in_raw_rows_are_counted():
    model = MODELS["IntegerRangeField"]
    model.objects.using(A).create(value=(1, 5))
    for _ in range(2):
        with seen(A) as result:
            (found,) = model.objects.using(A).raw(f"SELECT id, value FROM {model._meta.db_table}")
        assert (found.value.lower, found.value.upper) == (1, 5)
        assert next(iter(result.not_filled)).startswith("unknown_type:")


def test_ranges_whose_bounds_are_the_time():
    """Django gives bounds to the server as they are, which reads these as the time of the statement."""
    model = MODELS["DateTimeRangeField"]
    for value in ((None, "now"), model._meta.get_field("value").range_type(None, "NOW"), "[,now]"):
        for _ in range(2):
            with seen(A) as result:
                model.objects.using(A).filter(value__overlap=value).count()
            assert result.hits == 0
            assert result.passed == {"clock_text": 1}, value


def test_aggregates(settings_off):
    fruit = Category.objects.using(A).create(name="fruit")
    for name in ("apple", "fig"):
        Product.objects.using(A).create(name=name, category=fruit)
    for ask in (
        lambda: Product.objects.using(A).aggregate(names=ArrayAgg("name", default=[])),
        lambda: Product.objects.using(A).aggregate(names=JSONBAgg("name", default=[])),
        lambda: Product.objects.using(A).aggregate(any=BoolOr("active")),
        lambda: list(Category.objects.using(A).annotate(all=ArrayAgg("products__pk")).values_list("all")),
    ):
        try:
            with settings_off():
                truth = look(ask())
        except TypeError:  # Django before 4.0 has no default
            connections[A].close()
            continue
        assert look(assert_miss(A, ask)) == truth
        assert look(assert_hit(A, ask)) == truth
        Product.objects.using(A).create(name="kiwi", category=fruit)
        with settings_off():
            truth = look(ask())
        assert look(ask()) == truth


def test_search(settings_off):
    for name in ("a fat cat", "a rat"):
        Category.objects.using(A).create(name=name)
    vector = SearchVector("name", config="english")
    for ask in (
        lambda: list(Category.objects.using(A).annotate(v=vector).filter(v=SearchQuery("cats"))),
        lambda: [
            (one.name, one.rank)
            for one in Category.objects.using(A)
            .annotate(rank=SearchRank(vector, SearchQuery("cat")))
            .order_by("pk")
        ],
        lambda: Category.objects.using(A).annotate(v=vector).filter(v="rat").aggregate(n=Count("*")),
    ):
        with settings_off():
            truth = look(ask())
        assert look(ask()) == truth
        assert look(ask()) == truth
