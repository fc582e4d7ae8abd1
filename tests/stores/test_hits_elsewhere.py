"""Hits over Django's cache interface: by plan, and with as few round trips as can be."""

from __future__ import annotations

import uuid

import pytest
from django.core.cache import caches
from django.db import connections, transaction
from django.test import override_settings

from django_cache_me import _engine, stats
from django_cache_me.databases.connection import store_for
from django_cache_me.databases.identity import identity_of
from django_cache_me.stores import django_cache
from django_cache_me.stores.select import store_of
from tests.looking import assert_hit, seen
from tests.shop.models import Category, Product

from .test_protocol import DEPENDENCIES, ROWS, A, B, caches_of, fill, found

pytestmark = [
    pytest.mark.skipif(not _engine.CAN_RECORD, reason="nothing is recorded without the GIL"),
    pytest.mark.usefixtures("new_shapes"),
]


@pytest.fixture
def files(request, tmp_path):
    """``CACHES`` with a cache that isn't in shared memory, and needs no server."""
    entry = caches_of("file", request, tmp_path)
    with override_settings(CACHES={"default": entry}):
        yield entry


@pytest.fixture
def store(files):
    return store_of(f"test:{uuid.uuid4().hex}", private=False, is_new=True)


class Trips:
    """How often a cache is asked: each a round trip to a server."""

    def __init__(self, monkeypatch):
        self.asked = []
        self._within = 0
        for name in ("get", "get_many"):
            monkeypatch.setattr(caches["default"], name, self._noting(name, getattr(caches["default"], name)))

    def _noting(self, name, original):
        def noting(*args, **kwargs):
            if not self._within:
                self.asked.append(name)
            self._within += 1
            try:
                return original(*args, **kwargs)
            finally:
                self._within -= 1

        return noting

    def of(self, read):
        self.asked.clear()
        answer = read()
        return answer, list(self.asked)


def test_a_hit_is_one_round_trip_once_it_is_known_what_the_entry_rests_on(store, monkeypatch):
    fill(store)
    trips = Trips(monkeypatch)
    assert trips.of(lambda: found(store)) == (ROWS, ["get_many"])  # which this process has filled
    store._rests_on.clear()
    assert trips.of(lambda: found(store)) == (ROWS, ["get", "get_many"])
    assert trips.of(lambda: found(store)) == (ROWS, ["get_many"])
    store.bump(A)
    assert trips.of(lambda: found(store)) == (None, ["get_many"])


def test_an_entry_that_rests_on_something_else_by_now(store, monkeypatch):
    """Another process has filled it; what this one remembers of it is of before."""
    fill(store)
    assert found(store) == found(store) == ROWS
    known = dict(store._rests_on)
    fill(store, dependencies=A)
    store._rests_on = known
    trips = Trips(monkeypatch)
    assert trips.of(lambda: found(store)) == (ROWS, ["get_many", "get_many"])
    assert trips.of(lambda: found(store)) == (ROWS, ["get_many"])
    store.bump(B)
    assert found(store) == ROWS
    store.bump(A)
    assert found(store) is None
    fill(store, dependencies=DEPENDENCIES)
    assert found(store) == ROWS
    store.bump(B)
    assert found(store) is None


def test_what_was_just_missed_is_not_asked_for_again(store, monkeypatch):
    key = "cache_me:queryset:a.b:1"
    trips = Trips(monkeypatch)
    assert store.rows_of(key, 7) is None
    assert trips.of(lambda: found(store)) == (None, [])
    fill(store)
    assert found(store) == ROWS
    assert _engine.decode_rows(store.rows_of(key, 7)) == ROWS
    assert store.rows_of(key, 8) is None
    assert found(store, "cache_me:queryset:a.b:2") is None
    assert found(store) == ROWS


KINDS = {
    "get": lambda: Product.objects.get(name="p1"),
    "list": lambda: list(Product.objects.filter(price__gte=1).order_by("id")[:5]),
    "whole table": lambda: list(Category.objects.order_by("id")),
    "values": lambda: list(Product.objects.filter(price__gte=1).order_by("id").values_list("name", "price")),
    "count": lambda: Product.objects.filter(price__gte=1).count(),
    "exists": lambda: Product.objects.filter(name="p2").exists(),
    "forward": lambda: Product.objects.get(name="p0").category,
    "prefetch": lambda: [
        list(one.products.all()) for one in Category.objects.order_by("id").prefetch_related("products")
    ],
}


@pytest.fixture
def goods(sqlite):
    category = Category.objects.create(name="a")
    for i in range(4):
        Product.objects.create(name=f"p{i}", price=i, category=category)
    return sqlite


