"""Plans whose parameters aren't the values themselves: ranges, numbers of another class, numbers as text."""

from __future__ import annotations

import datetime
import decimal
import uuid

import pytest
from django.test import override_settings

from django_cache_me import _engine
from django_cache_me.reading import learning

from .shapes.models import BarelyManaged, Measured
from .shop.models import Product, Tag

pytestmark = [
    pytest.mark.skipif(not _engine.CAN_RECORD, reason="nothing is recorded without the GIL"),
    pytest.mark.usefixtures("new_shapes"),
]
D = decimal.Decimal
UTC = datetime.timezone.utc
#: Lookup -> values of one kind that take turns; the shape is learnt of the first ones.
BY_PLAN = {
    "price__range": [(0, 5), (3, 3), (-7, 12), (5, 0), (0, 99_999)],
    "price__range ": [(D("0.5"), D("5.25")), (D(3), D(3)), (D(-1), D("7.5"))],
    "price__range  ": [[1, D("5.25")], [0, D(3)]],
    "weight__range": [(0.25, 2.5), (1.0, 0.5), (-1.5, 1e30)],
    "id__range": [(1, 5), (2, 2), (7, 1), (0, 2**31 - 1)],
    "id__range ": [("1", "5"), ("-3", "4"), ("0", "2147483647")],
    "made__range": [
        (datetime.date(2024, 1, 2), datetime.date(2024, 1, 4)),
        (datetime.date(2025, 1, 1), datetime.date(1999, 12, 31)),
    ],
    "added__range": [
        (datetime.datetime(2024, 1, 2, tzinfo=UTC), datetime.datetime(2024, 1, 4, 5, tzinfo=UTC)),
        (datetime.datetime(2024, 1, 3, tzinfo=UTC), datetime.datetime(2024, 1, 3, tzinfo=UTC)),
    ],
    "name__range": [("a", "p1"), ("p1", "p1"), ("z", "a")],
    "category__id__range": [(0, 5), (2, 2)],
    "price__gte": [3, 0, -5, 7, 99_999],
    "price": ["3", "0", "-5", "7"],
    "price__lt": [2.5, 0.0, 7.125, -1.5],
    "weight": [1, 0, 2, -3],
    "weight__lte": ["1", "0", "2", "-3"],
    "name": [3, 0, 12],
    "name ": ["3", "0", "12", "-4"],
    "name__contains": ["1", "0", "12", "2"],
    "id": ["1", "2", "0", "-3", "2147483647"],
    "id__gte": ["3", "1", "8"],
    "id__in": [["1", "2"], ["3"], ["0", "-1", "4", "5"]],
    "code": [str(uuid.UUID(int=number)) for number in (3, 0, 2**128 - 1, 5)],
    "code__in": [[str(uuid.UUID(int=3)), str(uuid.UUID(int=4))], [str(uuid.UUID(int=9))]],
    "category": ["1", "2", "0"],
}
#: Values that a shape learnt of the first one must not take for its own.
NOT_BY_PLAN = {
    "id": ["1", "007", "-0", " 3", "3 ", "99999999999999999999", "1_0", "\u0663"],
    "name": ["3", "03", "-0", ""],
    "code": [
        str(uuid.UUID(int=2**100)),
        str(uuid.UUID(int=10**30)).upper(),
        uuid.UUID(int=3).hex,
        "{" + str(uuid.UUID(int=3)) + "}",
    ],
    "price__range": [(1, 5), (1, 10**12), (1, 2**63), (1, None), (True, 5), (1,), (1, 2, 3)],
    "weight": [1, 2**63, 10**400, True],
    "price": [1, 10**12, 10**400],
}


@pytest.fixture
def goods(alias):
    for i in range(9):
        Product.objects.using(alias).create(
            name=f"p{i % 3}" if i else "3",
            price=D(i),
            weight=i / 2,
            made=datetime.date(2024, 1, 1 + i),
            added=datetime.datetime(2024, 1, 1 + i, tzinfo=UTC),
            code=uuid.UUID(int=i),
        )
    return alias


def ordered(alias):
    # Anew each time: what was made before its steps were proven stays Django's.
    return Product.objects.using(alias).order_by("id")


def outcome(alias, lookup, value):
    """What Django finds, or what it complains of, and whether it does so at the filter already."""
    try:
        found = ordered(alias).filter(**{lookup: value})
    except Exception as error:
        return type(error), "at the filter"
    try:
        return [one.pk for one in found]
    except Exception as error:
        return type(error), "when it was evaluated"


@pytest.mark.parametrize("lookup", BY_PLAN)
def test_values_become_parameters(goods, lookup):
    values, lookup = BY_PLAN[lookup], lookup.strip()
    with override_settings(DJANGO_CACHE_ME_ON=False):
        expected = [outcome(goods, lookup, value) for value in values]
    for _ in range(6):
        assert [outcome(goods, lookup, value) for value in values] == expected
    before = _engine.recorded_hits()
    assert [outcome(goods, lookup, value) for value in values] == expected
    assert _engine.recorded_hits() - before == len(values), learning.refusals


@pytest.mark.parametrize("lookup", NOT_BY_PLAN)
def test_values_that_only_look_alike(goods, lookup):
    values = NOT_BY_PLAN[lookup]
    with override_settings(DJANGO_CACHE_ME_ON=False):
        expected = [outcome(goods, lookup, value) for value in values]
    for _ in range(6):
        assert outcome(goods, lookup, values[0]) == expected[0]
    for _ in range(4):
        for value, wanted in zip(values, expected):
            assert outcome(goods, lookup, value) == wanted, value


