"""The engine's share of a save and of a miss, called from Python: no Django and no database in it."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.costs.saving import Saving
from benchmarks.places import Places
from benchmarks.process import Process

ROUNDS, CALLS = 30, 1000
DEPENDENCIES = "dependencies"


def measure(places: Places) -> dict[str, float]:
    """What :func:`taken_apart` finds in a process of ours."""
    process = Process(places.site("ours", places.databases[-1]))
    try:
        found: dict[str, float] = process.ask("parts")
    finally:
        process.stop()
    return found


def taken_apart(connection: Any) -> dict[str, float]:
    """µs of each call, the least of all rounds; and how many dependencies a save has."""
    saving = Saving(connection)
    calls = {
        "a save: what its UPDATE bumps": saving.write_rule,
        "a save: declare and finish its intent (bumps)": saving.declare_and_finish,
        "a miss: what its SELECT rests on": saving.read_rule,
        "a miss: read the versions": saving.read,
    }
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            begin = time.perf_counter()
            for _ in range(CALLS):
                call()
            least[name] = min(least[name], (time.perf_counter() - begin) / CALLS * 1e6)
    return {DEPENDENCIES: len(saving.dependencies) // 8, **least}
