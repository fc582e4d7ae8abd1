"""The program that runs under callgrind: a Django project of one process, whose cases are run in batches.

Prints the names of the cases in the order of the dumps, as JSON; the counts stand in callgrind's files.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import time
from typing import Any

#: Turns before the first count: the interpreter has specialised its code by then, and plans are learnt.
WARM = 60
#: A batch with a look at the clock's lease, a checkpoint of SQLite's or a rehash in it counts more than the
#: others; the smallest is what the code itself takes.
BATCHES = 5
TURNS = 20
#: A version file that others may know is usable only after two leases (s).
PATIENCE = 60
#: How names end of cases that the cache has to answer.
HIT = ", a hit"
#: What the counting itself takes; no case.
NOTHING = "nothing"


def main() -> None:
    import django
    from django.conf import settings

    from benchmarks.contenders import settings_of

    settings.configure(**settings_of(json.loads(os.environ["BENCH_SITE"])))
    django.setup()
    from benchmarks.guard.cases import cases

    requests = ctypes.CDLL(os.environ["GUARD_REQUESTS"])
    if not requests.is_under_valgrind():
        raise SystemExit("This is to be run by: make guard")
    _wait_for_hits()
    found = {NOTHING: lambda turn: None, **cases()}
    for name, case in found.items():
        for turn in range(WARM):
            case(turn)
        _insist_on_hits(name, case)
    gc.collect()
    gc.freeze()
    gc.disable()
    requests.start()
    for name, case in found.items():
        _count(requests, name.encode(), case)
    print(json.dumps(list(found)))


def _wait_for_hits() -> None:
    from benchmarks.catalogue.models import Category
    from django_cache_me import stats

    end = time.monotonic() + PATIENCE
    while True:
        before = stats()["hits"]
        Category.objects.get(pk=1)
        if stats()["hits"] > before:
            return
        if time.monotonic() > end:
            raise SystemExit(f"No hit within {PATIENCE} s: {stats()}")
        time.sleep(0.1)


def _count(requests: Any, name: bytes, case: Any) -> None:
    turns = range(TURNS)
    for turn in turns:  # callgrind translates the code anew: not counted, but it takes time
        case(turn)
    for _ in range(BATCHES):
        requests.zero()
        for turn in turns:
            case(turn)
        requests.dump(name)


def _insist_on_hits(name: str, case: Any) -> None:
    """A case that promises hits and misses counts something else."""
    from django_cache_me import stats

    before = stats()["hits"]
    for turn in range(TURNS):
        case(turn)
    if name.endswith(HIT) and stats()["hits"] - before != TURNS:
        raise SystemExit(f"{name}: {stats()['hits'] - before} hits of {TURNS}")


if __name__ == "__main__":
    sys.exit(main())
