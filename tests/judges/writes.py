"""The writes of random programs. Each takes the alias and two small numbers that choose what it does."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any, Callable

import django
from django.db import connections
from django.db.models import F

from tests.everything.models import Point

from . import models
from .models import Area, Detail, Item, Label, Note, Special, SpecialProxy

UTC = datetime.timezone.utc
WRITES: list[Callable[[str, int, int], Any]] = []


def write(function: Callable[[str, int, int], Any]) -> Callable[[str, int, int], Any]:
    WRITES.append(function)
    return function


def some(model: Any, alias: str, n: int) -> Any:
    """The nth row of the table, or None."""
    rows = list(model.objects.using(alias).no_cache().order_by("pk")[n % 5 : n % 5 + 1])
    return rows[0] if rows else None


def values(n: int, m: int) -> dict[str, Any]:
    return {
        "name": f"n{n % 4}",
        "number": m % 5,
        "price": None if n % 3 == 0 else decimal.Decimal(m % 300) / 100,
        "made": None if m % 4 == 0 else datetime.date(2020, 1 + n % 12, 1 + m % 28),
        "at": datetime.datetime(2020, 1 + n % 12, 1, m % 24, tzinfo=UTC),
        "opens": datetime.time(n % 24, m % 60),
        "lasts": datetime.timedelta(seconds=n, microseconds=m),
        "flag": (None, True, False)[m % 3],
        "size": m / 7,
        "blob": bytes([n % 256, m % 256]),
        "about": [None, {"a": [n % 3]}, [m % 3], "text"][n % 4],
        "point": None if m % 2 else Point(n % 3, m % 3),
    }


def slug() -> str:
    return uuid.uuid4().hex[:20]


@write
def create_area(alias, n, m):
    Area.objects.using(alias).create(name=f"n{n % 4}", level=m % 4 or None, parent=some(Area, alias, m))


@write
def create_item(alias, n, m):
    Item.objects.using(alias).create(area=some(Area, alias, n), slug=slug(), **values(n, m))


@write
def create_special(alias, n, m):
    Special.objects.using(alias).create(extra=f"n{m % 4}", slug=slug(), **values(n, m))


@write
def save_item(alias, n, m):
    item = some(Item, alias, n)
    if item is not None:
        for name, value in values(m, n).items():
            setattr(item, name, value)
        item.area = some(Area, alias, m)
        item.save()


@write
def save_one_field(alias, n, m):
    item = some(Item, alias, n)
    if item is not None:
        item.number = m % 5
        item.save(update_fields=["number"])


@write
def save_special(alias, n, m):
    special = some(SpecialProxy, alias, n)
    if special is not None:
        special.extra, special.name = f"n{m % 4}", f"n{n % 4}"
        special.save()


@write
def save_area(alias, n, m):
    area = some(Area, alias, n)
    if area is not None:
        area.name, area.parent = f"n{m % 4}", some(Area, alias, m)
        area.save()


@write
def update_by_expression(alias, n, m):
    Item.objects.using(alias).filter(number__gte=n % 5).update(number=F("number") + m % 3 - 1)


@write
def update_foreign_keys(alias, n, m):
    Item.objects.using(alias).filter(name=f"n{n % 4}").update(area=some(Area, alias, m))


@write
def update_across_a_join(alias, n, m):
    Item.objects.using(alias).filter(area__name=f"n{n % 4}").update(name=f"n{m % 4}")


@write
def update_special(alias, n, m):
    Special.objects.using(alias).filter(extra=f"n{n % 4}").update(extra=f"n{m % 4}", number=m % 5)


@write
def update_level(alias, n, m):
    Area.objects.using(alias).filter(name=f"n{n % 4}").update(level=m % 4 or None)


def by_key(alias: str, n: int) -> Any:
    item = some(Item, alias, n)
    return Item.objects.using(alias).filter(pk=0 if item is None else item.pk)


@write
def set_one_column_by_key(alias, n, m):
    area = some(Area, alias, m)
    one = [
        {"number": n % 5},
        {"area": area},
        {"name": f"n{m % 4}"},
        {"flag": None},
        {"made": values(m, n)["made"]},
    ]
    by_key(alias, n).update(**one[m % 5])


@write
def set_by_expression_by_key(alias, n, m):
    by_key(alias, n).update(number=F("number") + m % 3 - 1)


@write
def move_by_key(alias, n, m):
    by_key(alias, n).update(area=some(Area, alias, m))


@write
def move_between_areas(alias, n, m):
    """As a whole, by an object that is as old as it is."""
    item = some(Item, alias, n)
    if item is not None:
        item.area, item.number = some(Area, alias, m), m % 5
        item.save()


@write
def delete_by_key(alias, n, m):
    by_key(alias, n).delete()


@write
def create_with_a_key(alias, n, m):
    last = Item.objects.using(alias).no_cache().order_by("-pk").values_list("pk", flat=True).first() or 0
    if connections[alias].vendor != "postgresql":  # its sequences don't notice
        Item.objects.using(alias).create(
            pk=last + 1 + n % 2, slug=slug(), area=some(Area, alias, m), **values(n, m)
        )


@write
def delete_item(alias, n, m):
    item = some(Item, alias, n)
    if item is not None:
        item.delete()


@write
def delete_area(alias, n, m):
    area = some(Area, alias, n)
    if area is not None:
        area.delete()


@write
def delete_some(alias, n, m):
    Item.objects.using(alias).filter(number=n % 5, flag=(None, True, False)[m % 3]).delete()


@write
def delete_special_keeping_the_parent(alias, n, m):
    special = some(Special, alias, n)
    if special is not None:
        special.delete(keep_parents=True)


@write
def bulk_create_items(alias, n, m):
    Item.objects.using(alias).bulk_create(
        [Item(slug=slug(), area=some(Area, alias, n), **values(n + one, m)) for one in range(m % 4)]
    )


@write
def bulk_create_ignoring(alias, n, m):
    Label.objects.using(alias).bulk_create(
        [Label(word=f"w{n % 6}"), Label(word=f"w{m % 6}x")], ignore_conflicts=True
    )


@write
def bulk_create_updating(alias, n, m):
    if django.VERSION < (4, 1):
        return
    row = some(Area, alias, n)
    if row is not None:
        unique = {} if connections[alias].vendor == "mysql" else {"unique_fields": ["id"]}
        Area.objects.using(alias).bulk_create(
            [Area(pk=row.pk, name=f"n{m % 4}", level=n % 4)],
            update_conflicts=True,
            update_fields=["name", "level"],
            **unique,
        )


@write
def bulk_update(alias, n, m):
    items = list(Item.objects.using(alias).no_cache().order_by("pk")[n % 3 : n % 3 + 3])
    for item in items:
        item.number, item.about = m % 5, {"a": [m % 3]}
    Item.objects.using(alias).bulk_update(items, ["number", "about"])


@write
def create_label(alias, n, m):
    Label.objects.using(alias).get_or_create(word=f"w{n % 6}")


@write
def create_label_twice(alias, n, m):
    """An error, most often."""
    Label.objects.using(alias).create(word=f"w{n % 3}")


@write
def rename_label(alias, n, m):
    Label.objects.using(alias).update_or_create(word=f"w{n % 6}", defaults={"word": f"w{m % 6}y"})


@write
def delete_label(alias, n, m):
    Label.objects.using(alias).filter(word__contains=str(n % 6)).delete()


@write
def change_labels(alias, n, m):
    item, label, other = some(Item, alias, n), some(Label, alias, m), some(Label, alias, n)
    if item is None or label is None:
        return
    [
        lambda: item.labels.add(label, other),
        lambda: item.labels.remove(label),
        lambda: item.labels.set([label]),
        lambda: label.items.add(item),
        item.labels.clear,
    ][(n + m) % 5]()


@write
def write_note(alias, n, m):
    item = some(Item, alias, n)
    if item is not None:
        item.notes.create(text=f"n{m % 4}")


@write
def change_notes(alias, n, m):
    Note.objects.using(alias).filter(text=f"n{n % 4}").update(text=f"n{m % 4}")


@write
def write_detail(alias, n, m):
    item = some(Item, alias, n)
    if item is not None:
        Detail.objects.using(alias).update_or_create(item=item, defaults={"text": f"n{m % 4}"})


@write
def write_pair(alias, n, m):
    if django.VERSION >= (5, 2):
        models.Pair.objects.using(alias).update_or_create(
            first=n % 3, second=m % 3, defaults={"text": f"n{m % 4}"}
        )


@write
def delete_pairs(alias, n, m):
    if django.VERSION >= (5, 2):
        models.Pair.objects.using(alias).filter(first=n % 3).delete()


def execute(alias: str, sql: str, *params: Any, many: bool = False) -> None:
    with connections[alias].cursor() as cursor:
        (cursor.executemany if many else cursor.execute)(sql, *params)


@write
def raw_update(alias, n, m):
    execute(alias, "UPDATE judges_item SET name = %s WHERE number = %s", [f"n{n % 4}", m % 5])


@write
def raw_update_by_another_table(alias, n, m):
    execute(
        alias,
        "UPDATE judges_item SET number = (SELECT count(*) FROM judges_label) WHERE name = %s",
        [f"n{n % 4}"],
    )


@write
def raw_insert_from_select(alias, n, m):
    execute(
        alias,
        "INSERT INTO judges_area (name, level) SELECT name, number FROM judges_item WHERE number = %s",
        [n % 5],
    )


@write
def raw_many(alias, n, m):
    rows = [(f"n{m % 4}", one % 5) for one in range(n % 3 + 1)]
    execute(alias, "UPDATE judges_area SET name = %s WHERE level = %s", rows, many=True)


@write
def raw_returning(alias, n, m):
    if connections[alias].vendor == "mysql":
        execute(alias, "INSERT INTO judges_area (name) VALUES (%s)", [f"n{n % 4}"])
        return
    with connections[alias].cursor() as cursor:
        cursor.execute("INSERT INTO judges_area (name) VALUES (%s) RETURNING id", [f"n{n % 4}"])
        cursor.fetchall()


@write
def raw_in_a_cte(alias, n, m):
    if connections[alias].vendor == "postgresql":
        execute(
            alias,
            "WITH gone AS (DELETE FROM judges_note WHERE text = %s RETURNING id) SELECT count(*) FROM gone",
            [f"n{n % 4}"],
        )


@write
def raw_savepoint(alias, n, m):
    """Only inside a transaction: a savepoint by hand that is rolled back."""
    if connections[alias].in_atomic_block:
        execute(alias, "SAVEPOINT by_hand")
        Area.objects.using(alias).update(name=f"n{n % 4}")
        len(Area.objects.using(alias).all())
        execute(alias, "ROLLBACK TO SAVEPOINT by_hand")


#: What a program begins with, a few times over.
FIRST: list[Callable[[str, int, int], Any]] = [
    create_area,
    create_item,
    create_special,
    create_label,
    change_labels,
    write_note,
    write_detail,
    write_pair,
]
