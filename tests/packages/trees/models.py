"""For django-mptt."""

from django.db import models
from mptt.models import MPTTModel, TreeForeignKey


class Node(MPTTModel):
    name = models.CharField(max_length=20)
    parent = TreeForeignKey("self", models.CASCADE, null=True, related_name="children")

    class MPTTMeta:
        order_insertion_by = ("name",)


class Leaf(models.Model):
    node = TreeForeignKey(Node, models.CASCADE)
