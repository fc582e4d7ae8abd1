"""Nothing grows with the number of hits, misses and writes: neither memory nor references.

``make soak HITS=1000000`` runs the same for longer.
"""

from __future__ import annotations

import ctypes
import os

import pytest
from django.db import connections, models

import django_cache_me

from .growth import grown
from .shop.models import Category, Product

#: Of the cheapest reads; the others do a part of it.
HITS = int(os.environ.get("SOAK_HITS") or 10_000)
#: Objects that every hit refers to.
WATCHED = (Product, Category, models.base.ModelState, "default")


@pytest.fixture
def shop(sqlite):
    connections[sqlite].ensure_connection()
    # Past the observer, for which it would be another session: nobody has to wait for the disk here.
    connections[sqlite].connection.execute("PRAGMA synchronous = OFF")
    categories = [Category.objects.create(name=f"category {number}") for number in range(4)]
    for number in range(40):
        Product.objects.create(name=f"product {number}", category=categories[number % 4])
    return Product.objects


READS = {
    "get": (1, lambda shop, turn: shop.get(name=f"product {turn % 8}")),
    "get by key": (1, lambda shop, turn: shop.get(pk=shop.keys[turn % 8])),
    "list": (10, lambda shop, turn: list(shop.order_by("pk")[: 10 + turn % 4])),
    "list with related": (10, lambda shop, turn: list(shop.select_related("category").order_by("pk")[:20])),
    "values": (10, lambda shop, turn: list(shop.order_by("pk").values("pk", "name", "price")[:20])),
    "values_list": (10, lambda shop, turn: list(shop.order_by("pk").values_list("pk", "price", "code")[:20])),
    "count": (4, lambda shop, turn: shop.filter(active=bool(turn % 2)).count()),
    "exists": (4, lambda shop, turn: shop.filter(active=bool(turn % 2)).exists()),
    "aggregate": (4, lambda shop, turn: shop.aggregate(most=models.Max("price"))),
}


@pytest.mark.keeps
@pytest.mark.parametrize("kind", READS)
def test_hits_leave_nothing_behind(shop, kind):
    part, read = READS[kind]
    shop.keys = list(Product.objects.order_by("pk").values_list("pk", flat=True)[:8])
    times = HITS // part
    for turn in range(50):
        read(shop, turn)
    before = django_cache_me.stats()
    assert grown(lambda turn: read(shop, turn), times, WATCHED) == []
    after = django_cache_me.stats()
    hits = after["hits"] - before["hits"]
    assert hits >= times
    assert after["misses"] - before["misses"] <= hits // 100  # an entry's end, an eviction


def test_misses_leave_nothing_behind_but_entries_in_the_store(shop):
    before = django_cache_me.stats()["misses"]
    times = HITS // 20
    assert grown(lambda turn: list(shop.filter(pk__gt=-turn).order_by("pk")[:3]), times, WATCHED) == []
    assert django_cache_me.stats()["misses"] - before >= times


def test_lengths_of_in_leave_nothing_behind(shop):
    # Each has a length of IN of its own.
    keys = list(range(1, 60))
    assert grown(lambda turn: shop.filter(pk__in=keys[: turn % 50]).count(), HITS // 20) == []


def test_saves_leave_nothing_behind(shop):
    product = shop.get(name="product 1")

    def save(turn):
        product.weight = turn / 7
        product.save()

    before = django_cache_me.stats()["bumps"]
    times = HITS // 20
    assert grown(save, times, WATCHED) == []
    assert django_cache_me.stats()["bumps"] - before >= times


def test_reads_and_writes_in_turn_leave_nothing_behind(shop):
    def act(turn):
        product = shop.get(name=f"product {turn % 8}")
        product.weight = turn / 7
        product.save(update_fields=["weight"])
        list(shop.filter(category=product.category).order_by("pk")[:5])

    assert grown(act, HITS // 40, WATCHED) == []


class TestWhatGrows:
    """The check is able to fail."""

    def test_objects(self):
        kept = []
        assert any("objects" in complaint for complaint in grown(lambda turn: kept.append([turn]), 1500))

    def test_blocks_that_the_collector_does_not_know(self):
        kept = []
        assert any("blocks" in complaint for complaint in grown(lambda turn: kept.append(str(turn)), 1500))

    def test_references(self):
        leak = ctypes.pythonapi.Py_IncRef
        leak.argtypes = [ctypes.py_object]
        before = grown(lambda turn: None, 1500, WATCHED)
        after = grown(lambda turn: leak(Product), 1500, WATCHED)
        assert before == []
        assert any("references" in complaint and "Product" in complaint for complaint in after)

    def test_memory_that_the_interpreter_does_not_know(self):
        allocate = ctypes.CDLL(None).calloc
        allocate.restype = ctypes.c_void_p
        clear = ctypes.memset
        clear.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
        # Each a mapping of its own, so that none is taken from what was freed before.
        complaints = grown(lambda turn: clear(allocate(1, 200_000), 1, 200_000), 300)
        assert any("bytes" in complaint for complaint in complaints)
