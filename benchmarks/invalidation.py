"""What writes cost a cache in hits: the very same operations for every contender, compared answer by answer.

Each has its own copy of the database and goes through the same reads and writes, so that hit rates can be
compared, and whoever answers otherwise than plain Django has given a stale answer.
"""

from __future__ import annotations

from typing import Any, Callable

from benchmarks import options
from benchmarks.options import Scale
from benchmarks.places import Places
from benchmarks.process import Process
from benchmarks.team import team, turns
from benchmarks.workload import COVERED, READS


def measure(
    names: tuple[str, ...],
    places: Places,
    scale: Scale,
    advance: Callable[[str], None],
) -> list[dict[str, Any]]:
    """A row for each share of writes; on PostgreSQL if there is one."""
    database = places.databases[-1]
    rows = []
    with team(names, database, places) as started:
        processes = {name: group[0] for name, group in started.items()}
        for name, process in processes.items():
            process.ask("warm", number=scale.warm_rates)
            advance(f"writes: {name} warms up")
        seed = 0
        for share in options.MORE_SHARES:
            done: dict[str, list[dict[str, Any]]] = {name: [] for name in processes}
            for order in turns(list(processes), scale.loads):
                seed += 1
                for name in order:
                    done[name].append(_play(processes[name], seed, options.operations(scale), share))
                    advance(f"writes: {share:.1%}, {name}")
            truth = [run["answers"] for run in done["plain"]]
            rows.append(
                {"database": database, "writes": share,
                 "contenders": {name: _sum_up(runs, truth) for name, runs in done.items()}}
            )  # fmt: skip
    return rows


def _play(process: Process, seed: int, number: int, writes: float) -> dict[str, Any]:
    process.ask("deal", seed=seed, number=number, writes=writes)
    played: dict[str, Any] = process.ask("play")
    return played


def _sum_up(runs: list[dict[str, Any]], truth: list[list[str]]) -> dict[str, Any]:
    kinds = {
        kind: {what: sum(run["kinds"][kind][what] for run in runs) for what in runs[0]["kinds"][kind]}
        for kind in READS
    }
    reads = sum(kind["reads"] for kind in kinds.values())
    spent = {what: sum(run["nanoseconds"][what] for run in runs) / 1e9 for what in ("reads", "writes")}
    writes = sum(run["writes"] for run in runs)
    return {
        "reads/s": reads / (spent["reads"] + spent["writes"]),
        "µs per read": spent["reads"] / reads * 1e6,
        "µs per write": spent["writes"] / writes * 1e6 if writes else None,
        "writes": writes,
        "all": _rates(list(kinds.values())),
        "covered": _rates([kinds[kind] for kind in COVERED]),
        "kinds": kinds,
        "stale": sum(
            one != true for run, known in zip(runs, truth) for one, true in zip(run["answers"], known)
        ),
    }


def _rates(kinds: list[dict[str, int]]) -> dict[str, Any]:
    total = {what: sum(kind[what] for kind in kinds) for what in kinds[0]}
    misses = total["reads"] - total["hits"]
    return {
        **total,
        "misses": misses,
        "hit rate": total["hits"] / total["reads"],
        "needless rate": total["needless"] / misses if misses else None,
    }
