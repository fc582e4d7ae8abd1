"""A model for every class of field that Django has, with values at its edges."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid

import django
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models

UTC = datetime.timezone.utc
try:
    import PIL  # noqa: F401

    HAS_IMAGES = True
except ImportError:
    HAS_IMAGES = False


class Point:
    """A project's own value, mutable."""

    def __init__(self, x, y):
        self.xs = [x, y]

    def __eq__(self, other):
        return isinstance(other, Point) and self.xs == other.xs

    __hash__ = None

    def __repr__(self):
        return f"Point{tuple(self.xs)}"


class PointField(models.Field):
    def db_type(self, connection):
        return "varchar(40)"

    def from_db_value(self, value, expression, connection):
        return None if value is None else Point(*map(int, value.split(",")))

    def get_prep_value(self, value):
        return None if value is None else ",".join(map(str, value.xs))


class Decoder(json.JSONDecoder):
    """Makes sets of lists."""

    def decode(self, text, *args):
        found = super().decode(text, *args)
        return set(found) if isinstance(found, list) else found


class SettingsField(models.JSONField):
    """A subclass of Django's field with a conversion of its own on top."""

    def from_db_value(self, value, expression, connection):
        found = super().from_db_value(value, expression, connection)
        return {"wrapped": found}


class Size(models.TextChoices):
    SMALL = "S"
    LARGE = "L"


class Level(models.IntegerChoices):
    LOW = 1
    HIGH = 2


LONG = "ü€😀" * 50
MANY = {"a": [1, None, 1.5, {"b": []}], "é": "😀", "big": 2**70, "deep": [[[[]]]], "false": False}

#: Class of field -> (field, values besides None).
FIELDS = {
    "BigIntegerField": (models.BigIntegerField(null=True), [0, -(2**63), 2**63 - 1]),
    "BinaryField": (models.BinaryField(null=True), [b"", b"\x00\xff" * 20]),
    "BooleanField": (models.BooleanField(null=True), [True, False]),
    "CharField": (models.CharField(max_length=300, null=True), ["", "a", LONG]),
    "DateField": (
        models.DateField(null=True),
        [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), datetime.date(2024, 2, 29)],
    ),
    "DateTimeField": (
        models.DateTimeField(null=True),
        [
            datetime.datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC),
            datetime.datetime(1900, 1, 1, tzinfo=UTC),
            datetime.datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
        ],
    ),
    "DecimalField": (
        models.DecimalField(max_digits=20, decimal_places=5, null=True),
        [decimal.Decimal("0"), decimal.Decimal("-0.00001"), decimal.Decimal("123456789012345.12345")],
    ),
    "DurationField": (
        models.DurationField(null=True),
        [datetime.timedelta(days=-3, microseconds=1), datetime.timedelta(days=90000, seconds=5)],
    ),
    "EmailField": (models.EmailField(null=True), ["a@example.org"]),
    "FileField": (models.FileField(null=True), ["", "papers/a.txt"]),
    "FilePathField": (models.FilePathField(null=True, path="/"), ["/a"]),
    "FloatField": (models.FloatField(null=True), [0.0, -1.5, 1e300, 5e-324]),
    "GenericIPAddressField": (
        models.GenericIPAddressField(null=True),
        ["127.0.0.1", "2001:db8::1", "::ffff:10.0.0.1"],
    ),
    "IntegerField": (models.IntegerField(null=True), [0, -(2**31), 2**31 - 1]),
    "JSONField": (models.JSONField(null=True), [MANY, [], {}, "text", 5, 1.5, True, [None]]),
    "PositiveBigIntegerField": (models.PositiveBigIntegerField(null=True), [0, 2**63 - 1]),
    "PositiveIntegerField": (models.PositiveIntegerField(null=True), [0, 2**31 - 1]),
    "PositiveSmallIntegerField": (models.PositiveSmallIntegerField(null=True), [0, 2**15 - 1]),
    "SlugField": (models.SlugField(null=True), ["a-b"]),
    "SmallIntegerField": (models.SmallIntegerField(null=True), [-(2**15), 2**15 - 1]),
    "TextField": (models.TextField(null=True), ["", LONG * 20]),
    "TimeField": (models.TimeField(null=True), [datetime.time(0, 0), datetime.time(23, 59, 59, 999999)]),
    "URLField": (models.URLField(null=True), ["https://example.org/"]),
    "UUIDField": (models.UUIDField(null=True), [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)]),
    # Fields of projects.
    "PointField": (PointField(null=True), [Point(1, 2)]),
    "JSONField with a decoder": (models.JSONField(null=True, decoder=Decoder), [[1, 2], {"a": [1]}]),
    "SettingsField": (SettingsField(null=True), [{"a": [1]}, []]),
    "TextChoices": (models.CharField(max_length=1, choices=Size.choices, null=True), [Size.SMALL]),
    "IntegerChoices": (models.IntegerField(choices=Level.choices, null=True), [Level.HIGH]),
}
if HAS_IMAGES:
    FIELDS["ImageField"] = (models.ImageField(null=True), ["a.png"])


def _model(name, attributes):
    return type(name, (models.Model,), {"__module__": __name__, **attributes})


#: Class of field -> a model with a column `value` of it.
MODELS = {
    kind: _model("Of" + "".join(filter(str.isalnum, kind)), {"value": field})
    for kind, (field, _) in FIELDS.items()
}


# Fields that are primary keys or relations, or that need others.


class BigKey(models.Model):
    id = models.BigAutoField(primary_key=True)


class SmallKey(models.Model):
    id = models.SmallAutoField(primary_key=True)


class Key(models.Model):
    id = models.AutoField(primary_key=True)


class OwnKey(models.Model):
    code = models.UUIDField(primary_key=True)


class Related(models.Model):
    key = models.ForeignKey(OwnKey, models.CASCADE, null=True)
    one = models.OneToOneField(BigKey, models.CASCADE, null=True)
    many = models.ManyToManyField(Key)


class Tagged(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    thing = GenericForeignKey()


if django.VERSION >= (5, 0):

    class Generated(models.Model):
        number = models.IntegerField(db_default=7)
        double = models.GeneratedField(
            expression=models.F("number") * 2, output_field=models.IntegerField(), db_persist=True
        )


if django.VERSION >= (5, 2):

    class Composite(models.Model):
        pk = models.CompositePrimaryKey("first", "second")
        first = models.IntegerField()
        second = models.CharField(max_length=10)
        text = models.TextField()
