"""The dummy backend: nothing is kept, and everything else is as ever."""

from __future__ import annotations

import pytest
from django.db import connections, transaction
from django.test import override_settings

from django_cache_me import invalidate_all_caches, invalidate_model_cache, stats
from django_cache_me.databases.connection import known_store
from django_cache_me.stores.dummy import DummyStore
from tests.looking import seen, stored_keys
from tests.shop.models import Both, Category, Product

DUMMY = override_settings(CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}})

READS = {
    "instances": lambda alias: [one.name for one in Category.objects.using(alias).order_by("pk")],
    "whole table": lambda alias: [one.name for one in Both.objects.using(alias).all()],
    "permanent": lambda alias: [one.name for one in Category.objects.using(alias).permanent_cache()],
    "related": lambda alias: [
        (one.name, one.category.name) for one in Product.objects.using(alias).select_related("category")
    ],
    "prefetched": lambda alias: [
        [product.name for product in one.products.all()]
        for one in Category.objects.using(alias).prefetch_related("products")
    ],
    "values": lambda alias: list(Category.objects.using(alias).values("name")),
    "count": lambda alias: Category.objects.using(alias).count(),
    "exists": lambda alias: Category.objects.using(alias).filter(name="a").exists(),
    "get": lambda alias: Category.objects.using(alias).get(name="a").name,
    "raw": lambda alias: [
        one.name for one in Category.objects.using(alias).raw("SELECT * FROM shop_category")
    ],
    "iterator": lambda alias: [one.name for one in Category.objects.using(alias).iterator()],
}


@pytest.fixture
def shop(alias):
    with DUMMY:
        category = Category.objects.using(alias).create(name="a")
        Product.objects.using(alias).create(name="b", category=category)
        Both.objects.using(alias).create(name="c")
        yield alias


@pytest.mark.parametrize("name", READS)
def test_results_are_djangos_and_nothing_is_kept(shop, name):
    before = stored_keys()
    with override_settings(DJANGO_CACHE_ME_ON=False):
        expected = READS[name](shop)
    for _ in range(3):
        with seen(shop) as result:
            assert READS[name](shop) == expected
        assert result.hits == result.fills == 0
        assert result.statements
        if name == "iterator":
            assert result.passed == {"iterator": 1}
        else:
            assert result.misses >= 1
            assert set(result.not_filled) <= {"dummy", "intent"}  # a version file that was just made
    assert stored_keys() == before


def test_writes_are_seen_and_counted(shop):
    for name in "xyz":
        with seen(shop) as result:
            Category.objects.using(shop).update(name=name)
        assert result.bumps == 1
        assert READS["instances"](shop) == READS["permanent"](shop) == [name]
    with transaction.atomic(using=shop):
        Category.objects.using(shop).update(name="rolled back")
        with seen(shop) as result:
            for _ in range(2):
                assert READS["instances"](shop) == ["rolled back"]
        assert result.hits == result.fills == 0, "nor for the transaction alone"
        transaction.set_rollback(True, using=shop)
    assert READS["instances"](shop) == ["z"]


def test_other_processes_hear_of_writes(shop):
    """They may keep entries: the dummy backend is this process's choice alone."""
    READS["instances"](shop)
    store = known_store(connections[shop])
    assert isinstance(store, DummyStore)
    for change in (
        lambda: Category.objects.using(shop).update(name="x"),
        lambda: invalidate_model_cache(Category, using=shop),
        invalidate_all_caches,
    ):
        before = store.clock()
        change()
        assert store.clock() > before


def test_lines_of_the_log_and_statistics(shop, capsys):
    before = stats()
    with override_settings(DJANGO_CACHE_ME_DEBUG_MODE=True):
        for _ in range(2):
            READS["whole table"](shop)
        Both.objects.using(shop).update(name="d")
        invalidate_model_cache(Both, invalidate_permanent=True, using=shop)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        *["[django-cache-me] Cache miss for key 'cache_me:table:shop.both' - hitting database"] * 2,
        "[django-cache-me] Cache invalidated for model 'shop.both' (regular cache)",
        "[django-cache-me] Cache invalidated for model 'shop.both' (permanent and regular cache)",
    ]
    after = stats()
    assert (after["hits"], after["fills"]) == (before["hits"], before["fills"])
    assert after["misses"] - before["misses"] == 2
    assert set(after) == set(before)
