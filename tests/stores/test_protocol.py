"""One suite for every store: what stores/base.py promises."""

from __future__ import annotations

import os
import time
import uuid

import django
import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.test import override_settings

from django_cache_me.stores import django_cache
from django_cache_me.stores.dependencies import ALL, any_of, pack
from django_cache_me.stores.select import store_of

DEPENDENCIES = pack([ALL, any_of("a"), any_of("b")])
A, B = pack([any_of("a")]), pack([any_of("b")])
ROWS = [(1, "é", None), (2, "b", 1.5)]


def caches_of(kind, request, tmp_path):
    if kind == "shared memory":
        return {
            "BACKEND": "django_cache_me.stores.SharedMemoryCache",
            "LOCATION": os.environ["CACHE_ME_TEST_STORE"],
        }
    if kind == "redis":
        if django.VERSION < (4, 0):
            pytest.skip("Django's own Redis backend came with 4.0")
        return {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"unix://{request.getfixturevalue('redis').socket}?db=3",
        }
    if kind == "django-redis":
        return {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"unix://{request.getfixturevalue('redis').socket}?db=4",
        }
    if kind == "memcached":
        return {
            "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
            "LOCATION": f"unix:{request.getfixturevalue('memcached').socket}",
        }
    if kind == "pylibmc":
        pytest.importorskip("pylibmc", reason="pylibmc has no wheels for this Python")
        return {
            "BACKEND": "django.core.cache.backends.memcached.PyLibMCCache",
            "LOCATION": f"unix:{request.getfixturevalue('memcached').socket}",
        }
    if kind == "database":
        return {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "cache_of_querysets",
            "OPTIONS": {"MAX_ENTRIES": 10_000},
        }
    return {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": str(tmp_path),
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }


KINDS = ["shared memory", "redis", "django-redis", "memcached", "pylibmc", "database", "file"]


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    """A store of a database of its own."""
    entry = caches_of(request.param, request, tmp_path)
    with override_settings(CACHES={"default": entry}):
        if request.param == "database":
            call_command("createcachetable", verbosity=0)
        yield store_of(f"test:{uuid.uuid4().hex}", private=False, is_new=True)


def fill(store, key="cache_me:queryset:a.b:1", fingerprint=7, timeout=60.0, dependencies=DEPENDENCIES):
    reading = store.versions(dependencies)
    assert reading is not None
    return store.put(key, fingerprint, ROWS, reading, timeout)


def found(store, key="cache_me:queryset:a.b:1", fingerprint=7):
    return store.get(key, fingerprint)


def test_what_was_put_comes_back_anew(store):
    assert found(store) is None
    assert fill(store) == "stored"
    assert found(store) == ROWS
    assert found(store) is not found(store)


def test_another_fingerprint_is_a_miss(store):
    fill(store)
    assert found(store, fingerprint=8) is None


def test_a_bump_makes_a_miss_of_what_rests_on_it_alone(store):
    fill(store)
    fill(store, "cache_me:queryset:a.b:2", dependencies=A)
    store.bump(B)
    assert found(store) is None
    assert found(store, "cache_me:queryset:a.b:2") == ROWS


def test_versions_taken_before_a_bump_make_an_entry_that_is_born_invalid(store):
    reading = store.versions(DEPENDENCIES)
    store.bump(A)
    store.put("cache_me:queryset:a.b:1", 7, ROWS, reading, 60)
    assert found(store) is None


def test_an_intent_keeps_readers_at_the_database(store):
    fill(store)
    intent = store.declare_intent(A, b"session", True)
    assert found(store) is None
    assert store.versions(DEPENDENCIES) is None
    assert store.versions(B) is not None
    store.finish_intent(intent)
    assert found(store) is None, "it was bumped"
    fill(store)
    assert found(store) == ROWS


def test_two_intents_of_one_dependency(store):
    first = store.declare_intent(A, b"first", True)
    second = store.declare_intent(A, b"second", True)
    store.finish_intent(first)
    assert store.versions(A) is None, "the second one's is still there"
    store.finish_intent(second)
    assert store.versions(A) is not None
    first = store.declare_intent(A, b"first", True)
    second = store.declare_intent(A, b"second", True)
    store.finish_intent(second)
    store.finish_intent(first)
    assert store.versions(A) is not None


