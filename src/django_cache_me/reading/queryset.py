"""Caching under Django's QuerySet.

The class itself is extended, once, so that every queryset keeps its class, its methods and its pickling;
what a user's subclass defines comes first in the method resolution order and stays the user's.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

from django.db.models import QuerySet

from .. import _engine
from ..counters import passed
from ..registry import cache_me_registry
from . import aggregation, bypass, capturing, iteration, prefetching, raw, recording
from .admission import admitted
from .callable_twin import callable_queryset, queryset_with_policy
from .explanation import explain_cache
from .fetch import fetch
from .policy import NO_CACHE, PERMANENT, POLICY, Policy, cache_for
from .replaying import CHAIN, is_recorded


def install() -> None:
    """Extend ``QuerySet``: private methods that are the same from Django 3.2 to 6.1, and our own."""
    if hasattr(QuerySet, POLICY):
        return
    bypass.install()
    setattr(QuerySet, POLICY, None)
    setattr(QuerySet, CHAIN, None)
    setattr(QuerySet, "_fetch_all", _fetching(QuerySet._fetch_all))
    setattr(QuerySet, "_clone", _cloning(QuerySet._clone))  # type: ignore[attr-defined]
    setattr(QuerySet, "explain", _explaining(QuerySet.explain))
    aggregation.install()
    iteration.install()
    raw.install()
    for name, value in (
        ("cache", cache),
        ("explain_cache", explain_cache),
        ("no_cache", property(no_cache)),
        ("permanent_cache", property(permanent_cache)),
    ):
        setattr(QuerySet, name, value)


def cache(self: QuerySet[Any], timeout: float | None = None) -> QuerySet[Any]:
    """Cache this queryset whatever its model's options say, for ``timeout`` seconds if given."""
    return queryset_with_policy(self, cache_for(timeout))


def no_cache(self: QuerySet[Any]) -> QuerySet[Any]:
    """The same queryset past the cache: it neither reads nor fills. An attribute, and callable."""
    return callable_queryset(self, Policy(NO_CACHE))


def permanent_cache(self: QuerySet[Any]) -> QuerySet[Any]:
    """The same queryset; its entry survives writes, and ends by timeout or ``invalidate_all=True``.

    An attribute, and callable.
    """
    return callable_queryset(self, Policy(PERMANENT))


def _fetching(original: Callable[[Any], None]) -> Callable[[Any], None]:
    others = cache_me_registry.others

    def _fetch_all(self: Any) -> None:
        if self._result_cache is None:
            if capturing.is_capturing():
                raise capturing.Captured(queryset=self)
            if self._cache_me_chain is not None and is_recorded(self):
                self._result_cache = recording.rows(self)
            elif self.model not in others or self._cache_me_policy is not None:
                self._result_cache = fetch(self)
        if self._prefetch_related_lookups and not self._prefetch_done and is_recorded(self):
            if _engine.prefetch(self):
                self._prefetch_done = True
            else:
                original(self)
                prefetching.consider(self)
            return
        original(self)  # fetches if nothing was fetched yet; then prefetches related objects

    return _diverted(original, _fetch_all, others)


def _explaining(original: Callable[..., str]) -> Callable[..., str]:
    # The plan of a query changes without any write (statistics, indexes), so it is asked for each time.
    @functools.wraps(original)
    def explain(self: Any, *args: Any, **kwargs: Any) -> str:
        if admitted(self, whole_rows=False) is not None:
            passed("explain")
        return original(self, *args, **kwargs)

    return explain


def _cloning(original: Callable[..., Any]) -> Callable[..., Any]:
    def _clone(self: Any) -> Any:
        if self._cache_me_chain is not None and is_recorded(self):
            clone = recording.clone_of(self)
            if clone is not None:
                return clone
        clone = original(self)
        policy = self._cache_me_policy
        if policy is not None:
            clone._cache_me_policy = policy
        return clone

    return _diverted(original, _clone, None)


def _diverted(original: Any, otherwise: Any, others: set[Any] | None) -> Callable[..., Any]:
    """``original`` for querysets that have nothing of ours, and whose model is one of ``others``."""
    method: Callable[..., Any] = _engine.diverted_method(original, otherwise, others)
    return functools.update_wrapper(method, original)
