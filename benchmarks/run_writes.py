"""`make bench-writes`: hit rates, reads/s and needless misses under writes, beside the peers, in one run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> int:
    from benchmarks import contenders, invalidation, machine, options, report, tables, team
    from benchmarks.contenders.ours import knows_modes
    from benchmarks.places import places
    from benchmarks.progress import progress

    scale = options.scale()
    with places() as here, progress("make bench-writes") as advance:
        asked = options.chosen(contenders.WRITES)
        wanted = tuple(name for name in asked if name != "ours, exact" or knows_modes())
        names = team.present(wanted, here)
        left_out = team.left_out(wanted, here)
        if asked != wanted:
            left_out["ours, exact"] = ["the setting DJANGO_CACHE_ME_INVALIDATION"]
        results: dict[str, Any] = {
            "machine": machine.describe(names, here),
            "databases": here.databases[-1:],
            "contenders": list(names),
            "left out": left_out,
            "operations": options.operations(scale),
        }
        here.fill(here.databases[-1])
        results["writes"] = invalidation.measure(names, here, scale, advance)
        results["machine"]["load after"] = os.getloadavg()[0]
    tables.show(report.writes_tables(results), [*report.summary(results), *here.missing])
    options.keep(report.WRITES, results)
    # A stale answer of ours makes the run a failure.
    return int(
        any(
            one["stale"]
            for row in results["writes"]
            for name, one in row["contenders"].items()
            if name.startswith("ours")
        )
    )


if __name__ == "__main__":
    sys.exit(main())
