"""Which steps may be deferred: those that Django was seen to take, silently, whatever their values.

A deferred step runs in Django only when its queryset is evaluated, or never, if that is a hit. So its errors
and warnings would come late, or never. Before that may happen it has to be run here: with the values that it
was called with, and with others of the same kinds. If one of these fails or warns, the step stays Django's.
"""

from __future__ import annotations

import threading
import warnings
from typing import Any

from django.db.models import QuerySet

from .. import _engine
from . import probes
from .replaying import replay

#: At which sight of a step it's proven; each one before is Django's alone. Tests set 1.
PROVE_AT = 2

#: One at a time: proving and learning take milliseconds, and warnings are caught process-wide meanwhile.
lock = threading.Lock()


def consider(queryset: QuerySet[Any], longer: Any) -> bool:
    """A step that isn't proven was met: is it proven by now? ``longer`` is the chain with it."""
    node = _engine.node_of(longer)
    if node.is_proven or node.is_eager:
        return node.is_proven
    if node.is_late:
        # Django itself runs the filter of a related manager only when its Query is asked for.
        node.prove()
        return True
    node.sights += 1
    if not is_due(node.sights, PROVE_AT):
        return False
    if not lock.acquire(blocking=False):
        return False
    try:
        _prove(type(queryset), queryset, node, _engine.values_of(longer))
    finally:
        lock.release()
    return node.is_proven


def is_due(sights: int, first: int) -> bool:
    """At that sight, and if it came to nothing, ever more seldom."""
    return sights == first or (sights > first and sights & (sights - 1) == 0)


def _prove(cls: Any, queryset: Any, node: _engine.Node, values: tuple[Any, ...]) -> None:
    own = queryset.__dict__
    model, using, hints = own["model"], own["_db"], own["_hints"]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            before = replay(cls, model, node.parent, values[: node.first_value], using, hints)
            made = replay(cls, model, node, values, using, hints)
        except Exception:
            return  # Django raises it again, for the caller; other values may do
        if not _changes_only_results(before, made):
            node.keep_eager()
            return
        kinds = node.values
        if node.method != "__getitem__":
            for others in probes.corners(kinds, values, node.first_value):
                try:
                    replay(cls, model, node, others, using, hints)
                except Exception:
                    node.keep_eager()
                    return
    if heard:
        node.keep_eager()
        return
    if made._fields is not None:
        node.set_results(made._fields, made._iterable_class)
    node.prove()
    node.sights = 1  # from now on, of its evaluations


#: What each queryset has of its own.
_OWN = frozenset(
    {"_query", "_hints", "_known_related_objects", "_fields", "_iterable_class", "_result_cache"}
)


def _changes_only_results(before: Any, made: Any) -> bool:
    """Whether a step changed the Query and the form of results, and nothing else of the queryset."""
    if type(before) is not type(made) or before.__dict__.keys() != made.__dict__.keys():
        return False
    return all(
        made.__dict__[name] is value or made.__dict__[name] == value
        for name, value in before.__dict__.items()
        if name not in _OWN
    )
