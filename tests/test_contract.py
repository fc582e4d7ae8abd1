"""SPEC.md's tables: the matrix of options, keys, log lines, permanent entries, invalidation by hand."""

from __future__ import annotations

import re

import pytest
from django.test import override_settings

from django_cache_me import invalidate_all_caches, invalidate_model_cache
from tests.looking import assert_hit, assert_miss, is_stored, seen
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


@pytest.mark.keeps
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


@pytest.mark.keeps
def test_statistics_count_this_process(alias):
    Product.objects.using(alias).create(name="a")
    with seen(alias) as result:
        for _ in range(3):
            list(Product.objects.using(alias).filter(name="a"))
    assert (result.misses, result.fills, result.hits) == (1, 1, 2)


OTHER_KINDS = {
    "values": lambda queryset: list(queryset.values("name")),
    "values_list": lambda queryset: list(queryset.values_list("name", flat=True)),
    "count": lambda queryset: queryset.count(),
    "exists": lambda queryset: queryset.exists(),
    "get": lambda queryset: queryset.get(name="a"),
    "slice": lambda queryset: list(queryset.order_by("pk")[:1]),
    "only": lambda queryset: list(queryset.only("name")),
    "reverse": lambda queryset: list(queryset.filter(pk__gt=0).reverse()),
    "raw": lambda queryset: list(queryset.raw(f"SELECT * FROM {queryset.model._meta.db_table}")),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
@pytest.mark.parametrize(
    ("model", "cached"), [(Nothing, False), (TableOnly, False), (Category, True), (Both, True)]
)
def test_matrix_column_others(alias, capsys, model, kind, cached):
    model.objects.using(alias).create(name="a")
    read = lambda: OTHER_KINDS[kind](model.objects.using(alias).all())  # noqa: E731
    with override_settings(DJANGO_CACHE_ME_DEBUG_MODE=True):
        first = assert_miss(alias, read)
        line = capsys.readouterr().out
    assert (assert_hit if cached else assert_miss)(alias, read) == first
    if cached:
        assert f"'cache_me:queryset:{model._meta.label_lower}:" in line


SPELLINGS = {
    "manager attribute": lambda model, alias, name: getattr(model.objects, name)
    .using(alias)
    .filter(name="a"),
    "manager call": lambda model, alias, name: getattr(model.objects, name)().using(alias).filter(name="a"),
    "custom manager": lambda model, alias, name: (
        getattr(Product.objects.db_manager(alias), name).named("a").order_by("pk")
    ),
    "custom queryset": lambda model, alias, name: (
        getattr(Product.listing.db_manager(alias), name).cheap().filter(name="a")
    ),
    "custom queryset later": lambda model, alias, name: (
        getattr(Product.listing.using(alias).cheap(), name)().filter(name="a")
    ),
    "queryset attribute": lambda model, alias, name: getattr(model.objects.using(alias), name).filter(
        name="a"
    ),
    "queryset call": lambda model, alias, name: getattr(model.objects.using(alias).filter(name="a"), name)(),
    "related manager": lambda model, alias, name: getattr(
        Category.objects.using(alias).no_cache().get(name="c").products, name
    ).filter(name="a"),
}


@pytest.fixture
def product(alias):
    category = Category.objects.using(alias).create(name="c")
    Category.objects.using(alias).create(name="a")
    return Product.objects.using(alias).create(name="a", price=1, category=category)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_cache_in_every_spelling(alias, product, spelling):
    make = SPELLINGS[spelling]
    for _ in range(2):
        query = make(Category, alias, "no_cache")
        with seen(alias) as result:
            assert [one.name for one in query] == ["a"]
        assert (result.hits, result.misses, result.fills) == (0, 0, 0)
        assert isinstance(query, type(query.model._default_manager.all()).__mro__[-2])


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_permanent_cache_in_every_spelling(alias, product, spelling):
    make = SPELLINGS[spelling]
    query = make(Category, alias, "permanent_cache")
    list(query)
    query.model._default_manager.using(alias).filter(name="a").update(name="b")
    again = make(Category, alias, "permanent_cache")
    assert [one.name for one in assert_hit(alias, lambda: list(again))] == ["a"]


@pytest.mark.keeps
def test_cache_with_a_timeout_of_its_own(alias, capsys):
    Nothing.objects.using(alias).create(name="a")
    with override_settings(DJANGO_CACHE_ME_DEBUG_MODE=True):
        list(Nothing.objects.using(alias).cache(timeout=7))
    assert "for 7 seconds\n" in capsys.readouterr().out


def test_cache_on_a_model_with_both_options_off(alias):
    Nothing.objects.using(alias).create(name="a")
    read = lambda: Nothing.objects.using(alias).cache().count()  # noqa: E731
    assert_miss(alias, read)
    assert_hit(alias, read)


@pytest.mark.keeps
def test_timeout_of_the_options_and_of_the_setting(alias, capsys):
    with override_settings(DJANGO_CACHE_ME_DEBUG_MODE=True, DJANGO_CACHE_ME_TIMEOUT=77):
        list(Category.objects.using(alias).all())
        list(Product.objects.using(alias).all())
        list(Both.objects.using(alias).all())
    out = capsys.readouterr().out
    assert re.search(r"'cache_me:queryset:shop\.category:\w+' for 77 seconds", out)
    assert re.search(r"'cache_me:queryset:shop\.product:\w+' for 1800 seconds", out)
    assert "'cache_me:table:shop.both' for 60 seconds" in out


def test_every_setting_is_read_lazily(alias, capsys):
    Category.objects.using(alias).create(name="a")
    read = lambda: list(Category.objects.using(alias).filter(name="a"))  # noqa: E731
    read()
    for _ in range(2):
        with override_settings(DJANGO_CACHE_ME_ON=False):
            assert_miss(alias, read)
        assert_hit(alias, read)
        with override_settings(DJANGO_CACHE_ME_DEBUG_MODE=True):
            read()
        assert "Retrieving" in capsys.readouterr().out
        read()
        assert capsys.readouterr().out == ""


def test_permanent_entries_end_by_timeout(alias):
    import time

    invalidate_all_caches()
    Category.objects.using(alias).create(name="a")
    read = lambda: list(Category.objects.using(alias).cache(timeout=3).filter(name="a"))  # noqa: E731
    permanent = Category.objects.using(alias).permanent_cache().filter(name="a")
    # Three seconds: Django's DatabaseCache and memcached count whole ones, and end an entry up to one early.
    with override_settings(DJANGO_CACHE_ME_TIMEOUT=3):
        list(permanent.all())
    read()
    assert_hit(alias, lambda: list(permanent.all()))
    time.sleep(3.2)
    assert_miss(alias, read)
    assert_miss(alias, lambda: list(permanent.all()))


@pytest.mark.keeps
@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (lambda a: Both.objects.using(a).all(), r"cache_me:table:shop\.both"),
        (lambda a: Both.objects.using(a).filter(name="a"), r"cache_me:queryset:shop\.both:[0-9a-f]{32}"),
        (lambda a: Both.objects.using(a).permanent_cache(), r"cache_me:permanent_table:shop\.both"),
        (
            lambda a: Both.objects.using(a).permanent_cache().filter(name="a"),
            r"cache_me:permanent_queryset:shop\.both:[0-9a-f]{32}",
        ),
    ],
)
def test_keys_stand_in_the_store_as_patterned(alias, capsys, make, pattern):
    invalidate_all_caches()
    with override_settings(DJANGO_CACHE_ME_DEBUG_MODE=True):
        list(make(alias))
    key = re.search(r"Cached queryset with key '(.*)' for", capsys.readouterr().out).group(1)
    assert re.fullmatch(pattern, key)
    assert is_stored(key)


