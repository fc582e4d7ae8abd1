"""What a registered model's querysets are asked that can't be cached: it passes, and is counted.

The cached kinds are in ``test_queries.py``. What was asked to go past (``no_cache``, options that are off,
the switch) isn't counted: nobody wonders about it.
"""

from __future__ import annotations

import asyncio
import os

import pytest
from django.db import connections, models, transaction
from django.db.models import Count, Func, Value
from django.db.models.functions import Now, Random
from django.test import override_settings

from tests.looking import seen
from tests.shop.models import Nothing, Plain, Product, Review

from .test_reading import make_product


@pytest.fixture
def shop(alias):
    product = make_product(alias, name="fig")
    Review.objects.using(alias).create(product=product, text="good")
    return alias


def locked(alias):
    with transaction.atomic(using=alias):
        return list(products(alias).select_for_update())


def deferred(alias):
    """Reading a column that was deferred: the rows are a hit, the column is asked for."""
    return products(alias).defer("name")[0].name


def refreshed(alias):
    product = products(alias).no_cache()[0]
    product.refresh_from_db()
    return product


def on_an_event_loop(alias):
    async def read():
        return list(products(alias))

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        return asyncio.run(read())
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


def products(alias):
    return Product.objects.using(alias).order_by("pk")


class OddInt(int):
    pass


class OddField(models.IntegerField):
    def get_db_prep_value(self, value, connection, prepared=False):
        return OddInt(value)


#: What is asked, and the reason that it is counted under.
PASSES = {
    "select_for_update": (locked, "select_for_update"),
    "refresh_from_db": (refreshed, "refresh_from_db"),
    "a deferred column": (deferred, "refresh_from_db"),
    "iterator that misses": (lambda a: list(products(a).iterator()), "iterator"),
    "explain": (lambda a: products(a).explain(), "explain"),
    "on an event loop": (on_an_event_loop, "event_loop"),
    "get_or_create": (lambda a: Product.objects.using(a).get_or_create(name="fig"), "for_write"),
    "odd parameter": (
        lambda a: list(products(a).annotate(odd=Value(3, output_field=OddField()))),
        "unknown_parameter",
    ),
    "random order": (lambda a: list(products(a).order_by("?")), "volatile_function"),
    "Random": (lambda a: list(products(a).annotate(r=Random())), "volatile_function"),
    "Now": (lambda a: list(products(a).annotate(now=Now())), "volatile_function"),
    "Now in count": (lambda a: products(a).filter(added__lt=Now()).count(), "volatile_function"),
    "Now in aggregate": (
        lambda a: products(a).filter(added__lt=Now()).aggregate(Count("pk")),
        "volatile_function",
    ),
    "Now in a subquery": (
        lambda a: list(Review.objects.using(a).filter(product__in=Product.objects.filter(added__lt=Now()))),
        "volatile_function",
    ),
    "own function": (
        lambda a: list(products(a).annotate(own=Func("name", function="own"))),
        "unknown_function",
    ),
    "raw with an own function": (
        lambda a: list(Product.objects.using(a).raw("SELECT p.*, own(name) AS o FROM shop_product p")),
        "unknown_function",
    ),
}


def make_own_function(alias):
    """A function of the database that the scanner can't know."""
    connection = connections[alias]
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.create_function("own", 1, str.upper)
        return
    returns = "RETURNS text LANGUAGE sql AS 'SELECT upper($1)'"
    if connection.vendor == "mysql":
        returns = "RETURNS text DETERMINISTIC RETURN upper(one)"
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION IF EXISTS own")
        argument = "one text" if connection.vendor == "mysql" else "text"
        cursor.execute(f"CREATE FUNCTION own({argument}) {returns}")


@pytest.mark.parametrize("what", PASSES)
def test_what_cannot_be_cached_is_counted(shop, what):
    ask, reason = PASSES[what]
    for _ in range(2):
        if reason == "unknown_function":  # after which the session may be anything
            connections[shop].close()
            make_own_function(shop)
        with seen(shop) as result:
            ask(shop)
        assert result.statements or what == "on an event loop", "which has a connection of its own"
        assert (result.fills, result.passed) == (1 if result.misses else 0, {reason: 1})


#: What is asked to go past the cache, or isn't cached by its options: not counted.
PAST = {
    "no_cache": lambda a: list(products(a).no_cache()),
    "count of no_cache": lambda a: products(a).no_cache().count(),
    "explain of no_cache": lambda a: products(a).no_cache().explain(),
    "options off": lambda a: list(Nothing.objects.using(a).all()),
    "not registered": lambda a: list(Plain.objects.using(a).all()),
    "explain of one not registered": lambda a: Plain.objects.using(a).explain(),
}


@pytest.mark.parametrize("what", PAST)
def test_what_was_asked_to_go_past_is_not_counted(shop, what):
    with seen(shop) as result:
        PAST[what](shop)
    assert len(result.statements) == 1
    assert (result.hits, result.misses, result.fills, result.passed) == (0, 0, 0, {})


def test_nothing_is_counted_while_it_is_switched_off(shop):
    for what in ("select_for_update", "iterator that misses", "explain", "Now", "Now in count"):
        with override_settings(DJANGO_CACHE_ME_ON=False), seen(shop) as result:
            PASSES[what][0](shop)
        assert (result.hits, result.misses, result.fills, result.passed) == (0, 0, 0, {})
