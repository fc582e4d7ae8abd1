"""SPEC.md's tables: the matrix of options, keys, log lines, permanent entries, invalidation by hand."""

from __future__ import annotations

import re

import pytest
from django.test import override_settings

from django_cache_me import invalidate_all_caches, invalidate_model_cache
from tests.looking import assert_hit, assert_miss, seen
from tests.shop.models import Both, Category, Nothing, Product, TableOnly

MATRIX = [
    (Nothing, "all", False, ""),
    (Nothing, "filter", False, ""),
    (Nothing, "exclude", False, ""),
    (Nothing, "order_by", False, ""),
    (TableOnly, "all", True, "table"),
    (TableOnly, "filter", False, ""),
    (TableOnly, "exclude", False, ""),
    (TableOnly, "order_by", False, ""),
    (Category, "all", True, "queryset"),
    (Category, "filter", True, "queryset"),
    (Category, "exclude", True, "queryset"),
    (Category, "order_by", True, "queryset"),
    (Both, "all", True, "table"),
    (Both, "filter", True, "queryset"),
    (Both, "exclude", True, "queryset"),
    (Both, "order_by", True, "queryset"),
]

QUERIES = {
    "all": lambda manager: manager.all(),
    "filter": lambda manager: manager.filter(name="a"),
    "exclude": lambda manager: manager.exclude(name="b"),
    "order_by": lambda manager: manager.order_by("-name"),
}


@pytest.mark.parametrize(("model", "query", "cached", "kind"), MATRIX)
def test_matrix(alias, capsys, model, query, cached, kind):
    model.objects.using(alias).create(name="a")
    read = lambda: list(QUERIES[query](model.objects.using(alias)))  # noqa: E731
    with override_settings(DJANGO_CACHE_ME_DEBUG_MODE=True):
        first = assert_miss(alias, read)
        line = capsys.readouterr().out
        second = (assert_hit if cached else assert_miss)(alias, read)
    assert first == second
    if cached:
        label = model._meta.label_lower
        digest = "" if kind == "table" else ":[0-9a-f]{32}"
        assert re.search(f"'cache_me:{kind}:{label}{digest}'", line), line
    else:
        assert "cache_me:" not in line


def test_debug_lines(alias, capsys, caplog):
    caplog.set_level("DEBUG", "django_cache_me")
    with override_settings(DJANGO_CACHE_ME_DEBUG_MODE=True):
        Category.objects.using(alias).create(name="a")
        read = lambda: list(Category.objects.using(alias).filter(name="a"))  # noqa: E731
        read()
        read()
        Category.objects.using(alias).update(name="b")
        invalidate_model_cache(Category, invalidate_permanent=True)
    out = capsys.readouterr().out
    key = re.search(r"'(cache_me:queryset:shop\.category:[0-9a-f]{32})'", out).group(1)
    for line in (
        f"Cache miss for key '{key}' - hitting database",
        f"Cached queryset with key '{key}' for 300 seconds",
        f"Retrieving data from key '{key}' from cache",
        "Cache invalidated for model 'shop.category' (regular cache)",
        "Cache invalidated for model 'shop.category' (permanent and regular cache)",
    ):
        assert f"[django-cache-me] {line}\n" in out
        assert f"[django-cache-me] {line}" in caplog.messages


def test_no_line_without_the_debug_mode(alias, capsys):
    Category.objects.using(alias).create(name="a")
    list(Category.objects.using(alias).all())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "permanent", [lambda manager: manager.permanent_cache, lambda manager: manager.permanent_cache()]
)
def test_permanent_entries_survive_writes_and_end_by_hand(alias, permanent):
    category = Category.objects.using(alias).create(name="a")
    manager = Category.objects.db_manager(alias)
    read = lambda: permanent(manager).get(pk=category.pk).name  # noqa: E731
    assert_miss(alias, read)
    category.name = "b"
    category.save()
    assert assert_hit(alias, read) == "a"
    Category.objects.using(alias).invalidate_cache()
    assert assert_hit(alias, read) == "a"
    Category.objects.db_manager(alias).invalidate_cache(invalidate_all=True)
    assert assert_miss(alias, read) == "b"


def test_invalidation_by_hand(alias):
    Category.objects.using(alias).create(name="a")
    read = lambda: list(Category.objects.using(alias).filter(name="a"))  # noqa: E731
    for invalidate in (
        lambda: Category.objects.invalidate_cache(),
        lambda: Category.objects.using(alias).filter(pk=1).invalidate_cache(),
        lambda: invalidate_model_cache(Category),
        invalidate_all_caches,
    ):
        read()
        assert_hit(alias, read)
        invalidate()
        assert_miss(alias, read)


def test_invalidate_all_caches_ends_permanent_entries(alias):
    Category.objects.using(alias).create(name="a")
    read = lambda: list(Category.objects.using(alias).filter(name="a").permanent_cache())  # noqa: E731
    read()
    assert_hit(alias, read)
    invalidate_all_caches()
    assert_miss(alias, read)


def test_cache_method_overrules_the_options(alias):
    Nothing.objects.using(alias).create(name="a")
    read = lambda: list(Nothing.objects.using(alias).filter(name="a").cache())  # noqa: E731
    assert_miss(alias, read)
    assert_hit(alias, read)


def test_statistics_count_this_process(alias):
    Product.objects.using(alias).create(name="a")
    with seen(alias) as result:
        for _ in range(3):
            list(Product.objects.using(alias).filter(name="a"))
    assert (result.misses, result.fills, result.hits) == (1, 1, 2)
