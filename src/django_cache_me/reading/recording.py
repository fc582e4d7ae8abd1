"""Recorded chains: querysets that hold the calls that made them, in place of a Query.

The engine (``engine/python/recorder*.hpp``) stands in for the methods below, on ``QuerySet`` and on managers.
It does by itself what was proven (a step that makes a queryset) and learnt (a hit of a known shape); all else
comes here. Three tiers, and never a guess between them: planned; Django builds and compiles, with the same
key; not cached. A queryset whose Query is asked for from outside is Django's from then on.

Subclasses of ``QuerySet`` and managers take part only if none of what is relied on here is overridden; the
engine asks again when somebody changes one of the classes.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import Any, Callable

from django.core.exceptions import ObjectDoesNotExist
from django.db import connections, router
from django.db.models import Avg, Count, F, Max, Min, Model, Q, QuerySet, Sum
from django.db.models.expressions import Star
from django.db.models.manager import BaseManager, Manager
from django.db.models.query import ModelIterable
from django.db.models.signals import post_init, pre_init
from django.db.utils import DEFAULT_DB_ALIAS

from .. import _engine, conf
from ..registry import cache_me_registry
from . import epoch, forward_access, learning, proving
from .building import add_known_related_objects
from .fetch import fetch
from .ground import ground_of, may_hit
from .instances import key_name
from .planned_misses import get_of
from .replaying import CHAIN, CLONED, DJANGOS, ENDING, is_recorded, materialise, twin_of, with_queries

#: What makes a step, and what ends a chain; on managers too, which is where most chains begin.
_STEPS = (
    "filter exclude order_by reverse distinct all select_related only defer values values_list annotate"
    " __getitem__"
).split()
#: What a class of querysets must have as Django has it (or as it is extended here) to take part.
_RELIED_ON = (
    "__init__ __new__ __getattribute__ __setattr__ _chain _clone _fetch_all _filter_or_exclude"
    " _filter_or_exclude_inplace _next_is_sticky _query query db __iter__ __len__ __bool__ _iterator"
    " _values _annotate _not_support_combined_queries ordered prefetch_related resolve_expression"
).split()


def install() -> None:
    """Put the recorder under querysets and managers; once per process, behind all other extensions."""
    if not _engine.CAN_RECORD or CHAIN in _relied_on:
        return
    for name in (*_STEPS, *ENDING):
        DJANGOS[name] = getattr(QuerySet, name)
        _put(QuerySet, name, DJANGOS[name], on_manager=False)
        if name != "__getitem__":
            _put(_managers_class(), name, getattr(Manager, name), on_manager=True)
    _copy_methods_to_managers()
    setattr(QuerySet, "_query", _engine.query_attribute())
    setattr(QuerySet, "query", _engine.query_property(QuerySet.query))
    setattr(QuerySet, "prefetch_related", _prefetching(QuerySet.prefetch_related))
    for name in ("__getstate__", "__deepcopy__"):
        setattr(QuerySet, name, _materialising(getattr(QuerySet, name)))
    for name in ("ordered", "totally_ordered"):
        if hasattr(QuerySet, name):
            setattr(QuerySet, name, _asking_the_twin(getattr(QuerySet, name)))
    djangos, ours = BaseManager.get_queryset, _get_queryset(BaseManager.get_queryset)
    setattr(BaseManager, "get_queryset", ours)
    _managers_class().using = _using(_managers_class().using, djangos, ours)
    _relied_on.update({name: getattr(QuerySet, name, None) for name in _RELIED_ON})
    _relied_on[CHAIN] = None
    _install_engine()
    forward_access.install()
    epoch.install()
    _engine.is_plain_class(QuerySet)  # as in share_keys()


def share_keys() -> None:
    """Have the classes of querysets share the names of a recorded one's attributes with all that come.

    After its first thirty instances a class shares no more names, and querysets are slower without
    (``engine/python/attributes.hpp``). To be called once the models are registered.
    """
    if _engine.CAN_RECORD:
        for model in cache_me_registry.get_registered_models():
            for manager in model._meta.managers:
                cls = getattr(manager, "_queryset_class", None)  # not of who derives from BaseManager alone
                if isinstance(cls, type):
                    _engine.is_plain_class(cls)


#: What the methods relied on are, as QuerySet has them.
_relied_on: dict[str, Any] = {}


def _put(cls: Any, name: str, original: Any, on_manager: bool) -> None:
    method = _engine.recorded_method(original, name, on_manager)
    functools.update_wrapper(method, original)
    setattr(cls, name, method)


def _managers_class() -> Any:
    """The class that Django makes of QuerySet's methods, between Manager and BaseManager."""
    return Manager.__mro__[1]


def _copy_methods_to_managers() -> None:
    """``from_queryset`` copies functions alone; who derives from ``BaseManager`` itself needs ours, too."""
    original = BaseManager._get_queryset_methods.__func__  # type: ignore[attr-defined]

    @functools.wraps(original)
    def _get_queryset_methods(cls: Any, queryset_class: Any) -> dict[str, Any]:
        made: dict[str, Any] = original(cls, queryset_class)
        for name in (*_STEPS, *ENDING):
            method = getattr(queryset_class, name)
            if name == "__getitem__" or hasattr(cls, name) or name in made:
                continue
            made[name] = _manager_method(name, method)
        return made

    setattr(BaseManager, "_get_queryset_methods", classmethod(_get_queryset_methods))


