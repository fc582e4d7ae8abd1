"""Whole requests, through Django's own handler and its signals: what a site's worker process does."""

from __future__ import annotations

import io
from wsgiref.util import setup_testing_defaults

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.db.models import Max
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path

from django_cache_me import stats
from tests.looking import assert_hit
from tests.shop.models import Category, Product, Tag


def everything(request, alias):
    """A page of many kinds of read."""
    products = Product.objects.using(alias).order_by("pk")
    product = products.select_related("category").get(name="apple")
    found = [
        product.category.name,
        Product.objects.using(alias).get(name="apple").category.name,
        [tag.word for tag in product.tags.all()],
        [[tag.word for tag in one.tags.all()] for one in products.prefetch_related("tags")],
        [one.name for one in Category.objects.using(alias).all()],
        list(products.values_list("name", flat=True)),
        products.count(),
        products.filter(name="pear").exists(),
        products.aggregate(top=Max("name"))["top"],
        products.first().name,
        [one.name for one in products.iterator(chunk_size=10)],
    ]
    return HttpResponse(repr(found))


def rename(request, alias, outcome):
    """Writes, reads what it has written, and ends well or not."""
    Category.objects.using(alias).update(name="b")
    body = repr(names(alias))
    if outcome == "fails":
        raise RuntimeError("after the write")
    return HttpResponse(body)


def names(alias):
    return [category.name for category in Category.objects.using(alias).all()]


urlpatterns = [
    path("everything/<alias>/", everything),
    path("names/<alias>/", lambda request, alias: HttpResponse(repr(names(alias)))),
    path("rename/<alias>/<outcome>/", rename),
]


@pytest.fixture
def get():
    """Asks for a page as a server does, and closes the response."""

    def ask(url, expected="200"):
        environ = {"PATH_INFO": url, "wsgi.input": io.BytesIO()}
        setup_testing_defaults(environ)
        answered = []
        response = handler(environ, lambda status, headers, exc_info=None: answered.append(status))
        try:
            body = b"".join(response).decode()
        finally:
            response.close()
        assert answered[0].startswith(expected), answered
        return body

    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[]):
        handler = WSGIHandler()
        yield ask


@pytest.fixture
def opened(alias, monkeypatch):
    """The connections that were opened to the database, one item each."""
    wrapper, found = connections[alias], []
    real = wrapper.get_new_connection
    monkeypatch.setattr(
        wrapper, "get_new_connection", lambda *args, **kwargs: found.append(alias) or real(*args, **kwargs)
    )
    return found


@pytest.mark.keeps
def test_a_request_of_hits_alone_opens_no_connection(alias, get, opened):
    """Without persistent connections too: Django closes them with every request."""
    assert connections[alias].settings_dict["CONN_MAX_AGE"] == 0
    category = Category.objects.using(alias).create(name="fruit")
    product = Product.objects.using(alias).create(name="apple", category=category)
    product.tags.add(Tag.objects.using(alias).create(word="red"))
    first = get(f"/everything/{alias}/")
    assert get(f"/everything/{alias}/") == first
    assert connections[alias].connection is None
    opened.clear()
    before = stats()
    assert get(f"/everything/{alias}/") == first
    assert opened == []
    after = stats()
    assert after["hits"] - before["hits"] >= 11
    assert (after["misses"], after["passed"]) == (before["misses"], before["passed"])
    Category.objects.using(alias).update(name="fruits")
    opened.clear()
    assert "'fruits'" in get(f"/everything/{alias}/")
    assert opened == [alias], "this one asks"


@pytest.fixture
def atomic_requests(alias):
    """As with ``ATOMIC_REQUESTS`` in DATABASES."""
    entry = connections[alias].settings_dict
    before, entry["ATOMIC_REQUESTS"] = entry["ATOMIC_REQUESTS"], True
    yield
    entry["ATOMIC_REQUESTS"] = before


@pytest.mark.parametrize(("outcome", "status", "after"), [("well", "200", "b"), ("fails", "500", "a")])
def test_writes_under_atomic_requests(alias, atomic_requests, get, outcome, status, after):
    """Each view is a transaction: what it wrote is seen by itself, and by others once it has ended well."""
    Category.objects.using(alias).create(name="a")
    for _ in range(3):
        assert get(f"/names/{alias}/") == "['a']"
    body = get(f"/rename/{alias}/{outcome}/", status)
    if outcome == "well":
        assert body == "['b']"
    assert get(f"/names/{alias}/") == repr([after])
    assert names(alias) == [after]
    assert_hit(alias, lambda: names(alias))


@pytest.mark.keeps
def test_reads_under_atomic_requests_hit(alias, atomic_requests, get):
    """All but the first read of a transaction that sees a snapshot: that one makes it."""
    Product.objects.using(alias).create(name="apple", category=Category.objects.using(alias).create(name="a"))
    for _ in range(2):
        first = get(f"/everything/{alias}/")
    before = stats()["hits"]
    assert get(f"/everything/{alias}/") == first
    assert stats()["hits"] - before >= 10
