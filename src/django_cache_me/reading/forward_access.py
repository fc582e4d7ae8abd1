"""Foreign keys forwards (``product.category``) by plans: which ones, and how that is learnt.

A hit does what Django's ``ForwardManyToOneDescriptor`` does for an instance that doesn't have the related
object yet, without the manager, queryset and Q that Django makes for it: the entry is looked up by the
foreign key's value (the key is the second tier's), and both sides keep the object as Django has them keep it.
Left to Django is all that isn't known to come out the same:

- relations over several columns, filters of the field's own, parent links, fields of a parent's;
- subclasses of Django's descriptors, and a ``_base_manager`` that isn't plainly Django's;
- fetch modes but the default; deferred, empty and converted values;
- whatever isn't a single row: it's Django's to raise ``DoesNotExist``.

A plan is kept only if its keys are those of the queries that Django's descriptor itself would ask, for the
actual value and for others.
"""

from __future__ import annotations

import functools
import inspect
import uuid
from typing import Any, Callable

from django.db import connections, models
from django.db.models import ManyToOneRel, Model, OneToOneRel, QuerySet
from django.db.models.base import ModelState
from django.db.models.fields.related_descriptors import (
    ForeignKeyDeferredAttribute,
    ForwardManyToOneDescriptor,
    ForwardOneToOneDescriptor,
)
from django.db.models.manager import Manager
from django.db.models.query_utils import DeferredAttribute

from .. import _engine
from ..registry import cache_me_registry
from . import learning
from .building import cache_name_of
from .capturing import capture
from .ground import ground_of
from .learning import Compiled, Lesson
from .parameters import Unlearnable
from .policy import POLICY
from .probes import stand_in
from .proving import is_due, lock

#: Django 6.1's fetch mode of what nobody has given another; None before.
_FETCH_ONE: Any = getattr(models, "FETCH_ONE", None)

_KINDS = (ForwardManyToOneDescriptor, ForwardOneToOneDescriptor)
#: Of the values that a foreign key may have; others are Django's.
_VALUES = {int: "integer", str: "text", uuid.UUID: "uuid"}
#: What Django 3.2 to 6.1 calls, but for what stands in the place of some of it here.
_OF_MANAGERS = ("db_manager", "all", "fetch_mode")
_OF_DESCRIPTORS = ("__get__", "get_object", "get_queryset", "is_cached", "fetch_one")
_OF_FIELDS = (
    "get_cached_value set_cached_value get_local_related_value get_instance_value_for_fields"
    " get_reverse_related_filter get_extra_descriptor_filter"
).split()
#: And what was asked already when a plan is made.
_ASKED_OF_FIELDS = (
    "is_cached get_cache_name cache_name related_fields local_related_fields foreign_related_fields"
    " resolve_related_fields __getattribute__"
).split()
_MODULES = ("django.db.models.", "django.utils.", "builtins")

#: The descriptors' functions when this was installed, and those that were put in their place.
_installed: dict[tuple[type, str], Any] = {}


def install() -> None:
    """Stand in for Django's descriptor; once per process."""
    cls: Any = ForwardManyToOneDescriptor
    for kind in _KINDS:
        for name in _OF_DESCRIPTORS:
            if not _is_djangos(inspect.getattr_static(kind, name, None)):
                return  # another package's by now: it wants to be asked
    access = _engine.forward_access(cls.__get__)
    functools.update_wrapper(access, cls.__get__)
    cls.__get__ = access
    cls.get_object = _considering(cls.get_object)
    _installed.update(
        ((kind, name), inspect.getattr_static(kind, name, None))
        for kind in _KINDS
        for name in _OF_DESCRIPTORS
    )


def _is_djangos(attribute: Any) -> bool:
    """Whether an attribute of a class is Django's own, or isn't there."""
    for name in ("__func__", "fget", "func"):  # static methods, properties, cached properties
        attribute = getattr(attribute, name, attribute)
    if attribute is None or attribute is object.__dict__["__getattribute__"]:
        return True
    return not hasattr(attribute, "__wrapped__") and str(attribute.__module__).startswith(_MODULES)


