"""Which querysets' instances the engine builds, and how.

``ModelIterable`` and ``Model.from_db`` run much code for each row that has no effect for an ordinary model.
The engine fills instances directly (``engine/python/row_builder.hpp``); here is decided for which models that
gives the same. All that isn't known to be the same is left to Django:

- own ``__init__``, ``__new__``, ``from_db``, ``__setattr__`` or a metaclass with ``__call__``;
- receivers of ``pre_init`` and ``post_init`` (looked at each time, for they may come later);
- fields whose class attribute isn't exactly Django's plain one (files, geometries, trackers);
- ``select_related`` into a child from its parent, over filtered relations, or by own setters;
- annotations that meet an attribute of the class; the fetch mode ``FETCH_PEERS``.
"""

from __future__ import annotations

import inspect
import operator
from typing import Any, Tuple

from django.db.models import Model, QuerySet
from django.db.models.base import ModelBase, ModelState
from django.db.models.fields.mixins import FieldCacheMixin
from django.db.models.fields.related_descriptors import ForeignKeyDeferredAttribute
from django.db.models.query_utils import DeferredAttribute
from django.db.models.signals import post_init, pre_init

from .. import _engine

#: (model, start, names, foreign keys, extra, related, primary key's column, local name, remote name)
_Description = Tuple[Any, ...]

_Key = Tuple[Any, ...]
#: Plans by what the columns are. The compiler's parts are kept beside, so that no id is used again.
_plans: dict[_Key, tuple[Any, BuildingPlan | None]] = {}
_MOST_PLANS = 2048


class BuildingPlan:
    """The engine's plan with the models that it makes instances of."""

    __slots__ = ("models", "plan")

    def __init__(self, plan: _engine.InstancePlan, models: tuple[type[Model], ...]) -> None:
        self.plan = plan
        self.models = models

    def holds_now(self) -> bool:
        """Whether nobody listens to the making of these models' instances."""
        if not (pre_init.receivers or post_init.receivers):
            return True
        return not any(pre_init.has_listeners(m) or post_init.has_listeners(m) for m in self.models)


def may_build(queryset: QuerySet[Any]) -> bool:
    """Whether the engine may build a queryset's instances, as far as that isn't for its columns to say."""
    mode = fetch_mode(queryset)
    return (mode is None or not mode.track_peers) and _are_loaded(queryset)


def building_plan(compiler: Any) -> BuildingPlan | None:
    """The plan for instances of what ``compiler`` has compiled; None: Django builds.

    Holds only where :func:`may_build` and the plan's own ``holds_now`` say so.
    """
    info = compiler.klass_info
    select = compiler.select
    annotations = compiler.annotation_col_map or {}
    targets = tuple([getattr(column[0], "target", None) for column in select])
    key = (*map(id, targets), _structure(info), tuple(annotations.items()))
    try:
        found = _plans.get(key)
    except TypeError:  # something that can't be hashed stands in there
        return None
    if found is None:
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        found = _plans[key] = ((targets, info), _make(info, select, annotations))
    return found[1]


def fetch_mode(queryset: QuerySet[Any]) -> Any:
    """Django 6.1's fetch mode of a queryset; None before."""
    return getattr(queryset, "_fetch_mode", None)


def add_known_related_objects(queryset: Any, instances: list[Any]) -> None:
    """Give the instances of a related manager's queryset the objects that it knows already.

    As ``ModelIterable`` does it, for querysets of which none of the names that it needs are deferred.
    """
    for field, objects in queryset._known_related_objects.items():
        getter = operator.attrgetter(*_names_for(queryset, field))
        for instance in instances:
            # What select_related() has brought along stays.
            if not field.is_cached(instance):
                known = objects.get(getter(instance), _NOTHING)
                if known is not _NOTHING:
                    setattr(instance, field.name, known)


_NOTHING = object()


def _names_for(queryset: Any, field: Any) -> list[str]:
    meta = queryset.model._meta
    return [field.attname if name == "self" else meta.get_field(name).attname for name in field.from_fields]


def _are_loaded(queryset: Any) -> bool:
    """Whether the names by which known related objects are found aren't deferred."""
    return not queryset._known_related_objects or loads_all(queryset)


def loads_all(queryset: Any) -> bool:
    """Whether no column of the model is deferred."""
    names, defer = queryset.query.deferred_loading
    return not names and bool(defer)


