"""Where somebody else is better than we are: computed from the figures."""

from __future__ import annotations

from typing import Any

from benchmarks.kinds import BUILD, HIT, NOTHING

OURS = ("ours", "ours on Redis", "ours, exact", "ours, model")


def better(results: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each comparison that another contender wins: what, who is the best of them, the figures.

    ``wins``: how many of them are better than we are.
    """
    found = []
    for row in results.get("hits", []):
        if row["group"] in (BUILD, NOTHING):
            continue
        for what in ("median", "p99"):
            figures = {
                name: one[what]
                for name, one in row["contenders"].items()
                # A peer that asked the database where a hit was due has not won by its cache, and where
                # no hit is due, no cache is as quick as none: the table of costs says by how much.
                if one["as it should"] and (name != "plain" or row["group"] == HIT)
            }
            found += _losses(f"{row['database']}: {row['kind']}, {what}", figures, "ours", "µs", least=True)
    for row in results.get("mixed", []):
        what = f"{row['database']}: {row['writes']:.1%} writes, processes: {row['processes']}"
        figures = {name: one["reads/s"] for name, one in row["contenders"].items()}
        found += _losses(what, figures, "ours", "reads/s", least=False)
    for row in results.get("writes", []):
        ours = "ours, exact" if "ours, exact" in row["contenders"] else "ours, model"
        for unit in ("reads/s", "hit rate", "µs per read", "µs per write"):
            figures = {
                name: one["all"]["hit rate"] if unit == "hit rate" else one[unit]
                for name, one in row["contenders"].items()
                # Wrong answers may be as quick as they like; and no cache writes as quickly as none.
                if name == ours or not (one["stale"] or (name == "plain" and unit == "µs per write"))
            }
            what = f"{row['database']}: {row['writes']:.1%} writes, {unit}"
            if None not in figures.values():
                found += _losses(what, figures, ours, unit, least=unit.startswith("µs"))
    return found


def _losses(what: str, figures: dict[str, float], ours: str, unit: str, least: bool) -> list[dict[str, Any]]:
    if ours not in figures:
        return []
    mine = figures[ours]
    winners = {
        name: figure
        for name, figure in figures.items()
        if name not in OURS and (figure < mine if least else figure > mine)
    }
    if not winners:
        return []
    who = (min if least else max)(winners, key=lambda name: winners[name])
    return [
        {"what": what, "who": who, "theirs": winners[who], "ours": mine, "unit": unit, "wins": len(winners)}
    ]