def _considering(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_object(self: Any, instance: Any) -> Any:
        related = original(self, instance)
        if type(self) in _KINDS and _engine.is_recording():
            consider(self, instance, related)
        return related

    return get_object


def consider(descriptor: Any, instance: Any, related: Any) -> None:
    """Django has fetched ``related`` for ``instance``, through the second tier or not."""
    model = descriptor.field.remote_field.model
    if model in cache_me_registry.others or cache_me_registry.get_options(model) is None:
        return
    alias = getattr(getattr(related, "_state", None), "db", None)
    state = instance._state
    if not isinstance(alias, str) or getattr(state, "fetch_mode", None) is not _FETCH_ONE:
        return
    value = instance.__dict__.get(descriptor.field.attname)
    root = _engine.root_of(type(instance))
    whose = _engine.forward_whose(root, descriptor, alias)
    if whose is not None and not learning.is_of_others(whose, alias):
        return  # it was a miss
    note = ("forward", descriptor.field.name, alias, type(value))
    sights = root.notes.get(note, 0)
    if sights is None:
        return
    root.notes[note] = sights + 1
    if not is_due(sights + 1, learning.LEARN_AT) or not lock.acquire(blocking=False):
        return
    try:
        _learn(root, descriptor, instance, alias)
    except Unlearnable as why:
        _refuse(root, note, f"forward_{why}")
    except Exception as error:  # whatever Django or a project's field raises for a probe
        _refuse(root, note, f"forward_{type(error).__name__}")
    finally:
        lock.release()


def _refuse(root: _engine.Node, note: tuple[Any, ...], reason: str) -> None:
    root.notes[note] = None
    learning.refusals[reason] += 1


def _learn(root: _engine.Node, descriptor: Any, instance: Any, alias: str) -> None:
    wrapper = connections[alias]
    ground = ground_of(wrapper)
    if ground is None:
        return  # not now
    field = descriptor.field
    remote = field.remote_field
    attribute = _attribute(descriptor, instance)
    manager = _manager(remote.model)
    value = instance.__dict__.get(attribute)
    if type(value) not in _VALUES:
        raise Unlearnable("value")
    lesson = _Lesson(descriptor, instance, attribute, value, alias)
    classes = [type(descriptor), type(remote), type(instance), ModelState, QuerySet]
    methods = [(Manager, name) for name in _OF_MANAGERS] + [(type(field), name) for name in _OF_FIELDS]
    plan = lesson.plan((value,), wrapper, ground)
    if plan is None:
        return
    parts = {
        "descriptor": descriptor,
        "attribute": attribute,
        "state_class": ModelState,
        "value_class": type(value),
        "cache_name": cache_name_of(field),
        "remote_name": None if remote.multiple else cache_name_of(remote),
        "model": remote.model,
        "manager": manager,
        "querysets": QuerySet,
        "descriptor_dict": vars(descriptor),
        "manager_dict": vars(manager),
    }
    entries = [(vars(remote.model._meta), "base_manager", manager)]
    _engine.add_forward(root, plan, parts, classes, methods, entries)


def _attribute(descriptor: Any, instance: Any) -> str:
    """Where ``instance`` has the foreign key's value; raises Unlearnable for what isn't a plain relation."""
    kind, field, model = type(descriptor), descriptor.field, type(instance)
    if any(
        inspect.getattr_static(kind, name, None) is not _installed[kind, name] for name in _OF_DESCRIPTORS
    ):
        raise Unlearnable("descriptor")
    # A cached property, which is to be there when the descriptor's attributes are counted.
    descriptor.RelatedObjectDoesNotExist  # noqa: B018
    if set(vars(descriptor)) != {"field", "RelatedObjectDoesNotExist"}:
        raise Unlearnable("descriptor")
    remote = field.remote_field
    for one in (field, remote):
        for name in (*_OF_FIELDS, *_ASKED_OF_FIELDS):
            if not _is_djangos(inspect.getattr_static(type(one), name, None)):
                raise Unlearnable("field")
    if (
        type(remote) not in (ManyToOneRel, OneToOneRel)
        or remote.parent_link
        or len(field.related_fields) != 1
    ):
        raise Unlearnable("relation")
    local = field.related_fields[0][0]
    attribute = str(local.attname)
    own = type(inspect.getattr_static(model, attribute, None))
    if own is not ForeignKeyDeferredAttribute and own is not DeferredAttribute:
        raise Unlearnable("attribute")
    own_access = inspect.getattr_static(model, "__getattribute__") is not object.__dict__["__getattribute__"]
    if own_access or hasattr(model, "_state"):
        raise Unlearnable("instance")
    if type(instance._state) is not ModelState or model._meta.get_ancestor_link(field.model):
        raise Unlearnable("instance")
    # Django asks for the primary key of such an instance, in place of the attribute.
    if local.primary_key and not (
        model._meta.pk is local
        and inspect.getattr_static(model, "pk") is Model.__dict__["pk"]
        and model._get_pk_val is Model._get_pk_val
    ):
        raise Unlearnable("primary_key")
    return attribute


def _manager(model: Any) -> Any:
    """By which Django asks for related objects; raises Unlearnable if that's not a plain one of Django's."""
    manager = model._base_manager
    own = vars(manager)
    if type(manager) is not Manager or vars(model._meta).get("base_manager") is not manager:
        raise Unlearnable("manager")
    if (
        own.get("_db") is not None
        or own.get("_hints")
        or not own.keys() <= vars(Manager()).keys() | {"auto_created"}
    ):
        raise Unlearnable("manager")
    if _engine.querysets_of_managers(Manager) is not QuerySet:
        raise Unlearnable("manager")
    return manager


class _Lesson(Lesson):
    """The query for a related object: its one value is the foreign key's."""

    def __init__(self, descriptor: Any, instance: Any, attribute: str, value: Any, alias: str) -> None:
        field = descriptor.field
        super().__init__(QuerySet, field.remote_field.model, None, alias)
        self.descriptor = descriptor
        self.instance = instance
        self.attribute = attribute
        self.kinds = [(_VALUES[type(value)], field.related_fields[0][1].attname, None, None, False)]

    def compile(self, values: tuple[Any, ...]) -> Compiled:
        instance = stand_in(self.instance, self.attribute, values[0])
        asked = self._asked(instance)
        compiler = asked.query.get_compiler(using=self.alias)
        sql, params = compiler.as_sql()
        return Compiled(sql, tuple(params), compiler, asked)

    def _asked(self, instance: Any) -> Any:
        """The queryset that Django would evaluate for that instance."""
        _engine.enter_bypass()  # a hit would ask nothing
        try:
            captured = capture(lambda: self.descriptor.get_object(instance))
        finally:
            _engine.leave_bypass()
        if captured is None or captured.queryset is None:
            raise Unlearnable("asks_nothing")
        asked = captured.queryset
        own = vars(asked)
        hints = own["_hints"]
        if (
            type(asked) is not QuerySet
            or asked.model is not self.model
            or own["_db"] not in (None, self.alias)
            or list(hints) != ["instance"]
            or hints["instance"] is not instance
            or own["_known_related_objects"]
            or own["_prefetch_related_lookups"]
            or own["_for_write"]
            or own.get(POLICY) is not None
            or own.get("_fetch_mode") is not _FETCH_ONE
        ):
            raise Unlearnable("queryset")
        return asked
