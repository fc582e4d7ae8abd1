"""Every class of field: cached values equal Django's in value and type, and are never shared."""

from __future__ import annotations

import inspect
import uuid

import django
import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connections, models
from django.db.models import Count, F, Max
from django.db.models.functions import Coalesce

from tests.everything import models as everything
from tests.everything.models import FIELDS, MODELS
from tests.looking import assert_hit, assert_miss, seen
from tests.test_instances import picture
from tests.test_queries import look

#: Classes that stand in other models or aren't columns by themselves, and where they are tested.
ELSEWHERE = {
    "AutoField": "Key",
    "BigAutoField": "BigKey",
    "SmallAutoField": "SmallKey",
    "ForeignKey": "Related",
    "ForeignObject": "Related, as the base of ForeignKey",
    "OneToOneField": "Related",
    "ManyToManyField": "Related",
    "GeneratedField": "Generated",
    "CompositePrimaryKey": "Composite",
    "OrderWrt": "made by order_with_respect_to, an IntegerField",
    "NullBooleanField": "gone since 4.0",
    "IPAddressField": "gone",
    "CommaSeparatedIntegerField": "gone",
    "Empty": "no field",
}


def test_no_field_of_django_is_forgotten():
    named = {
        name
        for name, one in vars(models).items()
        if inspect.isclass(one) and issubclass(one, models.Field) and one is not models.Field
    }
    left = named - set(FIELDS) - set(ELSEWHERE)
    if not everything.HAS_IMAGES:
        left.discard("ImageField")
    assert not left


def unshared(one, other):
    """No mutable object of ``one`` is part of ``other``."""
    mutable = (list, dict, set, bytearray, memoryview, everything.Point)
    if isinstance(one, mutable):
        assert one is not other
    if isinstance(one, dict):
        for key in one:
            unshared(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        for first, second in zip(one, other):
            unshared(first, second)
    elif isinstance(one, everything.Point):
        assert one.xs is not other.xs


WAYS = {
    "instances": lambda query: list(query),
    "values": lambda query: list(query.values()),
    "values_list": lambda query: list(query.values_list("value", "pk")),
    "flat": lambda query: list(query.values_list("value", flat=True)),
    "annotated": lambda query: list(query.annotate(again=F("value")).values_list("again", flat=True)),
    "only": lambda query: list(query.only("value")),
    "raw": lambda query: list(
        query.model.objects.using(query.db).raw(
            f"SELECT id, value FROM {query.model._meta.db_table} ORDER BY id"
        )
    ),
}


@pytest.mark.parametrize("kind", FIELDS)
def test_every_field_in_every_way(alias, kind, settings_off):
    model = MODELS[kind]
    for value in [None, *FIELDS[kind][1]]:
        model.objects.using(alias).create(value=value)
    connections[alias].close()
    for way, ask_of in WAYS.items():
        ask = lambda: ask_of(model.objects.using(alias).order_by("pk"))  # noqa: B023, E731
        with settings_off():
            truth = look(ask())
        assert look(ask()) == truth, way  # ways that select the same columns share an entry
        first, second = assert_hit(alias, ask), assert_hit(alias, ask)
        assert look(first) == truth, way
        assert look(second) == truth, way
        unshared(_plain(first), _plain(second))
    # As a parameter.
    for value in FIELDS[kind][1]:
        query = lambda: list(model.objects.using(alias).filter(value=value))  # noqa: B023, E731
        with settings_off():
            truth = look(query())
        assert look(query()) == truth
        with seen(alias) as result:
            assert look(query()) == truth
        assert result.hits == 1, (value, vars(result))


def _plain(results):
    return [one.value if isinstance(one, models.Model) else one for one in results]


@pytest.mark.parametrize("kind", FIELDS)
def test_aggregates_and_expressions_over_every_field(alias, kind, settings_off):
    model = MODELS[kind]
    for value in FIELDS[kind][1]:
        model.objects.using(alias).create(value=value)
    connections[alias].close()
    for ask in (
        lambda: model.objects.using(alias).aggregate(n=Count("value")),
        lambda: model.objects.using(alias).filter(value__isnull=False).count(),
        lambda: list(model.objects.using(alias).values_list(Coalesce("value", "value")).order_by("pk")),
        lambda: model.objects.using(alias).aggregate(most=Max("value")),
    ):
        try:
            with settings_off():
                truth = look(ask())
        except Exception:  # this database has no maximum of these
            connections[alias].close()
            continue
        assert look(assert_miss(alias, ask)) == truth
        assert look(assert_hit(alias, ask)) == truth


def test_keys_and_relations(alias, settings_off):
    keys = [model.objects.using(alias).create() for model in (everything.BigKey, everything.SmallKey)]
    key = everything.Key.objects.using(alias).create()
    own = everything.OwnKey.objects.using(alias).create(code=uuid.UUID(int=5))
    related = everything.Related.objects.using(alias).create(key=own, one=keys[0])
    related.many.add(key)
    kind = ContentType.objects.db_manager(alias).get_for_model(everything.Key)
    everything.Tagged.objects.using(alias).create(content_type=kind, object_id=key.pk)
    connections[alias].close()

    def ask():
        found = everything.Related.objects.using(alias).select_related("key", "one").get()
        return picture(
            [
                found,
                list(found.many.all()),
                list(everything.OwnKey.objects.using(alias).filter(related=found)),
                list(everything.SmallKey.objects.using(alias).all()),
            ]
        )

    def tagged():
        # The content type itself comes from Django's own cache, or from a model that isn't registered.
        return [one.thing for one in everything.Tagged.objects.using(alias).prefetch_related("thing")]

    with settings_off():
        truth, things = ask(), look(tagged())
    assert assert_miss(alias, ask) == truth
    assert assert_hit(alias, ask) == truth
    assert look(tagged()) == things
    assert look(tagged()) == things


@pytest.mark.skipif(django.VERSION < (5, 0), reason="GeneratedField came with Django 5.0")
def test_generated_fields(alias, settings_off):
    one = everything.Generated.objects.using(alias).create()
    ask = lambda: look(list(everything.Generated.objects.using(alias).filter(double__gt=1)))  # noqa: E731
    with settings_off():
        truth = ask()
    assert assert_miss(alias, ask) == truth
    assert assert_hit(alias, ask) == truth
    everything.Generated.objects.using(alias).filter(pk=one.pk).update(number=50)
    assert everything.Generated.objects.using(alias).get(pk=one.pk).double == 100


@pytest.mark.skipif(django.VERSION < (5, 2), reason="CompositePrimaryKey came with Django 5.2")
def test_composite_primary_keys(alias, settings_off):
    everything.Composite.objects.using(alias).create(first=1, second="a", text="x")
    everything.Composite.objects.using(alias).create(first=1, second="b", text="y")
    rows = everything.Composite.objects.using(alias)
    for ask in (
        lambda: look(list(rows.order_by("pk"))),
        lambda: look(rows.get(pk=(1, "b"))),
        lambda: look(list(rows.filter(pk__in=[(1, "a"), (2, "b")]))),
        lambda: look(list(rows.order_by("pk").values_list("pk", "text"))),
        lambda: look(list(rows.order_by("pk").values("pk"))),
        lambda: rows.count(),
    ):
        with settings_off():
            truth = ask()
        assert assert_miss(alias, ask) == truth
        assert assert_hit(alias, ask) == truth
        rows.filter(pk=(1, "a")).update(text="z")
        with settings_off():
            truth = ask()
        assert ask() == truth
