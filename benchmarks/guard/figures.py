"""The figures in the repository: what was counted, with what, and why they are what they are."""

from __future__ import annotations

import json
import platform
import sqlite3
from typing import Any

from benchmarks.process import ROOT

FILE = ROOT / "benchmarks" / "instructions.json"
#: Parts by which a count may grow.
MOST = 0.05
#: Reasons that are kept with the figures of one interpreter.
REASONS = 20


def interpreter() -> str:
    """The key of the figures: counts on different ones tell nothing of each other."""
    version = ".".join(platform.python_version_tuple()[:2])
    return f"{platform.python_implementation()} {version} {platform.machine()}"


def surroundings() -> dict[str, str]:
    """What the counts depend on besides this repository. They are compared only where this is the same."""
    import django

    return {
        "Python": f"{platform.python_version()}, {platform.python_compiler()}",
        "Django": ".".join(map(str, django.VERSION[:2])),
        "SQLite": sqlite3.sqlite_version,
        "libc": " ".join(platform.libc_ver()),
    }


def kept() -> dict[str, Any]:
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def why_not_comparable() -> str:
    """Why nothing here can be compared with the figures that are kept, or ""."""
    known = kept().get(interpreter())
    if known is None:
        return f"no figures are kept for {interpreter()}, only for {', '.join(kept()) or 'none'}"
    here = surroundings()
    others = [f"{name} {known['with'].get(name)} (here: {own})" for name, own in here.items()
              if known["with"].get(name) != own]  # fmt: skip
    return f"the figures for {interpreter()} were counted with {'; '.join(others)}" if others else ""


def keep(counted: dict[str, int], reason: str) -> None:
    figures = kept()
    reasons = figures.get(interpreter(), {}).get("reasons", [])
    figures[interpreter()] = {
        "with": surroundings(),
        "instructions": counted,
        "reasons": [reason, *reasons][:REASONS],
    }
    FILE.write_text(json.dumps(figures, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def grown(counted: dict[str, int], figures: dict[str, int]) -> list[str]:
    """What has grown by more than it may, in words. A case that isn't kept yet has grown too."""
    complaints = []
    for name, number in counted.items():
        old = figures.get(name)
        if old is None:
            complaints.append(f"{name}: {number:,} instructions, and no figure is kept")
        elif number > old * (1 + MOST):
            complaints.append(f"{name}: {number:,} instructions, {number / old - 1:.1%} more than {old:,}")
    return complaints


def shrunk(counted: dict[str, int], figures: dict[str, int]) -> list[str]:
    """What takes so much less by now that the figure kept would let it grow back unseen."""
    return [f"{name}: {number:,} in place of {figures[name]:,}" for name, number in counted.items()
            if name in figures and number < figures[name] * (1 - MOST)]  # fmt: skip
