"""Writes and reads about ranges: rows that move into them and out, and answers that nothing else bounds."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

from django.db.models import F, Q, Sum

from .models import COLUMNS, Area, Item, Label, Membership, Motley
from .motley import columns, value_of
from .reads import area_key, ids, items, read
from .writes import FIRST, execute, slug, some, values, write

#: Columns that are ordered like numbers.
ORDERED = [
    f"a_{kind}field"
    for kind in ("biginteger", "integer", "smallinteger", "positivebiginteger", "decimal", "date", "datetime")
]
assert set(ORDERED) <= set(COLUMNS)


def number(n: int) -> int:
    """Mostly among the few that all other writes use; at times far from them, or below nought."""
    return (n % 5, n % 9 - 4, n % 300 - 100, n % 9000)[n // 7 % 4]


def price(n: int) -> decimal.Decimal | None:
    """At times with more places than the column has."""
    return (
        None,
        decimal.Decimal(n % 300) / 100,
        decimal.Decimal(n % 3000) / 1000,
        decimal.Decimal(n % 300) / 100 + decimal.Decimal("0.005"),
        decimal.Decimal(n % 99999),
    )[n // 5 % 5]


def day(n: int) -> datetime.date:
    return datetime.date(2020, 1, 1) + datetime.timedelta(days=(n % 9, n % 366, n % 9000)[n // 3 % 3])


def moved(n: int, m: int) -> dict[str, Any]:
    return {"number": number(n), "price": price(m), "made": None if n % 5 == 0 else day(m)}


# Writes.


@write
def move_as_a_whole(alias, n, m):
    item = some(Item, alias, n)
    if item is not None:
        for name, value in moved(m, n).items():
            setattr(item, name, value)
        item.save()


@write
def move_by_one_column(alias, n, m):
    item = some(Item, alias, n)
    if item is not None:
        name, value = list(moved(m, n).items())[m % 3]
        setattr(item, name, value)
        item.save(update_fields=[name])


@write
def move_by_expressions(alias, n, m):
    """As a whole, by values that nobody knows; by key; or wherever the rows are."""
    step, much = m % 5 - 2, decimal.Decimal(m % 7 - 3) / 3
    item = some(Item, alias, n)
    if m % 3 == 0:
        Item.objects.using(alias).filter(number__range=(n % 5, n % 5 + 2)).update(number=F("number") + step)
    elif item is not None and m % 3 == 1:
        item.number = F("number") + step
        item.save()
    elif item is not None:
        Item.objects.using(alias).filter(pk=item.pk).update(price=F("price") + much)


@write
def move_several(alias, n, m):
    few = list(Item.objects.using(alias).no_cache().order_by("pk")[n % 3 : n % 3 + 3])
    for place, item in enumerate(few):
        for name, value in moved(m + place, n).items():
            setattr(item, name, value)
    Item.objects.using(alias).bulk_update(few, [["number"], ["price", "made"], ["number", "made"]][m % 3])


@write
def create_within(alias, n, m):
    several = [
        Item(slug=slug(), area=some(Area, alias, n), **{**values(n, m), **moved(n + one, m)})
        for one in range(1 + m % 3)
    ]
    Item.objects.using(alias).bulk_create(several)


@write
def move_by_raw_sql(alias, n, m):
    item = some(Item, alias, n)
    if item is not None:
        execute(
            alias,
            "UPDATE judges_item SET price = %s, number = %s WHERE id = %s",
            [price(m), number(m), item.pk],
        )


@write
def level_an_area(alias, n, m):
    area = some(Area, alias, n)
    if area is not None:
        area.level = None if m % 4 == 0 else number(m)
        area.save()


@write
def move_a_motley(alias, n, m):
    """To the ends of what its columns hold, or near them."""
    motley = some(Motley, alias, n)
    if motley is not None:
        for name, value in columns(m, n).items():
            setattr(motley, name, value)
        if m % 2:
            motley.save()
        else:
            motley.save(update_fields=[ORDERED[n % len(ORDERED)]])


@write
def relate_several(alias, n, m):
    labels = Label.objects.using(alias).no_cache().order_by("pk")[n % 2 : n % 2 + 3]
    for item in Item.objects.using(alias).no_cache().order_by("pk")[m % 2 : m % 2 + 2]:
        item.labels.add(*labels)
    motley = some(Motley, alias, n % 3)
    if motley is not None:
        few = Area.objects.using(alias).no_cache().order_by("pk")[m % 2 : m % 2 + 3]
        motley.areas.add(*few, through_defaults={"role": f"n{m % 4}"})
        motley.friends.add(*Motley.objects.using(alias).no_cache().order_by("-pk")[:2])


FIRST.append(relate_several)


# Reads.


def ends(n: int, m: int, of: Any) -> tuple[Any, Any]:
    """Of a narrow range or a wide one, which is empty at times."""
    found = [of(n), of(m)]
    return (min(found), max(found)) if (n + m) % 8 else (max(found), min(found))


def numbers(alias: str, n: int, m: int) -> Any:
    if m % 2:
        return items(alias).filter(number__range=(n % 5 - 1, n % 5 + m % 4))
    low, high = ends(n, m, number)
    return items(alias).filter(number__gte=low, number__lte=high)


def prices(alias: str, n: int, m: int) -> Any:
    low, high = ends(n, m, lambda one: price(one) or decimal.Decimal("0.5"))
    if m % 2:
        return items(alias).filter(price__range=(low, high))
    return items(alias).filter(price__gte=low, price__lt=high)


def days(alias: str, n: int, m: int) -> Any:
    low, high = ends(n, m, day)
    if m % 2:
        return items(alias).filter(made__range=(low, high))
    return items(alias).filter(made__gt=low, made__lte=high)


def ranges(alias: str, n: int, m: int) -> list[Any]:
    return [numbers(alias, n, m), prices(alias, n, m), days(alias, n, m)]


@read
def within_ranges(alias, n, m):
    return [list(found.order_by("pk")) for found in ranges(alias, n, m)]


@read
def within_ranges_in_no_order(alias, n, m):
    return [sorted(found, key=lambda item: item.pk) for found in ranges(alias, n, m)]


@read
def few_within_ranges(alias, n, m):
    number, price, day = ranges(alias, n, m)
    return (
        list(number.order_by("-number", "pk")[: 1 + m % 3]),
        list(price.order_by("price", "pk")[: 1 + m % 3]),
        list(day.order_by("made", "-pk")[: 1 + n % 3]),
        number.order_by("name", "pk").first(),
    )


@read
def pages_within_ranges(alias, n, m):
    return [list(found.order_by("name", "pk")[1 : 2 + m % 3]) for found in ranges(alias, n, m)]


@read
def counts_within_ranges(alias, n, m):
    return [(found.count(), found.exists()) for found in ranges(alias, n, m)]


@read
def values_within_ranges(alias, n, m):
    number, price, day = ranges(alias, n, m)
    return (
        sorted(number.values_list("slug", "number")),
        list(price.order_by("slug").values("slug", "price")),
        sorted(day.values_list("slug", flat=True)),
        number.aggregate(Sum("number")),
    )


@read
def within_two_ranges(alias, n, m):
    found = days(alias, m, n) & numbers(alias, n, m)
    return list(found.order_by("pk")), found.filter(flag=(True, False)[m % 2]).count()


@read
def within_a_range_of_an_area(alias, n, m):
    return list(numbers(alias, n, m).filter(area=area_key(alias, n)).order_by("number", "pk"))


@read
def within_a_range_or_not(alias, n, m):
    low, high = n % 5, n % 5 + m % 3
    return (
        list(items(alias).exclude(number__range=(low, high)).order_by("pk")),
        list(items(alias).filter(Q(number__range=(low, high)) | Q(flag=None)).order_by("pk")),
        list(items(alias).filter(number__gte=low).order_by("pk")),
        list(items(alias).filter(number__lt=high, price__gt=0).order_by("pk")),
    )


@read
def within_a_range_and_related(alias, n, m):
    found = numbers(alias, n, m).select_related("area__parent").order_by("pk")
    return [(item, item.area) for item in found], list(
        days(alias, n, m).filter(area__level__range=(0, m % 5)).order_by("pk")[:3]
    )


@read
def areas_of_levels(alias, n, m):
    low, high = ends(n, m, number)
    found = Area.objects.using(alias).filter(level__range=(low, high))
    return list(found.order_by("pk")), list(found.order_by("level", "pk")[:2]), found.count()


@read
def motleys_within_ranges(alias, n, m):
    name = ORDERED[n % len(ORDERED)]
    found = sorted(one for one in map(value_of, [name] * 2, (m, m + 1 + n % 2)) if one is not None)
    within = Motley.objects.using(alias).filter(**{f"{name}__range": (found[0], found[-1])})
    return list(within.order_by("pk")), within.count()


@read
def related_in_the_order_of_their_keys(alias, n, m):
    """Through a table whose foreign keys are enforced: the first few by the key of what is related."""
    direction = ("pk", "-pk")[m % 2]
    few = 1 + m % 3
    labels, areas = Label.objects.using(alias), Area.objects.using(alias)
    one = Motley.objects.using(alias).no_cache().order_by("pk").first()
    return (
        [list(labels.filter(items=key).order_by(direction)[:few]) for key in ids(alias)[:2]],
        [list(items(alias).filter(labels__word=f"w{n % 6}").order_by(direction)[:few])],
        one and list(areas.filter(motleys=one.pk).order_by(direction)[:few]),
        one and list(one.friends.order_by(direction)[:few]),
        list(areas.filter(membership__role=f"n{n % 4}").order_by(direction, "membership__pk")[:few]),
    )


@read
def members_in_the_order_of_keys(alias, n, m):
    found = Membership.objects.using(alias).select_related("area", "motley").filter(role=f"n{n % 4}")
    few = 1 + m % 2
    return [
        [(one, one.area, one.motley) for one in found.order_by(*order)[:few]]
        for order in (("area__pk", "pk"), ("-motley__pk", "pk"), ("area__name", "pk"))
    ]
