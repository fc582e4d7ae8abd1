"""SPEC.md's tables of defaults, settings and stores, and its promises of managers, line by line."""

from __future__ import annotations

import pickle
import re
import uuid

import pytest
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.test import override_settings

from django_cache_me import CacheMeOptions, conf, invalidate_all_caches, invalidate_model_cache
from django_cache_me.registry import cache_me_registry
from django_cache_me.stores.select import store_kind
from tests.looking import assert_hit, assert_miss, seen
from tests.shop.models import Category, Nothing, Plain, Product, ShopManager

SETTINGS = {
    "DJANGO_CACHE_ME_ON": (True, False),
    "DJANGO_CACHE_ME_DEBUG_MODE": (False, True),
    "DJANGO_CACHE_ME_TIMEOUT": (300, 7),
    "DJANGO_CACHE_ME_ASYNC_ENABLED": (False, True),
    "DJANGO_CACHE_ME_ASYNC_ON_COMMIT": (True, False),
    "DJANGO_CACHE_ME_CELERY_QUEUE": (None, "warmers"),
    "DJANGO_CACHE_ME_WARM_ON_INVALIDATE": (False, True),
    "DJANGO_CACHE_ME_WARMERS": ({}, {"shop.Category": ["tests.warmers.categories"]}),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_setting_has_its_default_and_is_read_lazily(name):
    default, other = SETTINGS[name]
    short = name[len(conf.PREFIX) :]
    assert not hasattr(settings, name), "the test project sets none of them"
    assert conf.setting(short) == default
    with override_settings(**{name: other}):
        assert conf.setting(short) == other
        with override_settings(**{name: default}):
            assert conf.setting(short) == default
        assert conf.setting(short) == other
    assert conf.setting(short) == default


def test_settings_are_few_and_have_the_prefix():
    assert conf.PREFIX == "DJANGO_CACHE_ME_"
    ours = {conf.PREFIX + name for name in conf.DEFAULTS}
    assert set(SETTINGS) <= ours
    assert len(ours) <= len(SETTINGS) + 6


def test_options_have_their_defaults():
    options = CacheMeOptions(Plain)
    assert (options.cache_table, options.cache_queryset, options.timeout) == (False, True, None)
    registered = cache_me_registry.get_options(Category)
    assert (registered.cache_table, registered.cache_queryset, registered.timeout) == (False, True, None)


# Managers.


@pytest.mark.parametrize("name", ["no_cache", "permanent_cache"])
@pytest.mark.parametrize("called", [False, True])
def test_managers_keep_class_methods_and_pickling(alias, name, called):
    manager = getattr(Product.objects, name)
    if called:
        manager = manager()
    assert isinstance(manager, ShopManager)
    assert type(manager).__name__ == "ShopManager"
    invalidate_all_caches()  # permanent entries outlive other tests' rows
    Product.objects.using(alias).create(name="a")
    for one in (manager, pickle.loads(pickle.dumps(manager))):
        assert isinstance(one, ShopManager)
        assert [product.name for product in one.db_manager(alias).named("a")] == ["a"]
        assert one.model is Product
        for _ in range(2):  # db_manager() is a copy, which keeps what was said
            with seen(alias) as result:
                list(one.db_manager(alias).named("a"))
        assert (result.hits + result.misses) == (0 if name == "no_cache" else 1)
    if name == "permanent_cache":
        Product.objects.using(alias).filter(name="a").update(price=9)
        assert_hit(alias, lambda: list(manager.db_manager(alias).named("a")))


@pytest.mark.keeps
def test_cache_is_on_managers_too(alias, capsys):
    Nothing.objects.using(alias).create(name="a")
    read = lambda: list(Nothing.objects.db_manager(alias).cache(timeout=9).filter(name="a"))  # noqa: E731
    with override_settings(DJANGO_CACHE_ME_DEBUG_MODE=True):
        assert_miss(alias, read)
    assert "for 9 seconds\n" in capsys.readouterr().out
    assert_hit(alias, read)


def test_the_last_word_in_a_chain_counts(alias):
    Category.objects.using(alias).create(name="a")
    query = Category.objects.using(alias).filter(name="a")
    for _ in range(2):
        assert_miss(alias, lambda: list(query.cache().no_cache()))
    read = lambda: list(query.no_cache().cache(timeout=60))  # noqa: E731
    assert_miss(alias, read)
    assert_hit(alias, read)


def test_invalidate_model_cache_leaves_permanent_entries_unless_told(alias):
    Category.objects.using(alias).create(name="a")
    plain = lambda: list(Category.objects.using(alias).filter(name="a"))  # noqa: E731
    permanent = lambda: list(Category.objects.using(alias).filter(name="a").permanent_cache())  # noqa: E731
    plain(), permanent()
    invalidate_model_cache(Category)
    assert_miss(alias, plain)
    assert_hit(alias, permanent)
    invalidate_model_cache(Category, invalidate_permanent=True)
    assert_miss(alias, plain)
    assert_miss(alias, permanent)


# Keys.


@pytest.mark.keeps
def test_keys_tell_databases_apart(sqlite, capsys):
    with override_settings(DJANGO_CACHE_ME_DEBUG_MODE=True):
        for alias in ("default", "other"):
            list(Category.objects.using(alias).filter(name="a"))
    keys = re.findall(r"Cache miss for key '(.*)' - hitting database", capsys.readouterr().out)
    assert len(set(keys)) == 2


# Stores.


class OwnCache(LocMemCache.__base__):
    """What a project may write: the least that a BaseCache can do."""

    kept = {}

    def __init__(self, location, params):
        super().__init__(params)

    def get(self, key, default=None, version=None):
        return self.kept.get(self.make_key(key, version), default)

    def set(self, key, value, timeout=None, version=None):
        self.kept[self.make_key(key, version)] = value

    def add(self, key, value, timeout=None, version=None):
        if self.make_key(key, version) in self.kept:
            return False
        self.set(key, value, timeout, version)
        return True

    def delete(self, key, version=None):
        return self.kept.pop(self.make_key(key, version), None) is not None


STORES = {
    "django.core.cache.backends.locmem.LocMemCache": "shared_memory",
    "django_cache_me.stores.SharedMemoryCache": "shared_memory",
    "django_redis.cache.RedisCache": "django_cache",
    "django.core.cache.backends.memcached.PyMemcacheCache": "django_cache",
    "django.core.cache.backends.db.DatabaseCache": "django_cache",
    "django.core.cache.backends.filebased.FileBasedCache": "django_cache",
    "tests.test_contract_settings.OwnCache": "django_cache",
    "django.core.cache.backends.dummy.DummyCache": "dummy",
}


@pytest.mark.parametrize("backend", STORES)
def test_the_entry_of_caches_decides_the_store(backend):
    with override_settings(CACHES={"default": {"BACKEND": backend, "LOCATION": "x"}}):
        assert store_kind() == STORES[backend]


def test_without_caches_it_is_the_shared_memory():
    from django.conf import global_settings

    with override_settings(CACHES=global_settings.CACHES):
        assert store_kind() == "shared_memory"


def test_the_alias_of_the_store_is_a_setting(sqlite, tmp_path, capsys):
    """And any BaseCache will do."""
    entries = {"default": settings.CACHES["default"], "querysets": {"BACKEND": f"{__name__}.OwnCache"}}
    with override_settings(
        CACHES=entries, DJANGO_CACHE_ME_CACHE="querysets", DJANGO_CACHE_ME_DEBUG_MODE=True
    ):
        Category.objects.create(name="a")
        unique = uuid.uuid4().hex  # no test has asked this, and so filled the other alias
        read = lambda: [one.name for one in Category.objects.exclude(name=unique)]  # noqa: E731
        assert_miss("default", read)
        key = re.search(r"Cached queryset with key '(.*)' for", capsys.readouterr().out).group(1)
        assert caches["querysets"].get(key) is not None
        assert caches["default"].get(key) is None
        assert assert_hit("default", read) == ["a"]
        Category.objects.update(name="b")
        with seen("default") as result:
            assert read() == ["b"]
        assert result.hits == 0
