"""Geometries of GeoDjango, plane and round."""

from django.contrib.gis.db import models


class Place(models.Model):
    name = models.CharField(max_length=20)
    at = models.PointField()
    area = models.PolygonField(null=True)
    spot = models.PointField(geography=True, null=True)
    line = models.LineStringField(srid=3857, null=True)
    parts = models.GeometryCollectionField(dim=3, null=True)
