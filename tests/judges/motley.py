"""Writes and reads of what the models have besides: each class of field, and the rarer relations."""

from __future__ import annotations

import copy
from typing import Any

import django
from django.db import connections
from django.db.models import Count, F, Max, Prefetch

from . import models
from .models import COLUMNS, Area, Deep, Face, Item, Membership, Motley, Tail
from .reads import read
from .writes import FIRST, execute, slug, some, values, write

NAMES = list(COLUMNS)


def columns(n: int, m: int) -> dict[str, Any]:
    """A value for each column."""
    return {name: value_of(name, n + place * (m % 7 + 1)) for place, name in enumerate(NAMES)}


def value_of(name: str, n: int) -> Any:
    return copy.deepcopy(COLUMNS[name][n % len(COLUMNS[name])])


def motleys(alias: str) -> Any:
    return Motley.objects.using(alias).order_by("pk")


# Writes.


@write
def create_motley(alias, n, m):
    Motley.objects.using(alias).create(code=slug(), number=m % 5, **columns(n, m))


@write
def save_motley(alias, n, m):
    motley = some(Motley, alias, n)
    if motley is not None:
        motley.number = n % 5
        for name, value in columns(m, n).items():
            setattr(motley, name, value)
        motley.save()


@write
def update_a_column(alias, n, m):
    name = NAMES[n % len(NAMES)]
    motleys(alias).filter(number__lte=m % 5).update(**{name: value_of(name, m)})


@write
def update_a_column_by_another(alias, n, m):
    motleys(alias).filter(number=m % 5).update(number=F("a_integerchoices"))


@write
def bulk_update_columns(alias, n, m):
    name = NAMES[m % len(NAMES)]
    few = list(motleys(alias).no_cache()[:3])
    for motley in few:
        setattr(motley, name, value_of(name, n))
    motleys(alias).bulk_update(few, [name])


@write
def delete_motley(alias, n, m):
    motley = some(Motley, alias, n)
    if motley is not None:
        motley.delete()


@write
def change_friends(alias, n, m):
    one, other = some(Motley, alias, n), some(Motley, alias, m)
    if one is None or other is None:
        return
    [
        lambda: one.friends.add(other),
        lambda: one.friends.remove(other),
        lambda: one.friends.set([other]),
        lambda: one.follows.add(other),
        lambda: other.followers.set([one]),
        one.friends.clear,
        one.followers.clear,
    ][(n + m) % 7]()


@write
def join_an_area(alias, n, m):
    motley, area = some(Motley, alias, n), some(Area, alias, m)
    if motley is not None and area is not None:
        motley.areas.add(area, through_defaults={"role": f"n{n % 4}"})


@write
def change_a_role(alias, n, m):
    Membership.objects.using(alias).filter(role=f"n{n % 4}").update(role=f"n{m % 4}")


@write
def leave_areas(alias, n, m):
    motley, area = some(Motley, alias, n), some(Area, alias, m)
    if motley is not None and area is not None:
        motley.areas.remove(area) if m % 2 else area.motleys.clear()


@write
def grow_a_tail(alias, n, m):
    motley = some(Motley, alias, n)
    if motley is not None:
        motley.tails.create(length=m % 5)
        Face.objects.using(alias).update_or_create(motley=motley, defaults={"smile": bool(m % 2)})


@write
def cut_tails(alias, n, m):
    tails = Tail.objects.using(alias).filter(motley__number=n % 5)
    tails.delete() if m % 3 == 0 else tails.update(length=F("length") + 1)


@write
def rename_a_code(alias, n, m):
    """An error, where there is a tail."""
    motley = some(Motley, alias, n)
    if motley is not None:
        motley.code = slug()
        motley.save(update_fields=["code"])


@write
def create_deep(alias, n, m):
    Deep.objects.using(alias).create(more=m % 3, extra=f"n{n % 4}", slug=slug(), **values(n, m))


@write
def update_deep(alias, n, m):
    Deep.objects.using(alias).filter(more__gte=n % 3).update(more=m % 3, extra=f"n{m % 4}", number=n % 5)


