"""``no_cache`` and ``permanent_cache`` as attributes *and* as calls.

What the attribute gives is a manager or queryset of a subclass made on the fly, which can also be called and
then gives itself. The subclass shows in ``type()`` alone: ``isinstance`` holds, its name is the original's, a
queryset's pickle is one of the original class, and what is chained from it is of the original class again.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

from django.db.models import QuerySet
from django.db.models.manager import BaseManager

from .policy import Policy

_twins: WeakValueDictionary[type[Any], type[Any]]
_twins = WeakValueDictionary()  # by the original class, as long as somebody uses the twin


def queryset_with_policy(queryset: QuerySet[Any], policy: Policy) -> QuerySet[Any]:
    """A clone of ``queryset`` under ``policy``, of its own class."""
    clone = queryset._chain()  # type: ignore[attr-defined]
    clone._cache_me_policy = policy
    return clone  # type: ignore[no-any-return]


def callable_queryset(queryset: QuerySet[Any], policy: Policy) -> QuerySet[Any]:
    clone = queryset_with_policy(queryset, policy)
    clone.__class__ = _twin_of(type(clone), _queryset_members)
    return clone


def callable_manager(manager: BaseManager[Any], policy: Policy) -> BaseManager[Any]:
    """A copy of ``manager`` all of whose querysets are under ``policy``, custom methods and all."""
    original = getattr(type(manager), "_cache_me_original", type(manager))
    twin = original.__new__(original)
    twin.__dict__.update(manager.__dict__)
    twin.__class__ = _twin_of(original, _manager_members)
    twin._cache_me_policy = policy
    return twin  # type: ignore[no-any-return]


def _twin_of(original: Any, members: Any) -> type[Any]:
    twin = _twins.get(original)
    if twin is None:
        twin = type(original.__name__, (original,), members(original))
        _twins[original] = twin
    return twin


def _itself(original: Any) -> Any:
    """How a queryset's twin is pickled: as a call of this with its original."""
    return original


def _queryset_members(original: Any) -> dict[str, Any]:
    def __call__(self: Any) -> Any:
        return queryset_with_policy(self, self._cache_me_policy)

    def as_original(self: Any) -> Any:
        plain = original.__new__(original)
        plain.__dict__.update(self.__dict__)
        return plain

    def _clone(self: Any) -> Any:
        # Django's _clone() makes a queryset of the class of self.
        return as_original(self)._clone()

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        return _itself, (as_original(self),)

    return {
        "__module__": original.__module__,
        "__qualname__": original.__qualname__,
        "__doc__": original.__doc__,
        "__call__": __call__,
        "__reduce_ex__": __reduce_ex__,
        "_clone": _clone,
        # Django's templates call what can be called.
        "do_not_call_in_templates": True,
    }


def _manager_members(original: Any) -> dict[str, Any]:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:  # a related manager's own call: manager="other"
            return callable_manager(original.__call__(self, *args, **kwargs), self._cache_me_policy)
        return self

    def get_queryset(self: Any) -> Any:
        return queryset_with_policy(original.get_queryset(self), self._cache_me_policy)

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        # For copies too: db_manager() copies the manager, which has to stay past the cache, or permanent.
        plain = original.__new__(original)
        plain.__dict__.update(self.__dict__)
        policy = plain.__dict__.pop("_cache_me_policy")
        return callable_manager, (plain, policy)

    return {
        "__module__": original.__module__,
        "__qualname__": original.__qualname__,
        "__doc__": original.__doc__,
        "__call__": __call__,
        "__reduce_ex__": __reduce_ex__,
        "_cache_me_original": original,
        "get_queryset": get_queryset,
        "do_not_call_in_templates": True,
    }
