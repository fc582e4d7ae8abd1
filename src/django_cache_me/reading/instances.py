"""When a model instance may stand for its primary key in a recorded filter."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import ForeignKey, ManyToManyField
from django.db.models.constants import LOOKUP_SEP


def key_name(model: Any, lookup: str, cls: Any) -> str | None:
    """Where an instance of ``cls`` has the value that ``filter(<lookup>=instance)`` compares with, or None.

    Only for relations whose every column holds a simple primary key: no ``to_field``, no composite key, no
    primary key that is itself a foreign key.
    """
    if not has_simple_key(cls):
        return None
    path = lookup.split(LOOKUP_SEP)
    if path[-1] == "exact":
        path.pop()
    field: Any = None
    for name in path:
        try:
            field = model._meta.get_field(name)
        except FieldDoesNotExist:
            return None
        if not field.is_relation or field.related_model is None:
            return None
        model = field.related_model
    if not isinstance(field, (ForeignKey, ManyToManyField)) or not has_simple_key(model):
        return None
    if isinstance(field, ForeignKey) and field.target_field is not model._meta.pk:
        return None
    through: Any = getattr(field.remote_field, "through", None)
    if through is not None and any(
        other.target_field is not other.remote_field.model._meta.pk
        for other in through._meta.concrete_fields
        if isinstance(other, ForeignKey)
    ):
        return None
    if model._meta.concrete_model is not cls._meta.concrete_model:
        return None
    return str(cls._meta.pk.attname)


def has_simple_key(model: Any) -> bool:
    key = model._meta.pk
    if key is None or key.remote_field is not None or len(getattr(model._meta, "pk_fields", [key])) != 1:
        return False
    return type(model).__module__.startswith("django.") and "pk" not in model.__dict__
