"""Runs the subject under callgrind, in the same surroundings each time, and reads what it counted."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.contenders import Site
from benchmarks.guard import subject
from benchmarks.guard.turns import BATCHES, TURNS
from benchmarks.places import PRAGMAS
from benchmarks.process import ROOT

#: Always the same paths: their lengths, and so what is hashed and copied, are part of the count.
FOLDER = ROOT / "build" / "guard"


def count(only: str = "") -> dict[str, int]:
    """Instructions per turn of each case whose name holds ``only``."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    store = FOLDER / "store"
    store.mkdir(parents=True)
    store.chmod(0o700)
    site: Site = {
        "contender": "ours",
        "name": "guard",
        "database": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(FOLDER / "catalogue.sqlite3"),
            "OPTIONS": {"init_command": PRAGMAS},
        },
        "store": str(store),
        "secret": "guard",
    }
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "BENCH_SITE": json.dumps(site),
        "GUARD_REQUESTS": str(_requests()),
        "GUARD_ONLY": only,
    }
    subprocess.run([sys.executable, "-m", "benchmarks.prepare"], check=True, cwd=ROOT, env=environment)
    done = subprocess.run(
        [*_without_randomised_addresses(), "valgrind", "-q", "--tool=callgrind", "--instr-atstart=no",
         f"--callgrind-out-file={FOLDER}/callgrind.out", sys.executable, "-m", "benchmarks.guard.subject"],
        check=False, cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"The program under callgrind failed:\n{done.stderr[-4000:]}")
    return _read(json.loads(done.stdout.splitlines()[-1]))


def _requests() -> Path:
    library = FOLDER / "requests.so"
    source = ROOT / "benchmarks" / "guard" / "requests.c"
    subprocess.run(
        [os.environ.get("CC", "cc"), "-O1", "-shared", "-fPIC", "-o", library, source], check=True, cwd=ROOT
    )
    return library


def _without_randomised_addresses() -> list[str]:
    """Hashes of objects without a hash of their own are their addresses. (A container may forbid this; under
    valgrind addresses hardly differ anyway.)"""
    command = ["setarch", os.uname().machine, "-R"]
    try:
        subprocess.run([*command, "true"], check=True, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return []
    return command


def _read(names: list[str]) -> dict[str, int]:
    counted: dict[str, list[int]] = {name: [] for name in names}
    for path in FOLDER.glob("callgrind.out.*"):
        text = path.read_text(errors="replace")
        trigger = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
        totals = re.search(r"^totals: (\d+)", text, re.MULTILINE)
        if trigger and totals and trigger[1] in counted:
            counted[trigger[1]].append(int(totals[1]))
    for name, numbers in counted.items():
        if len(numbers) != BATCHES:
            raise SystemExit(f"callgrind wrote {len(numbers)} counts of {name!r} to {FOLDER}")
    alone = min(counted.pop(subject.NOTHING))
    return {name: (min(numbers) - alone) // TURNS for name, numbers in counted.items()}
