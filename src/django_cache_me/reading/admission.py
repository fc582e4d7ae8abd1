"""Whether a queryset is to meet the cache at all, before anything is compiled."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from .. import conf
from ..counters import passed
from ..registry import cache_me_registry
from . import bypass
from .policy import NO_CACHE, POLICY, Plan, Policy, plan_of


def admitted(queryset: QuerySet[Any], whole_rows: bool) -> Plan | None:
    """How ``queryset`` is cached, or None (counted, if its model is registered): Django alone answers.

    ``whole_rows``: instances are asked for, so that the answer may be the whole table's.
    """
    plan = plan_for(queryset, whole_rows)
    if plan is None:
        return None
    reason = bypass.reason_to_pass(queryset)
    if reason is not None:
        passed(reason)
        return None
    return plan


def plan_for(queryset: QuerySet[Any], whole_rows: bool) -> Plan | None:
    """How ``queryset`` is cached by the settings, its model's options and its own methods."""
    policy: Policy | None = getattr(queryset, POLICY)
    options = cache_me_registry.get_options(queryset.model)
    if options is None and policy is None:
        return None
    if not conf.is_on() or (policy is not None and policy.mode == NO_CACHE):
        return None
    return plan_of(queryset, options, policy, whole_rows)
