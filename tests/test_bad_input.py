"""Wrong settings, places and files: a clear message or a counted miss, and nothing lost."""

from __future__ import annotations

import os

import pytest
from django.core.checks import run_checks
from django.db import connections
from django.test import override_settings

from django_cache_me import log, stats
from django_cache_me.exceptions import StoreError
from django_cache_me.stores import shared_memory
from django_cache_me.stores.places import place
from tests.looking import assert_hit, seen
from tests.shop.models import Category

BACKEND = "django_cache_me.stores.SharedMemoryCache"


def store_at(location, **options):
    return override_settings(
        CACHES={"default": {"BACKEND": BACKEND, "LOCATION": str(location), "OPTIONS": options}}
    )


def messages():
    return {message.id: message for message in run_checks(tags=["django_cache_me"])}


def test_right_settings_pass_the_checks():
    assert messages() == {}


@pytest.mark.parametrize(
    ("setting", "value", "check_id"),
    [
        ("DJANGO_CACHE_ME_OFF", True, "django_cache_me.W001"),
        ("DJANGO_CACHE_ME_TIMEOUTS", 5, "django_cache_me.W001"),
        ("DJANGO_CACHE_ME_ON", "yes", "django_cache_me.E001"),
        ("DJANGO_CACHE_ME_DEBUG_MODE", 1, "django_cache_me.E001"),
        ("DJANGO_CACHE_ME_ASYNC_ENABLED", None, "django_cache_me.E001"),
        ("DJANGO_CACHE_ME_TIMEOUT", "300", "django_cache_me.E002"),
        ("DJANGO_CACHE_ME_TIMEOUT", 0, "django_cache_me.E002"),
        ("DJANGO_CACHE_ME_TIMEOUT", float("nan"), "django_cache_me.E002"),
        ("DJANGO_CACHE_ME_TIMEOUT", 10**30, "django_cache_me.E002"),
        ("DJANGO_CACHE_ME_CELERY_QUEUE", 5, "django_cache_me.E003"),
        ("DJANGO_CACHE_ME_WARMERS", ["x"], "django_cache_me.E004"),
        ("DJANGO_CACHE_ME_WARMERS", {"shop.Product": "x"}, "django_cache_me.E004"),
        ("DJANGO_CACHE_ME_CACHE", "nowhere", "django_cache_me.E005"),
    ],
)
def test_wrong_settings_are_said_with_a_hint(setting, value, check_id):
    with override_settings(**{setting: value}):
        found = messages()
    assert list(found) == [check_id]
    text = found[check_id].msg
    assert setting in text
    if check_id.startswith("django_cache_me.E"):
        assert repr(value) in text
    assert found[check_id].hint


def test_misspelt_settings_get_a_suggestion():
    with override_settings(DJANGO_CACHE_ME_TIMEOUTS=5):
        assert "Did you mean DJANGO_CACHE_ME_TIMEOUT?" in messages()["django_cache_me.W001"].hint


def test_a_database_on_another_host_is_a_warning():
    wrapper = connections["default"]
    wrapper.settings_dict["HOST"] = "db.example.org"
    try:
        assert "db.example.org" in messages()["django_cache_me.W002"].msg
    finally:
        wrapper.settings_dict["HOST"] = ""


@pytest.mark.parametrize(
    ("backend", "options", "general", "said"),
    [
        ("django_redis.cache.RedisCache", {"IGNORE_EXCEPTIONS": True}, None, "IGNORE_EXCEPTIONS"),
        ("django_redis.cache.RedisCache", {}, True, "DJANGO_REDIS_IGNORE_EXCEPTIONS"),
        ("django_redis.cache.RedisCache", {"IGNORE_EXCEPTIONS": False}, True, None),
        ("django_redis.cache.RedisCache", {}, None, None),
        ("django.core.cache.backends.memcached.PyMemcacheCache", {"ignore_exc": True}, None, "ignore_exc"),
        ("django.core.cache.backends.memcached.PyMemcacheCache", {}, True, None),
    ],
)
def test_a_cache_that_hides_its_errors_is_a_warning(backend, options, general, said):
    entry = {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1", "OPTIONS": options}
    with override_settings(CACHES={"default": entry}, DJANGO_REDIS_IGNORE_EXCEPTIONS=general):
        found = messages()
    assert list(found) == (["django_cache_me.W007"] if said else [])
    if said:
        assert f"({said})" in found["django_cache_me.W007"].msg


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sise": 5 << 20}, "Did you mean 'size'?"),
        ({"size": "5 MB"}, "at least 1 MiB, not '5 MB'"),
        ({"size": 1000}, "at least 1 MiB, not 1000"),
        ({"group": "no-such-group-here"}, "this host doesn't know"),
    ],
)
def test_wrong_options_of_the_store(tmp_path, options, message):
    with store_at(tmp_path, **options):
        with pytest.raises(StoreError) as caught:
            place()
        assert message in str(caught.value)
        assert message in messages()["django_cache_me.E006"].msg


