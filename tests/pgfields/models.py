"""Fields that only PostgreSQL has."""

from __future__ import annotations

import datetime

from django.contrib.postgres import fields
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from tests.everything.models import PointField

DAY = datetime.date(2024, 2, 29)
UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2024, 2, 29, 12, tzinfo=UTC)

#: Class of field -> (field, values besides None).
FIELDS = {
    "ArrayField": (fields.ArrayField(models.IntegerField(null=True), null=True), [[], [1, None, 3]]),
    "ArrayField of arrays": (
        fields.ArrayField(fields.ArrayField(models.CharField(max_length=9)), null=True),
        [[["a", "é"], ["c", "d"]]],
    ),
    "ArrayField of dates": (fields.ArrayField(models.DateField(), null=True), [[DAY]]),
    "ArrayField of moments": (fields.ArrayField(models.DateTimeField(), null=True), [[MOMENT]]),
    "ArrayField of points": (fields.ArrayField(PointField(), null=True), []),
    "HStoreField": (fields.HStoreField(null=True), [{}, {"a": "b", "é": None}]),
    "IntegerRangeField": (fields.IntegerRangeField(null=True), [(1, 5), (None, 3), (2, None), (4, 4)]),
    "BigIntegerRangeField": (fields.BigIntegerRangeField(null=True), [(1, 2**62)]),
    "DecimalRangeField": (fields.DecimalRangeField(null=True), [(1, 2)]),
    "DateRangeField": (fields.DateRangeField(null=True), [(DAY, None), (DAY, DAY + datetime.timedelta(9))]),
    "DateTimeRangeField": (fields.DateTimeRangeField(null=True), [(MOMENT, None)]),
    "SearchVectorField": (SearchVectorField(null=True), ["a fat cat", ""]),
}

MODELS = {
    kind: type(
        "Of" + "".join(filter(str.isalnum, kind)), (models.Model,), {"__module__": __name__, "value": field}
    )
    for kind, (field, _) in FIELDS.items()
}