@pytest.fixture
def measured(alias):
    for number in ("1234.5677", "1234.5678", "0.3333"):
        Measured.objects.using(alias).create(exact=D(number), rough=D(number), number="15112345678")
    return lambda: Measured.objects.using(alias)  # anew each time, as above


def agree(ask, learnt, others):
    """What is learnt of some values says nothing wrong of others."""
    with override_settings(DJANGO_CACHE_ME_ON=False):
        expected = {value: ask(value) for value in (*learnt, *others)}
    for _ in range(6):
        for value in learnt:
            assert ask(value) == expected[value]
    for _ in range(4):
        for value in others:
            assert ask(value) == expected[value], value


@pytest.mark.parametrize("number", [slice(None), slice(5)], ids=["all", "sliced"])
@pytest.mark.parametrize("lookup", ["rough", "exact", "rough__gte", "rough__lte"])
def test_floats_are_rounded_as_the_column_has_digits(measured, lookup, number):
    """Not as another column of the model has them."""

    def ask(value):
        found = measured().filter(**{lookup: value}).order_by("id").values_list("id", flat=True)
        return list(found[number])

    agree(ask, [1.5, 2.25], [1234.56775, 1234.567749, 1234.56785, 1 / 3, 0.33330000001, -1234.56775])


def test_fields_of_a_project_are_asked_each_time(measured):
    def ask(value):
        return measured().filter(number=value).count(), measured().filter(number__in=[value, "x"]).count()

    agree(ask, ["123", "456"], ["15112345678", "15112345679", "+15112345678", "1511234567"])
    assert "own_conversions_of_values" in learning.refusals


WORDS = ["now", "Today", " TOMORROW ", "2024-01-01 yesterday", "now()", 200 * " " + "now", "now" + 150 * ","]
NO_WORDS = ["snow", "todays", "no", "", "nown", "2024-01-01", "\u00e4nowhere", 200 * " " + "nowhere"]


def test_text_that_a_server_may_read_as_a_time():
    assert all(map(_engine.may_read_the_clock, WORDS))
    assert not any(map(_engine.may_read_the_clock, NO_WORDS))
    assert _engine.may_read_the_clock("\ud800")  # nothing that can be sent


@pytest.mark.parametrize("lookup", ["name", "name__contains"])
def test_such_text_is_not_answered_by_a_plan(goods, lookup):
    read = lambda value: Product.objects.using(goods).filter(**{lookup: value}).count()  # noqa: E731
    for _ in range(7):
        assert read("p1") == 3
    for value in (*WORDS, *NO_WORDS):
        read(value)
        before = _engine.recorded_hits()
        assert read(value) == (9 if lookup == "name__contains" and value == "" else 0)
        is_by_plan = goods != "postgresql" or value in NO_WORDS
        assert _engine.recorded_hits() - before == is_by_plan, value


def test_values_of_a_queryset_within_are_converted_by_its_own_fields(measured):
    """Which aren't those of the model around it."""

    def dialled(value):
        return measured().filter(pk__in=Measured.objects.filter(number=value)).count()

    before = learning.refusals["own_conversions_of_values"]
    agree(dialled, ["123", "456"], ["15112345678", "15112345679", "+15112345678", "1511234567"])
    assert learning.refusals["own_conversions_of_values"] > before

    def rounded(value):
        tags = Tag.objects.using(measured().db).filter(pk__in=Measured.objects.filter(rough=value))
        return sorted(tags.values_list("id", flat=True))

    for number in range(1, 5):
        Tag.objects.using(measured().db).create(id=number, word=str(number))
    agree(rounded, [1.5, 2.25], [1234.56775, 1234.567749, 1234.56785, 1 / 3, 0.33330000001, 0.3333])


def test_a_manager_may_have_nothing_of_managers(alias):
    BarelyManaged._base_manager.using(alias).create(name="a")
    for _ in range(6):
        queryset = BarelyManaged.objects.get_queryset().using(alias)
        assert [one.name for one in queryset.filter(name="a")] == ["a"]


def test_the_keys_are_those_without_chains(goods):
    """An entry that the one made is the other's hit."""
    asked = [(lookup.strip(), value) for lookup, values in BY_PLAN.items() for value in values]
    for _ in range(6):
        for lookup, value in asked:
            outcome(goods, lookup, value)
    from django_cache_me import stats

    with override_settings(DJANGO_CACHE_ME_CHAINS=False):
        for lookup, value in asked:
            before = stats()["hits"]
            outcome(goods, lookup, value)
            assert stats()["hits"] == before + 1, (lookup, value)


def test_bounds_are_as_they_were_at_the_call(goods):
    for _ in range(6):
        bounds = [1, 3]
        found = ordered(goods).filter(price__range=bounds)
        bounds[1] = 7
        assert [one.price for one in found] == [1, 2, 3]


def test_a_range_of_objects_is_djangos(goods):
    """Only plain values are told from their shape."""
    first = Tag.objects.using(goods).create(word="a")
    last = Tag.objects.using(goods).create(word="b")
    product = ordered(goods)[0]
    product.tags.add(first, last)
    for _ in range(6):
        found = Product.objects.using(goods).filter(tags__id__range=(first.pk, last.pk)).distinct()
        assert [one.pk for one in found] == [product.pk]
