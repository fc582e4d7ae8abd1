"""What this process's reads and writes came to."""

from __future__ import annotations

from collections import Counter
from typing import Any
from typing import Counter as CounterType

from . import _engine

_counts: CounterType[str] = Counter()
_passed: CounterType[str] = Counter()
_not_filled: CounterType[str] = Counter()
_dropped: CounterType[str] = Counter()


def count(event: str, number: int = 1) -> None:
    """Count ``hits``, ``misses``, ``fills`` or ``bumps``. Threads may lose one."""
    _counts[event] += number


def passed(reason: str) -> None:
    """A read of a registered model went past the cache, and why."""
    _passed[reason] += 1


def not_filled(reason: str) -> None:
    """A miss did not become an entry, and why."""
    _not_filled[reason] += 1


def dropped(reason: str) -> None:
    """The cache backend could not do what it was asked, and why."""
    _dropped[reason] += 1


def stats() -> dict[str, Any]:
    """Counts of this process since its start.

    ``hits``, ``misses``, ``fills``, ``bumps``: numbers; ``passed``: reads that went past the cache, and
    ``not_filled``: misses that left no entry, each as a dict from reason to number. ``dropped``: what the
    cache backend (:class:`django_cache_me.stores.SharedMemoryCache`) could not do, likewise.
    """
    return {
        **{event: _counts[event] for event in ("hits", "misses", "fills", "bumps")},
        # Hits by a plan, and statements that go their short way, are counted where that happens.
        "hits": _counts["hits"] + _engine.recorded_hits(),
        "bumps": _counts["bumps"] + _engine.single_bumps(),
        "passed": dict(_passed),
        "not_filled": dict(_not_filled),
        "dropped": dict(_dropped),
    }


def reset() -> None:
    """Start all counts at nought; for tests."""
    for counter in (_counts, _passed, _not_filled, _dropped):
        counter.clear()
    _engine.reset_recorded_hits()
    _engine.reset_single_bumps()
