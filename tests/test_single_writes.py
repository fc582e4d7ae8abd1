"""Statements that are commits of their own: the short way from text to intent (writing/single.py).

That what is written is seen is insisted on wherever something is written; here: when that way is gone, and
when it isn't.
"""

from __future__ import annotations

import contextlib

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction
from django.test import override_settings

from django_cache_me import _engine, stats
from django_cache_me.databases.connection import state_of, store_for
from django_cache_me.databases.identity import identity_of
from django_cache_me.registry import cache_me_registry
from django_cache_me.writing import cursor
from tests.looking import assert_hit, assert_miss
from tests.shop.models import Category, Tag


@pytest.fixture
def ways(monkeypatch):
    """For each statement that the short way might have been gone for, whether it was."""
    gone = []
    add_writes = cursor.add_writes

    def the_long_way(wrapper, state, execution):
        if state.single_writes is not None:
            gone.append(False)
        return add_writes(wrapper, state, execution)

    monkeypatch.setattr(cursor, "add_writes", the_long_way)
    with listening(lambda step: gone.append(True) if step == "declared" else None):
        yield gone


@contextlib.contextmanager
def listening(listener):
    _engine.listen_to_single_writes(listener)
    try:
        yield
    finally:
        _engine.listen_to_single_writes(None)


@pytest.fixture(params=["default", "postgresql"])
def alias(request):
    return request.getfixturevalue("sqlite" if request.param == "default" else "postgresql")


@pytest.fixture
def category(alias):
    """One whose save goes the short way from now on."""
    category = Category.objects.using(alias).create(name="a")
    category.save()
    return category


def name_of(alias):
    return lambda: Category.objects.using(alias).get(name__gt="").name


def save(category, name):
    category.name = name
    category.save()


def execute(alias, *statements):
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_a_save_goes_the_short_way_and_is_seen(alias, category, ways):
    for name in ("b", "c", "d"):
        name_of(alias)()
        assert_hit(alias, name_of(alias))
        save(category, name)
        assert assert_miss(alias, name_of(alias)) == name
    assert ways == [True] * 3
    assert state_of(connections[alias]).written == set()


def test_others_are_left_alone(alias, category, ways):
    other = Category.objects.using(alias).create(name="other")
    read = lambda: Category.objects.using(alias).get(pk=other.pk)  # noqa: E731
    read()
    assert_hit(alias, read)
    ways.clear()
    save(category, "b")
    assert ways == [True]
    assert_hit(alias, read)


def test_in_a_transaction_it_is_the_long_way(alias, category, ways):
    with transaction.atomic(using=alias):
        save(category, "b")
        assert name_of(alias)() == "b"
    assert not any(ways)
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
        save(category, "c")
        raise ZeroDivisionError
    assert not any(ways)
    assert name_of(alias)() == "b"


def test_after_ddl_it_is_the_long_way_once(alias, category, ways):
    execute(alias, "CREATE TABLE shop_passing (id integer)", "DROP TABLE shop_passing")
    ways.clear()
    name_of(alias)()
    save(category, "b")
    save(category, "c")
    assert name_of(alias)() == "c"
    assert ways == [False, True]


def test_ddl_in_the_middle_of_a_write_bumps_everything(alias, category):
    """A trigger may be there by the time that the statement is executed, and write other tables."""
    Tag.objects.using(alias).create(word="x")
    words = lambda: [tag.word for tag in Tag.objects.using(alias).all()]  # noqa: E731
    words()
    assert_hit(alias, words)
    elsewhere = connections[alias].copy()
    steps = []

    def listen(step):
        steps.append(step)
        if step == "declared":
            with listening(None), elsewhere.cursor() as cursor:
                cursor.execute("CREATE TABLE shop_passing (id integer)")
            _engine.listen_to_single_writes(listen)

    with listening(listen):
        save(category, "b")
    assert steps == ["declared", "executed", "finished"]
    execute(alias, "DROP TABLE shop_passing")
    elsewhere.close()
    assert_miss(alias, words)


def test_a_trigger_is_never_missed(alias, category, ways):
    Tag.objects.using(alias).create(word="x")
    words = lambda: [tag.word for tag in Tag.objects.using(alias).all()]  # noqa: E731
    if alias == "postgresql":
        made = (
            "CREATE FUNCTION shop_tagging() RETURNS trigger AS"
            " $$BEGIN UPDATE shop_tag SET word = 'y'; RETURN NULL; END$$ LANGUAGE plpgsql",
            "CREATE TRIGGER shop_tagging AFTER UPDATE ON shop_category"
            " FOR EACH ROW EXECUTE FUNCTION shop_tagging()",
        )
        dropped = ("DROP TRIGGER shop_tagging ON shop_category", "DROP FUNCTION shop_tagging()")
    else:
        made = (
            "CREATE TRIGGER shop_tagging AFTER UPDATE ON shop_category"
            " BEGIN UPDATE shop_tag SET word = 'y'; END",
        )
        dropped = ("DROP TRIGGER shop_tagging",)
    execute(alias, *made)
    try:
        assert words() == ["x"]
        ways.clear()
        save(category, "b")
        assert words() == ["y"]
        save(category, "c")
        assert not any(ways)
    finally:
        execute(alias, *dropped)


