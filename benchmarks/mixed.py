"""Mixed loads of one, two and four processes: reads per second at several shares of writes."""

from __future__ import annotations

from typing import Any, Callable

from benchmarks.options import Scale
from benchmarks.places import Places
from benchmarks.process import Process
from benchmarks.team import team, turns

#: Of a run's time.
PART = 0.45
WARM_SECONDS = 0.3
DEALT = 60_000


def measure(
    names: tuple[str, ...],
    places: Places,
    scale: Scale,
    advance: Callable[[str], None],
) -> list[dict[str, Any]]:
    """A row for each number of processes and share of writes; on PostgreSQL if there is one."""
    database, numbers, warm, rounds = places.databases[-1], scale.processes, scale.warm, scale.loads
    rows = []
    with team(names, database, places, max(numbers)) as started:
        for name, group in started.items():
            if name != "plain":  # filled by one process; then each learns what it keeps for itself
                group[0].ask("warm", number=warm)
            _run(group, 0, 0.0, DEALT, WARM_SECONDS)
            advance(f"mixed: {name} warms up")
        cells = [(number, share) for number in numbers for share in scale.shares]
        able = {
            number: [name for name, group in started.items() if len(group) >= number] for number in numbers
        }
        slice_ = scale.seconds * PART / (rounds * sum(len(able[number]) for number, _ in cells))
        for number, share in cells:
            done: dict[str, list[dict[str, Any]]] = {name: [] for name in able[number]}
            for at, order in enumerate(turns(able[number], rounds)):
                for name in order:
                    done[name].append(_run(started[name][:number], at + 1, share, DEALT, slice_))
            rows.append(
                {"database": database, "processes": number, "writes": share,
                 "contenders": {name: _sum_up(runs) for name, runs in done.items()}}
            )  # fmt: skip
            advance(f"mixed: {number} processes, {share:.1%} writes")
    return rows


def _run(group: list[Process], seed: int, writes: float, number: int, seconds: float) -> dict[str, Any]:
    """The processes of one contender at the same time."""
    for at, process in enumerate(group):
        process.send("deal", seed=seed, number=number, writes=writes, process=at)
    for process in group:
        process.receive()
    for process in group:
        process.send("load", seconds=seconds)
    done = [process.receive() for process in group]
    return {
        "reads/s": sum(one["reads"] / one["seconds"] for one in done),
        **{what: sum(one[what] for one in done) for what in ("reads", "hits", "writes")},
    }


def _sum_up(runs: list[dict[str, Any]]) -> dict[str, Any]:
    reads = sum(run["reads"] for run in runs)
    return {
        "reads/s": sum(run["reads/s"] for run in runs) / len(runs),
        "rounds": [run["reads/s"] for run in runs],
        "hit rate": sum(run["hits"] for run in runs) / reads,
        "reads": reads,
        "writes": sum(run["writes"] for run in runs),
    }
