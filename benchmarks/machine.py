"""Where and with what a run was made."""

from __future__ import annotations

import datetime
import gc
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.places import Places
from benchmarks.process import ROOT
from benchmarks.team import versions


def describe(names: tuple[str, ...], places: Places) -> dict[str, Any]:
    import django
    import psycopg

    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "cores this run may use": sorted(os.sched_getaffinity(0)),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": platform.platform(),
        "load before": os.getloadavg()[0],
        "garbage collection": f"on in all processes, {gc.get_threshold()}; a full one before each slice",
        "commit": _commit(),
        "versions": {
            "Python": platform.python_version(),
            "Django": django.get_version(),
            "psycopg": psycopg.__version__,
            **places.server_versions(),
            **{name: number for name, number in versions(names).items() if name != "django"},
        },
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """The sources' commit; with a + where they have been changed since."""
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], check=True, cwd=ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return told.stdout.strip()