def test_options_may_be_in_capitals_as_other_backends_have_them(tmp_path):
    with store_at(tmp_path, SIZE=2 << 20):
        assert place().size == 2 << 20


def test_a_missing_directory_is_an_error_at_start(tmp_path):
    with store_at(tmp_path / "nowhere"):
        assert str(tmp_path / "nowhere") in messages()["django_cache_me.E006"].msg


def test_a_link_is_not_followed(tmp_path):
    with store_at(tmp_path):
        (tmp_path / "elsewhere").write_bytes(b"precious")
        os.symlink(tmp_path / "elsewhere", place().entries)
        assert "django_cache_me.E006" in messages()
    assert (tmp_path / "elsewhere").read_bytes() == b"precious"


def _spoil(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize("spoil", ["magic", "truncated", "everything"])
def test_a_corrupt_entries_file_is_made_anew(sqlite, tmp_path, spoil):
    Category.objects.create(name="a")
    with store_at(tmp_path, size=1 << 20):
        path = place().entries
        names = lambda: [category.name for category in Category.objects.all()]  # noqa: E731
        names()
        assert_hit(sqlite, names)
        shared_memory._opened.clear()
        if spoil == "truncated":
            os.truncate(path, 5000)
        else:
            _spoil(path, 0, b"\xff" * (64 if spoil == "magic" else 1 << 20))
        assert names() == ["a"]
        assert_hit(sqlite, names)
    shared_memory._opened.clear()


def test_bytes_in_entries_are_never_trusted(sqlite, tmp_path):
    """Words are flipped all over the file while it is in use: misses, never wrong rows or errors."""
    import random

    Category.objects.bulk_create([Category(name=f"name {number}") for number in range(20)])
    chance = random.Random(5)
    with store_at(tmp_path, size=1 << 20):
        path = place().entries
        expected = [category.name for category in Category.objects.no_cache().order_by("pk")]
        list(Category.objects.order_by("pk"))
        for _ in range(150):
            for _ in range(40):
                _spoil(path, chance.randrange(40000, 1 << 20), chance.getrandbits(64).to_bytes(8, "little"))
            assert [category.name for category in Category.objects.order_by("pk")] == expected
    shared_memory._opened.clear()


def test_removing_the_entries_file_under_a_running_process(sqlite, tmp_path):
    import time

    Category.objects.create(name="a")
    with store_at(tmp_path, size=1 << 20):
        names = lambda: [category.name for category in Category.objects.all()]  # noqa: E731
        names()
        os.unlink(place().entries)
        time.sleep(1.2)
        Category.objects.update(name="b")
        assert names() == ["b"]
        assert os.path.exists(place().entries)
        assert_hit(sqlite, names)
    shared_memory._opened.clear()


def test_values_of_unknown_types_are_counted(sqlite):
    """A converter that is registered with the driver may give objects that no codec knows."""
    import sqlite3

    sqlite3.register_converter("shop_odd", lambda value: {value})
    Category.objects.using(sqlite).create(name="a")
    sql = 'SELECT id, name, parent_id, name AS "odd [shop_odd]" FROM shop_category'
    for _ in range(2):
        with seen(sqlite) as result:
            (found,) = Category.objects.using(sqlite).raw(sql)
        assert found.odd == {b"a"}
        assert result.hits == 0
        assert result.not_filled == {"unknown_type:builtins.set": 1}


HOSTILE = [
    "UPDATE shop_category SET name = 'b' /* ",
    "UPDATE shop_category SET name = 'b'; --",
    'UPDATE "shop_category" SET name = \'"; DROP TABLE shop_category; --\'',
    "WITH shop_tag AS (SELECT 1) UPDATE shop_category SET name = 'b'",
    "UPDATE/**/shop_category/**/SET/**/name='b'",
    "SELECT 1; UPDATE shop_category SET name = 'b'",
    "\u00a0UPDATE shop_category SET name = 'b'",
    "UPDATE shop_category SET name = $$b$$",
    "UPDATE shop_category SET name = 'b' WHERE 1 = 1 \0",
    "(" * 5000,
    "'" * 5001,
    "",
    ";;;",
    "\ud800",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_leaves_no_stale_read(alias, text):
    """Whatever the database makes of a text, the cache says what the database says."""
    Category.objects.using(alias).create(name="a")
    names = lambda: [category.name for category in Category.objects.using(alias).all()]  # noqa: E731
    names()
    assert_hit(alias, names)
    import contextlib

    with contextlib.suppress(Exception), connections[alias].cursor() as cursor:
        cursor.execute(text)
    truth = [category.name for category in Category.objects.using(alias).no_cache().all()]
    assert names() == truth


def test_statistics_name_what_went_wrong(alias):
    assert {"hits", "misses", "fills", "bumps", "passed", "not_filled"} <= set(stats())


@pytest.mark.parametrize(
    "value",
    [
        3,
        ["other"],
        {"other": "default"},
        {"other": {"of": "default"}},
        {"other": {"of": "default", "lag": 0}},
        {"other": {"of": "default", "lag": "5"}},
        {"other": {"of": "nowhere", "lag": 5}},
        {"nowhere": {"of": "default", "lag": 5}},
        {"other": {"of": "other", "lag": 5}},
    ],
)
def test_wrong_replicas_are_said_and_served_alone(sqlite, value):
    with override_settings(DJANGO_CACHE_ME_REPLICAS=value):
        assert list(messages()) == ["django_cache_me.E010"]
        if not isinstance(value, dict) or "other" in value:
            with seen("other") as result:
                list(Category.objects.using("other").all())
            assert result.passed == {"replica_settings": 1}


@pytest.mark.parametrize("value", [7, "tests.nowhere", "tests.settings.SECRET_KEY"])
def test_a_wrong_prefix_is_said(value):
    with override_settings(DJANGO_CACHE_ME_PREFIX=value):
        assert list(messages()) == ["django_cache_me.E009"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *[("TIMEOUT", value) for value in ("300", "x", 0, -5, [], float("nan"), float("inf"), 10**30, True)],
        ("ON", "yes"),
        ("DEBUG_MODE", 1),
        ("ASYNC_ENABLED", "yes"),
        ("ASYNC_ON_COMMIT", None),
        ("CELERY_QUEUE", 5),
        ("WARMERS", ["x"]),
        ("WARMERS", {"shop.Category": "x"}),
        ("WARMERS", {"shop.Category": 5}),
        ("PREFIX", 7),
        ("REPLICAS", 3),
        ("REPLICAS", {"default": 3}),
        *[("CACHE", value) for value in ("nowhere", 5, None, [])],
    ],
)
def test_wrong_settings_break_no_page(sqlite, setting, value):
    """Servers of applications run no checks: each page and each write is as without the cache."""
    Category.objects.create(name="a")
    wrong = {f"DJANGO_CACHE_ME_{setting}": value, "DJANGO_CACHE_ME_WARM_ON_INVALIDATE": True}
    with override_settings(**wrong):
        for _ in range(2):
            assert [category.name for category in Category.objects.filter(name="a")] == ["a"]
            assert Category.objects.count() == 1
        Category.objects.update(name="b")
        Category.objects.invalidate_cache()
        assert [category.name for category in Category.objects.all()] == ["b"]


def test_a_wrong_timeout_is_said_and_the_default_holds(sqlite, caplog, monkeypatch):
    monkeypatch.setattr(log, "_last", {})
    with override_settings(DJANGO_CACHE_ME_TIMEOUT="300"):
        names = lambda: [category.name for category in Category.objects.all()]  # noqa: E731
        names()
        assert_hit(sqlite, names)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "django_cache_me"]
    assert "DJANGO_CACHE_ME_TIMEOUT" in line
    assert "'300'" in line
