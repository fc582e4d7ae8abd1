import uuid

from django.db import models


class Category(models.Model):
    name = models.CharField(max_length=50)
    about = models.TextField()


class Tag(models.Model):
    word = models.CharField(max_length=20)


class Product(models.Model):
    """Columns as a shop has them."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(unique=True)
    category = models.ForeignKey(Category, models.CASCADE, related_name="products")
    price = models.DecimalField(max_digits=10, decimal_places=2, db_index=True)
    weight = models.FloatField()
    active = models.BooleanField(default=True)
    made = models.DateField()
    added = models.DateTimeField()
    code = models.UUIDField(default=uuid.uuid4)
    stock = models.IntegerField(db_index=True)
    description = models.TextField()
    tags = models.ManyToManyField(Tag, related_name="products")


class Visit(models.Model):
    """What no contender caches: its reads show what passing through costs."""

    path = models.CharField(max_length=80)
    at = models.DateTimeField()
    product = models.ForeignKey(Product, models.CASCADE, related_name="visits")
