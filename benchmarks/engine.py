"""The engine's own benchmarks (Google Benchmark), without Python in between; none if they aren't built."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from benchmarks.process import ROOT


def measure() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for program in sorted((ROOT / "build" / "release" / "engine").glob("*_bench")):
        done = subprocess.run(
            [program, "--benchmark_min_time=0.05", "--benchmark_format=json"],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        found += [
            {"program": program.name, **{what: row[what] for what in ("name", "real_time", "time_unit")}}
            for row in json.loads(done.stdout)["benchmarks"]
        ]
    return found