def test_a_bump_during_an_intent_leaves_it(store):
    intent = store.declare_intent(A, b"session", True)
    store.bump(A)
    assert store.versions(A) is None
    store.finish_intent(intent)
    assert store.versions(A) is not None


def test_an_unknown_outcome_keeps_the_intent(store):
    fill(store)
    intent = store.declare_intent(A, b"session", False)
    store.keep_intent(intent)
    assert found(store) is None
    assert store.versions(A) is None


def test_databases_are_apart(store):
    other = store_of(f"test:{uuid.uuid4().hex}", private=False, is_new=True)
    fill(store)
    fill(other, "cache_me:queryset:a.b:other")
    other.bump(DEPENDENCIES)
    assert found(store) == ROWS
    assert found(other, "cache_me:queryset:a.b:other") is None


def test_delete(store):
    fill(store)
    store.delete("cache_me:queryset:a.b:1")
    assert found(store) is None


def test_entries_end(store):
    # Django's DatabaseCache and memcached count whole seconds, and end an entry up to one early.
    fill(store, timeout=3)
    assert found(store) == ROWS
    time.sleep(3.2)
    assert found(store) is None


def test_entries_without_an_end(store):
    fill(store, timeout=None)
    assert found(store) == ROWS


def test_what_is_too_large_is_a_miss_and_drops_what_was_there(store):
    fill(store)
    reading = store.versions(DEPENDENCIES)
    rows = [(os.urandom(9_000_000),)]
    outcome = store.put("cache_me:queryset:a.b:1", 7, rows, reading, 60)
    assert found(store) == (rows if outcome == "stored" else None)


def test_instances_come_from_every_store(store):
    from django.db.models.base import ModelState

    from django_cache_me import _engine
    from django_cache_me.stores.base import Building
    from tests.shop.models import Tag

    plan = (Tag, 0, ("id", "word"), (False, False), (), (), 0, None, None)
    building = Building(_engine.InstancePlan(ModelState, plan), "default", None)
    fill(store)
    tags = store.get("cache_me:queryset:a.b:1", 7, None, building)
    assert [(type(tag), tag.pk, tag.word) for tag in tags] == [(Tag, 1, "é"), (Tag, 2, "b")]


# Of stores over Django's cache interface alone.


@pytest.fixture
def over_django(store, request):
    if not isinstance(store, django_cache.DjangoCacheStore):
        pytest.skip("has no keys of Django's caches")
    return store


#: What a cache can do for one key, or some that are named; the last is the database cache's set().
BY_KEY = {"get", "get_many", "set", "set_many", "add", "delete", "_base_set"}


def test_nothing_is_found_by_scanning_keys(over_django, monkeypatch):
    called = set()
    original = type(over_django)._cache.fget

    class Listening:
        def __init__(self, cache):
            self.cache = cache

        def __getattr__(self, name):
            called.add(name)
            return getattr(self.cache, name)

    monkeypatch.setattr(type(over_django), "_cache", property(lambda self: Listening(original(self))))
    fill(over_django)
    assert found(over_django) == ROWS
    over_django.finish_intent(over_django.declare_intent(A, b"session", True))
    over_django.bump(B)
    assert found(over_django) is None
    over_django.delete("cache_me:queryset:a.b:1")
    over_django.clear()
    fill(over_django)
    assert found(over_django) == ROWS
    assert "get_many" in called
    assert called <= BY_KEY


#: Kinds whose server can be stopped.
SERVERS = {"redis": "redis", "django-redis": "redis", "memcached": "memcached", "pylibmc": "memcached"}


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_that_dies_gives_misses_and_never_an_old_answer(
    sqlite, kind, request, tmp_path, monkeypatch
):
    from tests.looking import assert_hit, seen
    from tests.shop.models import Category

    monkeypatch.setattr(django_cache, "_PAUSE", 0.0)
    entry, server = caches_of(kind, request, tmp_path), request.getfixturevalue(SERVERS[kind])
    read = lambda: [one.name for one in Category.objects.filter(name__gt="")]  # noqa: E731
    with override_settings(CACHES={"default": entry}):
        Category.objects.create(name="a")
        read()
        assert assert_hit(sqlite, read) == ["a"]
        server.kill()
        try:
            for name in "bc":
                for _ in range(2):
                    with seen(sqlite) as result:
                        read()
                    assert (result.hits, result.fills) == (0, 0)
                Category.objects.update(name=name)
                assert read() == [name]
        finally:
            server.start()
        read()
        give_up = time.monotonic() + 5  # a client may leave a server alone for a while that was down
        while time.monotonic() < give_up:
            with seen(sqlite) as result:
                assert read() == ["c"]
            if result.hits:
                break
            time.sleep(0.05)
        assert result.hits == 1
        Category.objects.update(name="d")
        assert read() == ["d"]