@write
def write_pair_note(alias, n, m):
    if django.VERSION >= (5, 2):
        pair = models.Pair.objects.using(alias).no_cache().first()
        if pair is not None:
            note = models.PairNote(first=pair.first, second=pair.second, text=f"n{m % 4}")
            note.save(using=alias)


@write
def truncate_tails(alias, n, m):
    """DDL, or as good as it; on MariaDB it would commit the program's transaction."""
    if connections[alias].vendor == "postgresql" and n % 4 == 0:
        execute(alias, "TRUNCATE judges_tail")
    else:
        execute(alias, "DELETE FROM judges_tail WHERE length = %s", [m % 5])


FIRST += [create_motley, join_an_area, change_friends, grow_a_tail, create_deep, write_pair_note]


# Reads.


@read
def all_motleys(alias, n, m):
    return list(motleys(alias))


@read
def by_a_column(alias, n, m):
    name = NAMES[n % len(NAMES)]
    value = value_of(name, m)
    return list(motleys(alias).filter(**({f"{name}__isnull": True} if value is None else {name: value})))


@read
def columns_alone(alias, n, m):
    few = [NAMES[(n + one) % len(NAMES)] for one in range(4)]
    return list(motleys(alias).values(*few)), list(motleys(alias).values_list(few[0], flat=True))


@read
def counts_of_columns(alias, n, m):
    name = NAMES[n % len(NAMES)]
    return motleys(alias).aggregate(Count(name), Max("a_integerfield"), Max("a_decimalfield"))


@read
def some_columns(alias, n, m):
    return list(motleys(alias).only(NAMES[n % len(NAMES)])), list(motleys(alias).defer(NAMES[m % len(NAMES)]))


@read
def through_a_model(alias, n, m):
    found = motleys(alias).filter(areas__name=f"n{n % 4}", membership__role=f"n{m % 4}").distinct()
    return list(found), list(
        Area.objects.using(alias).filter(motleys__number=n % 5).order_by("pk", "motleys")
    )


@read
def members(alias, n, m):
    found = Membership.objects.using(alias).select_related("motley", "area__parent").order_by("pk")
    return [(one, one.motley, one.area) for one in found]


@read
def friends(alias, n, m):
    found = motleys(alias).prefetch_related("friends", "followers")
    return [
        (
            motley.pk,
            sorted(one.pk for one in motley.friends.all()),
            sorted(f.pk for f in motley.followers.all()),
        )
        for motley in found
    ]


@read
def friends_of_one(alias, n, m):
    motley = motleys(alias).no_cache().first()
    return motley and (list(motley.friends.order_by("pk")), motley.follows.count())


@read
def tails(alias, n, m):
    found = Tail.objects.using(alias).select_related("motley__face").filter(length__gte=m % 3).order_by("pk")
    return [(tail, tail.motley) for tail in found]


@read
def tails_of_each(alias, n, m):
    longest = Prefetch("tails", Tail.objects.order_by("-length", "pk"))
    return [(motley.pk, list(motley.tails.all())) for motley in motleys(alias).prefetch_related(longest)]


@read
def faces(alias, n, m):
    found = motleys(alias).select_related("face").filter(face__smile=bool(m % 2))
    return [(motley, motley.face) for motley in found]


@read
def deep(alias, n, m):
    found = Item.objects.using(alias).select_related("special__deep").order_by("pk")
    return list(Deep.objects.using(alias).filter(more=n % 3).order_by("pk")), list(found)


@read
def by_two_columns(alias, n, m):
    if django.VERSION < (5, 2):
        return None
    notes = models.PairNote.objects.using(alias).select_related("pair").filter(pair__text=f"n{n % 4}")
    pairs = models.Pair.objects.using(alias).prefetch_related("notes").order_by("first", "second")
    return [(note, note.pair) for note in notes.order_by("pk")], [
        (pair, sorted(note.pk for note in pair.notes.all())) for pair in pairs
    ]
