"""`make bench`: every comparison in one run, printed as tables and kept as build/bench.json."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> None:
    from benchmarks import peers, stores
    from benchmarks.contender import CONTENDERS

    results: dict[str, Any] = {"machine": _machine()}
    results["stores"] = stores.measure()
    _print("Store, ns per operation from Python", results["stores"], ["ours", "redis", "diskcache", "lmdb"])
    results["hits"] = peers.measure()
    _print("Hits, µs (median)", results["hits"], ["ours", *(n for n in CONTENDERS if n != "ours")])
    results["engine"] = _engine()
    target = ROOT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=1))
    print(f"All figures: {target.relative_to(ROOT)}")


def _print(title: str, rows: list[dict[str, Any]], contenders: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    first, *others = contenders
    labels = [name for name, value in rows[0].items() if isinstance(value, str)]
    for name in labels + contenders + [f"{other}/{first}" for other in others]:
        table.add_column(name, justify="left" if name in labels else "right")
    for row in rows:
        table.add_row(
            *(str(row[name]) for name in labels),
            *(f"{row[name]:,.0f}" if row[name] >= 100 else f"{row[name]:.1f}" for name in contenders),
            *(f"{row[other] / row[first]:.1f}×" for other in others),
        )
    Console(width=180).print(table)


def _machine() -> dict[str, str]:
    import django

    return {
        "python": platform.python_version(),
        "django": django.get_version(),
        "system": platform.platform(),
        "processor": _processor(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _engine() -> list[dict[str, Any]]:
    """The engine's own benchmarks (Google Benchmark), without Python in between."""
    found: list[dict[str, Any]] = []
    for program in sorted((ROOT / "build" / "release" / "engine").glob("*_bench")):
        done = subprocess.run(
            [program, "--benchmark_min_time=0.05", "--benchmark_format=json"],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        measured = json.loads(done.stdout)["benchmarks"]
        print(f"\n{program.name}")
        for row in measured:
            print(f"  {row['name']:<60} {row['real_time']:>12,.0f} {row['time_unit']}")
        found += [{"program": program.name, **row} for row in measured]
    return found


if __name__ == "__main__":
    main()
