"""Every model of the test project: what comes out of the cache equals Django's own instance.

``test_instances.py`` has models chosen for their shape; here are all that any test has, those of other
packages and of Django too, with a row of values and, where columns may be null, a row of nulls.
"""

from __future__ import annotations

import datetime
import decimal
import itertools
import os
import time
import uuid

import pytest
from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist
from django.db import connections, models, router, transaction

from tests.everything.models import FIELDS, MODELS
from tests.looking import seen
from tests.shop.fields import Money, MoneyField
from tests.test_instances import picture

_numbers = itertools.count()
UTC = datetime.timezone.utc
#: Kind of column -> a value of it.
VALUES = {
    "BigIntegerField": 2**40,
    "BinaryField": b"\x00\xff",
    "BooleanField": True,
    "DateField": datetime.date(2024, 2, 29),
    "DateTimeField": datetime.datetime(2024, 2, 29, 12, 30, 1, 5, tzinfo=UTC),
    "DecimalField": decimal.Decimal("2.50"),
    "DurationField": datetime.timedelta(days=2, microseconds=7),
    "FloatField": 0.25,
    "GenericIPAddressField": "2001:db8::1",
    "IntegerField": 7,
    "JSONField": {"a": [1, None, {"b": 1.5}]},
    "PositiveBigIntegerField": 2**40,
    "PositiveIntegerField": 7,
    "PositiveSmallIntegerField": 7,
    "SmallIntegerField": -7,
    "TimeField": datetime.time(8, 15),
    "UUIDField": uuid.UUID(int=5),
}


def value_of(field):
    """A value for a column that isn't a relation."""
    known = {**FIELDS, **_postgresqls_fields()}
    for kind, model in {**MODELS, **_postgresqls_models()}.items():
        if model is field.model and field.name == "value":
            return next(reversed(known[kind][1]), None)
    if isinstance(field, MoneyField):
        return Money(5)
    if type(field).__name__ == "PointField" and type(field).__module__ == "tests.everything.models":
        return FIELDS["PointField"][1][0]
    if hasattr(field, "geom_type"):
        return _geometry(field)
    if field.choices:
        return field.flatchoices[0][0]
    return VALUES.get(field.get_internal_type()) or f"é{next(_numbers)}"  # text may have to be unique


def _postgresqls_models():
    return _of_postgresql("MODELS")


def _postgresqls_fields():
    return _of_postgresql("FIELDS")


def _of_postgresql(name):
    if not apps.is_installed("tests.pgfields"):
        return {}
    from tests.pgfields import models as pgfields

    return getattr(pgfields, name)


def _geometry(field):
    from django.contrib.gis.geos import GEOSGeometry

    texts = {
        "POINT": "POINT(1 2)",
        "POLYGON": "POLYGON((0 0, 0 1, 1 1, 0 0))",
        "LINESTRING": "LINESTRING(0 0, 9 9)",
        "GEOMETRYCOLLECTION": "GEOMETRYCOLLECTION(POINT Z (1 2 3))",
    }
    return GEOSGeometry(texts[field.geom_type], srid=field.srid)


def make(model, alias, nulls, made, depth=0):
    """Save a row of ``model``, with rows that it needs; None if it needs one of itself."""
    values = {}
    for field in model._meta.concrete_fields:
        if getattr(field, "generated", False) or isinstance(field, models.AutoField):
            continue
        if type(field).__name__ == "CompositePrimaryKey":
            continue
        if field.is_relation:
            if field.remote_field.parent_link and not field.model._meta.proxy and field.auto_created:
                continue
            to_itself = field.remote_field.model._meta.concrete_model is model._meta.concrete_model
            # Polymorphic models find out their type themselves.
            if field.null and (nulls or to_itself or depth > 3 or field.name == "polymorphic_ctype"):
                values[field.name] = None
            else:
                values[field.name] = _related(field, alias, made, depth)
        elif field.null and nulls and not field.primary_key:
            values[field.name] = None
        elif field.unique and isinstance(value_of(field), uuid.UUID):
            values[field.name] = uuid.uuid4()
        elif not field.has_default() or field.primary_key or field.get_internal_type() in VALUES:
            values[field.name] = value_of(field)
    one = model(**values)
    one.save(using=alias)
    made.setdefault(model, []).append(one)
    return one


def _related(field, alias, made, depth):
    model = field.remote_field.model
    if not field.unique:
        for one in made.get(model, ()):
            return one
    return make(model, alias, False, made, depth + 1)


def _related_names(model):
    return [field.name for field in model._meta.concrete_fields if field.is_relation]


def _public_names(model):
    return [field.name for field in model._meta.concrete_fields if not field.name.startswith("_")]


WAYS = {
    "instances": lambda query: list(query),
    "select_related": lambda query: list(query.select_related(*_related_names(query.model))),
    "only": lambda query: list(query.only("pk")),
    "defer": lambda query: list(query.defer(query.model._meta.concrete_fields[-1].name)),
    "values": lambda query: list(query.values()),
    "values_list": lambda query: list(query.values_list()),
    "named": lambda query: [
        (row._fields, tuple(row)) for row in query.values_list(*_public_names(query.model), named=True)
    ],
}


@pytest.fixture(params=["default", "postgresql", "mysql", "gis"])
def place(request):
    """The alias of an empty database with the tables of all apps; of one with geometries."""
    alias = request.param
    if alias == "gis":
        if not os.environ.get("CACHE_ME_TEST_GIS"):
            pytest.skip("no PostGIS")
        geometries = apps.get_model("geometries", "Place").objects.using(alias)
        geometries.all().delete()
        time.sleep(2.2)  # PostGIS brings tables along: a new file of versions isn't trusted before two leases
        return alias
    return request.getfixturevalue("sqlite" if alias == "default" else alias)


@pytest.fixture
def made(place):
    """Model -> its rows. Those of apps that aren't the tests' own end here: nobody else removes them."""
    made = {}
    yield made
    connections[place].close()
    for model in reversed(list(made)):
        if not model.__module__.startswith("tests."):
            keys = [one.pk for one in made[model]]
            model._base_manager.using(place).filter(pk__in=keys).delete()


def picture_or_error(ask_of, query):
    try:
        return picture(ask_of(query.all()))
    except ObjectDoesNotExist as error:
        # Django itself: an own __init__ that needs a deferred column asks the default database for it.
        return type(error), str(error)


def test_every_model_equals_djangos(place, made, settings_off):
    found = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and router.allow_migrate_model(place, model)
    ]
    with transaction.atomic(using=place):
        for model in found:
            for nulls in (False, True):
                if model not in made or (nulls and any(field.null for field in model._meta.concrete_fields)):
                    make(model, place, nulls, made)
    connections[place].close()
    wrong = []
    for model in found:
        query = model._base_manager.using(place).order_by("pk").cache()
        for way, ask_of in WAYS.items():
            if way == "select_related" and not _related_names(model):
                continue
            with settings_off(), seen(place) as without:
                truth = picture_or_error(ask_of, query)
            first = picture_or_error(ask_of, query)
            with seen(place) as result:
                second = picture_or_error(ask_of, query)
            # An own __init__ may ask for deferred columns, with the cache as without.
            spared = len(without.statements) - len(result.statements)
            if not first == second == truth or not result.hits == spared > 0:
                wrong.append((model._meta.label, way))
    assert not wrong
    assert found