@pytest.mark.parametrize("name", KINDS)
def test_hits_are_by_plan(goods, files, name):
    read = KINDS[name]
    for _ in range(7):
        read()
    before, hits = _engine.recorded_hits(), stats()["hits"]
    answer = assert_hit(goods, read)
    by_plan = _engine.recorded_hits() - before
    assert by_plan == stats()["hits"] - hits > 0
    with override_settings(DJANGO_CACHE_ME_ON=False):
        assert read() == answer


@pytest.mark.parametrize("name", KINDS)
def test_writes_are_seen(goods, files, name):
    read = KINDS[name]
    for _ in range(7):
        read()
    assert_hit(goods, read)
    for change in (
        lambda: Product.objects.filter(name="p0").update(category=Category.objects.create(name="b")),
        lambda: Product.objects.filter(name="p2").update(name="p5"),
        lambda: Product.objects.filter(name="p3").delete(),
        lambda: Category.objects.filter(name="b").update(name="c"),
    ):
        change()
        with override_settings(DJANGO_CACHE_ME_ON=False):
            expected = read()
        for _ in range(2):
            assert read() == expected


def test_an_entry_that_is_spoilt_is_thrown_away(goods, files, monkeypatch):
    read = KINDS["list"]
    for _ in range(7):
        expected = read()
    original = caches["default"].get_many

    def spoilt(keys, version=None):
        return {
            key: value[:-9] if isinstance(value, bytes) else value
            for key, value in original(keys, version=version).items()
        }

    monkeypatch.setattr(caches["default"], "get_many", spoilt)
    before = stats()["dropped"].get("malformed", 0)
    assert read() == expected
    assert stats()["dropped"]["malformed"] == before + 1
    monkeypatch.undo()
    assert read() == expected
    assert assert_hit(goods, read) == expected


def test_a_cache_that_fails_is_a_miss(goods, files, monkeypatch):
    read = KINDS["get"]
    for _ in range(7):
        expected = read()

    def failing(*args, **kwargs):
        raise ConnectionError("gone")

    monkeypatch.setattr(caches["default"], "get_many", failing)
    with seen(goods) as result:
        assert read() == expected
    assert result.hits == 0
    assert len(result.statements) == 1


@pytest.mark.parametrize("name", KINDS)
def test_an_interrupt_while_the_cache_is_asked_is_not_swallowed(goods, files, monkeypatch, name):
    read = KINDS[name]
    for _ in range(7):
        read()
    trips = Trips(monkeypatch)
    for number in range(len(trips.of(read)[1])):
        left = [number]

        def interrupted(keys, version=None, left=left, original=caches["default"].get_many):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return original(keys, version=version)

        with monkeypatch.context() as patched:
            patched.setattr(caches["default"], "get_many", interrupted)
            with pytest.raises(KeyboardInterrupt):
                read()


def test_an_interrupt_while_a_listener_is_looked_for_is_not_swallowed(goods, monkeypatch):
    """Python code that is asked at each hit, where somebody listens to the making of instances."""
    from django.db.models.signals import post_init

    def listener(sender, **kwargs):
        pass

    def interrupted(sender=None):
        raise KeyboardInterrupt

    read = KINDS["get"]
    for _ in range(7):
        read()
    post_init.connect(listener, sender=Category)
    try:
        assert_hit(goods, read)
        monkeypatch.setattr(post_init, "has_listeners", interrupted)
        with pytest.raises(KeyboardInterrupt):
            read()
    finally:
        monkeypatch.undo()
        post_init.disconnect(listener, sender=Category)


def test_what_writers_touch_is_not_remembered(goods, files):
    KINDS["get"]()
    store = store_for(connections[goods], identity_of(connections[goods], ask=True))
    KINDS["get"]()
    before = len(store._names_of)
    for number in range(5):
        Product.objects.filter(price=number).update(weight=number)
        with transaction.atomic():
            Product.objects.create(name=f"more {number}")
            Category.objects.create(name=f"more {number}")
    assert len(store._names_of) == before


def test_little_is_remembered(store, monkeypatch):
    monkeypatch.setattr(django_cache, "_MOST_KNOWN", 4)
    for number in range(9):
        fill(store, f"cache_me:queryset:a.b:{number}")
        assert found(store, f"cache_me:queryset:a.b:{number}") == ROWS
    assert len(store._rests_on) <= 4
    assert found(store, "cache_me:queryset:a.b:0") == ROWS


def test_another_cache_is_asked_as_soon_as_it_is_set(goods, files, tmp_path):
    read = KINDS["get"]
    for _ in range(7):
        read()
    assert_hit(goods, read)
    other = {**files, "LOCATION": str(tmp_path / "other")}
    with override_settings(CACHES={"default": other}):
        with seen(goods) as result:
            read()
        assert (result.hits, result.fills) == (0, 1)
        Product.objects.filter(name="p1").update(price=7)
    # Nobody has told this one of the write: whoever changes CACHES is to start with an empty cache.
    assert_hit(goods, read)
