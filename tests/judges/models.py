"""The models of the random programs: every kind of column and of relation that answers can rest on."""

from __future__ import annotations

import uuid

import django
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models

from tests.everything.models import PointField


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


class SpecialProxy(Special):
    class Meta:
        proxy = True


class Detail(models.Model):
    item = models.OneToOneField(Item, models.CASCADE)
    text = models.TextField(null=True)


if django.VERSION >= (5, 2):

    class Pair(models.Model):
        pk = models.CompositePrimaryKey("first", "second")
        first = models.IntegerField()
        second = models.IntegerField()
        text = models.CharField(max_length=20)
