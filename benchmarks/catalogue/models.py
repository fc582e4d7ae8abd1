import uuid

from django.db import models


class Category(models.Model):
    name = models.CharField(max_length=50)


class Product(models.Model):
    """Ten columns as a shop has them."""

    name = models.CharField(max_length=80)
    category = models.ForeignKey(Category, models.CASCADE)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    weight = models.FloatField()
    active = models.BooleanField(default=True)
    made = models.DateField()
    added = models.DateTimeField()
    code = models.UUIDField(default=uuid.uuid4)
    stock = models.IntegerField()