@pytest.mark.keeps
def test_one_key_for_one_question(alias, capsys):
    """The key depends on text, parameters, kind of result and database: nothing else, and on all of them."""
    query = Category.objects.using(alias)
    with override_settings(DJANGO_CACHE_ME_DEBUG_MODE=True):
        for _ in range(2):
            list(query.filter(name="a"))
            list(query.filter(name="b"))
            list(query.filter(name="a").values("pk"))
            query.filter(name="a").count()
    out = capsys.readouterr().out
    assert len(set(re.findall(r"Cached queryset with key '(.*)' for", out))) == 4
    assert len(set(re.findall(r"Retrieving data from key '(.*)' from cache", out))) == 4


@pytest.mark.parametrize(
    "of",
    [
        lambda alias: Product.objects.db_manager(alias),
        lambda alias: Product.listing.db_manager(alias),
        lambda alias: Product.objects.using(alias),
        lambda alias: Product.listing.using(alias).cheap(),
        lambda alias: Product.objects.using(alias).no_cache(),
        lambda alias: Product.objects.permanent_cache.db_manager(alias),
        lambda alias: Category.objects.using(alias).no_cache().get(name="c").products,
    ],
)
def test_invalidate_cache_everywhere(alias, product, of):
    read = lambda: list(Product.objects.using(alias).filter(name="a"))  # noqa: E731
    permanent = lambda: list(Product.objects.using(alias).permanent_cache().filter(name="a"))  # noqa: E731
    read(), permanent()
    of(alias).invalidate_cache()
    assert_miss(alias, read)
    assert_hit(alias, permanent)
    of(alias).invalidate_cache(invalidate_all=True)
    assert_miss(alias, read)
    assert_miss(alias, permanent)


