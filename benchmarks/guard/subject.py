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

from benchmarks.guard.turns import BATCHES, TURNS, WARM, prepare

#: A version file that others may know is usable only after two leases (s).
PATIENCE = 60
#: How names end of cases that the cache has to answer.
HIT = ", a hit"
#: And of those that it must not.
MISS = ", a miss"
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
    only = os.environ.get("GUARD_ONLY", "")
    found = {NOTHING: lambda turn: None}
    found.update({name: case for name, case in cases().items() if only in name})
    for name, case in found.items():
        for turn in range(WARM):
            if turn % TURNS == 0:
                prepare(case)
            case(turn)
        _insist_on_what_it_promises(name, case)
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
    prepare(case)
    for turn in turns:  # callgrind translates the code anew: not counted, but it takes time
        case(turn)
    for _ in range(BATCHES):
        prepare(case)
        requests.zero()
        for turn in turns:
            case(turn)
        requests.dump(name)


def _insist_on_what_it_promises(name: str, case: Any) -> None:
    """A case that promises hits and misses counts something else."""
    from django_cache_me import stats

    prepare(case)
    before = stats()
    for turn in range(TURNS):
        case(turn)
    after = stats()
    if name.endswith(HIT) and after["hits"] - before["hits"] != TURNS:
        raise SystemExit(f"{name}: {after['hits'] - before['hits']} hits of {TURNS}")
    if name.endswith(MISS) and any(after[what] - before[what] != TURNS for what in ("misses", "fills")):
        raise SystemExit(f"{name}: {before} before and {after} after {TURNS} turns")


if __name__ == "__main__":
    sys.exit(main())
