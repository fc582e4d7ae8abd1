"""For django-modeltranslation."""

from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=20)


class Story(models.Model):
    title = models.CharField(max_length=40)
    body = models.TextField(default="")
    number = models.IntegerField(default=0)
    author = models.ForeignKey(Author, models.CASCADE, null=True)