def test_permanent_entries_outlive_every_kind_of_write(alias):
    from tests import test_writing

    for write in test_writing.WRITES:
        Category.objects.using(alias).all().delete()
        category = Category.objects.using(alias).create(name="a")
        invalidate_model_cache(Category, invalidate_permanent=True)
        read = lambda: [one.name for one in Category.objects.using(alias).permanent_cache()]  # noqa: E731
        read()
        try:
            write(alias, category)
        except pytest.skip.Exception:  # not on this database
            continue
        test_writing.leave_session(alias, write)
        assert assert_hit(alias, read) == ["a"], write.__name__


def test_works_with_no_setting_at_all(tmp_path):
    """One line in INSTALLED_APPS, a registration, and nothing else."""
    import subprocess
    import sys
    import textwrap

    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("")
    (tmp_path / "app" / "models.py").write_text(
        "from django.db import models\n"
        "class Thing(models.Model):\n    name = models.CharField(max_length=9)\n"
    )
    (tmp_path / "app" / "cache_me.py").write_text(
        "from django_cache_me import cache_me_register, CacheMeOptions\nfrom .models import Thing\n"
        "@cache_me_register(Thing)\nclass ThingOptions(CacheMeOptions):\n    pass\n"
    )
    script = textwrap.dedent(
        f"""
        import django
        from django.conf import settings
        settings.configure(
            SECRET_KEY={str(tmp_path)!r},
            DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "thing.sqlite3"}}}},
            INSTALLED_APPS=["django_cache_me", "app"],
        )
        django.setup()
        from django.core.management import call_command
        from app.models import Thing
        import django_cache_me
        call_command("check")
        call_command("migrate", run_syncdb=True, verbosity=0)
        django.db.connection.close()
        Thing.objects.create(name="a")
        for _ in range(3):
            assert [thing.name for thing in Thing.objects.all()] == ["a"]
        assert django_cache_me.stats()["hits"] == 2, django_cache_me.stats()
        from django_cache_me.stores.places import place
        import os, glob
        found = glob.glob(place().directory + "/django_cache_me.*")
        assert place().entries in found
        os.unlink(place().entries)
        from django_cache_me.databases.identity import identity_of
        from django_cache_me.stores.places import versions_file
        os.unlink(versions_file(identity_of(django.db.connection, ask=False).database)[0])
        """
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=60)
