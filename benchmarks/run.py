"""`make bench`: hits, costs and mixed loads beside the peers, the store beside other stores, in one run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> int:
    from benchmarks import contenders, engine, hits, machine, mixed, options, report, stores, tables, team
    from benchmarks.costs import parts, start
    from benchmarks.places import places
    from benchmarks.progress import progress

    quick, scale = options.is_quick(), options.scale()
    with places() as here, progress("make bench") as advance:
        if scale == options.TINY:
            here.databases = here.databases[-1:]
        wanted = options.chosen(contenders.HITS)
        names = team.present(wanted, here)
        results: dict[str, Any] = {
            "machine": machine.describe(names, here),
            "databases": here.databases,
            "contenders": list(names),
            "left out": team.left_out(wanted, here),
            "missing": here.missing,
        }
        for database in here.databases:
            here.fill(database)
        results["hits"] = hits.measure(names, here, scale, advance)
        results["start"] = start.measure(names, here, 3 if quick else 7, advance)
        results["parts"] = parts.measure(here) if "ours" in names else {}
        results["mixed"] = mixed.measure(names, here, scale, advance)
        if scale != options.TINY:
            results["stores"] = stores.measure(here.memory, here.sockets["redis"], quick)
        results["engine"] = [] if quick else engine.measure()
        results["machine"]["load after"] = os.getloadavg()[0]
    tables.show(report.hits_tables(results), [*report.summary(results), *here.missing])
    options.keep(report.HITS, results)
    # What ours should have answered from the cache, and did not, makes the run a failure.
    return int(any(not row["contenders"]["ours"]["as it should"] for row in results["hits"]))


if __name__ == "__main__":
    sys.exit(main())
