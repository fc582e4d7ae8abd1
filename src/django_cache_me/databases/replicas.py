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
from typing import Any, Deque, NamedTuple, Tuple

from django.db import connections

from .. import conf
from ..stores.base import Clock, Store


class Replica(NamedTuple):
    #: The alias of the primary; "" where the declaration can't be right (check E010): then nothing is cached.
    of: str
    #: Seconds.
    lag: float


def replica_of(alias: str) -> Replica | None:
    """What ``alias`` is declared a replica of, or None."""
    declared: Any = conf.setting("REPLICAS")
    if not declared or (isinstance(declared, dict) and alias not in declared):
        return None  # what is no dict may have meant any of them
    if reason_not_to_believe(declared):
        return Replica("", 0.0)
    return Replica(declared[alias]["of"], float(declared[alias]["lag"]))


def reason_not_to_believe(declared: Any) -> str | None:
    """What is wrong with a value of ``DJANGO_CACHE_ME_REPLICAS``, or None."""
    form = 'must be a dict: {"replica": {"of": "default", "lag": 10}}'
    if not isinstance(declared, dict):
        return form
    for alias, replica in declared.items():
        if not isinstance(replica, dict) or set(replica) != {"of", "lag"}:
            return form
        of, lag = replica["of"], replica["lag"]
        for name in (alias, of):
            if name not in connections:
                return f"names {name!r}, which is no alias of DATABASES"
        if of == alias or of in declared:
            return f"says that {alias!r} is a replica of {of!r}, which is no primary"
        if isinstance(lag, bool) or not isinstance(lag, (int, float)) or lag <= 0:
            return f"has the lag {lag!r} for {alias!r}; it is a number of seconds"
    return None


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
