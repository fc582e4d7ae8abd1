"""The reads of random programs: querysets in every form, each in an order that the database has to keep."""

from __future__ import annotations

import datetime
from typing import Any, Callable

import django
from django.db.models import (
    Avg,
    Case,
    Count,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.functions import Coalesce, Lower, RowNumber

from . import models
from .models import Area, Detail, Item, Label, Note, Special, SpecialProxy

READS: list[Callable[[str, int, int], Any]] = []


def read(function: Callable[[str, int, int], Any]) -> Callable[[str, int, int], Any]:
    READS.append(function)
    return function


def items(alias: str) -> Any:
    return Item.objects.using(alias)


@read
def whole_table(alias, n, m):
    return sorted(Area.objects.using(alias).all(), key=lambda area: area.pk)


@read
def by_key(alias, n, m):
    return [items(alias).filter(pk=one).first() for one in ids(alias)[:2]]


def ids(alias: str) -> list[int]:
    return list(items(alias).no_cache().order_by("pk").values_list("pk", flat=True)[:3])


@read
def get_or_not(alias, n, m):
    try:
        return Label.objects.using(alias).get(word=f"w{n % 6}")
    except Label.DoesNotExist as error:
        return str(error)


@read
def by_values(alias, n, m):
    return list(items(alias).filter(name=f"n{n % 4}", number=m % 5).order_by("pk"))


@read
def by_nulls(alias, n, m):
    return list(items(alias).filter(Q(flag=None) | Q(price__isnull=True)).order_by("-pk"))


@read
def by_exclusion(alias, n, m):
    return list(items(alias).exclude(name=f"n{n % 4}").exclude(number__gt=m % 5).order_by("name", "pk"))


@read
def by_dates(alias, n, m):
    return list(items(alias).filter(made__gte=datetime.date(2020, 1 + n % 12, 1)).order_by("made", "pk"))


@read
def by_text(alias, n, m):
    return list(items(alias).filter(name__icontains=str(n % 4), slug__gt="").order_by("pk")[: m % 4])


@read
def by_json(alias, n, m):
    return list(items(alias).filter(about__a=[n % 3]).order_by("pk"))


@read
def of_an_area(alias, n, m):
    area = Area.objects.using(alias).order_by("pk").first()
    return None if area is None else list(area.items.order_by("number", "pk")[:3])


@read
def across_joins(alias, n, m):
    return list(items(alias).filter(area__parent__name=f"n{n % 4}").order_by("pk"))


@read
def placed_by_what_a_left_join_brings(alias, n, m):
    found = items(alias).filter(number=m % 5)
    first = found.order_by("area__name", "pk")[: 1 + n % 2]
    higher = found.order_by("area__parent__name", "pk").values_list("pk", flat=True)[:1]
    return list(first), list(higher), list(found.filter(Q(area__level=n % 5) | Q(flag=True)).order_by("pk"))


@read
def across_many_to_many(alias, n, m):
    return list(items(alias).filter(labels__word__startswith="w").distinct().order_by("pk"))


@read
def without_labels(alias, n, m):
    return list(items(alias).exclude(labels__word=f"w{n % 6}").order_by("pk"))


@read
def slices(alias, n, m):
    return list(items(alias).order_by("number", "-pk")[n % 3 : n % 3 + 1 + m % 3])


@read
def with_related(alias, n, m):
    found = items(alias).select_related("area__parent", "detail").order_by("pk")
    return [(item, item.area, getattr(item, "detail", None)) for item in found]


@read
def with_prefetched(alias, n, m):
    found = items(alias).prefetch_related("labels", "notes").order_by("pk")
    return [
        (item, sorted(label.word for label in item.labels.all()), sorted(n.pk for n in item.notes.all()))
        for item in found
    ]


@read
def with_own_prefetch(alias, n, m):
    queryset = Item.objects.filter(number__lte=n % 5).order_by("-number", "pk")
    found = Area.objects.using(alias).prefetch_related(Prefetch("items", queryset, to_attr="few"))
    return [(area, area.few) for area in found.order_by("pk")]


@read
def subclasses(alias, n, m):
    return list(Special.objects.using(alias).filter(extra=f"n{n % 4}").order_by("pk"))


@read
def proxies(alias, n, m):
    return list(SpecialProxy.objects.using(alias).filter(number__gte=n % 3).order_by("pk"))


@read
def generic(alias, n, m):
    notes = Note.objects.using(alias).prefetch_related("thing").order_by("pk")
    return [(note, note.thing) for note in notes]


@read
def counts(alias, n, m):
    return items(alias).filter(number=n % 5).count(), Label.objects.using(alias).count()


@read
def existence(alias, n, m):
    return items(alias).filter(name=f"n{n % 4}", flag=True).exists(), Detail.objects.using(alias).exists()


@read
def aggregates(alias, n, m):
    return items(alias).aggregate(Sum("number"), Avg("size"), Min("made"), Max("price"), count=Count("area"))


@read
def grouped(alias, n, m):
    return list(items(alias).values("name").annotate(count=Count("pk"), last=Max("number")).order_by("name"))


@read
def annotated(alias, n, m):
    found = Area.objects.using(alias).annotate(count=Count("items__labels"), up=Lower("parent__name"))
    return [(area, area.count, area.up) for area in found.order_by("pk")]


@read
def having(alias, n, m):
    return list(Label.objects.using(alias).annotate(n=Count("items")).filter(n__gte=m % 3).order_by("word"))


@read
def conditional(alias, n, m):
    kind = Case(When(number__gt=n % 5, then=Value("many")), default=Value("few"))
    return list(items(alias).annotate(kind=kind).order_by("kind", "pk").values_list("kind", "pk", named=True))


@read
def subqueries(alias, n, m):
    newest = Item.objects.filter(area=OuterRef("pk")).order_by("-number", "pk").values("name")[:1]
    found = Area.objects.using(alias).annotate(newest=Coalesce(Subquery(newest), Value("none")))
    return list(found.order_by("pk").values_list("pk", "newest"))


@read
def existing(alias, n, m):
    notes = Note.objects.filter(object_id=OuterRef("pk"), text=f"n{n % 4}")
    return list(items(alias).filter(Exists(notes)).order_by("pk"))


@read
def within(alias, n, m):
    areas = Area.objects.using(alias).filter(level=m % 4)
    return list(items(alias).filter(area__in=areas).order_by("pk"))


@read
def windows(alias, n, m):
    number = Window(RowNumber(), partition_by=F("name"), order_by=(F("number"), F("pk")))
    return list(items(alias).annotate(row=number).order_by("pk").values_list("pk", "row"))


@read
def united(alias, n, m):
    one = items(alias).filter(number=n % 5).values_list("name", "pk")
    other = Area.objects.using(alias).filter(level=m % 4).values_list("name", "pk")
    return sorted(one.union(other, all=True))


@read
def flat(alias, n, m):
    return list(items(alias).order_by("pk").values_list("area__name", flat=True))


@read
def dicts(alias, n, m):
    found = items(alias).order_by("pk", "labels__word")
    return list(found.values("pk", "price", "about", "point", "labels__word"))


@read
def dates(alias, n, m):
    return list(items(alias).dates("made", "month")), list(items(alias).datetimes("at", "day"))


@read
def only_some(alias, n, m):
    return [(item.pk, item.name) for item in items(alias).only("name").order_by("pk")]


@read
def deferred(alias, n, m):
    return list(items(alias).defer("about", "blob").order_by("pk"))


@read
def in_bulk(alias, n, m):
    return sorted(items(alias).in_bulk(ids(alias)).items())


@read
def firsts_and_lasts(alias, n, m):
    return items(alias).order_by("number", "pk").first(), items(alias).order_by("number", "pk").last()


@read
def by_raw_sql(alias, n, m):
    sql = "SELECT id, name, level, parent_id FROM judges_area WHERE level = %s ORDER BY id"
    return list(Area.objects.using(alias).raw(sql, [n % 4]))


@read
def by_iterator(alias, n, m):
    return list(items(alias).filter(number=n % 5).order_by("pk").iterator(chunk_size=2))


@read
def composite(alias, n, m):
    if django.VERSION < (5, 2):
        return None
    return list(models.Pair.objects.using(alias).filter(first=n % 3).order_by("second"))


# What the mode "exact" lets live longer: by key, by value, by witness, joined by key, and where rules meet.


def area_key(alias: str, n: int) -> Any:
    areas = list(Area.objects.using(alias).no_cache().order_by("pk").values_list("pk", flat=True)[:4])
    return areas[n % len(areas)] if areas else 0


@read
def by_keys(alias, n, m):
    last = max(ids(alias), default=0)
    return list(items(alias).filter(pk__in=[*ids(alias)[:2], last + n % 4]).order_by("number", "pk"))


@read
def by_key_and_more(alias, n, m):
    return [list(items(alias).filter(pk=one, number__lte=m % 5)) for one in ids(alias)[:2]]


@read
def by_area(alias, n, m):
    return list(items(alias).filter(area=area_key(alias, n)).order_by("pk"))


@read
def by_area_and_more(alias, n, m):
    found = items(alias).filter(area=area_key(alias, n), number__lte=m % 5).exclude(name=f"n{n % 4}")
    return list(found.order_by("-number", "pk"))


@read
def few_of_an_area(alias, n, m):
    return list(items(alias).filter(area=area_key(alias, n)).order_by("-number", "pk")[: 1 + m % 3])


@read
def page_of_a_number(alias, n, m):
    return list(items(alias).filter(number=n % 5).order_by("name", "pk")[1 : 2 + m % 3])


@read
def by_a_date_or_two(alias, n, m):
    days = [datetime.date(2020, 1 + n % 12, 1 + m % 28), datetime.date(2020, 1 + m % 12, 1 + n % 28)]
    return list(items(alias).filter(made__in=days).order_by("pk"))


@read
def counts_by_value(alias, n, m):
    of_area = items(alias).filter(area=area_key(alias, n))
    return of_area.count(), of_area.filter(number__gt=m % 5).count(), of_area.exists()


@read
def aggregates_by_value(alias, n, m):
    return (
        items(alias)
        .filter(number=n % 5)
        .aggregate(Max("pk"), Sum("size"), names=Count("name", distinct=True))
    )


@read
def values_by_value(alias, n, m):
    found = items(alias).filter(number=n % 5, flag=(True, False)[m % 2])
    return list(found.order_by("name", "slug").values_list("name", "slug"))


@read
def grouped_by_value(alias, n, m):
    found = items(alias).filter(area=area_key(alias, n)).values("name").annotate(n=Count("pk"))
    return list(found.order_by("name"))


@read
def related_by_value(alias, n, m):
    found = (
        items(alias)
        .select_related("area__parent", "detail")
        .filter(number=n % 5)
        .order_by("area__name", "pk")
    )
    return [(item, item.area, getattr(item, "detail", None)) for item in found]


@read
def related_by_key(alias, n, m):
    return [list(items(alias).select_related("area").filter(pk=one)) for one in ids(alias)[:2]]


@read
def specials_by_value(alias, n, m):
    return list(Special.objects.using(alias).filter(extra=f"n{n % 4}", number=m % 5).order_by("pk")[:2])


@read
def labelled(alias, n, m):
    label = Label.objects.using(alias).no_cache().order_by("word")[n % 3 : n % 3 + 1]
    return [list(items(alias).filter(labels=one.pk).order_by("pk").distinct()) for one in label]


@read
def pairs_by_key(alias, n, m):
    if django.VERSION < (5, 2):
        return None
    pairs = models.Pair.objects.using(alias)
    return list(pairs.filter(pk=(n % 3, m % 3))), pairs.filter(first=n % 3, text=f"n{m % 4}").count()
