"""``no_cache``, ``permanent_cache`` and ``cache()`` on every manager, related managers included."""

from __future__ import annotations

import itertools
import sys
from typing import Any

from django.db.models import QuerySet
from django.db.models.manager import BaseManager

from .callable_twin import callable_manager
from .explanation import CacheExplanation
from .policy import NO_CACHE, PERMANENT, Policy

_NUMBERING = "_cache_me_numbering"


def install() -> None:
    _number_managers()
    for name, value in (
        ("cache", cache),
        ("explain_cache", explain_cache),
        ("no_cache", property(no_cache)),
        ("permanent_cache", property(permanent_cache)),
    ):
        setattr(BaseManager, name, value)


def _number_managers() -> None:
    """Number managers as Django does, but count elsewhere.

    Django counts in an attribute of ``BaseManager``, and makes a manager at each ``category.products``. Then
    CPython forgets what it has cached of all managers' classes, and gives that up after a thousand times:
    every use of a manager is slower from then on, those of other packages too.
    """
    if getattr(BaseManager._set_creation_counter, _NUMBERING, False):  # type: ignore[attr-defined]
        return
    numbers = itertools.count(BaseManager.creation_counter)

    def _set_creation_counter(self: Any) -> None:
        self.creation_counter = next(numbers)

    setattr(_set_creation_counter, _NUMBERING, True)
    setattr(BaseManager, "_set_creation_counter", _set_creation_counter)
    # Managers that don't call their class's __init__ have the class's number: later than all others.
    BaseManager.creation_counter = sys.maxsize


def cache(self: BaseManager[Any], timeout: float | None = None) -> QuerySet[Any]:
    """A queryset of all that the manager gives, cached whatever the options say."""
    return self.get_queryset().cache(timeout=timeout)  # type: ignore[attr-defined, no-any-return]


def explain_cache(self: BaseManager[Any]) -> CacheExplanation:
    """What becomes of a queryset of all that the manager gives, in the cache."""
    return self.get_queryset().explain_cache()  # type: ignore[attr-defined, no-any-return]


def no_cache(self: BaseManager[Any]) -> BaseManager[Any]:
    """The same manager, custom methods and all, past the cache. An attribute, and callable."""
    return callable_manager(self, Policy(NO_CACHE))


def permanent_cache(self: BaseManager[Any]) -> BaseManager[Any]:
    """The same manager; entries survive writes, and end by timeout or ``invalidate_all=True``."""
    return callable_manager(self, Policy(PERMANENT))
