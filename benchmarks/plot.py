"""The plots of a run: SVG files, the same bytes for the same figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.kinds import HIT

COLOURS = {
    "plain": "#9e9e9e", "ours": "#1b7837", "ours, exact": "#1b7837", "ours on Redis": "#7fbf7b",
    "ours, model": "#7fbf7b", "cacheops": "#d6604d", "cachalot on Redis": "#2166ac",
    "cachalot on locmem": "#67a9cf", "cachalot on Memcached": "#8073ac",
}  # fmt: skip


def hits(results: dict[str, Any], folder: Path) -> None:
    """hits.svg: every kind of hit, a panel for each database; mixed.svg: reads/s."""
    plt = _pyplot()
    names = results["contenders"]
    figure, panels = plt.subplots(
        1, len(results["databases"]), figsize=(7 * len(results["databases"]), 10), squeeze=False, sharey=True
    )
    for panel, database in zip(panels[0], results["databases"]):
        rows = [row for row in results["hits"] if (row["database"], row["group"]) == (database, HIT)]
        _bars(panel, [row["kind"] for row in rows], names, lambda at, name, r=rows: _median(r[at], name))
        panel.set_xscale("log")
        panel.set_xlabel("µs, median (log scale; shorter is better)")
        panel.set_title(f"A hit on {database}, beside plain Django")
        panel.set_xlim(left=1)
    panels[0][0].invert_yaxis()  # which all panels share
    panels[0][0].legend(fontsize="small")
    _save(figure, folder / "hits.svg")
    rows = results["mixed"]
    if rows:
        numbers = sorted({row["processes"] for row in rows})
        figure, panels = plt.subplots(1, len(numbers), figsize=(5 * len(numbers), 4.5), squeeze=False)
        for panel, number in zip(panels[0], numbers):
            these = [row for row in rows if row["processes"] == number]
            _lines(panel, these, names, lambda one: one["reads/s"])
            panel.set_yscale("log")
            panel.set_ylabel("reads/s (log scale)")
            panel.set_title(f"Mixed load, processes: {number}")
        panels[0][0].legend(fontsize="small")
        _save(figure, folder / "mixed.svg")


def writes(results: dict[str, Any], folder: Path) -> None:
    """writes.svg: hit rate, reads/s and needless misses by the share of writes."""
    plt = _pyplot()
    figure, (rate, speed, needless) = plt.subplots(1, 3, figsize=(15, 4.5))
    names, rows = results["contenders"], results["writes"]
    caches = [name for name in names if name != "plain"]
    _lines(rate, rows, caches, lambda one: one["all"]["hit rate"] * 100)
    rate.set_ylabel("%")
    rate.set_title("Hit rate")
    _lines(speed, rows, names, lambda one: one["reads/s"])
    speed.set_yscale("log")
    speed.set_title("Reads/s (log scale)")
    _lines(needless, rows, caches, lambda one: (one["all"]["needless rate"] or 0) * 100)
    needless.set_ylabel("% of all misses")
    needless.set_title("Needless misses")
    speed.legend(fontsize="small")
    _save(figure, folder / "writes.svg")


def _median(row: dict[str, Any], name: str) -> float:
    return float(row["contenders"][name]["median"])


def _bars(panel: Any, labels: list[str], names: list[str], figure: Any) -> None:
    height = 0.8 / len(names)
    for at, name in enumerate(names):
        places = [place + (at - (len(names) - 1) / 2) * height for place in range(len(labels))]
        values = [figure(place, name) for place in range(len(labels))]
        panel.barh(places, values, height, label=name, color=COLOURS.get(name))
    panel.set_yticks(range(len(labels)), labels)
    panel.grid(axis="x", alpha=0.3)


def _lines(panel: Any, rows: list[dict[str, Any]], names: list[str], figure: Any) -> None:
    for name in names:
        there = [row for row in rows if name in row["contenders"]]
        if there:
            panel.plot(
                [row["writes"] * 100 for row in there],
                [figure(row["contenders"][name]) for row in there],
                marker="o", label=name, color=COLOURS.get(name),
                # Lines that are the same are seen one through the other.
                linewidth=5 if name.startswith("ours") else 1.5,
            )  # fmt: skip
    shares = [row["writes"] * 100 for row in rows]
    panel.set_xscale("log")
    panel.set_xticks(shares, [f"{share:g} %" for share in shares])
    panel.minorticks_off()
    panel.set_xlabel("writes")
    panel.grid(alpha=0.3)


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "django-cache-me", "svg.fonttype": "none"})
    import matplotlib.pyplot as plt

    return plt


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    _pyplot().close(figure)
