"""The models of the random programs: every kind of column and of relation that answers can rest on."""

from __future__ import annotations

import re
import uuid

import django
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models

from tests.everything.models import FIELDS, PointField


class Area(models.Model):
    name = models.CharField(max_length=20)
    level = models.IntegerField(null=True)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, related_name="children")


class Label(models.Model):
    word = models.CharField(max_length=20, unique=True)


class Note(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    thing = GenericForeignKey()
    text = models.TextField()


class Item(models.Model):
    area = models.ForeignKey(Area, models.CASCADE, null=True, related_name="items")
    name = models.CharField(max_length=20)
    slug = models.SlugField(unique=True)
    number = models.IntegerField(default=0)
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    made = models.DateField(null=True)
    at = models.DateTimeField(null=True)
    opens = models.TimeField(null=True)
    lasts = models.DurationField(null=True)
    code = models.UUIDField(default=uuid.uuid4)
    flag = models.BooleanField(null=True)
    size = models.FloatField(null=True)
    blob = models.BinaryField(null=True)
    about = models.JSONField(null=True)
    point = PointField(null=True)
    labels = models.ManyToManyField(Label, related_name="items")
    notes = GenericRelation(Note)


class Special(Item):
    extra = models.CharField(max_length=20)


class Deep(Special):
    more = models.IntegerField(null=True)


class SpecialProxy(Special):
    class Meta:
        proxy = True


class Detail(models.Model):
    item = models.OneToOneField(Item, models.CASCADE)
    text = models.TextField(null=True)


class Coded(models.Model):
    code = models.CharField(max_length=20, unique=True)
    number = models.IntegerField(default=0)

    class Meta:
        abstract = True


#: Column -> the values that it may have: one column of each class of field there is.
COLUMNS = {
    "a_" + re.sub(r"\W", "_", kind).lower(): [None, *values] for kind, (_, values) in sorted(FIELDS.items())
}


class _Columns(models.Model):
    class Meta:
        abstract = True


for _column, (_, (_field, _)) in zip(COLUMNS, sorted(FIELDS.items())):
    _Columns.add_to_class(_column, _field.clone())


class Motley(Coded, _Columns):
    areas = models.ManyToManyField(Area, through="Membership", related_name="motleys")
    friends = models.ManyToManyField("self")
    follows = models.ManyToManyField("self", symmetrical=False, related_name="followers")
    if django.VERSION >= (5, 0):
        given = models.IntegerField(db_default=7)
        double = models.GeneratedField(
            expression=models.F("number") * 2, output_field=models.IntegerField(), db_persist=True
        )


class Membership(models.Model):
    motley = models.ForeignKey(Motley, models.CASCADE)
    area = models.ForeignKey(Area, models.CASCADE)
    role = models.CharField(max_length=20)

    class Meta:
        unique_together = [("motley", "area")]


class Tail(models.Model):
    """By a column that isn't the key."""

    motley = models.ForeignKey(Motley, models.CASCADE, to_field="code", related_name="tails")
    length = models.IntegerField()


class Face(models.Model):
    """By its own key."""

    motley = models.OneToOneField(Motley, models.CASCADE, primary_key=True)
    smile = models.BooleanField()


if django.VERSION >= (5, 2):

    class Pair(models.Model):
        pk = models.CompositePrimaryKey("first", "second")
        first = models.IntegerField()
        second = models.IntegerField()
        text = models.CharField(max_length=20)

    class PairNote(models.Model):
        """By two columns at once."""

        first = models.IntegerField()
        second = models.IntegerField()
        pair = models.ForeignObject(
            Pair, models.CASCADE, ["first", "second"], ["first", "second"], related_name="notes"
        )
        text = models.CharField(max_length=20)
