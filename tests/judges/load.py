"""What the processes of the judges do: writers that publish a number after each commit, and readers.

Each writer has a row of ``Area`` and one of ``Item`` below it, which it sets to the same number in one
transaction, and adds one ``Label``; before that it sets another row of ``Area`` to it, by a statement alone.
When the commits have returned it publishes the number in a file that all processes have mapped. A reader
takes the published numbers, then reads: nothing older may come.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import time
from typing import Any, Callable

from django.db import DatabaseError, transaction
from django.db.models import Max

import django_cache_me

from .models import Area, Item, Label

WRITERS = 2


class Published:
    """A number per writer, shared by processes. A number of eight bytes is written in one go."""

    def __init__(self, path: str) -> None:
        with open(path, "a+b") as file:
            if os.path.getsize(path) < 4096:
                file.truncate(4096)
            self._map = mmap.mmap(file.fileno(), 4096)
        self._numbers = memoryview(self._map).cast("Q")

    def publish(self, writer: int, number: int) -> None:
        self._numbers[writer * 8] = number

    def numbers(self) -> list[int]:
        return [self._numbers[writer * 8] for writer in range(WRITERS)]


def prepare(alias: str) -> None:
    for writer in range(WRITERS):
        area = Area.objects.using(alias).create(name=f"of {writer}", level=0)
        Item.objects.using(alias).create(area=area, name=f"of {writer}", slug=str(writer), number=0)
        Area.objects.using(alias).create(name=f"alone, of {writer}", level=0)


def write_numbers(alias: str, path: str, writer: int, seconds: float) -> int:
    """Commit and publish for so long; how many commits."""
    published, chance, end = Published(path), random.Random(writer), time.monotonic() + seconds
    number = first = Area.objects.using(alias).no_cache().get(name=f"of {writer}").level
    while time.monotonic() < end:
        number += 1
        with contextlib.suppress(DatabaseError):  # SQLite: another writer's lock
            _write(alias, writer, number)
            published.publish(writer, number)
            if chance.random() < 0.25:  # or a slow disk would leave the readers no moment for a hit
                time.sleep(0.03)
            continue
        number -= 1
    return int(number - first)


def _write(alias: str, writer: int, number: int) -> None:
    areas, items = Area.objects.using(alias), Item.objects.using(alias)
    alone = areas.no_cache().get(name=f"alone, of {writer}")
    alone.level = number
    alone.save(using=alias)  # a commit of its own
    with transaction.atomic(using=alias):
        if number % 3 == 0:  # by what is no key
            areas.filter(name=f"of {writer}").update(level=number)
            items.filter(name=f"of {writer}").update(number=number)
        else:
            area = areas.no_cache().get(name=f"of {writer}")
            item = items.no_cache().get(name=f"of {writer}")
            area.level = item.number = number
            area.save(using=alias)
            if number % 3 == 1:  # as a whole
                item.save(using=alias)
            else:
                item.save(using=alias, update_fields=["number"])
        Label.objects.using(alias).create(word=f"{writer} {number}")


# Each read gives, per writer, the numbers that it saw.


def _rows(alias: str) -> list[list[int]]:
    found = {area.name: area.level for area in Area.objects.using(alias).all()}
    return [[found[f"of {writer}"]] for writer in range(WRITERS)]


def _alone(alias: str) -> list[list[int]]:
    return [[Area.objects.using(alias).get(name=f"alone, of {writer}").level] for writer in range(WRITERS)]


def _one_row(alias: str) -> list[list[int]]:
    return [[Item.objects.using(alias).get(name=f"of {writer}").number] for writer in range(WRITERS)]


def _joined(alias: str) -> list[list[int]]:
    items = Item.objects.using(alias).select_related("area").order_by("slug")
    return [[item.number, item.area.level] for item in items]


def _counted(alias: str) -> list[list[int]]:
    words = Label.objects.using(alias)
    return [[words.filter(word__startswith=f"{writer} ").count()] for writer in range(WRITERS)]


def _by_key(alias: str) -> list[list[int]]:
    keys = dict(Item.objects.using(alias).values_list("name", "pk"))
    return [[Item.objects.using(alias).get(pk=keys[f"of {writer}"]).number] for writer in range(WRITERS)]


def _by_value(alias: str) -> list[list[int]]:
    items = Item.objects.using(alias).select_related("area")
    found = [list(items.filter(slug=str(writer))) for writer in range(WRITERS)]
    return [[one.number for one in few] + [one.area.level for one in few] for few in found]


def _summed_by_value(alias: str) -> list[list[int]]:
    items = Item.objects.using(alias)
    return [
        [items.filter(slug=str(writer)).aggregate(most=Max("number"))["most"]] for writer in range(WRITERS)
    ]


READS: list[Callable[[str], list[list[int]]]] = [
    _rows,
    _alone,
    _one_row,
    _joined,
    _counted,
    _by_key,
    _by_value,
    _summed_by_value,
]


def read_numbers(alias: str, path: str, seed: int, seconds: float) -> dict[str, Any]:
    """Read for so long; how many reads, how many of them hits, and what was wrong. One seed in three reads in
    the mode "model"."""
    from django.test import override_settings

    with override_settings(DJANGO_CACHE_ME_INVALIDATION="exact" if seed % 3 else "model"):
        return _read_numbers(alias, path, seed, seconds)


def _read_numbers(alias: str, path: str, seed: int, seconds: float) -> dict[str, Any]:
    published, chance, end = Published(path), random.Random(seed), time.monotonic() + seconds
    wrong: list[Any] = []
    reads, before = 0, django_cache_me.stats()["hits"]
    while time.monotonic() < end:
        read = chance.choice(READS)
        seen = published.numbers()
        with contextlib.suppress(DatabaseError):
            if chance.random() < 0.2:
                with transaction.atomic(using=alias):
                    found = read(alias)
            else:
                found = read(alias)
            reads += 1
            for number, of_writer in zip(seen, found):
                if min(of_writer) < number or len(set(of_writer)) > 1:
                    wrong.append((read.__name__, seen, found))
    return {"reads": reads, "hits": django_cache_me.stats()["hits"] - before, "wrong": wrong[:5]}


def at_rest(alias: str) -> list[Any]:
    """Which reads, through the cache, are not what the database says; nobody writes meanwhile."""
    from django.test import override_settings

    wrong = []
    for read in READS:
        found = [read(alias) for _ in range(2)]
        with override_settings(DJANGO_CACHE_ME_ON=False):
            truth = read(alias)
        if found != [truth, truth]:
            wrong.append((read.__name__, found, truth))
    return wrong
