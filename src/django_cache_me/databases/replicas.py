"""Replicas: ``DJANGO_CACHE_ME_REPLICAS = {"replica": {"of": "default", "lag": 10}}``.

A replica's answers rest on its primary's dependencies, for there its rows are written. What it answers may be
as old as its lag; an entry may only be filled when nothing that it rests on was bumped since longer ago than
that. *Proof:* let the store's clock have been read at a time t, at least a lag ago. If no version is younger
than that reading, the last commit that touches the answer had bumped before t. By now the replica shows every
commit that is a lag old, so this one too.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Deque, Tuple

from .. import conf
from ..stores.base import Clock, Store


def primary_of(alias: str) -> str | None:
    """The alias of the primary that ``alias`` is declared a replica of, or None."""
    declared: Any = conf.setting("REPLICAS").get(alias)
    return None if declared is None else str(declared["of"])


def lag_of(alias: str) -> float:
    """The declared lag, in seconds."""
    return float(conf.setting("REPLICAS")[alias]["lag"])


_Samples = Deque[Tuple[float, Clock]]
#: Of each store, when (monotonic, s) its clock stood where.
_samples: dict[int, tuple[Store, _Samples]] = {}
_lock = threading.Lock()


def clock_a_lag_ago(store: Store, lag: float) -> Clock | None:
    """What the store's clock said at least ``lag`` seconds ago, or None if it wasn't read then.

    Reads it now as well, for later. Thread-safe.
    """
    if not store.has_clock:
        return None
    now = time.monotonic()
    with _lock:
        samples = _samples.setdefault(id(store), (store, deque()))[1]
        found = None
        while samples and samples[0][0] <= now - lag:
            found = samples.popleft()
        if found is not None:
            samples.appendleft(found)
        if not samples or samples[-1][0] <= now - lag / 8:
            clock = store.clock()
            samples.append((time.monotonic(), clock))  # the time after it: the clock is at least that old
    return None if found is None else found[1]
