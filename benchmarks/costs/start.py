"""What a worker process costs before it has answered anything: time to start, and memory of its own."""

from __future__ import annotations

import statistics
from typing import Callable

from benchmarks.places import Places
from benchmarks.process import Process
from benchmarks.team import turns

#: As django.setup() leaves it; and once a hundred reads of one kind have been answered.
AFTER_SETUP, AFTER_READS = "MiB after setup", "MiB after 100 reads"
SETUP = "ms of django.setup()"


def measure(
    names: tuple[str, ...], places: Places, rounds: int, advance: Callable[[str], None]
) -> dict[str, dict[str, float]]:
    """Name -> medians over fresh processes, in interleaved rounds; memory is what no other process shares."""
    database = places.databases[-1]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    sites = {name: places.site(name, database) for name in names}
    for order in turns(list(names), rounds):
        for name in order:
            process = Process(sites[name])
            try:
                told = process.ask("started")
                process.ask("read", kind="get by pk", seconds=0, least=100)
                found[name].append({**told, AFTER_READS: process.ask("memory")})
            finally:
                process.stop()
            advance(f"start: {name}")
    return {
        name: {what: statistics.median(one[what] for one in told) for what in told[0]}
        for name, told in found.items()
    }


def private_memory() -> float:
    """MiB of this process that it shares with no other (Linux); its whole resident set elsewhere."""
    try:
        with open("/proc/self/smaps_rollup") as lines:
            return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
