"""The tables of a run, and the document docs/benchmarks/results.md: made from the JSON files alone.

Run as a program it makes document and plots anew from the JSON files that are there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import goals, verdict
from benchmarks.costs.parts import DEPENDENCIES
from benchmarks.hits import added
from benchmarks.kinds import HIT, NOTHING
from benchmarks.tables import Table, best, bold, number, percent, times

HITS, WRITES = "bench.json", "bench-writes.json"


def hits_tables(results: dict[str, Any]) -> list[Table]:
    """All of ``make bench``."""
    found = []
    for database in results["databases"]:
        found += [_medians(results, database, "median"), _ratios(results, database)]
        found += [_medians(results, database, "p99"), _costs(results, database)]
    found += [_start(results), _parts(results)]
    return [*found, _mixed(results), _goals(results), _better(results), *_stores(results)]


def writes_tables(results: dict[str, Any]) -> list[Table]:
    """All of ``make bench-writes``."""
    return [_rates(results), _misses(results), _better(results)]


def _medians(results: dict[str, Any], database: str, what: str) -> Table:
    table = Table(
        f"{database}: µs, {what}",
        ["", *results["contenders"]],
        note=f"The quickest is bold. `*`: {_STATEMENTS}",
    )
    for row in results["hits"]:
        if row["database"] == database:
            contenders = row["contenders"]
            winner = best({name: one[what] for name, one in contenders.items()}, least=True)
            marks = {name: "" if one["as it should"] else " *" for name, one in contenders.items()}
            bare = row["group"] == NOTHING
            table.rows.append(
                [row["kind"]]
                + [
                    bold(number(one[what]), name == winner and not bare) + marks[name]
                    for name, one in contenders.items()
                ]
            )
    return table


_STATEMENTS = "the database was sent another number of statements than it should (a hit: none; a miss: one)."


def _ratios(results: dict[str, Any], database: str) -> Table:
    """Only in tables of hits: how many times as long as ours the others take."""
    others = [name for name in results["contenders"] if name != "ours"]
    table = Table(f"{database}: hits, times as long as ours", ["", *others])
    for row in results["hits"]:
        if (row["database"], row["group"]) == (database, HIT):
            ours = row["contenders"]["ours"]["median"]
            table.rows.append(
                [row["kind"], *(times(row["contenders"][name]["median"] / ours) for name in others)]
            )
    return table


def _costs(results: dict[str, Any], database: str) -> Table:
    caches = [name for name in results["contenders"] if name != "plain"]
    table = Table(
        f"{database}: µs added to plain Django where no hit helps",
        ["", *caches],
        note="The median of the rounds' differences: it may be below nought by what the machine's noise is.",
    )
    for row in results["hits"]:
        if row["database"] == database and row["group"] not in (HIT, NOTHING):
            costs: dict[str, float | None] = {name: added(row, name) for name in caches}
            winner = best(costs, least=True)
            table.rows.append(
                [row["kind"], *(bold(number(cost), name == winner) for name, cost in costs.items())]
            )
    return table


def _start(results: dict[str, Any]) -> Table:
    """Of files that older runs left: empty."""
    names = results["contenders"]
    table = Table(
        "A worker process before its first page", ["", *names], note="Memory that is its own alone."
    )
    for what in next(iter(results.get("start", {}).values()), {}):
        figures = {name: results["start"][name][what] for name in names}
        table.rows.append([what, *map(number, figures.values())])
    return table


def _parts(results: dict[str, Any]) -> Table:
    parts = dict(results.get("parts") or {})
    table = Table("Of a save and a miss, the engine's share", ["", "µs, called from Python"])
    if parts:
        table.note = f"The save bumps {parts.pop(DEPENDENCIES):.0f} dependencies."
    table.rows = [[what, number(figure)] for what, figure in parts.items()]
    return table


def _mixed(results: dict[str, Any]) -> Table:
    names = results["contenders"]
    table = Table(
        "Mixed load: reads/s (hit rate)",
        ["processes", "writes", *names],
        note="–: a cache that is private to a process, and stale as soon as another one writes.",
        labels=2,
    )
    for row in results["mixed"]:
        figures = {name: row["contenders"].get(name) for name in names}
        winner = best({name: one and one["reads/s"] for name, one in figures.items()}, least=False)
        table.rows.append(
            [str(row["processes"]), percent(row["writes"])]
            + [
                "–" if one is None
                else bold(number(one["reads/s"]), name == winner) + f" ({one['hit rate']:.0%})"
                for name, one in figures.items()
            ]
        )  # fmt: skip
    return table


def _goals(results: dict[str, Any]) -> Table:
    databases = results["databases"]
    table = Table(
        "Goals",
        ["goal", "target", *databases, "met"],
        note=f"Met or not is judged on {databases[-1]}; where that is another one, it is named. A server's "
        "answers come tens of µs sooner or later, from one process to the next, so a few µs are judged where "
        "none is asked.",
    )
    for row in goals.reached(results):
        unit = "" if row["unit"] in ("", "×", "%") else " "
        target = f"{'≥' if row['at least'] else '≤'} {row['target']:g}{unit}{row['unit']}"
        figures = [row["reached"][database] for database in databases]
        table.rows.append(
            [row["goal"], target]
            + ["–" if one is None else f"{number(one)}{unit}{row['unit']}" for one in figures]
            + [_verdict(row, databases[-1])]
        )
    return table


def _verdict(row: dict[str, Any], usual: str) -> str:
    verdict = "–" if row["met"] is None else "yes" if row["met"] else "**no**"
    return verdict if row["judged on"] == usual else f"{verdict} ({row['judged on']})"


def _better(results: dict[str, Any]) -> Table:
    table = Table(
        "Where another is better than ours",
        ["what", "the best", "theirs", "ours", "unit", "how many"],
        note="How many: of the others that are better than ours in this.",
        labels=2,
    )
    for row in verdict.better(results):
        as_text = percent if row["unit"] == "hit rate" else number
        table.rows.append(
            [
                row["what"],
                row["who"],
                as_text(row["theirs"]),
                as_text(row["ours"]),
                row["unit"],
                str(row["wins"]),
            ]
        )
    return table


def _stores(results: dict[str, Any]) -> list[Table]:
    found = []
    if results.get("stores"):
        names = [name for name, value in results["stores"][0].items() if isinstance(value, float)]
        labels = [name for name in results["stores"][0] if name not in names]
        store = Table("The store alone: ns per operation, from Python", [*labels, *names], labels=len(labels))
        for row in results["stores"]:
            winner = best({name: row[name] for name in names}, least=True)
            store.rows.append(
                [str(row[name]) for name in labels]
                + [bold(number(row[name]), name == winner) for name in names]
            )
        found.append(store)
    if results.get("engine"):
        engine = Table("The engine alone, from C++", ["", "time"])
        engine.rows = [
            [row["name"], f"{number(row['real_time'])} {row['time_unit']}"] for row in results["engine"]
        ]
        found.append(engine)
    return found


def _rates(results: dict[str, Any]) -> Table:
    names = results["contenders"]
    table = Table(
        "Under writes, one process: reads/s and hit rate",
        ["writes", "", *names],
        note="Stale: answers that differ from plain Django's after the very same operations.",
        labels=2,
    )
    for row in results["writes"]:
        ones = {name: row["contenders"][name] for name in names}
        rate = {name: one["reads/s"] for name, one in ones.items()}
        share = percent(row["writes"])
        fastest = best(rate, least=False)
        lines = {
            "reads/s": [bold(number(value), name == fastest) for name, value in rate.items()],
            "hit rate": [percent(one["all"]["hit rate"]) for one in ones.values()],
            "µs per read": [number(one["µs per read"]) for one in ones.values()],
            "µs per write": [number(one["µs per write"]) for one in ones.values()],
            "stale": [str(one["stale"]) for one in ones.values()],
        }
        table.rows += [[share, what, *cells] for what, cells in lines.items()]
    return table


def _misses(results: dict[str, Any]) -> Table:
    names = [name for name in results["contenders"] if name != "plain"]
    table = Table(
        "Needless misses: the answer had not changed",
        ["writes", "kinds", *names],
        note="Needless of all misses (and the share); first: at first sight, among all. "
        "Covered: kinds known by key or by value.",
        labels=2,
    )
    for row in results["writes"]:
        for what in ("all", "covered"):
            cells = []
            for name in names:
                one = row["contenders"][name][what]
                share = percent(one["needless rate"])
                cells.append(f"{one['needless']} of {one['misses']} ({share}), {one['first']} first")
            table.rows.append([percent(row["writes"]), what, *cells])
    return table


def summary(results: dict[str, Any]) -> list[str]:
    """A few sentences, each with computed figures."""
    lines = []
    if "hits" in results:
        judged = [row["met"] for row in goals.reached(results) if row["met"] is not None]
        lines.append(f"Goals met: {sum(judged)} of {len(judged)}.")
        wrong = [
            f"{name}, {row['kind']} on {row['database']}"
            for row in results["hits"]
            for name, one in row["contenders"].items()
            if not one["as it should"]
        ]
        lines.append(f"Statements that should not have been, or were missing: {'; '.join(wrong) or 'none'}.")
    lost = verdict.better(results)
    lines.append(f"Comparisons that another wins: {len(lost)}.")
    return lines


def document(folder: Path) -> str:
    """The text of results.md, from the files in ``folder``."""
    parts = ["# Results", "", "Made by `make bench` and `make bench-writes`; not to be edited by hand.", ""]
    for title, name, tables, plots in (
        ("Hits, costs, mixed loads", HITS, hits_tables, ("hits.svg", "mixed.svg")),
        ("Invalidation under writes", WRITES, writes_tables, ("writes.svg",)),
    ):
        path = folder / name
        if not path.exists():
            parts += [f"No run of {title.lower()} is kept here yet.", ""]
            continue
        results = json.loads(path.read_text())
        parts += [f"# {title}", "", *(f"- {line}" for line in summary(results)), ""]
        parts += [f"![{title}]({plot})" for plot in plots if (folder / plot).exists()]
        parts += ["", *(table.markdown() for table in tables(results)), _machine(results).markdown()]
    return "\n".join(parts).rstrip() + "\n"


def _machine(results: dict[str, Any]) -> Table:
    machine = dict(results["machine"])
    every = ", ".join(f"{name} {number}" for name, number in machine.pop("versions").items())
    table = Table(
        f"Machine of this run ({'hits' if 'hits' in results else 'writes'})", ["", "what"], labels=2
    )
    table.rows = [[name, str(value)] for name, value in {**machine, "versions": every}.items()]
    left_out = results.get("left out") or {}
    table.rows += [[f"left out: {name}", "missing: " + ", ".join(what)] for name, what in left_out.items()]
    return table


def write(folder: Path) -> None:
    """Document and plots, from the files in ``folder``."""
    from benchmarks import plot

    for name, draw in ((HITS, plot.hits), (WRITES, plot.writes)):
        if (folder / name).exists():
            draw(json.loads((folder / name).read_text()), folder)
    (folder / "results.md").write_text(document(folder))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