def _manager_method(name: str, method: Any) -> Callable[..., Any]:
    @functools.wraps(method)
    def manager_method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.get_queryset(), name)(*args, **kwargs)

    return manager_method


def _install_engine() -> None:
    local = getattr(getattr(connections, "_connections", None), "_storage", None)
    parts = {
        "step": step,
        "end": end,
        "materialise": materialise,
        "ground_of": ground_of,
        "may_hit": may_hit,
        "add_known": _add_known,
        "get_of": get_of,
        "get_queryset": BaseManager.get_queryset,
        "getattribute": object.__getattribute__,
        "plainness": _plainness,
        "aside": _by_django,
        "others": cache_me_registry.others,
        "querysets": QuerySet,
        "running_loop": asyncio._get_running_loop,
        "connections": connections,
        # With asgiref 3.7+ the thread's connections are attributes of a threading.local, wherever no event
        # loop is running; and where one is, nothing hits.
        "thread_local_connections": local if type(local) is threading.local else None,
        "router": router,
        "router_dict": router.__dict__,
        "pre_init_dict": pre_init.__dict__,
        "post_init_dict": post_init.__dict__,
        "default_alias": DEFAULT_DB_ALIAS,
        "model": Model,
        "tree": Q,
        "key_name": key_name,
        "aggregates": [cls("name") for cls in (Avg, Count, Max, Min, Sum)],
        "column": F("name"),
        "star": Star(),
    }
    queryset_class: Any = QuerySet
    plain = queryset_class(model=None, query=object())
    attributes = [
        (name, value, _kind_of(name, value)) for name, value in plain.__dict__.items() if name != "_query"
    ]
    _engine.install_recorder(parts, attributes, plain.__dict__.get("_fetch_mode"))
    assert isinstance(router.routers, list)  # a cached property


def _kind_of(name: str, value: Any) -> str:
    """What a new queryset has for that attribute of Django's."""
    special = {"model": "model", "_db": "db", "_hints": "hints", "_known_related_objects": "known"}
    if name in special:
        return special[name]
    if name in CLONED:
        return "copied"
    if value == {}:
        return "new_dict"
    assert value is None or isinstance(value, (bool, tuple, type)), name
    return "fixed"


def switch() -> None:
    """Record, or not, as the settings say now."""
    _engine.record(bool(conf.setting("CHAINS")) and conf.is_on())


# What the engine asks.


def _plainness(cls: Any) -> int:
    """The engine's ``Plainness`` of a class of querysets: how much of it is as Django has it.

    Django's ``get()`` calls ``filter()``, which a project may have overridden, and so on. So methods that end
    a chain, and managers' methods, are recorded only where no recorded method is overridden; a step is
    recorded where Django's own method is reached, whoever calls it.
    """
    if not issubclass(cls, QuerySet) or not cls.__dictoffset__:
        return 0
    if any("__slots__" in base.__dict__ for base in cls.__mro__ if base is not object):
        return 0
    if not all(getattr(cls, name, None) is was for name, was in _relied_on.items()):
        return 0
    recorded = (*_STEPS, *ENDING)
    return 2 if all(getattr(cls, name) is QuerySet.__dict__[name] for name in recorded) else 1


def _add_known(queryset: Any, instances: list[Any]) -> None:
    if queryset._iterable_class is ModelIterable:
        add_known_related_objects(queryset, instances)


# What comes from the engine.


