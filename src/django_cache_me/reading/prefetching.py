"""``prefetch_related()`` by plans: which relations the engine may prefetch, and how that is learnt.

A hit does what Django's ``prefetch_related_objects()`` does for one relation, without its Python: the
related query's entry is looked up by the instances' keys (the key is the second tier's), the related objects
are dealt out, and each instance gets a queryset as its manager would give. Why that is the same stands in
docs/decisions/prefetches.md. Left to Django is all that isn't proven to come out the same:

- ``Prefetch`` objects, lookups over several relations, generic relations, foreign keys forwards;
- managers with own ``get_queryset`` or ``__init__``, or whose class isn't recorded;
- keys that aren't plain integers, and primary keys that are foreign keys.

A plan is kept only if what Django itself has just given the instances is what the engine would have given.
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

from django.db import connections, router
from django.db.models import fields
from django.db.models.fields.related_descriptors import ManyToManyDescriptor, ReverseManyToOneDescriptor
from django.db.models.manager import BaseManager

from .. import _engine
from . import learning
from .building import cache_name_of
from .capturing import capture
from .ground import ground_of
from .instances import has_simple_key
from .learning import Compiled, Lesson
from .parameters import Unlearnable
from .probes import stand_in
from .proving import is_due, lock
from .replaying import CHAIN

_INTEGERS = frozenset(
    getattr(fields, name)
    for name in (
        "AutoField BigAutoField SmallAutoField IntegerField BigIntegerField SmallIntegerField"
        " PositiveIntegerField PositiveBigIntegerField PositiveSmallIntegerField"
    ).split()
)
_KINDS = frozenset({ManyToManyDescriptor, ReverseManyToOneDescriptor})
_CACHE = "_prefetched_objects_cache"


def consider(queryset: Any) -> None:
    """Django has prefetched for ``queryset``, which has a chain."""
    own = queryset.__dict__
    instances = own["_result_cache"]
    if not instances or not _engine.is_recording():
        return
    root = _engine.root_of(own["model"])
    for name in own["_prefetch_related_lookups"]:
        if type(name) is str:
            _consider(root, own["model"], name, instances)


def _consider(root: _engine.Node, model: Any, name: str, instances: list[Any]) -> None:
    if type(inspect.getattr_static(model, name, None)) not in _KINDS or type(instances[0]) is not model:
        return
    alias = router.db_for_read(getattr(instances[0], name).model, instance=instances[0])
    whose = root.prefetch_whose(name, alias)
    if whose is not None and not learning.is_of_others(whose, alias):
        return  # it was a miss
    sights = root.notes.get((name, alias), 0)
    if sights is None:
        return
    root.notes[name, alias] = sights + 1
    if not is_due(sights + 1, learning.LEARN_AT) or not lock.acquire(blocking=False):
        return
    try:
        _learn(root, model, name, instances, alias)
    except Unlearnable as why:
        _refuse(root, name, alias, f"prefetch_{why}")
    except Exception as error:  # whatever Django or a project's field raises for a probe
        _refuse(root, name, alias, f"prefetch_{type(error).__name__}")
    finally:
        lock.release()


def _refuse(root: _engine.Node, name: str, alias: str, reason: str) -> None:
    root.notes[name, alias] = None
    learning.refusals[reason] += 1


class _Relation(NamedTuple):
    """What is known of a relation that may be prefetched."""

    name: str
    manager_class: Any
    related: Any
    key_attribute: str
    value_attribute: str
    cache_name: str
    #: Of the reverse side of a foreign key.
    field: Any
    parent_name: str | None


def _learn(root: _engine.Node, model: Any, name: str, instances: list[Any], alias: str) -> None:
    wrapper = connections[alias]
    ground = ground_of(wrapper)
    if ground is None:
        return  # not now
    if not all(type(instance) is model for instance in instances):
        raise Unlearnable("instances")
    relation = _relation(model, name, instances[0])
    node = _node_of_querysets(relation, instances)
    lesson = _Lesson(relation, instances[0], alias)
    keys = tuple(dict.fromkeys(getattr(instance, relation.key_attribute) for instance in instances))
    lesson.check_duplicates(keys[:1])
    plan = lesson.plan((keys,), wrapper, ground)
    if plan is not None:
        root.add_prefetch(
            plan,
            name,
            relation.key_attribute,
            relation.value_attribute,
            relation.cache_name,
            relation.manager_class.__mro__[1],
            relation.manager_class._queryset_class,
            relation.related,
            node,
            relation.field,
            relation.parent_name,
        )


def _relation(model: Any, name: str, instance: Any) -> _Relation:
    descriptor = inspect.getattr_static(model, name, None)
    kind = type(descriptor)
    if kind not in _KINDS or not has_simple_key(model):
        raise Unlearnable("relation")
    cls = descriptor.related_manager_cls
    base = cls.__mro__[1]
    if _engine.querysets_of_managers(base) is None or "__getattr__" in dir(base):
        raise Unlearnable("manager")
    if base.__init__ is not BaseManager.__init__ or base.__new__ is not BaseManager.__new__:
        raise Unlearnable("manager")
    manager = getattr(instance, name)
    key = model._meta.pk
    if type(manager) is not cls or type(manager.model._default_manager) is not base or _is_custom(key):
        raise Unlearnable("manager")
    if kind is ManyToManyDescriptor:
        source = manager.source_field
        if list(source.foreign_related_fields) != [key] or len(source.local_related_fields) != 1:
            raise Unlearnable("columns")
        value = f"_prefetch_related_val_{source.local_related_fields[0].attname}"
        return _Relation(
            name, cls, manager.model, key.attname, value, manager.prefetch_cache_name, None, None
        )
    field = manager.field
    if list(field.foreign_related_fields) != [key] or len(field.local_related_fields) != 1:
        raise Unlearnable("columns")
    if not field.many_to_one or not field.concrete:
        raise Unlearnable("columns")
    remote = cache_name_of(field.remote_field)
    return _Relation(
        name, cls, manager.model, key.attname, field.attname, remote, field, cache_name_of(field)
    )


def _is_custom(key: Any) -> bool:
    return type(key) not in _INTEGERS


def _node_of_querysets(relation: _Relation, instances: list[Any]) -> _engine.Node:
    """The shape of the querysets that Django has given the instances; they are what the engine would give."""
    node = None
    for instance in instances:
        given = instance.__dict__[_CACHE][relation.cache_name]
        own = given.__dict__
        chain = own.get(CHAIN)
        if chain is None or type(given) is not relation.manager_class._queryset_class:
            raise Unlearnable("querysets")
        if node is None:
            node = _engine.node_of(chain)
        key = getattr(instance, relation.key_attribute)
        (value,) = _engine.values_of(chain)
        if type(key) is not int or _engine.node_of(chain) is not node or not node.is_current:
            raise Unlearnable("querysets")
        if not (value is instance if relation.field is not None else type(value) is int and value == key):
            raise Unlearnable("querysets")
        hints = {"instance": instance}
        made = _engine.new_queryset(type(given), chain, None, relation.related, None, hints, False).__dict__
        made["_result_cache"], made["_prefetch_done"] = own["_result_cache"], True
        if relation.field is not None:
            made["_known_related_objects"] = {relation.field: {key: instance}}
        if own.keys() != made.keys() or not all(_is_same(own[name], made[name]) for name in made):
            raise Unlearnable("querysets")
        for related in own["_result_cache"]:
            if type(related) is not relation.related:
                raise Unlearnable("instances")
            value = getattr(related, relation.value_attribute)
            if type(value) is not int or value != key:
                raise Unlearnable("values")
    if node is None:
        raise Unlearnable("querysets")
    return node


def _is_same(one: Any, other: Any) -> bool:
    """The same object, or dicts of the same objects."""
    if type(one) is dict and type(other) is dict:
        return one.keys() == other.keys() and all(_is_same(one[name], other[name]) for name in one)
    return one is other


class _Lesson(Lesson):
    """The related query of a relation: its one value is the tuple of the instances' keys."""

    def __init__(self, relation: _Relation, instance: Any, alias: str) -> None:
        super().__init__(relation.manager_class._queryset_class, relation.related, None, alias)
        self.relation = relation
        self.instance = instance
        self.kinds = [("members", "pk__in", "integer", None, False)]

    def compile(self, values: tuple[Any, ...]) -> Compiled:
        (keys,) = values
        parents = [stand_in(self.instance, self.relation.key_attribute, key) for key in keys]
        for parent in parents:
            del parent.__dict__[_CACHE]
        asked = self._asked(parents)
        compiler = asked.query.get_compiler(using=self.alias)
        sql, params = compiler.as_sql()
        return Compiled(sql, tuple(params), compiler, asked)

    def _asked(self, parents: list[Any]) -> Any:
        """The queryset that Django would evaluate."""
        manager = getattr(parents[0], self.relation.name)
        method = getattr(manager, "get_prefetch_querysets", None)  # Django 5.0+
        if method is None:
            method = manager.get_prefetch_queryset
        answers: list[Any] = []
        captured = capture(lambda: answers.append(method(parents)))
        return captured.queryset if captured is not None else answers[0][0]

    def check_duplicates(self, keys: tuple[Any, ...]) -> None:
        """An instance that is there twice is asked for once."""
        once, twice = self.compile((keys,)), self.compile((keys + keys,))
        if (once.sql, once.params) != (twice.sql, twice.params):
            raise Unlearnable("duplicates")