def test_a_lost_version_is_a_new_one(over_django):
    fill(over_django)
    caches["default"].delete(over_django._names(A)[0])
    assert found(over_django) is None
    assert over_django.versions(A) is not None
    assert found(over_django) is None
    fill(over_django)
    assert found(over_django) == ROWS


def test_an_emptied_cache_is_cold(over_django):
    fill(over_django)
    caches["default"].clear()
    assert found(over_django) is None
    fill(over_django)
    assert found(over_django) == ROWS


def test_the_intent_of_a_dead_writer_ends_with_its_grace(over_django, monkeypatch):
    fill(over_django)
    monkeypatch.setattr(django_cache, "GRACE", -1.0)
    over_django.declare_intent(A, b"session", True)
    assert found(over_django) is None
    assert over_django.versions(A) is not None, "its time is over"
    assert found(over_django) is None, "but its commit may have happened"


def test_nothing_is_hit_or_filled_in_snapshots(over_django):
    fill(over_django)
    assert over_django.get("cache_me:queryset:a.b:1", 7, 5) is None
    assert over_django.versions(A, 5) is None


@pytest.mark.parametrize("value", [b"", b"CMd1", b"CMd1" + b"\xff" * 40, "text", 5, None, b"\0" * 100])
def test_bytes_of_others_are_misses(over_django, value):
    fill(over_django)
    caches["default"].set("cache_me:queryset:a.b:1", value)
    assert found(over_django) is None


def test_rows_that_are_none_are_misses(over_django):
    fill(over_django)
    kept = caches["default"].get("cache_me:queryset:a.b:1")
    for cut in (1, 10, 30):
        caches["default"].set("cache_me:queryset:a.b:1", kept[:-cut])
        assert found(over_django) is None


# Stores that fail.


class Broken(Exception):
    pass


@pytest.fixture
def failing(over_django, monkeypatch):
    """A function that breaks some operations of the cache, or mends them."""
    broken = set()
    original = type(over_django)._cache.fget

    class Fragile:
        def __init__(self, cache):
            self.cache = cache

        def __getattr__(self, name):
            if name in broken or "all" in broken:
                raise Broken(name)
            return getattr(self.cache, name)

    monkeypatch.setattr(type(over_django), "_cache", property(lambda self: Fragile(original(self))))
    monkeypatch.setattr(django_cache, "_PAUSE", 0.0)
    return broken


def test_a_cache_that_fails_gives_misses(over_django, failing):
    fill(over_django)
    failing.add("all")
    assert found(over_django) is None
    assert over_django.versions(A) is None
    failing.clear()
    assert found(over_django) == ROWS


def test_a_write_that_could_not_be_told_leaves_nothing_to_be_believed(over_django, failing):
    fill(over_django)
    failing.add("all")
    intent = over_django.declare_intent(A, b"session", True)
    over_django.finish_intent(intent)
    failing.clear()
    assert found(over_django) is None, "all was bumped when contact returned"
    fill(over_django)
    assert found(over_django) == ROWS


def test_a_stamp_that_cannot_be_set_is_deleted(over_django, failing):
    fill(over_django)
    failing.add("set_many")
    over_django.bump(A)
    failing.clear()
    assert found(over_django) is None


@pytest.mark.parametrize("store", ["database"], indirect=True)
def test_what_the_database_refuses_in_silence_is_noticed(store, monkeypatch):
    """DatabaseCache.set() swallows the database's errors, such as a lock that isn't released in time."""
    from django.core.cache.backends.db import DatabaseCache

    fill(store)
    with monkeypatch.context() as refusing:
        refusing.setattr(DatabaseCache, "_base_set", lambda self, mode, *args: False)
        store.bump(A)
    assert found(store) is None
    assert fill(store) == "stored"
    assert found(store) == ROWS
