"""For django-polymorphic."""

from django.db import models
from polymorphic.models import PolymorphicModel


class Place(models.Model):
    name = models.CharField(max_length=20)


class Creature(PolymorphicModel):
    name = models.CharField(max_length=20)
    place = models.ForeignKey(Place, models.CASCADE, null=True, related_name="creatures")


class Winged(Creature):
    wings = models.IntegerField()


class Owl(Winged):
    hoots = models.BooleanField(default=True)


class Fish(Creature):
    fins = models.IntegerField()
