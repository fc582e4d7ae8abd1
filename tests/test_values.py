"""Dicts, tuples and single values that the engine makes equal Django's own."""

from __future__ import annotations

import pytest
from django.db.models import Count, F, Q, Sum, Value
from django.db.models.functions import Concat, Upper

from django_cache_me.reading import columns
from tests.looking import assert_hit, assert_miss
from tests.shapes.models import Linked, Plain, Target
from tests.shop.fields import Money
from tests.shop.models import Product, Purse


@pytest.fixture
def shapes(alias):
    one = Plain.objects.using(alias).create(name="one", number=1)
    two = Plain.objects.using(alias).create(name="two")
    target = Target.objects.using(alias).create(code="abc")
    Linked.objects.using(alias).create(first=one, second=two, target=target)
    Linked.objects.using(alias).create(first=two)
    Product.objects.using(alias).create(name="p", about={"a": [1, {"b": None}]})
    Purse.objects.using(alias).create(owner="me", money=Money(5))
    return alias


_plain = Plain.objects.order_by("pk")
_linked = Linked.objects.order_by("pk")

#: Name -> a queryset.
SHAPES = {
    "values": _plain.values(),
    "values of some": _plain.values("number", "id"),
    "values with expressions": _plain.values("name", big=Upper("name")),
    "values of related": _linked.values("second__name", "first__number", "pk"),
    "values and annotation": _plain.values("name").annotate(n=Count("first_of")),
    "annotation and values": _plain.annotate(n=Count("first_of")).values("n", "name"),
    "annotation and all values": _plain.annotate(n=Count("first_of")).values(),
    "values of an annotation": _plain.annotate(n=Count("first_of")).values("n"),
    "group by": Linked.objects.values("target__code")
    .annotate(n=Count("pk"), s=Sum("first__number"))
    .order_by("n", "s"),
    "alias": _plain.alias(n=Count("first_of")).filter(n__gte=0).values("name"),
    "extra": _plain.extra(select={"more": "1 + 1", "and_more": "2"}).values("name", "more"),
    "extra of all": _plain.extra(select={"more": "1 + 1"}).values(),
    "extra, annotation, field": _plain.extra(select={"more": "1 + 1"})
    .annotate(u=Upper("name"))
    .values_list("u", "name", "more"),
    "list": _plain.values_list(),
    "list of some": _plain.values_list("number", "id"),
    "list of one": _plain.values_list("name"),
    "list with expressions": _plain.values_list("name", Upper("name"), Concat("name", Value("!"))),
    "list, annotation first": _plain.annotate(n=Count("first_of")).values_list("n", "name", "pk"),
    "list, annotation later": _plain.values_list("name").annotate(n=Count("first_of")),
    "list with a field again": _linked.values_list("first", "first_id", "first__pk"),
    "flat": _plain.values_list("number", flat=True),
    "flat pk": _linked.values_list("second", flat=True),
    "flat expression": _plain.values_list(Upper("name"), flat=True),
    "flat annotation": _plain.annotate(n=F("number")).values_list("n", flat=True),
    "named": _plain.values_list("number", "name", named=True),
    "named of all": _plain.values_list(named=True),
    "named with expression": _plain.values_list("name", Upper("name"), named=True),
    "named with annotation": _plain.annotate(n=Count("first_of")).values_list("n", "pk", named=True),
    "distinct": Plain.objects.values_list("number", flat=True).distinct().order_by("number"),
    "ordered by another": Plain.objects.order_by("-name").values_list("number", flat=True),
    "distinct, ordered by another": Linked.objects.order_by("first__name")
    .values_list("first__number")
    .distinct(),
    "union": Plain.objects.filter(name="one")
    .values_list("name", "pk")
    .union(Plain.objects.filter(name="two").values_list("name", "pk"))
    .order_by("name"),
    "union of values": Plain.objects.filter(name="one")
    .values("name", "pk")
    .union(Target.objects.values("code", "pk"))
    .order_by("name"),
    "none of them": _plain.filter(name="three").values("name"),
    "filtered annotation": _plain.annotate(n=Count("first_of", filter=Q(first_of__target="abc"))).values(),
    "json": Product.objects.values("about", "name"),
    "json path": Product.objects.values_list("about__a", flat=True),
    "own converters": Purse.objects.values("owner", "money"),
    "own converters, list": Purse.objects.values_list("money", "owner"),
    "own converters, flat": Purse.objects.values_list("money", flat=True),
    "own converters, named": Purse.objects.values_list("money", "owner", named=True),
    "dates": Product.objects.dates("added", "day"),
    "datetimes": Product.objects.datetimes("added", "hour"),
}


def picture(value):
    """All that can be told of it: types, order, names."""
    if isinstance(value, dict):
        return (type(value), [(name, picture(one)) for name, one in value.items()])
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, getattr(value, "_fields", None), [picture(one) for one in value])
    return (type(value), vars(value) if isinstance(value, Money) else repr(value))


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_equal_djangos(shapes, shape, settings_off, monkeypatch):
    ask = lambda: list(SHAPES[shape].using(shapes).all())  # noqa: E731
    with settings_off():
        truth = picture(ask())
    plans = []
    original = columns.rows_plan

    def spy(queryset, alias, compiler):
        plans.append(original(queryset, alias, compiler))
        return plans[-1]

    monkeypatch.setattr(columns, "rows_plan", spy)
    assert picture(assert_miss(shapes, ask)) == truth
    for _ in range(3):  # decoded values are kept after the second
        assert picture(assert_hit(shapes, ask)) == truth
    assert len(plans) == 4
    assert None not in plans


def test_mutable_values_are_new_at_each_hit(shapes):
    ask = lambda: list(Product.objects.using(shapes).values("name", "about"))  # noqa: E731
    ask()
    for _ in range(4):
        (found,) = assert_hit(shapes, ask)
        assert found == {"name": "p", "about": {"a": [1, {"b": None}]}}
        found["about"]["a"].append(2)
        found["about"]["a"][1]["b"] = 3
        found["more"] = 4


def test_named_tuples_are_of_djangos_class(shapes, settings_off):
    ask = lambda: list(Plain.objects.using(shapes).values_list("pk", "name", named=True))  # noqa: E731
    with settings_off():
        truth = type(ask()[0])
    ask()
    assert type(assert_hit(shapes, ask)[0]) is truth


def test_an_own_iterable_is_left_alone(shapes):
    """One that is derived from Django's may do anything."""
    from django.db.models.query import ValuesIterable

    class Shouting(ValuesIterable):
        def __iter__(self):
            for row in super().__iter__():
                yield {name.upper(): value for name, value in row.items()}

    def ask():
        queryset = Plain.objects.using(shapes).filter(name="one").values("name")
        queryset._iterable_class = Shouting
        return list(queryset)

    for _ in range(8):  # a plan is learnt meanwhile, of the same steps
        list(Plain.objects.using(shapes).filter(name="one").values("name"))
    assert ask() == [{"NAME": "one"}]
    assert assert_hit(shapes, ask) == [{"NAME": "one"}]


def test_unions_of_annotated_values_are_djangos(sqlite):
    Product.objects.create(name="a", weight=1)
    one = Product.objects.annotate(num=F("weight")).values("num", "name")
    other = Product.objects.annotate(num=Value(2.0)).values("num", "name")
    read = lambda: list(one.union(other).order_by("num"))  # noqa: E731
    first = read()
    assert [row["num"] for row in first] == [1.0, 2.0]
    assert read() == first
