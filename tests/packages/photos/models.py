"""For django-taggit."""

from django.db import models
from taggit.managers import TaggableManager


class Photo(models.Model):
    name = models.CharField(max_length=20)
    tags = TaggableManager()
