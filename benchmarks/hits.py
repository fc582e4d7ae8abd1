"""Every kind of query by every contender, in interleaved rounds: medians, p99, and whether hits were hits."""

from __future__ import annotations

import statistics
from typing import Any, Callable

from benchmarks.kinds import HIT, PASS, SAVE, VARIETY, is_as_it_should
from benchmarks.options import Scale
from benchmarks.places import Places
from benchmarks.process import Process
from benchmarks.team import team, turns

#: Slices of what isn't a hit are so many times as long: differences to plain Django need more reads.
LONGER = 3
#: Processes of each contender that take turns where a few µs are looked for: where its objects happen to lie
#: makes one process slower than the next by more than that. (Misses have to be first sights, so not there.)
SEVERAL = 3
#: Of a run's time.
PART = 0.55


def measure(
    names: tuple[str, ...], places: Places, scale: Scale, advance: Callable[[str], None]
) -> list[dict[str, Any]]:
    """A row for each database and kind."""
    rows = []
    for database in places.databases:
        with team(names, database, places, SEVERAL) as started:
            groups = started[names[0]][0].ask("hello")
            shares = sum(1 if group == HIT else LONGER for group in groups.values())
            slice_ = scale.seconds * PART / (len(places.databases) * shares * len(names) * scale.kinds)
            for kind, group in groups.items():
                length = slice_ if group == HIT else slice_ * LONGER
                number = SEVERAL if group in (PASS, SAVE) else 1
                processes = {name: all_of_it[:number] for name, all_of_it in started.items()}
                rows.append(
                    {"database": database, "kind": kind, "group": group,
                     "contenders": _compare(processes, kind, group, length, scale.kinds)}
                )  # fmt: skip
                advance(f"{database}: {kind}")
    return rows


def _compare(
    processes: dict[str, list[Process]], kind: str, group: str, seconds: float, rounds: int
) -> dict[str, dict[str, Any]]:
    times: dict[str, list[list[int]]] = {name: [] for name in processes}
    statements = dict.fromkeys(processes, 0)
    for name, all_of_it in processes.items():
        # Filled; some fill, or learn the query's shape, at the second or third sight only.
        warm = 3 * VARIETY if group == HIT and name != "plain" else 6
        for process in all_of_it:
            process.ask("read", kind=kind, seconds=0, least=warm)
    for at, order in enumerate(turns(list(processes), rounds)):
        for name in order:
            process = processes[name][at % len(processes[name])]
            done = process.ask("read", kind=kind, seconds=seconds)
            times[name].append(done["times"])
            statements[name] += done["statements"]
    return {name: _sum_up(name, group, times[name], statements[name]) for name in processes}


def _sum_up(name: str, group: str, times: list[list[int]], statements: int) -> dict[str, Any]:
    """Figures in µs."""
    every = sorted(one for some in times for one in some)
    return {
        "median": statistics.median(every) / 1000,
        "p99": every[int(0.99 * (len(every) - 1))] / 1000,
        "rounds": [statistics.median(some) / 1000 for some in times],
        "least": every[0] / 1000,
        "reads": len(every),
        "statements": statements,
        "as it should": is_as_it_should(group, name, len(every), statements),
    }


def added(row: dict[str, Any], name: str) -> float:
    """What ``name`` takes more than plain Django, in µs: the median of the differences of each round."""
    plain = row["contenders"]["plain"]["rounds"]
    theirs = row["contenders"][name]["rounds"]
    return statistics.median(one - other for one, other in zip(theirs, plain))