@pytest.mark.parametrize(
    ("setting", "value"), [("EXPLAIN_MISSES", 5), ("ASYNC_ENABLED", True), ("WARM_ON_INVALIDATE", True)]
)
def test_who_wants_to_know_of_each_statement_gets_the_long_way(alias, category, ways, setting, value):
    with override_settings(**{f"DJANGO_CACHE_ME_{setting}": value, "DJANGO_CACHE_ME_ASYNC_ON_COMMIT": True}):
        save(category, "b")
        save(category, "c")
    assert not any(ways)
    save(category, "d")
    save(category, "e")
    assert ways[-1]


def test_another_registry_is_the_long_way_once(alias, category, ways):
    options = type(cache_me_registry.get_options(Tag))
    cache_me_registry.unregister(Tag)
    try:
        save(category, "b")
        save(category, "c")
    finally:
        cache_me_registry.register(Tag, options)
    assert ways == [False, True]


def test_a_changed_session_is_the_long_way(postgresql, ways):
    category = Category.objects.using(postgresql).create(name="a")
    category.save()
    execute(postgresql, "SET search_path TO public")
    save(category, "b")
    assert not any(ways)


def test_a_refused_statement_is_bumped_and_over(alias, ways):
    first, second = (Tag.objects.using(alias).create(word=word) for word in "ab")
    second.save()
    read = lambda: Tag.objects.using(alias).get(pk=second.pk).word  # noqa: E731
    read()
    assert_hit(alias, read)
    ways.clear()
    second.word = first.word
    bumps = stats()["bumps"]
    with pytest.raises(IntegrityError):
        second.save()
    assert ways == [True]
    assert stats()["bumps"] == bumps + 1
    assert assert_miss(alias, read) == "b"
    assert_hit(alias, read)  # no intent was left


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupt_ends_the_statement_before_it_is_executed(alias, ways, monkeypatch, error):
    driver = type(state_of(connections[alias]).driver)
    original, interrupts = driver.commits_at_once, []

    def commits_at_once(self, raw, script):
        if interrupts:
            raise error
        return original(self, raw, script)

    monkeypatch.setattr(driver, "commits_at_once", commits_at_once)
    connections[alias].close()  # what is known of it has the driver's method
    category = Category.objects.using(alias).create(name="a")
    category.save()
    interrupts.append(True)
    with pytest.raises(error):
        save(category, "b")
    interrupts.clear()
    assert name_of(alias)() == "a"
    save(category, "c")
    assert name_of(alias)() == "c"


def test_a_statement_of_unknown_outcome_keeps_its_intent(postgresql, ways):
    category = Category.objects.using(postgresql).create(name="a")
    category.save()
    name_of(postgresql)()
    raw = connections[postgresql].connection
    pid = raw.info.backend_pid
    elsewhere = connections[postgresql].copy()
    with elsewhere.cursor() as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
        other.fetchall()
    ways.clear()
    with pytest.raises(DatabaseError):
        save(category, "b")
    assert ways == [True]
    store = store_of(postgresql)
    assert store.unknown_outcomes()
    elsewhere.close()
    connections[postgresql].close()
    name_of(postgresql)()  # asks the server after that session
    assert not store.unknown_outcomes()
    assert name_of(postgresql)() == "a"
    assert_hit(postgresql, name_of(postgresql))


def store_of(alias):
    identity = identity_of(connections[alias], ask=False)
    assert identity is not None
    return store_for(connections[alias], identity)


def test_rows_that_are_still_to_come_keep_the_commit_waiting(sqlite, ways):
    """SQLite commits an UPDATE … RETURNING when its rows have been fetched."""
    if connections[sqlite].Database.sqlite_version_info < (3, 35):
        pytest.skip("this SQLite has no RETURNING")
    category = Category.objects.using(sqlite).create(name="a")
    text = "UPDATE shop_category SET name = %s WHERE id = %s RETURNING name"
    for name in ("b", "c"):
        with connections[sqlite].cursor() as cursor:
            cursor.execute(text, [name, category.pk])
            assert cursor.fetchall() == [(name,)]
    assert not any(ways)
