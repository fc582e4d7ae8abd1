"""A snapshot that is older than an entry: what counts for everybody else need not be what it shows."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from .models import Area, Item
from .programs import begun
from .writes import slug


def listed(alias: str) -> Any:
    return [one.number for one in Item.objects.using(alias).filter(number=77).order_by("pk")]


def counted(alias: str) -> Any:
    return Item.objects.using(alias).filter(number=77).count()


def in_a_range(alias: str) -> Any:
    return [one.number for one in Item.objects.using(alias).filter(number__range=(70, 80)).order_by("pk")]


def deleted(alias: str, item: Item) -> None:
    Item.objects.using(alias).filter(pk=item.pk)._raw_delete(alias)


def saved(alias: str, item: Item) -> None:
    item.number = 5
    item.save(using=alias)


@pytest.mark.parametrize("court", ["sqlite-wal", "mysql-snapshots"], indirect=True)
@pytest.mark.parametrize("read", [listed, counted, in_a_range])
@pytest.mark.parametrize("leave", [deleted, saved])
def test_a_row_that_left_since_is_still_there(court, read, leave):
    """It bumped its own key, on which an answer that was read without it doesn't rest."""
    one, other, third = court
    with begun(court), override_settings(DJANGO_CACHE_ME_INVALIDATION="exact"):
        for _ in range(3):
            Item.objects.using(one).create(slug=slug(), name="s", number=77)
        with transaction.atomic(using=one):
            list(Area.objects.using(one).no_cache())  # makes the snapshot
            leave(other, Item.objects.using(other).no_cache().filter(number=77)[0])
            for alias in (other, third, third):
                read(alias)
            found = read(one)
            with override_settings(DJANGO_CACHE_ME_ON=False):
                assert found == read(one)
        with override_settings(DJANGO_CACHE_ME_ON=False):
            truth = read(one)
        assert read(one) == truth
