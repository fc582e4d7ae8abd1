"""How much is measured and where the files go: QUICK and BENCH_SECONDS in the environment."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.process import ROOT


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    #: Seconds of measuring, all slices of a run together; starting processes and filling caches come on top.
    seconds: float
    #: Rounds of interleaved slices: of a kind of query, and of a load.
    kinds: int
    loads: int
    #: Shares of writes and numbers of processes of the mixed loads.
    shares: tuple[float, ...]
    processes: tuple[int, ...]
    #: Reads that warm a cache before a load; None: every one that a load may do, once.
    warm: int | None
    #: The same before hit rates are compared: there first sights are among the misses.
    warm_rates: int


FULL = Scale(330.0, 12, 2, (0.001, 0.01, 0.1), (1, 2, 4), None, 4000)
#: Only to see that it works.
QUICK = Scale(15.0, 3, 1, (0.01, 0.1), (1, 2), 200, 200)
#: The same in seconds, for the tests.
TINY = Scale(0.5, 1, 1, (0.1,), (1, 2), 50, 50)
#: Shares of writes of ``make bench-writes``.
MORE_SHARES: tuple[float, ...] = (0.001, 0.01, 0.1, 0.5)
#: Its operations, of each contender in each of the loads, per second of measuring.
PACE = 14


def is_quick() -> bool:
    """Whether it's only to be seen that it works."""
    return os.environ.get("QUICK", "") not in ("", "0")


def scale() -> Scale:
    chosen = FULL if not is_quick() else TINY if os.environ["QUICK"] == "tiny" else QUICK
    seconds = os.environ.get("BENCH_SECONDS")
    return replace(chosen, seconds=float(seconds)) if seconds else chosen


def chosen(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``names`` that BENCH_CONTENDERS asks for (semicolons between them), and plain Django."""
    asked = os.environ.get("BENCH_CONTENDERS")
    if not asked:
        return names
    wanted = {"plain", *(name.strip() for name in asked.split(";"))}
    return tuple(name for name in names if name in wanted)


def operations(scale: Scale) -> int:
    """Of ``make bench-writes``: of each contender in each of its loads."""
    return max(100, int(scale.seconds * PACE))


def folder() -> Path:
    """Where the results go: a quick run leaves those of the documentation alone."""
    chosen = os.environ.get("BENCH_FOLDER")
    found = Path(chosen) if chosen else ROOT / ("build/benchmarks" if is_quick() else "docs/benchmarks")
    found.mkdir(parents=True, exist_ok=True)
    return found


def keep(name: str, results: dict[str, Any]) -> None:
    """Write the JSON file, and document and plots anew."""
    from benchmarks import report

    target = folder()
    (target / name).write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    report.write(target)
    print(f"All figures: {target / name}; as a document: {target / 'results.md'}", file=sys.stderr)