def step(queryset: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of a method that makes a queryset, whose step isn't proven."""
    own = queryset.__dict__
    chain = own.get(CHAIN)
    if chain is None:
        return DJANGOS[name](queryset, *args, **kwargs)
    arguments = args
    if name == "__getitem__":
        if isinstance(args[0], int) and args[0] >= 0 and not isinstance(args[0], bool):
            return _at(queryset, int(args[0]))
        if not _is_plain_slice(args[0]) or _engine.node_of(chain).is_sliced:
            return _by_django(queryset, name, args, kwargs)
        arguments = (args[0].start or None, args[0].stop)
    late = own["_defer_next_filter"] and name in ("filter", "exclude")
    longer = _engine.longer_chain(chain, name, arguments, kwargs, own["_sticky_filter"], late)
    if longer is None or not proving.consider(queryset, longer):
        return _by_django(queryset, name, args, kwargs)
    if late:
        queryset._defer_next_filter = False
    if own.get("_cloning_enabled", True):
        return _engine.new_queryset(type(queryset), longer, own, None, None, None, False)
    made = _engine.new_queryset(type(queryset), longer, own, None, None, None, False).__dict__
    for attribute in (CHAIN, "_sticky_filter", "_fields", "_iterable_class"):
        own[attribute] = made[attribute]
    return queryset


def _is_plain_slice(key: Any) -> bool:
    if type(key) is not slice or key.step is not None:
        return False
    if not all(end is None or (type(end) is int and end >= 0) for end in (key.start, key.stop)):
        return False
    return bool(key.start) if key.stop is None else key.stop > (key.start or 0)


def _at(queryset: Any, position: int) -> Any:
    if queryset._result_cache is not None:
        return queryset._result_cache[position]
    one = queryset[position : position + 1]
    one._fetch_all()
    return one._result_cache[0]


def _by_django(queryset: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    own = queryset.__dict__
    args, kwargs = with_queries(args, kwargs)
    if own["_defer_next_filter"] or not own.get("_cloning_enabled", True):
        return DJANGOS[name](queryset, *args, **kwargs)  # changes the queryset itself
    return DJANGOS[name](twin_of(queryset), *args, **kwargs)


def end(queryset: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of a method that ends the chain, without a hit by a plan."""
    own = queryset.__dict__
    chain = own.get(CHAIN)
    if chain is None or own["_for_write"] or own["_sticky_filter"]:
        return _by_django(queryset, name, args, kwargs)
    longer = _engine.longer_chain(chain, name, args, kwargs, False, False)
    alias = queryset.db
    if longer is not None and router.routers and own["_db"] is None:  # the engine doesn't ask them
        found = _engine.end_of(queryset, longer, alias)
        if found:
            return found[0]
    twin = twin_of(queryset)
    args, kwargs = with_queries(args, kwargs)
    twin._db = alias  # the routers are asked once
    try:
        answer = DJANGOS[name](twin, *args, **kwargs)
    except ObjectDoesNotExist:
        if longer is not None:
            learning.consider(queryset, longer, alias)
        raise
    if longer is not None:
        learning.consider(queryset, longer, alias)
    return answer


def rows(queryset: Any) -> list[Any]:
    """All results of a queryset with a chain."""
    own = queryset.__dict__
    alias = queryset.db
    found = None if own["_for_write"] else _engine.rows_of(queryset, alias)
    if found is not None:
        return found
    chain = own[CHAIN]
    twin = twin_of(queryset)
    if not own["_for_write"]:
        twin._db = alias
    found = fetch(twin)
    if found is None:
        found = list(twin._iterable_class(twin))
    learning.consider(queryset, chain, alias)
    return found


# What stands in place of Django's methods that aren't steps.


def _get_queryset(original: Callable[..., Any]) -> Callable[..., Any]:
    others = cache_me_registry.others

    @functools.wraps(original)
    def get_queryset(self: Any) -> Any:
        model = self.model
        if model in others:
            return original(self)
        if model is None or cache_me_registry.get_options(model) is None:
            return original(self)  # no plan would ever be learnt
        cls = self._queryset_class
        if _engine.is_recording() and _engine.is_plain_class(cls):
            chain = _engine.root_chain(model)
            return _engine.new_queryset(cls, chain, None, model, self._db, self._hints, False)
        return original(self)

    return get_queryset


def _using(
    original: Callable[..., Any], get_queryset: Callable[..., Any], ours: Callable[..., Any]
) -> Callable[..., Any]:
    """Django writes by ``_base_manager.using()``: what it makes there is executed at once, not recorded."""

    @functools.wraps(original)
    def using(self: Any, alias: Any) -> Any:
        if (
            type(self) is not Manager
            or self.name != "_base_manager"
            or Manager.get_queryset is not ours  # somebody else's by now
        ):
            return original(self, alias)
        queryset = get_queryset(self)  # nobody else has it, so it needs no clone
        queryset._db = alias
        return queryset

    return using


def clone_of(queryset: Any) -> Any:
    """What ``_clone`` makes of a queryset with a chain; None: it's for Django to do."""
    cls = type(queryset)
    if not _engine.is_plain_class(cls):
        return None
    own = queryset.__dict__
    return _engine.new_queryset(cls, own[CHAIN], own, None, None, None, True)


def _prefetching(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def prefetch_related(self: Any, *lookups: Any) -> Any:
        # No recorded step makes a combined query or a filtered relation, which is what Django looks for.
        plain = lookups == (None,) or all(type(lookup) is str for lookup in lookups)
        if not is_recorded(self) or not plain or self._sticky_filter:
            return original(self, *lookups)
        clone = self._chain()
        if lookups == (None,):
            clone._prefetch_related_lookups = ()
        else:
            clone._prefetch_related_lookups = clone._prefetch_related_lookups + lookups
        return clone

    return prefetch_related


def _materialising(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(self: Any, *args: Any) -> Any:
        if is_recorded(self):
            if original.__name__ == "__deepcopy__":
                return original(twin_of(self), *args)  # without results, so this one stays recorded
            self._fetch_all()
            materialise(self)
        elif self._cache_me_chain is not None:
            del self._cache_me_chain  # it was given a Query
        return original(self, *args)

    return method


def _asking_the_twin(original: Any) -> property:
    def get(self: Any) -> Any:
        return original.fget(twin_of(self) if is_recorded(self) else self)

    return property(functools.wraps(original.fget)(get))