def _structure(info: dict[str, Any]) -> _Key:
    """What tells one tree of classes from another, beside the columns."""
    fields = info["select_fields"]
    return (
        info["model"],
        fields[0] if fields else -1,
        len(fields),
        tuple(
            [
                (id(related["field"]), related["reverse"], related.get("from_parent"), _structure(related))
                for related in info.get("related_klass_infos", ())
            ]
        ),
    )


class _Unknown(Exception):
    """Not known to be the same: Django builds."""


def _make(info: dict[str, Any], select: Any, annotations: dict[str, int]) -> BuildingPlan | None:
    models: list[type[Model]] = []
    try:
        extra = tuple(_annotation(info["model"], name, column) for name, column in annotations.items())
        description = _object(info, select, models, extra)
    except _Unknown:
        return None
    return BuildingPlan(_engine.InstancePlan(ModelState, description), tuple(models))


def _object(
    info: dict[str, Any], select: Any, models: list[type[Model]], extra: tuple[Any, ...] = ()
) -> _Description:
    model = info["model"]
    _check_class(model)
    models.append(model)
    columns = info["select_fields"]
    if not columns or list(columns) != list(range(columns[0], columns[-1] + 1)):
        raise _Unknown
    start = columns[0]
    names = [select[column][0].target.attname for column in columns]
    wanted = set(names)
    if names != [field.attname for field in model._meta.concrete_fields if field.attname in wanted]:
        raise _Unknown  # from_db() goes by the order of the model's fields
    foreign = [_is_foreign_key(model, name) for name in names]
    related = tuple(_related(one, select, models) for one in info.get("related_klass_infos", ()))
    primary_key = start
    if "local_setter" in info:
        name = _primary_key_name(model)
        if name not in wanted:
            raise _Unknown
        primary_key += names.index(name)
    return (model, start, tuple(names), tuple(foreign), extra, related, primary_key, None, None)


def _related(info: dict[str, Any], select: Any, models: list[type[Model]]) -> _Description:
    if info.get("from_parent"):
        raise _Unknown
    description = _object(info, select, models)
    local = _name_of_setter(info["local_setter"])
    remote = None
    if info["reverse"] or info["field"].unique:
        remote = _name_of_setter(info["remote_setter"])
    return (*description[:7], local, remote)


def _name_of_setter(setter: Any) -> str:
    """Where ``setter``, a field's ``set_cached_value``, puts what it is given."""
    if getattr(setter, "__func__", None) is not FieldCacheMixin.set_cached_value:
        raise _Unknown
    name = cache_name_of(setter.__self__)
    if not isinstance(name, str):
        raise _Unknown
    return name


def cache_name_of(field: Any) -> Any:
    """The name of a relation's side in ``fields_cache`` and ``_prefetched_objects_cache``."""
    # Django 5.1 made an attribute of the method.
    return field.get_cache_name() if not hasattr(FieldCacheMixin, "cache_name") else field.cache_name


def _primary_key_name(model: Any) -> str:
    fields = getattr(model._meta, "pk_fields", None)  # Django 5.2+
    return str((fields[0] if fields else model._meta.pk).attname)


def _annotation(model: Any, name: str, column: int) -> tuple[str, int]:
    try:
        inspect.getattr_static(model, name)
    except AttributeError:
        return name, column
    raise _Unknown


_checked: dict[type, bool] = {}


def _check_class(model: Any) -> None:
    plain = _checked.get(model)
    if plain is None:
        if len(_checked) >= _MOST_PLANS:
            _checked.clear()
        plain = _checked[model] = _is_plain(model)
    if not plain:
        raise _Unknown


def _is_plain(model: Any) -> bool:
    for base in model.__mro__:
        own = base.__dict__
        if base is not object and base is not Model and ("__init__" in own or "from_db" in own):
            return False
        if base is not object and ("__new__" in own or "__setattr__" in own or "__slots__" in own):
            return False
    if not model.__dictoffset__ or model._meta.abstract:
        return False
    return not any("__call__" in base.__dict__ for base in type(model).__mro__ if base is not type)


def _is_foreign_key(model: Any, name: str) -> bool:
    """Whether the field's class attribute is a foreign key's; raises for all that isn't plain."""
    attribute = type(inspect.getattr_static(model, name, None))
    if attribute is ForeignKeyDeferredAttribute:
        return True
    if attribute is DeferredAttribute:
        return False
    raise _Unknown


assert "__call__" not in ModelBase.__dict__
_engine.share_keys_of_state(ModelState)
