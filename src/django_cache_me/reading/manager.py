"""``no_cache``, ``permanent_cache`` and ``cache()`` on every manager, related managers included."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.db.models.manager import BaseManager

from .callable_twin import callable_manager
from .explanation import CacheExplanation
from .policy import NO_CACHE, PERMANENT, Policy


def install() -> None:
    for name, value in (
        ("cache", cache),
        ("explain_cache", explain_cache),
        ("no_cache", property(no_cache)),
        ("permanent_cache", property(permanent_cache)),
    ):
        setattr(BaseManager, name, value)


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
