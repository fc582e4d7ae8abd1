"""`make guard` counts and compares; `make guard-update REASON="…"` keeps what was counted."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

HOW = 'If that is worth it, commit new figures with the reason: make guard-update REASON="why it grew"'


def main() -> int:
    from benchmarks.guard import counting, figures

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", metavar="REASON", help="keep the new figures, for this reason")
    parser.add_argument("--only", metavar="TEXT", default="", help="count the cases with it in their names")
    arguments = parser.parse_args()
    reason = arguments.update
    if reason is not None and arguments.only:
        parser.error("figures are kept of all cases at once")
    if reason is not None and not reason.strip():
        parser.error('say why the figures change: make guard-update REASON="…"')
    if not shutil.which("valgrind"):
        print("instruction counts: valgrind is missing (Debian: valgrind)", file=sys.stderr)
        return int(bool(os.environ.get("CI")) or reason is not None)
    if reason is None:
        why_not = figures.why_not_comparable()
        if why_not:
            print(f"instruction counts: skipped; {why_not}")
            return 0
    counted = counting.count(arguments.only)
    old = figures.kept().get(figures.interpreter(), {}).get("instructions", {})
    for name, number in counted.items():
        change = f"{number / old[name] - 1:+8.2%}" if name in old else "     new"
        print(f"{number:>12,} {change}  {name}")
    if reason is not None:
        figures.keep(counted, reason.strip())
        print(f"kept in {figures.FILE}")
        return 0
    complaints = figures.grown(counted, old)
    if complaints:
        print("Instruction counts have grown by over 5 %:", *complaints, HOW, sep="\n  ", file=sys.stderr)
        return 1
    less = figures.shrunk(counted, old)
    if less:
        print("Faster by over 5 %; keep that with make guard-update:", *less, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
