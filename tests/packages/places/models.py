"""For django-model-utils."""

from django.db import models
from model_utils import Choices, FieldTracker
from model_utils.fields import MonitorField, SplitField, StatusField
from model_utils.managers import InheritanceManager, QueryManager
from model_utils.models import SoftDeletableModel, TimeStampedModel


class Spot(models.Model):
    name = models.CharField(max_length=20)
    objects = InheritanceManager()


class Bar(Spot):
    beers = models.IntegerField()


class Pub(Bar):
    darts = models.BooleanField(default=True)


class Shop(Spot):
    goods = models.CharField(max_length=20)


class Paper(SoftDeletableModel):
    name = models.CharField(max_length=20)


class Article(TimeStampedModel):
    STATUS = Choices("draft", "published")
    status = StatusField()
    status_changed = MonitorField(monitor="status")
    body = SplitField()
    number = models.IntegerField(default=0)
    tracker = FieldTracker(fields=["number"])

    objects = models.Manager()
    published = QueryManager(status="published").order_by("number")
