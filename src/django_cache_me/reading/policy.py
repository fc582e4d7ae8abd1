"""Whether a queryset is cached, and as what: SPEC.md's matrix."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models import QuerySet

from .. import conf
from ..options import MODEL, CacheMeOptions, check_timeout

QUERYSET, TABLE = "queryset", "table"
PERMANENT_QUERYSET, PERMANENT_TABLE = "permanent_queryset", "permanent_table"

#: The attribute of querysets and managers that holds their policy.
POLICY = "_cache_me_policy"

NO_CACHE, PERMANENT, CACHE = "no_cache", "permanent", "cache"


class Policy(NamedTuple):
    """What ``.no_cache``, ``.permanent_cache`` and ``.cache()`` said of one queryset; picklable."""

    mode: str
    timeout: float | None = None


class Plan(NamedTuple):
    """How one queryset is cached."""

    kind: str
    timeout: float | None
    #: Single rows and values count, not whole tables.
    is_exact: bool = True

    @property
    def is_permanent(self) -> bool:
        return self.kind in (PERMANENT_QUERYSET, PERMANENT_TABLE)

    @property
    def is_table(self) -> bool:
        return self.kind in (TABLE, PERMANENT_TABLE)


def cache_for(timeout: Any) -> Policy:
    """The policy of ``queryset.cache(timeout=...)``; raises for what is no number of seconds."""
    check_timeout(timeout, "The timeout of cache()")
    return Policy(CACHE, timeout)


def plan_of(
    queryset: QuerySet[Any], options: CacheMeOptions | None, policy: Policy | None, whole_rows: bool
) -> Plan | None:
    """The plan for ``queryset``, or None if it isn't to be cached. ``options`` are its model's.

    ``whole_rows``: instances are asked for, so that ``.all()`` is the table.
    """
    mode = policy.mode if policy is not None else ""
    if mode == NO_CACHE:
        return None
    timeout, exact = timeout_of(options, policy), is_exact(options)
    if options is None:
        # Not registered: cached only if asked for.
        return Plan(QUERYSET, timeout, exact) if mode == CACHE else None
    whole = whole_rows and options.cache_table and _is_whole_table(queryset)
    if not (whole or options.cache_queryset or mode == CACHE):
        return None
    if mode == PERMANENT:
        return Plan(PERMANENT_TABLE if whole else PERMANENT_QUERYSET, timeout)
    return Plan(TABLE if whole else QUERYSET, timeout, exact)


def timeout_of(options: CacheMeOptions | None, policy: Policy | None) -> float | None:
    """Seconds of life of an entry; None: no end."""
    timeout = policy.timeout if policy is not None else None
    if timeout is None and options is not None:
        timeout = options.timeout
    return conf.default_timeout() if timeout is None else timeout


def is_exact(options: CacheMeOptions | None) -> bool:
    """Whether entries rest on single rows and values, not on whole tables."""
    invalidation = options.invalidation if options is not None else None
    return bool((conf.setting("INVALIDATION") if invalidation is None else invalidation) != MODEL)


def _is_whole_table(queryset: QuerySet[Any]) -> bool:
    """Whether this is ``.all()``: every row and column of the table in the model's own order."""
    query = queryset.query
    return not (
        query.where
        or query.is_sliced
        or query.distinct
        or query.combinator
        or query.select_related
        or query.annotations
        or query.extra
        or query.extra_order_by
        or query.order_by
        or query.deferred_loading[0]
        or not query.default_ordering
        or not query.standard_ordering
        or query.select_for_update
        or any(query.alias_refcount.get(alias) for alias in list(query.alias_map)[1:])
        or query.group_by is not None
    )
