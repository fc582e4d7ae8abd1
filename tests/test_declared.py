"""``depends_on``: views and triggers, whose reads and writes no SQL text tells."""

from __future__ import annotations

import contextlib

import pytest
from django.db import connections

from django_cache_me import CacheMeOptions, cache_me_register
from django_cache_me.exceptions import RegistrationError
from django_cache_me.registry import cache_me_registry
from tests.looking import assert_hit, assert_miss, seen
from tests.shop.models import Category, Log, NamedCategory, Tag


@contextlib.contextmanager
def registered(model, dependencies):
    class Options(CacheMeOptions):
        depends_on = dependencies

    before = cache_me_registry.get_options(model)
    if before is not None:
        cache_me_registry.unregister(model)
    cache_me_registry.register(model, Options)
    try:
        yield
    finally:
        cache_me_registry.unregister(model)
        if before is not None:
            cache_me_registry.register(model, type(before))


def execute(alias, *statements):
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def view(alias):
    execute(
        alias,
        "CREATE VIEW shop_named_category AS"
        " SELECT id, upper(name) AS name FROM shop_category WHERE name <> ''",
    )
    yield alias
    execute(alias, "DROP VIEW shop_named_category")


TRIGGERS = {
    "sqlite": [
        "CREATE TRIGGER shop_tag_log AFTER INSERT ON shop_tag BEGIN"
        " INSERT INTO shop_log (text) VALUES (NEW.word); END"
    ],
    "postgresql": [
        "CREATE FUNCTION shop_tag_log() RETURNS trigger AS"
        " $$BEGIN INSERT INTO shop_log (text) VALUES (NEW.word); RETURN NEW; END$$ LANGUAGE plpgsql",
        "CREATE TRIGGER shop_tag_log AFTER INSERT ON shop_tag FOR EACH ROW EXECUTE FUNCTION shop_tag_log()",
    ],
    "mysql": [
        "CREATE TRIGGER shop_tag_log AFTER INSERT ON shop_tag FOR EACH ROW"
        " INSERT INTO shop_log (text) VALUES (NEW.word)"
    ],
}


@pytest.fixture
def trigger(alias):
    """Each new tag is logged by the database."""
    vendor = connections[alias].vendor
    execute(alias, *TRIGGERS[vendor])
    connections[alias].close()
    yield alias
    execute(alias, "DROP TRIGGER shop_tag_log" + (" ON shop_tag" if vendor == "postgresql" else ""))
    if vendor == "postgresql":
        execute(alias, "DROP FUNCTION shop_tag_log()")
    connections[alias].close()


def view_names(alias):
    return sorted(row.name for row in NamedCategory.objects.using(alias).all())


def logged(alias):
    return sorted(log.text for log in Log.objects.using(alias).all())


def test_an_undeclared_view_is_asked_each_time(view):
    Category.objects.using(view).create(name="a")
    with registered(NamedCategory, None):
        view_names(view)
        with seen(view) as result:
            assert view_names(view) == ["A"]
        assert result.not_filled == {"view": 1}


@pytest.mark.parametrize(
    "how", [[Category], ["shop.Category"], ["shop_category"]], ids=["model", "label", "table"]
)
def test_a_declared_view_is_cached_and_follows_its_tables(view, how):
    Category.objects.using(view).create(name="a")
    with registered(NamedCategory, how):
        assert assert_miss(view, lambda: view_names(view)) == ["A"]
        assert_hit(view, lambda: view_names(view))
        Tag.objects.using(view).create(word="x")
        assert_hit(view, lambda: view_names(view))
        Category.objects.using(view).update(name="b")
        assert assert_miss(view, lambda: view_names(view)) == ["B"]
        assert_hit(view, lambda: view_names(view))


def test_a_declared_view_in_a_transaction_that_wrote_its_table(view):
    from django.db import transaction

    with registered(NamedCategory, [Category]):
        view_names(view)
        with transaction.atomic(using=view):
            Category.objects.using(view).create(name="a")
            assert view_names(view) == ["A"]
            assert assert_hit(view, lambda: view_names(view)) == ["A"]
            Category.objects.using(view).update(name="b")
            assert view_names(view) == ["B"]
            transaction.set_rollback(True, using=view)
        assert view_names(view) == []


def test_a_write_to_a_table_with_an_undeclared_trigger_bumps_everything(trigger):
    with registered(Log, None):
        logged(trigger)
        other = list(Category.objects.using(trigger).all())
        Tag.objects.using(trigger).create(word="x")
        assert logged(trigger) == ["x"]
        assert assert_miss(trigger, lambda: list(Category.objects.using(trigger).all())) == other


def test_a_declared_trigger_bumps_what_it_writes_and_no_more(trigger):
    with registered(Log, None), registered(Tag, [Log]):
        logged(trigger)
        list(Category.objects.using(trigger).all())
        Tag.objects.using(trigger).create(word="x")
        assert assert_miss(trigger, lambda: logged(trigger)) == ["x"]
        assert_hit(trigger, lambda: list(Category.objects.using(trigger).all()))
        assert [tag.word for tag in Tag.objects.using(trigger).all()] == ["x"]


@pytest.mark.parametrize("wrong", ["shop.Category", ["shop.Nowhere"], [3], {Category}])
def test_a_wrong_declaration_is_an_error_at_registration(wrong):
    with pytest.raises(RegistrationError, match="depends_on"):

        @cache_me_register(NamedCategory)
        class Options(CacheMeOptions):
            depends_on = wrong
