"""The goals that the project has set itself, as ratios within one run; what was reached is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict

from benchmarks.hits import added

Results = Dict[str, Any]
GET, BARE_GET = "get by pk", "filter(pk=…), not evaluated"
SLICE, BARE_SLICE = "20 rows, ordered slice", "the ordered slice, not evaluated"
MISS, MISS_MANY = "miss: get, after a write", "miss: 1,000 rows, after a write"
PASS = "pass through: get, uncached model"
SQL = "pass through: cursor.execute()"


@dataclass(frozen=True)
class Goal:
    text: str
    target: float
    unit: str
    #: The figure on a database; it raises KeyError if a contender was left out.
    figure: Callable[[Results, str], float]
    at_least: bool = True
    #: None: on the last one that was measured (PostgreSQL).
    judged_on: str | None = None

    def met(self, reached: float) -> bool:
        return reached >= self.target if self.at_least else reached <= self.target


def row(results: Results, database: str, kind: str) -> dict[str, Any]:
    for one in results["hits"]:
        if (one["database"], one["kind"]) == (database, kind):
            found: dict[str, Any] = one
            return found
    raise KeyError(kind)


def _median(results: Results, database: str, kind: str, name: str) -> float:
    return float(row(results, database, kind)["contenders"][name]["median"])


def _faster(kind: str, than: str, times: float) -> Goal:
    def figure(results: Results, database: str) -> float:
        return _median(results, database, kind, than) / _median(results, database, kind, "ours")

    return Goal(f"{kind}: times faster than {than}", times, "×", figure)


def _of_bare(kind: str, bare: str, part: float) -> Goal:
    def figure(results: Results, database: str) -> float:
        return _median(results, database, kind, "ours") / _median(results, database, bare, "plain")

    return Goal(f"{kind}: part of Django's bare construction of it", part, "", figure, at_least=False)


def _adds(kind: str, most: float, text: str, judged_on: str | None = None) -> Goal:
    def figure(results: Results, database: str) -> float:
        return added(row(results, database, kind), "ours")

    return Goal(text, most, "µs", figure, at_least=False, judged_on=judged_on)


def _adds_percent(kind: str, most: float, text: str) -> Goal:
    def figure(results: Results, database: str) -> float:
        found = row(results, database, kind)
        return 100 * added(found, "ours") / float(found["contenders"]["plain"]["median"])

    return Goal(text, most, "%", figure, at_least=False)


def _mixed(writes: float, processes: int, times: float) -> Goal:
    def figure(results: Results, database: str) -> float:
        for one in results["mixed"]:
            if (one["database"], one["writes"], one["processes"]) == (database, writes, processes):
                contenders = one["contenders"]
                return float(contenders["ours"]["reads/s"] / contenders["cacheops"]["reads/s"])
        raise KeyError(writes)

    text = f"mixed load, {writes:.0%} writes, {processes} process{'es' * (processes > 1)}"
    return Goal(f"{text}: times the reads/s of cacheops", times, "×", figure)


GOALS = [
    _faster(GET, "cacheops", 100),
    _faster(GET, "cachalot on locmem", 50),
    _of_bare(GET, BARE_GET, 0.1),
    _faster("get by slug", "cacheops", 80),
    _faster(SLICE, "cacheops", 25),
    _of_bare(SLICE, BARE_SLICE, 0.5),
    _faster("100 rows with select_related", "cacheops", 9),
    _faster("1,000 rows", "cacheops", 10),
    _faster("values_list of 100", "cacheops", 25),
    *(_faster(kind, "cacheops", 100) for kind in ("count", "exists", "aggregate")),
    _faster("m2m prefetch of 20", "cacheops", 10),
    _adds(MISS, 30, "a miss of get adds"),
    _adds_percent(MISS_MANY, 15, "a miss of 1,000 rows adds"),
    # A server's answers come tens of µs sooner or later, from one process to the next: what is so much less
    # can be told only where no server is asked.
    _adds(PASS, 2, "passing through adds", judged_on="sqlite"),
    _adds(SQL, 1, "passing through adds to a cursor's statement", judged_on="sqlite"),
    _adds("save", 10, "a save adds", judged_on="sqlite"),
    *(_mixed(writes, processes, times) for writes, times in ((0.01, 8), (0.1, 4)) for processes in (1, 2, 4)),
]


def reached(results: Results) -> list[dict[str, Any]]:
    """A row for each goal: its figure on each database, and whether it's met on the one it is judged on."""
    databases = results["databases"]
    rows = []
    for goal in GOALS:
        figures: dict[str, float | None] = {}
        for database in databases:
            try:
                figures[database] = goal.figure(results, database)
            except KeyError:
                figures[database] = None
        judge = databases[-1] if goal.judged_on not in databases else goal.judged_on
        judged = figures[judge]
        rows.append(
            {"goal": goal.text, "target": goal.target, "unit": goal.unit, "at least": goal.at_least,
             "reached": figures, "judged on": judge, "met": None if judged is None else goal.met(judged)}
        )  # fmt: skip
    return rows
