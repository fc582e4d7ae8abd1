"""Models of every shape that matters to how instances are made."""

from django.db import models
from django.db.models.manager import BaseManager


class Plain(models.Model):
    name = models.CharField(max_length=20)
    number = models.IntegerField(null=True, db_column="no")


class Linked(models.Model):
    """Foreign keys that are null and not, to a primary key and to another field."""

    first = models.ForeignKey(Plain, models.CASCADE, related_name="first_of")
    second = models.ForeignKey(Plain, models.CASCADE, null=True, related_name="second_of")
    target = models.ForeignKey("Target", models.CASCADE, to_field="code", null=True)


class Target(models.Model):
    code = models.CharField(max_length=5, unique=True)


class Single(models.Model):
    plain = models.OneToOneField(Plain, models.CASCADE, related_name="single")
    text = models.TextField()


class SingleKey(models.Model):
    """A one-to-one field that is the primary key."""

    plain = models.OneToOneField(Plain, models.CASCADE, primary_key=True, related_name="single_key")
    text = models.TextField()


class Parent(models.Model):
    name = models.CharField(max_length=20)
    plain = models.ForeignKey(Plain, models.CASCADE, null=True)


class Child(Parent):
    extra = models.CharField(max_length=20)


class Grandchild(Child):
    more = models.CharField(max_length=20)


class Proxy(Parent):
    class Meta:
        proxy = True

    def shout(self):
        return self.name.upper()


class Mixin:
    """Comes after Model: its __init__ is called by Model's."""

    def __init__(self, *args, **kwargs):
        self.mixed = True
        super().__init__(*args, **kwargs)


class Mixed(models.Model, Mixin):
    name = models.CharField(max_length=20)


class OwnInit(models.Model):
    name = models.CharField(max_length=20)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.loaded_name = self.name


class OwnFromDb(models.Model):
    name = models.CharField(max_length=20)

    @classmethod
    def from_db(cls, db, field_names, values, **kwargs):
        instance = super().from_db(db, field_names, values, **kwargs)
        instance.loaded = dict(zip(field_names, values))
        return instance


class OwnSetattr(models.Model):
    name = models.CharField(max_length=20)

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "name":
            self.__dict__["seen"] = value


class WithFile(models.Model):
    name = models.CharField(max_length=20)
    paper = models.FileField(null=True)


class Slotted(models.Model):
    __slots__ = ("cheap",)

    name = models.CharField(max_length=20)


class Tracked(models.CharField):
    """A field with a descriptor of its own."""

    class Attribute(models.query_utils.DeferredAttribute):
        def __set__(self, instance, value):
            instance.__dict__.setdefault("history", []).append(value)
            instance.__dict__[self.field.attname] = value

    descriptor_class = Attribute


class WithTracked(models.Model):
    name = Tracked(max_length=20)


class Wide(models.Model):
    """More attributes than a key-sharing dict holds."""

    for _number in range(40):
        locals()[f"field_{_number:02}"] = models.IntegerField(default=_number)
    del _number


class Listened(models.Model):
    name = models.CharField(max_length=20)


class WithProperty(models.Model):
    name = models.CharField(max_length=20)

    @property
    def size(self):
        return self.__dict__.get("_size")

    @size.setter
    def size(self, value):
        self.__dict__["_size"] = value


class Dialled(models.CharField):
    """A project's field that does to some values what it doesn't do to others."""

    def get_prep_value(self, value):
        value = super().get_prep_value(value)
        return f"+{value}" if value is not None and len(value) == 11 and value.isdigit() else value


class Measured(models.Model):
    exact = models.DecimalField(max_digits=10, decimal_places=4, null=True)
    rough = models.DecimalField(max_digits=8, decimal_places=4, null=True)
    number = Dialled(max_length=20, default="")


class BareManager(BaseManager):
    def get_queryset(self):
        return models.QuerySet(self.model, using=self._db)


class BarelyManaged(models.Model):
    """Its manager has nothing of what Manager adds to BaseManager."""

    name = models.CharField(max_length=20)

    objects = BareManager()
