import uuid

from django.db import models

from django_cache_me.signals import CacheMeInvalidationMixin

from .fields import MoneyField


class Category(models.Model):
    name = models.CharField(max_length=50)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="children")


class Tag(models.Model):
    word = models.CharField(max_length=20, unique=True)


class ProductQuerySet(models.QuerySet):
    def cheap(self):
        return self.filter(price__lt=10)


class ShopManager(models.Manager):
    def named(self, name):
        return self.filter(name=name)


class ActiveManager(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(active=True)


class Product(models.Model):
    name = models.CharField(max_length=50)
    category = models.ForeignKey(Category, models.CASCADE, null=True, related_name="products")
    price = models.DecimalField(max_digits=10, decimal_places=2, default="1.50")
    weight = models.FloatField(default=0.5)
    active = models.BooleanField(default=True)
    made = models.DateField(null=True)
    added = models.DateTimeField(null=True)
    opens = models.TimeField(null=True)
    lasts = models.DurationField(null=True)
    code = models.UUIDField(default=uuid.uuid4)
    image = models.BinaryField(null=True)
    about = models.JSONField(null=True)
    tags = models.ManyToManyField(Tag, related_name="products")

    objects = ShopManager()
    listing = ProductQuerySet.as_manager()
    actives = ActiveManager()


class ProductProxy(Product):
    class Meta:
        proxy = True


class Review(models.Model):
    product = models.ForeignKey(Product, models.CASCADE, related_name="reviews")
    text = models.TextField()


class Detail(models.Model):
    product = models.OneToOneField(Product, models.CASCADE)
    text = models.TextField()


class Purse(models.Model):
    owner = models.CharField(max_length=20)
    money = MoneyField(null=True)


class Animal(models.Model):
    name = models.CharField(max_length=20)


class Bird(Animal):
    wingspan = models.IntegerField()


class TableOnly(models.Model):
    name = models.CharField(max_length=20)


class Nothing(models.Model):
    name = models.CharField(max_length=20)


class Both(models.Model):
    name = models.CharField(max_length=20)


class MixedBefore(CacheMeInvalidationMixin, models.Model):
    heard = []
    name = models.CharField(max_length=20)

    def cache_me_invalidate(self, *, using, deleted):
        self.heard.append((self.name, using, deleted))


class MixedBehind(models.Model, CacheMeInvalidationMixin):
    heard = []
    name = models.CharField(max_length=20)

    def cache_me_invalidate(self, *, using, deleted):
        self.heard.append((self.name, using, deleted))


class Plain(models.Model):
    """Not registered."""

    name = models.CharField(max_length=20)


class Sketch(models.Model):
    class Meta:
        abstract = True


class NamedCategory(models.Model):
    """A view over the categories, which tests create for themselves."""

    name = models.CharField(max_length=50)

    class Meta:
        managed = False
        db_table = "shop_named_category"


class Log(models.Model):
    """Written by triggers, which tests create for themselves."""

    text = models.CharField(max_length=50)
